/**
 * Blocks are full, and the fee for the next one rises and falls. The server was paid 200,000 sat,
 * paid 120,000 back, and publishes the state before that as soon as it matures.
 *
 * The nodes ask two servers, as advised for everybody without one of their own.
 *
 * First with turns 12 blocks apart: the client's newest state matures 12 blocks earlier, and its
 * fee rises from block to block until it is in. Then again with the client asleep until both states
 * are mature: an auction, in which each raises and the newest still wins. At last with turns 1
 * block apart, the client asleep for that block, and an attacker who burns all that there is to
 * win: the possible loss.
 */
import { join } from 'node:path'
import { parseTransaction } from '../bitcoin/transaction.js'
import { scriptHashOf } from '../devnet/index.js'
import type { ChannelInfo } from '../node/api.js'
import { PaychanError } from '../types/errors.js'
import { type Act, confirm, feeOf, find } from './acts.js'
import { keepState, type OldState, payMany, presentTurn } from './stale.js'
import { sat, silentNarrator, type Narrator, type Report } from './report.js'
import type { Stage } from './stage.js'

const PAID = { count: 10, amount: 20_000n }
const PAID_BACK = { count: 10, amount: 12_000n }
/** The server's gain from the old state over the newest one. */
const TO_WIN = PAID_BACK.amount * BigInt(PAID_BACK.count)

/**
 * The limit of a devnet block, in weight units: a fortieth of Bitcoin's, so that few transactions
 * fill it.
 */
export const BLOCK_WEIGHT = 100_000
/** Ten blocks. */
export const MEMPOOL_VSIZE = 250_000

type Row = NonNullable<Report['race']>[number]

/** Two states by height: the fee of each, and the number of blocks ahead of it in the mempool. */
class Race {
  readonly rows: Row[] = []
  readonly #stage: Stage
  readonly #narrator: Narrator

  constructor(stage: Stage, narrator: Narrator) {
    this.#stage = stage
    this.#narrator = narrator
    narrator.say('')
    narrator.say(
      'height   the next block takes   client, newest state    server, old state       in a block'
    )
    narrator.table(true)
  }

  /** Ends the table and returns its rows. */
  end(): readonly Row[] {
    this.#narrator.table(false)
    return this.rows
  }

  async note(
    ours: Row['ours'],
    theirs: Row['theirs'],
    confirmed: Row['confirmed'] = null
  ): Promise<void> {
    const { devnet } = this.#stage
    this.rows.push({ height: devnet.height, ours, theirs, confirmed })
    const rate = devnet.nextRate()
    const [we, they] = await Promise.all([ours, theirs].map(async (fee) => await this.#bid(fee)))
    this.#narrator.say(
      `${String(devnet.height).padStart(6)}   ${`${Math.round(Number(rate ?? 1_000n) / 1_000)} sat/vB`.padStart(15)}        ${(we ?? '').padEnd(22)}  ${(they ?? '').padEnd(22)}  ${confirmed === null ? '' : confirmed === 'ours' ? "the client's" : "the server's"}`.trimEnd()
    )
  }

  /** A fee, and the number of blocks full of dearer transactions. */
  async #bid(fee: number | null): Promise<string> {
    if (fee === null) return '-'
    const pool = await this.#stage.devnet.backend.mempool()
    const own = pool.find((entry) => Number(entry.fee) === fee)
    if (own === undefined) return sat(fee)
    const ahead = pool
      .filter((entry) => entry.fee * BigInt(own.vsize) > own.fee * BigInt(entry.vsize))
      .reduce((sum, { vsize }) => sum + vsize, 0)
    return `${sat(fee)}, block ${Math.floor(ahead / (BLOCK_WEIGHT / 4)) + 1}`
  }
}

/**
 * Awake: the fee rises along its curve, and the newest state is in before the old one may be sent.
 */
