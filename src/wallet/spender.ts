/**
 * Sends coins, and raises the fees of transactions that are in no block: by a replacement, or a
 * child.
 */
import { addressFromScript, scriptFromAddress } from '../bitcoin/address.js'
import { parseTransaction, type Transaction } from '../bitcoin/transaction.js'
import { outPointFromText, outPointText, txid, type OutPoint, type Txid } from '../types/bytes.js'
import { codeOf, PaychanError } from '../types/errors.js'
import {
  blockDelta,
  blockHeight,
  feeFor,
  feeRate,
  max,
  type BlockHeight,
  type FeeRate
} from '../types/units.js'
import { signSpend } from '../bitcoin/owner-spend.js'
import {
  type ChildPlan,
  planBump,
  planChild,
  planSend,
  raisedRate,
  type SendPlan,
  unconfirmedFunding
} from './send-plan.js'
import {
  askedRate,
  checkCost,
  chosenRate,
  estimatedRate,
  incrementalOf,
  targetOf,
  type FeeChoice
} from './fee-choice.js'
import { labelChange, madeChange, type Notes } from './notes.js'
import {
  type Coin,
  type CoinLocks,
  newestOf,
  type Outgoing,
  outgoingChange,
  type OutgoingTransactions,
  type Reservations
} from './coins.js'
import { packageRefused, type Rebroadcasts } from './rebroadcasts.js'
import { spendVsize } from '../bitcoin/coin-selection.js'
import { type BumpResult, paymentOf, type SendOptions, type SendResult } from './node-wallet.js'
import type { AddressBook, OwnScript } from './addresses.js'
import type { CoinControl } from './coin-control.js'
import type { HistoryView } from './history-view.js'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import type { Chain, Change, FundingBump, Store } from '../engine/ports.js'

/** The target of a send, in blocks: within the hour. */
const SEND_TARGET = blockDelta(6)

/**
 * Signals BIP125, so that old servers too let it be replaced; `nLockTime` counts, relative locks
 * are off.
 */
const SEQUENCE = 0xfffffffd

interface SpenderInit {
  readonly chain: Chain
  readonly store: Store
  readonly network: Network
  readonly addresses: AddressBook
  readonly view: HistoryView
  readonly reservations: Reservations
  readonly outgoing: OutgoingTransactions
  readonly notes: Notes
  /** Runs one task at a time, in line with everything else that chooses or writes. */
  readonly change: <T>(task: () => Promise<T>) => Promise<T>
  readonly coins: Pick<CoinControl, 'free' | 'named'>
  readonly locks: CoinLocks
  /** Explains a lack of coins that only comes from a missing server. */
  readonly explained: <T>(choose: () => T) => T
  /** Writes the next change index together with other records. */
  readonly useChange: (own: OwnScript, records: readonly Change[]) => Promise<void>
}

export class Spender {
  readonly #init: SpenderInit
  readonly #sending: Rebroadcasts

  constructor(init: SpenderInit, sending: Rebroadcasts) {
    this.#init = init
    this.#sending = sending
  }

