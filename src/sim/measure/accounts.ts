/**
 * The final accounts: the destination of every node's money, channel by channel. The answers to
 * callers of `pay` are compared with the chain's amounts; a difference is a loss of one side and a
 * gain of the other, and has to be explained.
 */
import { newestHeld } from '../../channel/publishable.js'
import { ageOf, publishHeightOf, stateOfLock } from '../../channel/schedule.js'
import type { SimChain } from '../../testing/chain.js'
import type { Absence, SimNode } from '../node.js'
import type { ChannelResult, Loss, NodeResult } from '../results.js'
import type { Adversary } from '../scenario/scenario.js'
import type { Books } from './books.js'
import { ChannelRecord, channelResult, type Ending, endingOf } from './channels.js'
import type { Publications } from './publications.js'

/* Finds the reason for a node's loss by evidence; "unexplained" without any, which means a bug. */

/** The evidence about a lost race. Heights are of tips. */
export interface Evidence {
  /** Satoshis lost against the newest state. */
  readonly amount: number
  /**
   * The height at which its newest state could be published first, and the height of the block with
   * the other one.
   */
  readonly from: number
  readonly to: number
  /** Its bids, oldest first, in sat/vB. */
  readonly bids: ReadonlyArray<{ readonly height: number; readonly rate: number }>
  /** The feerate needed for the block of a height, in sat/vB. */
  readonly thresholdAt: (height: number) => number
  /**
   * True when the block of a height came with others in a reorganisation, so that nobody could bid
   * for it.
   */
  readonly cameAtOnce: (height: number) => boolean
  /**
   * The other side's fee in the mempools before the block of a height, in satoshis: replacing it
   * costs as much (BIP125).
   */
  readonly inTheWayAt: (height: number) => number
  /** Virtual bytes of the transaction that it had to bring into a block. */
  readonly vsize: number
  readonly absences: readonly Absence[]
  /** True when its disk lost writes that it had called safe. */
  readonly lostWrites: boolean
}

/** Output 0 below this is left to the other side (dust). */
const DUST = 330
/** The least value of a P2WPKH output, beside the fee. */
const LEAST_OUTPUT = 294

export function reasonOf(evidence: Evidence): Pick<Loss, 'why' | 'text'> {
  const {
    amount,
    from,
    to,
    bids,
    thresholdAt,
    cameAtOnce,
    inTheWayAt,
    vsize,
    absences,
    lostWrites
  } = evidence
  if (amount < DUST) {
    return { why: 'economics', text: `${amount} sat are dust, which no transaction can pay out` }
  }
  const heights = Array.from({ length: Math.max(0, to - from) }, (_, i) => from + 1 + i).filter(
    (height) => height === to || !cameAtOnce(height)
  )
  const costAt = (height: number): number =>
    Math.max(thresholdAt(height) * vsize, inTheWayAt(height))
  const cheapest = Math.min(...heights.map(costAt))
  if (heights.length > 0 && cheapest + LEAST_OUTPUT >= amount) {
    return {
      why: 'economics',
      text: `a block would have cost ${Math.ceil(cheapest)} sat at the least, and ${amount} sat were at stake`
    }
  }
  // News of the newest block may still be on its way, and a bid is for the next one.
  const missed = (kind: Absence['kind']): number =>
    heights.filter((height) =>
      absences.some(
        (absence) => absence.kind === kind && height - 1 >= absence.from && height - 1 <= absence.to
      )
    ).length
  const [down, blind] = [missed('down'), missed('blind')]
  const seen = heights.filter(
    (height) => !absences.some((absence) => height - 1 >= absence.from && height - 1 <= absence.to)
  )
  const couldBid = seen.filter((height) => costAt(height) + LEAST_OUTPUT < amount)
  if (couldBid.length === 0 && down + blind > 0) {
    return down >= blind
      ? {
          why: 'absence',
          text: `it was down for ${down} of the ${heights.length} blocks in which it could have published`
        }
      : {
          why: 'lied',
          text: `its server showed it nothing for ${blind} of ${heights.length} blocks`
        }
  }
  if (lostWrites) return { why: 'forgot', text: 'its disk lost writes that it had called safe' }
  // The block after a bid may have come before the bid arrived. In the block with the other state,
  // a miner chose between the two.
  if (
    bids.length > 0 &&
    heights.every(
      (height) =>
        height === to ||
        (bids.filter((bid) => bid.height < height - 1).at(-1)?.rate ?? 0) < thresholdAt(height)
    )
  ) {
    return {
      why: 'stuck',
      text: `it bid ${Math.round(bids[0]?.rate ?? 0)} to ${Math.round(bids.at(-1)?.rate ?? 0)} sat/vB in ${heights.length} blocks, and none took it`
    }
  }
  return {
    why: 'unexplained',
    text: `it could have had ${amount} sat by a block between ${from} and ${to}, and did not`
  }
}

