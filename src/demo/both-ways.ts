/** A pays B and B pays A, over several turns, as two people with a shared account do. */
import type { ChannelInfo } from '../node/api.js'
import { PaychanError } from '../types/errors.js'
import { confirm, find, type Act } from './acts.js'
import type { NodeProcess } from './node-process.js'
import { sat, type Narrator, type Report } from './report.js'
import type { Stage } from './stage.js'
import { satoshi } from '../types/units.js'

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