  async send(options: SendOptions): Promise<SendResult> {
    const { network, addresses, coins, explained, chain } = this.#init
    const { address, amount: wanted, label, message } = paymentOf(options, network)
    const to = scriptFromAddress(address, network)
    const named = options.coins?.map(outPointFromText)
    const rate = await chosenRate(chain, options, SEND_TARGET)
    const prepared = await this.#init.change(async () => {
      const changeScript = addresses.upcoming('change')
      const plan = explained(() =>
        planSend({
          coins:
            named === undefined
              ? coins.free()
              : coins.named(named, addresses.find(to) !== undefined),
          to,
          amount: wanted,
          rate,
          changeScript: changeScript.scriptPubKey,
          exact: named !== undefined
        })
      )
      if (options.dryRun === true) return { plan, outgoing: undefined }
      await checkCost(
        chain,
        {
          rate: options.feeRate === undefined ? undefined : rate,
          fee: plan.fee,
          amount: plan.amount
        },
        options.highFee
      )
      const outgoing = this.#first(
        'send',
        plan,
        to,
        wanted === 'all' ? undefined : plan.amount,
        changeScript,
        named !== undefined
      )
      await this.#write(outgoing, plan, label)
      return { plan, outgoing }
    })
    const { plan, outgoing } = prepared
    const planned = spendVsize(
      plan.inputs.length,
      plan.change === 0n ? [to] : [to, addresses.upcoming('change').scriptPubKey]
    )
    const shown = {
      to: addressFromScript(to, network),
      amount: plan.amount,
      fee: plan.fee,
      feeRate: rateOf(plan, to, rate),
      change: plan.change,
      message
    }
    if (outgoing === undefined) {
      return { ...shown, vsize: planned, txid: undefined, broadcast: false }
    }
    const transaction = newestOf(outgoing)
    return {
      ...shown,
      vsize: transaction.vsize,
      txid: outgoing.id,
      broadcast: await this.#sending.send(outgoing.id, transaction)
    }
  }

  /**
   * Raises a fee: replaces a send; T1, which is never replaced (FUND-5), gets a child.
   *
   * @param fundingOf - T1 as its channel keeps it, whether or not a server shows it
   */
  async bump(
    which: string,
    choice: FeeChoice,
    fundingOf: (id: Txid) => Uint8Array | undefined
  ): Promise<BumpResult> {
    const { chain, outgoing, view } = this.#init
    const of = txid(which)
    const known = outgoing.find(of)
    const parent = known?.kind === 'child' ? (known.inputs[0]?.outPoint.txid ?? of) : of
    // A child that T1 went ahead of has only itself to pay for.
    const isAlone = known?.kind === 'send' || view.transaction(parent)?.height !== undefined
    if (known !== undefined && isAlone) return await this.#replace(known, choice)
    const rate = await chosenRate(chain, choice, SEND_TARGET)
    const kept = fundingOf(parent)
    const asked = choice.feeRate === undefined ? undefined : rate
    return await this.#payFor(
      { txid: parent, kept: kept === undefined ? undefined : parseTransaction(kept) },
      () => rate,
      undefined,
      async () => {
        await checkCost(chain, { rate: asked }, choice.highFee)
      }
    )
  }

  /**
   * Makes a child for a T1 that does not confirm, as long as there is change to pay it from. It
   * pays at most `most`.
   */
  async bumpFunding({
    funding,
    fundingTx,
    feeRate,
    most,
    isLate,
    isRefused
  }: FundingBump): Promise<void> {
    try {
      await this.#payFor(
        { txid: funding, kept: parseTransaction(fundingTx) },
        (before, raised) => {
          const isUnpaid = before === undefined ? isRefused : this.#sending.isUnderpaid(before.id)
          return isLate || isUnpaid ? max(feeRate, raised) : feeRate
        },
        most
      )
    } catch (error) {
      // Nothing is to be done: it pays enough, has no change that may be spent, or is in a block by
      // now. What servers refuse is sent again, and raised, with the next block.
      if (
        ![
          'ERR_FEERATE_TOO_LOW',
          'ERR_INSUFFICIENT_FUNDS',
          'ERR_NO_CHANGE',
          'ERR_CANNOT_BUMP',
          'ERR_ALREADY_CONFIRMED',
          'ERR_CHAIN_UNAVAILABLE',
          'ERR_COIN_LOCKED',
          'ERR_BROADCAST_REFUSED'
        ].includes(codeOf(error))
      ) {
        throw error
      }
    }
  }

  async #replace(known: Outgoing, choice: FeeChoice): Promise<BumpResult> {
    const { addresses, chain, outgoing, view } = this.#init
    const target = targetOf(choice) ?? SEND_TARGET
    const asked = await askedRate(chain, choice)
    const estimate = asked ?? (await estimatedRate(chain, target))
    const incremental = await incrementalOf(chain)
    const { signed, plan, of } = await this.#init.change(async () => {
      // Another bump may have come first.
      const now = outgoing.find(known.id) ?? known
      this.#assertReplaceable(now.versions.map(({ txid }) => txid))
      const changeScript = addresses.upcoming('change')
      const coins = now.exact ? [] : this.#init.coins.free()
      const plan = this.#bumpPlan(now, asked, estimate, coins, changeScript, incremental)
      await checkCost(chain, { rate: asked, fee: plan.fee, amount: now.amount }, choice.highFee)
      const signed = this.#sign(now.kind, plan, now.to, now.change ?? changeScript.scriptPubKey)
      await this.#write(
        {
          ...now,
          inputs: merged(now.inputs, plan.inputs),
          change: plan.change > 0n ? (now.change ?? changeScript.scriptPubKey) : now.change,
          versions: [...now.versions, signed]
        },
        plan
      )
      return { signed, plan, of: newestOf(now).txid }
    })
    const { txid: id, vsize } = signed
    const sent = await this.#sending.send(known.id, signed)
    return {
      kind: 'replacement',
      txid: id,
      of,
      fee: plan.fee,
      feeRate: feeRate((plan.fee * 1000n) / BigInt(vsize)),
      vsize,
      broadcast: sent || view.transaction(id) !== undefined
    }
  }

  /** Without a feerate it pays the estimate, or the least that replaces when that is more. */
  #bumpPlan(
    now: Outgoing,
    asked: FeeRate | undefined,
    estimate: FeeRate,
    coins: readonly Coin[],
    changeScript: OwnScript,
    incremental: FeeRate
  ): SendPlan {
    const isThere = ({ txid }: OutPoint): boolean => this.#init.view.transaction(txid) !== undefined
    try {
      return planBump(now, estimate, coins, changeScript.scriptPubKey, isThere, incremental)
    } catch (error) {
      if (asked !== undefined || codeOf(error) !== 'ERR_FEERATE_TOO_LOW') throw error
      return planBump(now, undefined, coins, changeScript.scriptPubKey, isThere, incremental)
    }
  }

  /** @param rateOf - the fee rate of both, by the present child and the rate that raises it */
  async #payFor(
    { txid: parent, kept }: { readonly txid: Txid; readonly kept: Transaction | undefined },
    rateOf: (before: Outgoing | undefined, raised: FeeRate) => FeeRate,
    most: bigint | undefined,
    ask: () => Promise<void> = async () => {}
  ): Promise<BumpResult> {
    const { addresses, chain, view, reservations, outgoing, locks } = this.#init
    const incremental = await incrementalOf(chain)
    const { signed, plan, id } = await this.#init.change(async () => {
      this.#assertUnconfirmed([parent])
      this.#assertWanted(kept ?? view.transaction(parent)?.transaction)
      const funding = unconfirmedFunding(view, reservations, addresses, parent, kept)
      const before = outgoing.spending(funding.change.outPoint)
      if (before !== undefined) this.#assertReplaceable(before.versions.map(({ txid }) => txid))
      const coin = outPointText(funding.change.outPoint)
      if (before === undefined && locks.has(funding.change.outPoint)) {
        throw new PaychanError(
          'ERR_COIN_LOCKED',
          `Only its change ${coin} could pay for the funding transaction ${parent}, and that is locked: free it with \`paychan coins unlock ${coin}\`.`,
          { coin }
        )
      }
      const to = addresses.upcoming('change')
      const script = before?.to ?? to.scriptPubKey
      const rate = rateOf(before, raisedRate(funding, before, script, incremental))
      const plan = planChild(funding, before, script, rate, most, incremental)
      await ask()
      const next =
        before === undefined
          ? this.#first('child', plan, to.scriptPubKey, undefined, to, false)
          : {
              ...before,
              versions: [...before.versions, this.#sign('child', plan, before.to, before.to)]
            }
      await this.#write(next, plan, '', before === undefined)
      return { signed: newestOf(next), plan, id: next.id }
    })
    const sent = await this.#sendChild(id, signed, parent, kept)
    const { txid: child, vsize } = signed
    return {
      kind: 'child',
      txid: child,
      of: parent,
      fee: plan.fee,
      feeRate: plan.packageRate,
      vsize,
      broadcast: sent
    }
  }

  /**
   * Sends a child. Servers that have T1 take the child; a server that refused T1 for its fee takes
   * both as a package, and knows T1 from the refused broadcast.
   */
  async #sendChild(
    id: Txid,
    child: Transaction,
    parent: Txid,
    kept: Transaction | undefined
  ): Promise<boolean> {
    const isShown = this.#init.view.transaction(parent) !== undefined
    const alone =
      kept === undefined
        ? undefined
        : await this.#init.chain.broadcast(kept).then(
            () => undefined,
            (error: unknown) => error
          )
    try {
      return await this.#sending.send(id, child)
    } catch (error) {
      if (isShown || codeOf(error) !== 'ERR_BROADCAST_REFUSED') throw error
      throw packageRefused(parent, id, error, alone)
    }
  }

  #first(
    kind: Outgoing['kind'],
    plan: SendPlan | ChildPlan,
    to: Uint8Array,
    amount: Outgoing['amount'],
    change: OwnScript,
    exact: boolean
  ): Outgoing {
    const signed = this.#sign(kind, plan, to, change.scriptPubKey)
    return {
      id: signed.txid,
      kind,
      inputs: plan.inputs,
      to,
      amount,
      change: plan.change > 0n ? change.scriptPubKey : undefined,
      exact,
      versions: [signed]
    }
  }

  #sign(
    kind: Outgoing['kind'],
    { inputs, amount, change, fee }: SendPlan,
    to: Uint8Array,
    changeScript: Uint8Array
  ): Transaction {
    const payment = { script: to, value: amount }
    return signSpend({
      version: kind === 'child' ? 3 : 2,
      coins: inputs.map((input) => ({
        ...input,
        sequence: SEQUENCE,
        secret: this.#secretOf(input.script)
      })),
      // The smaller first: nobody can tell from the order which one is the change.
      outputs:
        change === 0n
          ? [payment]
          : [payment, { script: changeScript, value: change }].sort((a, b) =>
              a.value < b.value ? -1 : 1
            ),
      fee,
      ecdsa: this.#init.addresses.ecdsa,
      // The height of the tip: a miner gains nothing by mining the block that is there once more
      // (fee sniping).
      lockTime: this.#height() ?? blockHeight(0)
    })
  }

  #secretOf(script: Uint8Array): Uint8Array {
    const { addresses } = this.#init
    const own = addresses.find(script)
    if (own === undefined) {
      throw new PaychanError(
        'ERR_SEED_UNREADABLE',
        'A coin of this transaction belongs to other words than the wallet has now. Restore the seed that the data directory was made with.'
      )
    }
    return addresses.secret(own)
  }

  /**
   * Writes to disk first; every version has the label of the first. The index of a change address
   * that is used for the first time is in the same batch.
   */
  async #write(
    next: Outgoing,
    plan: SendPlan,
    label = this.#init.notes.label(next.id) ?? '',
    usesIndex = false
  ): Promise<void> {
    const { store, outgoing, notes, addresses, useChange } = this.#init
    const made = {
      kind: next.kind === 'child' ? ('bump' as const) : ('send' as const),
      fee: plan.fee
    }
    const { txid: id } = newestOf(next)
    const records = [
      outgoingChange(next),
      madeChange(id, made),
      ...(label === '' ? [] : [labelChange(id, label)])
    ]
    const upcoming = addresses.upcoming('change')
    if (usesIndex || (next.change !== undefined && addresses.find(next.change) === upcoming)) {
      await useChange(upcoming, records)
    } else await store.commit(records)
    outgoing.set(next)
    notes.setMade(id, made)
    notes.setLabel(id, label)
  }

  #assertUnconfirmed(ids: readonly Txid[]): void {
    for (const id of ids) {
      const height = this.#init.view.transaction(id)?.height
      if (height !== undefined) {
        throw new PaychanError(
          'ERR_ALREADY_CONFIRMED',
          `The transaction ${id} is in block ${height}: its fee cannot change any more.`,
          { txid: id, height }
        )
      }
    }
  }

  /** FUND-6: no child for a T1 in whose place its owner has sent one of its coins. */
  #assertWanted(funding: Transaction | undefined): void {
    const rival = funding?.inputs
      .map(({ outPoint }) => this.#init.outgoing.spending(outPoint))
      .find((outgoing) => outgoing !== undefined)
    if (rival !== undefined) {
      throw new PaychanError(
        'ERR_CANNOT_BUMP',
        `The funding transaction ${funding?.txid} is being given up: the send ${rival.id} spends one of its coins. Raise the fee of that one.`,
        { txid: rival.id }
      )
    }
  }

  #assertReplaceable(ids: readonly Txid[]): void {
    this.#assertUnconfirmed(ids)
    const channel = ids
      .map((id) => this.#init.reservations.fundedBy(id))
      .find((id) => id !== undefined)
    if (channel !== undefined) {
      throw new PaychanError(
        'ERR_CANNOT_BUMP',
        `The fee of ${ids.at(-1)} cannot be raised: the funding transaction of channel ${channel} spends its change, and would be void with another one. It is sent again with every block.`,
        { txid: ids.at(-1), channel }
      )
    }
  }

  #height(): BlockHeight | undefined {
    return this.#init.chain.tip?.height
  }
}

/** The fee rate of a plan: higher than asked when the rest would not be worth a change output. */
function rateOf({ inputs, change, fee }: SendPlan, to: Uint8Array, asked: FeeRate): FeeRate {
  const vsize = spendVsize(inputs.length, [to])
  return change > 0n || fee === feeFor(asked, vsize)
    ? asked
    : feeRate((fee * 1000n) / BigInt(vsize))
}

function merged(known: Outgoing['inputs'], more: Outgoing['inputs']): Outgoing['inputs'] {
  const names = new Set(known.map(({ outPoint }) => `${outPoint.txid}:${outPoint.vout}`))
  return [
    ...known,
    ...more.filter(({ outPoint }) => !names.has(`${outPoint.txid}:${outPoint.vout}`))
  ]
}