const PLAYED: Readonly<Record<Adversary['kind'], string>> = {
  'publish-old': 'publishes old states',
  'phantom-state': 'shows states that no block takes',
  'premature-rival': 'shows spends whose locks lie in the future',
  'chosen-output': 'gives the payer an output that it chose',
  bluff: 'bids old states up for show',
  'fat-state': 'publishes states of 10,000 vB',
  'dear-close': 'has closes and states pay nearly everything as fee',
  'direct-miner': 'hands old states to a miner',
  'pinning-renewal': 'renews by a transaction of 10,000 vB',
  'draining-renewal': 'leaves renewals no blocks for payments',
  'free-peers': 'sends strangers',
  'refuse-turns': 'grants no turn',
  'refuse-acks': 'acknowledges no payment',
  silent: 'stops answering',
  flood: 'floods its peers'
}

/**
 * The reason of a node that an adversary plays. An honest node's conduct does not apply to it, so
 * its losses are not a bug; the honest reason is told beside it all the same.
 *
 * @param publishedOld - true when it did so in the channel
 */
export function dishonestReason(
  kinds: ReadonlyArray<Adversary['kind']>,
  publishedOld: boolean,
  { text }: Pick<Loss, 'text'>
): Pick<Loss, 'why' | 'text'> {
  const played = [...new Set(kinds)].map((kind) => PLAYED[kind]).join(' and ')
  return {
    why: 'dishonest',
    text: `an adversary plays it, one that ${played}${publishedOld ? '; here it published an old state' : ''}: ${text}`
  }
}

interface Account {
  begin: number
  inChannels: number
  sent: number
  received: number
  fees: number
  lost: number
  gained: number
}

interface AccountsWorld {
  readonly chain: SimChain
  readonly books: Books
  readonly nodes: readonly SimNode[]
  readonly records: readonly ChannelRecord[]
  readonly publications: Publications
  readonly begin: ReadonlyMap<SimNode, number>
  readonly payments: (node: SimNode) => { readonly asked: number; readonly made: number }
  /** True when a cheat has brought an old state of a channel to the mempool. */
  readonly publishedOld: (record: ChannelRecord, node: SimNode) => boolean
  readonly thresholdAt: (height: number) => number
  /** Height of the first block. */
  readonly start: number
  readonly broken: (rule: string, text: string) => void
}

const ALL_LYING: Pick<Loss, 'why' | 'text'> = {
  why: 'lied',
  text: 'none of the servers that it asks is honest'
}

/** The largest transaction that a side publishes alone (DESIGN: 180-181 vB). */
const T3_VSIZE = 181

export class Accounts {
  readonly losses: Loss[] = []
  readonly channels: ChannelResult[] = []
  readonly #accounts = new Map<SimNode, Account>()
  readonly #world: AccountsWorld

