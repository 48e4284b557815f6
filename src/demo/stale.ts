/**
 * The server was paid 200,000 sat, then paid 120,000 back, and publishes the state before that.
 * First it is too late; then, on a second channel, both nodes sleep until both states are mature,
 * and the old one is in the mempool before the honest side wakes up.
 */
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { rootFromWords } from '../bitcoin/seed.js'
import { completeState } from '../bitcoin/template.js'
import { publishable } from '../channel/publishable.js'
import { partyOf } from '../channel/terms.js'
import { loadChannels } from '../engine/stored-channel.js'
import type { ChannelInfo } from '../node/api.js'
import { SEED_FILE, STORE_DIRECTORY } from '../node/system.js'
import { openLevelStore } from '../store/level.js'
import type { ChannelId } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { satoshi } from '../types/units.js'
import { readSeedFile } from '../wallet/seed-file.js'
import { createSigner } from '../wallet/signer.js'
import { type Act, confirm, feeOf, find, openChannel } from './acts.js'
import { type Narrator, type Report, sat } from './report.js'
import type { NodeProcess, Stage } from './stage.js'

/* A pays B and B pays A, over several turns, as two people with a shared account do. */

/** Per round: payer, number of payments, amount of each. */
const ROUNDS = [
  ['client', 50, 2_000n],
  ['server', 40, 1_000n],
  ['client', 20, 500n],
  ['server', 50, 600n],
  ['client', 40, 1_000n]
] as const

type Turn = NonNullable<Report['turns']>[number]

/** 200 payments in five turns, and a cooperative close. */
export const bothWays: Act = async (stage, channel, narrator) => {
  const turns: Turn[] = []
  let paid = 0n
  let server = 0n
  for (const [payer, count, amount] of ROUNDS) {
    await payMany(stage[payer], channel, count, amount, narrator)
    const total = amount * BigInt(count)
    paid += total
    server += payer === 'client' ? total : -total
    const turn = await presentTurn(stage, channel)
    turns.push(turn)
    stage.record(
      9,
      payer,
      `paid ${count} times ${sat(amount)} in turn ${turn.turn}; its states mature at height ${turn.lock}`
    )
  }
  const payments = ROUNDS.reduce((sum, [, count]) => sum + count, 0)
  const books = await Promise.all(
    [stage.client, stage.server].map(async ({ api }) => {
      const { ourBalance, theirBalance, payments } = await find(api.channels.list(), channel)
      return { ourBalance, theirBalance, made: payments.sent + payments.received }
    })
  )
  const [ours, theirs] = books
  const ok =
    turns.every(({ turn, payer }, i) => turn === i && payer === ROUNDS[i]?.[0]) &&
    ours?.theirBalance === server &&
    theirs?.ourBalance === server &&
    books.every(({ made }) => made === payments)
  const { txid } = await stage.client.api.channels.close(channel.id)
  if (txid === undefined) throw new PaychanError('ERR_DEMO_FAILED', 'The close has no transaction.')
  await confirm(stage, channel, 'close', [stage.client, stage.server])
  return { payments, kind: 'close', txid, ok, amounts: { paid, server }, turns }
}

/** Pays with eight callers at once. */
export async function payMany(
  node: NodeProcess,
  channel: ChannelInfo,
  count: number,
  amount: bigint,
  narrator: Narrator
): Promise<void> {
  let begun = 0
  let done = 0
  async function caller(): Promise<void> {
    while (begun < count) {
      begun += 1
      await node.api.pay({ to: channel.id, amount: satoshi(amount) })
      done += 1
      narrator.progress(`${node.who}: ${done} of ${count} payments acknowledged`)
    }
  }
  await Promise.all(Array.from({ length: Math.min(8, count) }, caller))
}

/** The turn now, as the client sees it. */
export async function presentTurn({ client }: Stage, channel: ChannelInfo): Promise<Turn> {
  const { turns, refundHeight } = await find(client.api.channels.list(), channel)
  if (turns === undefined) throw new PaychanError('ERR_DEMO_FAILED', 'The channel has no turns.')
  return {
    turn: turns.number,
    payer: turns.payer === 'us' ? 'client' : 'server',
    lock: refundHeight - (turns.number + 1) * turns.step
  }
}

/* The acts of a cheat, which no node does: keep an old state, and publish it. */

/**
 * An old state of a channel, as its holder could publish it at a fee of its choice, in satoshis.
 */
export interface OldState {
  readonly lock: number
  readonly at: (fee: bigint) => Uint8Array
}

/** The newest state that a stopped node holds of a channel now. */
export async function keepState(dataDir: string, id: ChannelId, copyTo: string): Promise<OldState> {
  await cp(join(dataDir, STORE_DIRECTORY), copyTo, { recursive: true })
  const store = await openLevelStore(copyTo)
  const { channels } = await loadChannels(store)
  await store.close()
  const channel = channels.find((one) => one.id === id)
  const ours = channel?.stage === 'established' ? publishable(channel) : undefined
  if (channel?.stage !== 'established' || ours === undefined) {
    throw new PaychanError('ERR_DEMO_FAILED', 'There is no state to be kept.')
  }
  const signer = createSigner(
    rootFromWords(await readSeedFile(join(dataDir, SEED_FILE))),
    'regtest'
  )
  const { role, keys, terms } = channel
  const script = partyOf(terms, role).closeScript
  return {
    lock: ours.template.lock,
    at: (fee) =>
      completeState(
        ours.template,
        ours.signature,
        [{ script, value: satoshi(ours.share - fee) }],
        (digest) => signer.sign({ role, ...keys, use: 'channel' }, digest)
      ).raw
  }
}

