/** The stories of the classic channel: it ends in peace, the server is gone, the client is gone, both are killed and come back. */
import { parseTransaction } from '../bitcoin/transaction.js'
import type { ChannelInfo } from '../node/api.js'
import { PaychanError } from '../types/errors.js'
import { addSat, satoshi, ZERO_SAT } from '../types/units.js'
import { confirm, find, PAYMENT, type Act, type Ending } from './acts.js'
import { confirmed, confirmedOn, feeOf, rawHex, walletScripts } from './accounts.js'
import { sat, type Narrator, type Report } from './report.js'
import { killedAndBack } from './restart.js'
import { setStage, type Stage } from './stage.js'

const FUNDS = satoshi(2_000_000n)
const CAPACITY = satoshi(1_000_000n)
/** 36 blocks to settle in, 12 to close in, and room to pay before. */
const BLOCKS = 72

export interface Scenario {
  readonly name: string
  readonly title: string
  readonly run: (narrator: Narrator) => Promise<Report>
}

export const SCENARIOS: readonly Scenario[] = [
  { name: 'pay', title: 'a channel from its opening to its cooperative close, with 1,000 payments', run: async (narrator) => await perform('pay', narrator, closeInPeace) },
  { name: 'refund', title: 'the server is killed; the client gets everything back after the lock', run: async (narrator) => await perform('refund', narrator, serverGone) },
  { name: 'settle', title: 'the client is killed after paying; the server settles before the lock', run: async (narrator) => await perform('settle', narrator, clientGone) },
  { name: 'restart', title: 'both nodes are killed in the middle of payments, six times; nothing is lost, nothing is paid twice', run: async (narrator) => await perform('restart', narrator, killedAndBack) }
]

async function perform (scenario: string, narrator: Narrator, act: Act): Promise<Report> {
  const stage = await setStage(narrator, FUNDS)
  try {
    const owns = { client: await walletScripts(stage.client.dataDir), server: await walletScripts(stage.server.dataDir) }
    const before = { client: await confirmedOn(stage.devnet, owns.client), server: await confirmedOn(stage.devnet, owns.server) }
    const channel = await open(stage)
    const ending = await act(stage, channel, narrator)
    const { funding } = channel
    if (funding === undefined) throw new PaychanError('ERR_DEMO_FAILED', 'The channel has no funding.')
    const T1 = await confirmed(stage.devnet, funding.txid)
    const last = await confirmed(stage.devnet, ending.txid)
    const feesSat = addSat(await feeOf(stage.devnet, T1), await feeOf(stage.devnet, last))
    // Output 0 of T3 is the client's, behind `1 CSV`, until its wallet sweeps it.
    const csv = ending.kind === 'settlement' ? [parseTransaction(last).outputs[0]?.script].filter((script) => script !== undefined) : []
    const after = { client: await confirmedOn(stage.devnet, [...owns.client, ...csv]), server: await confirmedOn(stage.devnet, owns.server) }
    const paid = PAYMENT * BigInt(ending.payments)
    const due = { close: paid, settlement: paid, refund: ZERO_SAT }[ending.kind]
    const conserved = before.client + before.server === after.client + after.server + feesSat
    const serverPaid = ending.kind === 'settlement' ? after.server === due - await feeOf(stage.devnet, last) : after.server === due
    return {
      scenario,
      ok: conserved && serverPaid && (ending.ok ?? true),
      steps: stage.steps,
      channel: { capacity: Number(channel.capacity), funding: { txid: funding.txid, vout: funding.vout }, refundHeight: channel.refundHeight },
      payments: { acknowledged: ending.payments, totalSat: Number(paid) },
      ...(ending.kills === undefined ? {} : { kills: ending.kills }),
      transactions: { T1: rawHex(T1), [{ close: 'close', settlement: 'T3', refund: 'T2' }[ending.kind]]: rawHex(last) },
      onchain: {
        client: { before: Number(before.client), after: Number(after.client) },
        server: { before: Number(before.server), after: Number(after.server) },
        feesSat: Number(feesSat)
      }
    }
  } finally {
    await stage.strike()
  }
}

/** Steps 1 to 8. */
async function open (stage: Stage): Promise<ChannelInfo> {
  const { client, server } = stage
  const broadcast = await client.api.open({ peer: server.multiaddr, amount: CAPACITY, blocks: BLOCKS, wait: 'broadcast' })
  const { funding } = broadcast
  if (funding === undefined) throw new PaychanError('ERR_DEMO_FAILED', 'The channel has no funding.')
  await stage.until('the initial T3 is acknowledged', async () => stage.steps.filter(({ step }) => step === 8).length === 2)
  await stage.mine(1, [client, server])
  await stage.until('the channel is open', async () => (await find(client.api.channels(), broadcast)).status === 'open')
  return await find(client.api.channels(), broadcast)
}

/** Step 9, many times: 32 callers at once. */
async function pay (stage: Stage, channel: ChannelInfo, count: number, narrator: Narrator): Promise<void> {
  const started = Date.now()
  let begun = 0
  let done = 0
  const caller = async (): Promise<void> => {
    while (begun < count) {
      begun += 1
      await stage.client.api.pay({ to: channel.id, amount: PAYMENT })
      done += 1
      if (done % 50 === 0) narrator.progress(`${done.toLocaleString('en-US')} of ${count.toLocaleString('en-US')} payments acknowledged`)
    }
  }
  await Promise.all(Array.from({ length: Math.min(32, count) }, caller))
  const seconds = (Date.now() - started) / 1000
  stage.record(9, 'client', `paid ${count.toLocaleString('en-US')} times ${sat(PAYMENT)}, all acknowledged (${seconds.toFixed(1)} s)`)
}

async function closeInPeace (stage: Stage, channel: ChannelInfo, narrator: Narrator): Promise<Ending> {
  const payments = 1_000
  await pay(stage, channel, payments, narrator)
  const { txid } = await stage.client.api.close(channel.id)
  if (txid === undefined) throw new PaychanError('ERR_DEMO_FAILED', 'The close has no transaction.')
  await confirm(stage, channel, 'close', [stage.client, stage.server])
  return { payments, kind: 'close', txid }
}

async function serverGone (stage: Stage, channel: ChannelInfo, narrator: Narrator): Promise<Ending> {
  const payments = 10
  await pay(stage, channel, payments, narrator)
  await stage.server.kill()
  narrator.say(`the server is killed (SIGKILL); the blocks go by until the lock, height ${channel.refundHeight}`)
  await stage.mine(channel.refundHeight - stage.devnet.height, [stage.client])
  const txid = await confirm(stage, channel, 'refund', [stage.client])
  return { payments, kind: 'refund', txid }
}

async function clientGone (stage: Stage, channel: ChannelInfo, narrator: Narrator): Promise<Ending> {
  const payments = 100
  await pay(stage, channel, payments, narrator)
  await stage.client.kill()
  const { settleHeight } = channel
  if (settleHeight === undefined) throw new PaychanError('ERR_DEMO_FAILED', 'The channel has no settle height.')
  narrator.say(`the client is killed (SIGKILL); the server waits until height ${settleHeight}, ${channel.refundHeight - settleHeight} blocks before the lock`)
  await stage.mine(settleHeight - stage.devnet.height, [stage.server])
  const txid = await confirm(stage, channel, 'settlement', [stage.server])
  return { payments, kind: 'settlement', txid }
}