  constructor(world: AccountsWorld) {
    this.#world = world
    for (const node of world.nodes) {
      this.#accounts.set(node, {
        begin: world.begin.get(node) ?? 0,
        inChannels: 0,
        sent: 0,
        received: 0,
        fees: world.books.walletFees.get(node) ?? 0,
        lost: 0,
        gained: 0
      })
    }
    for (const record of world.records) this.channels.push(this.#close(record))
  }

  nodes(): NodeResult[] {
    return this.#world.nodes.map((node) => {
      const { begin, inChannels, sent, received, fees, lost, gained } = this.#of(node)
      const end = node.wallet.balance + this.#world.books.payoutsOf(node) + inChannels
      const reckoned = begin + received - sent - fees - lost + gained
      if (end !== reckoned) {
        this.#world.broken(
          'books',
          `${node.name} has ${end} sat, and by its payments, fees and losses it should have ${reckoned} sat`
        )
      }
      return {
        name: node.name,
        group: node.group,
        honest: node.honest,
        begin,
        end,
        sent,
        received,
        fees,
        lost,
        gained,
        payments: this.#world.payments(node),
        crashes: node.crashes
      }
    })
  }

  #close(record: ChannelRecord): ChannelResult {
    const { books, chain } = this.#world
    const { outPoint } = record
    const fundedAt = outPoint === undefined ? undefined : books.fundedAt.get(outPoint)
    // A reorganisation may have taken it back.
    if (outPoint === undefined || fundedAt === undefined || !books.isConfirmed(outPoint)) {
      return this.#result(record, outPoint === undefined ? 'abandoned' : 'unfunded', null, null)
    }
    const spend = chain.spenderOf(outPoint)
    if (spend?.height === undefined) {
      this.#stillOpen(record)
      return this.#result(record, 'open', fundedAt, null)
    }
    const states = [record.stateOf(record.client), record.stateOf(record.server)].filter(
      (state) => state !== undefined
    )
    const ending = endingOf(spend, states)
    if (ending === undefined) {
      this.#world.broken(
        'unknown spend',
        `channel ${record.number} was ended by ${spend.txid}, which neither side knows`
      )
      return this.#result(record, 'settlement', fundedAt, spend.height)
    }
    this.#settle(record, ending, spend.height)
    if (books.walletPayer(spend) === undefined) {
      this.#of(ending.payer === 'client' ? record.client : record.server).fees += ending.fee
    }
    return this.#result(record, ending.end, fundedAt, spend.height)
  }

  #settle(record: ChannelRecord, ending: Ending, height: number): void {
    const next =
      ending.end === 'renewal'
        ? this.#world.records.find(({ outPoint }) =>
            outPoint?.startsWith(this.#world.chain.spenderOf(record.outPoint ?? '')?.txid ?? '-')
          )
        : undefined
    const server = ending.server ?? next?.serverBegin
    if (server === undefined) {
      this.#world.broken(
        'renewal',
        `channel ${record.number} was renewed, and the new channel is not known`
      )
      return
    }
    this.#share(record, server, (loser, amount) => {
      this.#lose(record, loser, amount, ending, height)
    })
  }

  /**
   * Books the server's amount from a channel. An amount outside the answers to callers, open ones
   * included, is a loss.
   */
  #share(
    record: ChannelRecord,
    server: number,
    onLoss: (loser: SimNode, amount: number) => void
  ): void {
    const told = record.serverTold
    const within = Math.min(
      Math.max(server, told - record.back.unknown),
      told + record.forth.unknown
    )
    const late = within - told
    const forth = record.forth.volume + Math.max(0, late)
    const back = record.back.volume + Math.max(0, -late)
    this.#pay(record.client, record.server, forth)
    this.#pay(record.server, record.client, back)
    const beyond = server - within
    if (beyond === 0) return
    const [winner, loser] =
      beyond > 0 ? [record.server, record.client] : [record.client, record.server]
    const amount = Math.abs(beyond)
    this.#of(winner).gained += amount
    this.#of(loser).lost += amount
    onLoss(loser, amount)
  }

  #stillOpen(record: ChannelRecord): void {
    const newest = record.newest()
    const server = newest === undefined ? record.serverTold : ChannelRecord.serverShare(newest)
    this.#of(record.server).inChannels += server
    this.#of(record.client).inChannels += record.capacity - server
    this.#share(record, server, (loser, amount) => {
      const forgot = record.client.lostWrites + record.server.lostWrites > 0
      this.#note(
        record,
        loser,
        this.#world.chain.height,
        amount,
        this.#judged(
          record,
          loser,
          forgot
            ? { why: 'forgot', text: 'its disk lost writes that it had called safe' }
            : {
                why: 'unexplained',
                text: 'callers were told of payments that the newest state does not have'
              }
        )
      )
    })
  }

  #lose(
    record: ChannelRecord,
    loser: SimNode,
    amount: number,
    ending: Ending,
    height: number
  ): void {
    const state = record.stateOf(loser)
    const held = state === undefined ? undefined : newestHeld(state)
    const from =
      state === undefined || held === undefined
        ? height
        : Math.min(height, publishHeightOf(state.terms, held.state))
    const { why, text } = this.#judged(
      record,
      loser,
      loser.servers.areAllLying
        ? ALL_LYING
        : reasonOf({
            amount,
            from,
            to: height,
            bids: this.#world.publications.bidsOf(record, loser),
            thresholdAt: this.#world.thresholdAt,
            cameAtOnce: (height) => this.#world.chain.cameAtOnce(height),
            inTheWayAt: this.#inTheWay(record, loser),
            vsize: T3_VSIZE,
            absences: loser.absences,
            lostWrites: loser.lostWrites > 0
          })
    )
    this.#note(record, loser, height, amount, {
      why,
      text: `${ending.end}${ending.state === undefined ? '' : ` of turn ${ageOf(ending.state) - 1}`} in block ${height}: ${text}`
    })
  }

  /** States of the other side; a transaction signed by both does not count. */
  #inTheWay(record: ChannelRecord, loser: SimNode): (block: number) => number {
    const terms = record.newest()?.terms
    const closes = [record.stateOf(record.client), record.stateOf(record.server)].flatMap(
      (state) => state?.closes ?? []
    )
    const own = new Set<string>(
      [...this.#world.publications.bidsOf(record, loser), ...closes].map(({ txid }) => txid)
    )
    const others = this.#world.chain
      .contestsOf(record.outPoint ?? '')
      .filter(
        ({ transaction }) =>
          terms !== undefined &&
          stateOfLock(terms, transaction.lockTime) !== undefined &&
          !own.has(transaction.txid)
      )
    return (block) =>
      others.reduce(
        (most, { transaction, from, to }) =>
          from < block && to >= block - 1 ? Math.max(most, transaction.fee) : most,
        0
      )
  }

  #judged(
    record: ChannelRecord,
    loser: SimNode,
    reason: Pick<Loss, 'why' | 'text'>
  ): Pick<Loss, 'why' | 'text'> {
    return loser.honest
      ? reason
      : dishonestReason(loser.adversaries, this.#world.publishedOld(record, loser), reason)
  }

  #note(
    record: ChannelRecord,
    loser: SimNode,
    height: number,
    amount: number,
    { why, text }: Pick<Loss, 'why' | 'text'>
  ): void {
    this.losses.push({
      node: loser.name,
      honest: loser.honest,
      channel: record.number,
      height,
      amount,
      why,
      text
    })
    if (why === 'unexplained') {
      this.#world.broken(
        'loss',
        `${loser.name} lost ${amount} sat in channel ${record.number}: ${text}`
      )
    }
  }

  #pay(from: SimNode, to: SimNode, amount: number): void {
    this.#of(from).sent += amount
    this.#of(to).received += amount
  }

  #result(
    record: ChannelRecord,
    end: ChannelResult['end'],
    fundedAt: number | null,
    spentAt: number | null
  ): ChannelResult {
    return channelResult(record, {
      end,
      turns: record.newest()?.ledger.turn ?? 0,
      fundedAt,
      spentAt
    })
  }

  #of(node: SimNode): Account {
    const account = this.#accounts.get(node)
    if (account === undefined) throw new Error(`${node.name} has no account`)
    return account
  }
}