const PAID = { count: 10, amount: 20_000n }
const PAID_BACK = { count: 10, amount: 12_000n }
const SECOND_CAPACITY = satoshi(800_000n)
/** The cheat's fee for its old state, in satoshis. */
const BRIBE = 2_500n
const STEP = 12

type Race = NonNullable<Report['race']>[number]

export const staleStates: Act = async (stage, first, narrator) => {
  const { client, server, devnet } = stage
  const old = await payAndKeep(stage, first, narrator, 'first')
  const turn = await presentTurn(stage, first)
  await server.kill()
  narrator.say(
    `the server is gone; the client's newest state matures at height ${turn.lock}, the server's old one at ${old.lock}`
  )
  await stage.mine(turn.lock - devnet.height, [client])
  const settled = await confirm(stage, first, 'settlement', [client])
  await stage.mine(old.lock - devnet.height, [client])
  const late = await devnet.submit(old.at(BRIBE))
  stage.record(
    'settlement',
    'server',
    late.accepted
      ? 'has published the old state'
      : `publishes the old state at its lock: refused (${late.reason}); the newest has been in a block for ${STEP} blocks`
  )

  await server.start()
  await stage.until(
    'the server sees the tip',
    async () => (await server.api.info()).chain.height === devnet.height
  )
  const second = await openChannel(stage, SECOND_CAPACITY, { blocks: 160, step: STEP })
  const kept = await payAndKeep(stage, second, narrator, 'second')
  const newest = await presentTurn(stage, second)
  const sweeps = (await server.api.wallet.transactions())
    .filter(({ kind }) => kind === 'sweep')
    .map(({ txid }) => txid)
  await Promise.all([client.kill(), server.kill()])
  narrator.say(
    `both nodes are dead until both states are mature, at height ${kept.lock}; then the server's old one is first in the mempool, with a fee of ${sat(BRIBE)}`
  )
  await stage.mine(kept.lock - devnet.height, [])
  const cheat = await devnet.submit(kept.at(BRIBE))
  if (!cheat.accepted) {
    throw new PaychanError('ERR_DEMO_FAILED', `The old state was not taken: ${cheat.reason}.`)
  }
  stage.owns('server', cheat.txid)
  const race: Race[] = [
    { height: devnet.height, ours: null, theirs: Number(BRIBE), confirmed: null }
  ]
  await client.start()
  const ourSpend = async (): Promise<ChannelInfo['spend']> =>
    (await find(client.api.channels.list(), second)).spend
  await stage.until('the newest state has replaced the old one', async () => {
    const spend = await ourSpend()
    return (
      spend !== undefined &&
      spend.txid !== cheat.txid &&
      (await devnet.transaction(cheat.txid)) === undefined
    )
  })
  const spend = await ourSpend()
  const ours = spend === undefined ? undefined : await devnet.transaction(spend.txid)
  if (spend === undefined || ours === undefined) {
    throw new PaychanError('ERR_DEMO_FAILED', 'The newest state is not in the mempool.')
  }
  const fee = Number(await feeOf(devnet, ours.raw))
  race.push({ height: devnet.height, ours: fee, theirs: null, confirmed: null })
  stage.record(
    'settlement',
    'client',
    `outbids the server with ${sat(fee)}: the old state is gone from the mempool`
  )
  const won = await confirm(stage, second, 'settlement', [client])
  race.push({ height: devnet.height, ours: fee, theirs: null, confirmed: 'ours' })

  const left = PAID.amount * BigInt(PAID.count) - PAID_BACK.amount * BigInt(PAID_BACK.count)
  return {
    payments: 2 * (PAID.count + PAID_BACK.count),
    kind: 'settlement',
    txid: settled,
    ok:
      !late.accepted &&
      newest.turn === 1 &&
      won === spend.txid &&
      BigInt(fee) <= PAID_BACK.amount * BigInt(PAID_BACK.count),
    amounts: {
      paid: 2n * (PAID.amount * BigInt(PAID.count) + PAID_BACK.amount * BigInt(PAID_BACK.count)),
      server: 2n * left
    },
    turns: [0, 1].map((turn) => ({
      turn,
      payer: turn === 0 ? ('client' as const) : ('server' as const),
      lock: first.refundHeight - (turn + 1) * STEP
    })),
    race,
    others: [{ T1: txidOf(second), spend: won }],
    sweeps
  }
}

/** The client pays, the server keeps its state, and then pays most of it back in the next turn. */
async function payAndKeep(
  stage: Stage,
  channel: ChannelInfo,
  narrator: Narrator,
  name: string
): Promise<OldState> {
  const { client, server } = stage
  await payMany(client, channel, PAID.count, PAID.amount, narrator)
  stage.record(9, 'client', `paid ${PAID.count} times ${sat(PAID.amount)} (turn 0)`)
  await server.stop()
  const kept = await keepState(server.dataDir, channel.id, join(server.dataDir, `kept-${name}`))
  await server.start()
  await stage.until(
    'the server is back',
    async () => (await find(server.api.channels.list(), channel)).status === 'open'
  )
  await payMany(server, channel, PAID_BACK.count, PAID_BACK.amount, narrator)
  stage.record(
    9,
    'server',
    `paid back ${PAID_BACK.count} times ${sat(PAID_BACK.amount)} (turn 1); it keeps the state of before`
  )
  return kept
}

function txidOf({ funding }: ChannelInfo): NonNullable<ChannelInfo['funding']>['txid'] {
  if (funding === undefined) {
    throw new PaychanError('ERR_DEMO_FAILED', 'The channel has no funding.')
  }
  return funding.txid
}