export const awake: Act = async (stage, channel, narrator) => {
  const { client, server, devnet } = stage
  const old = await payAndKeep(stage, channel)
  const { lock } = await presentTurn(stage, channel)
  await server.kill()
  narrator.say(
    `the server is gone; the client's newest state matures at height ${lock}, the server's old one at ${old.lock}; ${sat(TO_WIN)} are at stake`
  )
  await stage.mine(lock - devnet.height, [client])
  await published(stage, channel)
  const race = new Race(stage, narrator)
  let txid = await spendOf(stage, channel)
  while (txid.height === undefined && devnet.height < old.lock) {
    await race.note(await feeNow(stage, channel), null)
    await stage.mine(1, [client])
    txid = await spendOf(stage, channel)
  }
  const isIn = txid.height !== undefined
  const ours = Number(
    await feeOf(devnet, (await devnet.transaction(txid.txid))?.raw ?? new Uint8Array())
  )
  await race.note(ours, null, isIn ? 'ours' : null)
  await stage.mine(Math.max(0, old.lock - devnet.height), [client])
  const rows = race.end()
  const late = await devnet.submit(old.at(TO_WIN - 1_000n))
  stage.record(
    'settlement',
    'server',
    late.accepted
      ? 'has published the old state'
      : `publishes the old state with a fee of ${sat(TO_WIN - 1_000n)}: refused (${late.reason})`
  )
  return {
    ...ENDING,
    txid: txid.txid,
    ok: isIn && !late.accepted && ours < Number(TO_WIN),
    race: rows
  }
}

/** The second bid of the old state, in satoshis. */
const RAISED = 26_000n

/** Asleep until both states are mature: each outbids the other, and the newest has more to give. */
export const auction: Act = async (stage, channel, narrator) => {
  const { client, server, devnet } = stage
  const old = await payAndKeep(stage, channel)
  await Promise.all([client.kill(), server.kill()])
  await stage.mine(old.lock - devnet.height, [])
  narrator.say(
    `both states are mature at height ${devnet.height}; the server's old one is in the mempool first, then the client wakes up`
  )
  const race = new Race(stage, narrator)
  let theirs = 20_000n
  await submit(stage, old, theirs)
  await race.note(null, Number(theirs))
  await client.start()
  // A transaction that is due by height is published even before the node has read what the chain
  // shows of the channel.
  await spendOf(stage, channel)
  for (let [confirmed, raises] = [false, 0]; !confirmed;) {
    const before = theirs
    await stage.until(
      'the newest state outbids it',
      async () => (await feeNow(stage, channel)) > before
    )
    const ours = await feeNow(stage, channel)
    await race.note(ours, null)
    // The attacker raises once, unless our bid has passed that meanwhile. Against more than twice
    // the bid of the last block ours would have to wait for the next one (EVID-4).
    if (raises === 0) {
      raises += 1
      const raised = await devnet.submit(old.at(RAISED))
      if (raised.accepted) {
        stage.owns('server', raised.txid)
        theirs = RAISED
        await race.note(null, Number(theirs))
        continue
      }
    }
    await stage.mine(1, [client])
    confirmed = (await spendOf(stage, channel)).height !== undefined
  }
  const { txid } = await spendOf(stage, channel)
  const ours = Number(
    await feeOf(devnet, (await devnet.transaction(txid))?.raw ?? new Uint8Array())
  )
  await race.note(ours, null, 'ours')
  return {
    ...ENDING,
    txid,
    ok:
      parseTransaction((await devnet.transaction(txid))?.raw ?? new Uint8Array()).lockTime <
        old.lock && ours <= Number(TO_WIN),
    race: race.end()
  }
}

/**
 * Turns one block apart, a client that sleeps through that block, and an attacker who burns nearly
 * all that it wins: nothing is left to outbid it with.
 */
export const narrow: Act = async (stage, channel, narrator) => {
  const { client, server, devnet } = stage
  const old = await payAndKeep(stage, channel)
  const { lock } = await presentTurn(stage, channel)
  await Promise.all([client.kill(), server.kill()])
  narrator.say(
    `the client's newest state matures at ${lock}, the server's old one at ${old.lock}, and the client sleeps until then; the server gives the miners ${sat(TO_WIN - 100n)} of the ${sat(TO_WIN)} that it would win`
  )
  await stage.mine(old.lock - devnet.height, [])
  const race = new Race(stage, narrator)
  await submit(stage, old, TO_WIN - 100n)
  await race.note(null, Number(TO_WIN - 100n))
  await client.start()
  const txid = await confirm(stage, channel, 'settlement', [client])
  await client.kill()
  const isTheirs =
    parseTransaction((await devnet.transaction(txid))?.raw ?? new Uint8Array()).lockTime ===
    old.lock
  await race.note(null, Number(TO_WIN - 100n), isTheirs ? 'theirs' : 'ours')
  const rows = race.end()
  if (!isTheirs) narrator.say("the client's newest state was in the block all the same")
  const outcome = `the client has LOST ${sat(TO_WIN)} of what the newest state gave it: the miners have nearly all of it, and the server has won 100 sat. With turns 12 blocks apart it would not have come to this.`
  return {
    ...ENDING,
    txid,
    amounts: {
      ...ENDING.amounts,
      server: isTheirs ? PAID.amount * BigInt(PAID.count) : ENDING.amounts.server
    },
    race: rows,
    ...(isTheirs ? { outcome } : {})
  }
}

const TOTAL = PAID.amount * BigInt(PAID.count)
const ENDING = {
  payments: PAID.count + PAID_BACK.count,
  kind: 'settlement',
  amounts: { paid: TOTAL + TO_WIN, server: TOTAL - TO_WIN }
} as const

/** The client pays, the server keeps its state, and then pays most of it back in the next turn. */
async function payAndKeep(stage: Stage, channel: ChannelInfo): Promise<OldState> {
  const { client, server } = stage
  await payMany(client, channel, PAID.count, PAID.amount, silentNarrator)
  stage.record(9, 'client', `paid ${PAID.count} times ${sat(PAID.amount)} (turn 0)`)
  await server.stop()
  const kept = await keepState(server.dataDir, channel.id, join(server.dataDir, 'kept'))
  await server.start()
  await stage.until(
    'the server is back',
    async () => (await find(server.api.channels.list(), channel)).status === 'open'
  )
  await payMany(server, channel, PAID_BACK.count, PAID_BACK.amount, silentNarrator)
  stage.record(
    9,
    'server',
    `paid back ${PAID_BACK.count} times ${sat(PAID_BACK.amount)} (turn 1); it keeps the state of before`
  )
  return kept
}

async function submit({ devnet, owns }: Stage, old: OldState, fee: bigint): Promise<void> {
  const result = await devnet.submit(old.at(fee))
  if (!result.accepted) {
    throw new PaychanError('ERR_DEMO_FAILED', `The old state was not taken: ${result.reason}.`)
  }
  owns('server', result.txid)
}

/**
 * Finds the transaction that spends the channel, as the client sees it: it may be reading the chain
 * just now.
 */
async function spendOf(
  stage: Stage,
  channel: ChannelInfo
): Promise<NonNullable<ChannelInfo['spend']>> {
  let seen: ChannelInfo['spend']
  await stage.until('the client sees what spends the channel', async () => {
    seen = (await find(stage.client.api.channels.list(), channel)).spend
    return seen !== undefined
  })
  if (seen === undefined) throw new PaychanError('ERR_DEMO_FAILED', 'Nothing spends the channel.')
  return seen
}

async function published({ client, until }: Stage, channel: ChannelInfo): Promise<void> {
  await until(
    'the newest state is in the mempool',
    async () => (await find(client.api.channels.list(), channel)).spend !== undefined
  )
}

/**
 * The fee of the mempool transaction that spends the channel, in satoshis; 0 when there is none.
 */
async function feeNow({ devnet }: Stage, { funding }: ChannelInfo): Promise<number> {
  const T1 = funding === undefined ? undefined : await devnet.transaction(funding.txid)
  const output = T1 === undefined ? undefined : parseTransaction(T1.raw).outputs[funding?.vout ?? 0]
  if (output === undefined) throw new PaychanError('ERR_DEMO_FAILED', 'The channel has no funding.')
  const { mempool } = await devnet.backend.scriptHistory(scriptHashOf(output.script))
  return Number(mempool[0]?.fee ?? 0n)
}
