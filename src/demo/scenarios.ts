/**
 * The stories of the classic channel: a peaceful end, the server gone, the client gone, both killed
 * and restarted.
 */
import { parseTransaction } from '../bitcoin/transaction.js'
import type { ChannelInfo } from '../node/api.js'
import { PaychanError } from '../types/errors.js'
import { addSat, satoshi, ZERO_SAT } from '../types/units.js'
import { withoutUndefined } from '../daemon/wire.js'
import { parseTrace } from '../devnet/index.js'
import { bothWays, staleStates } from './stale.js'
import {
  type Act,
  type ChannelTerms,
  confirm,
  confirmed,
  confirmedOn,
  type Ending,
  feeOf,
  openChannel,
  PAYMENT,
  rawHex,
  walletScripts
} from './acts.js'
import { auction, awake, BLOCK_WEIGHT, MEMPOOL_VSIZE, narrow } from './congestion.js'
import { printBooks, sat, type Narrator, type Report } from './report.js'
import { killedAndBack } from './restart.js'
import { setStage, type Stage, type StageOptions } from './stage.js'

const FUNDS = satoshi(2_000_000n)
const CAPACITY = satoshi(1_000_000n)
/** 36 blocks to settle in, 12 to close in, and room to pay before. */
const BLOCKS = 72

/** Turns 12 blocks apart, and room for ten of them. */
const TWO_WAY: ChannelTerms = { blocks: 160, step: 12 }

interface Scenario {
  readonly name: string
  readonly title: string
  /** @throws PaychanError `ERR_USAGE` for options that it has no use for */
  readonly run: (narrator: Narrator, options?: DemoOptions) => Promise<Report>
}

interface DemoOptions {
  /** For `congestion`: lines of height,feerate. */
  readonly trace?: string | undefined
  /**
   * `http://USER:PASSWORD@HOST:PORT`: uses the chain of this bitcoind instead of an embedded one.
   */
  readonly bitcoind?: string | undefined
  /** The Electrum server of that chain that the nodes use; our own when left out. */
  readonly electrum?: string | undefined
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'pay',
    title: 'a channel from its opening to its cooperative close, with 1,000 payments',
    run: story('pay', closeInPeace)
  },
  {
    name: 'refund',
    title:
      'the server is killed; the client gets everything back after the lock, and the server loses what it was paid',
    run: story('refund', serverGone)
  },
  {
    name: 'settle',
    title: 'the client is killed after paying; the server settles before the lock',
    run: story('settle', clientGone)
  },
  {
    name: 'restart',
    title:
      'both nodes are killed in the middle of payments, six times; nothing is lost, nothing is paid twice',
    run: story('restart', killedAndBack)
  },
  {
    name: 'two-way',
    title: 'both sides pay each other, 200 times in several turns, and close in peace',
    run: story('two-way', bothWays, TWO_WAY)
  },
  {
    name: 'stale',
    title: 'one side publishes an old state: too late, and then in a race that the newest wins',
    run: story('stale', staleStates, TWO_WAY)
  },
  {
    name: 'congestion',
    title:
      'full blocks, and an old state that pays more: the newest wins; then with turns a block apart, where it may not',
    run: congested
  }
]

function story(name: string, act: Act, terms?: ChannelTerms): Scenario['run'] {
  return async (narrator, { trace, bitcoind, electrum } = {}) => {
    if (trace !== undefined) {
      throw new PaychanError('ERR_USAGE', '--trace is for the demo congestion.')
    }
    if (electrum !== undefined && bitcoind === undefined) {
      throw new PaychanError(
        'ERR_USAGE',
        '--electrum goes with --bitcoind URL: blocks have to be mined, which an Electrum server cannot do.'
      )
    }
    return await perform(name, narrator, act, terms, { bitcoind, electrum })
  }
}

/** Three races on separate chains; reports the first one, with the outcome of all. */
async function congested(
  narrator: Narrator,
  { trace = RISING, bitcoind, electrum }: DemoOptions = {}
): Promise<Report> {
  if (bitcoind !== undefined || electrum !== undefined) {
    throw new PaychanError(
      'ERR_USAGE',
      'The demo congestion fills the blocks of a chain of its own; it cannot run on a bitcoind.'
    )
  }
  const chain = (load: string): StageOptions => ({
    twoServers: true,
    blockWeight: BLOCK_WEIGHT,
    mempoolVsize: MEMPOOL_VSIZE,
    load: parseTrace(load)
  })
  const scene = (number: number, title: string): void => {
    narrator.title(`${number === 1 ? '' : '\n'}Scene ${number} of 3: ${title}`)
  }
  scene(1, 'the client is awake, turns 12 blocks apart')
  const first = await perform('congestion', narrator, awake, TWO_WAY, chain(trace))
  scene(2, "the client wakes up when the server's old state is in the mempool already")
  const second = await perform('congestion', narrator, auction, TWO_WAY, chain(STEADY))
  scene(3, 'the same with turns 1 block apart, and a server that burns all that it could win')
  const third = await perform(
    'congestion',
    narrator,
    narrow,
    { blocks: 160, step: 1 },
    chain(STEADY)
  )
  return {
    ...first,
    ok: first.ok && second.ok && third.ok,
    ...withoutUndefined({ auction: second.race, worst: third.race })
  }
}

/**
 * No load until the states mature, 137 blocks from the start; then hours with a busy day's load.
 */
const RISING =
  '0,0\n130,20\n137,60\n138,90\n139,130\n140,180\n141,240\n142,280\n144,220\n146,120\n147,80'
const STEADY = '0,0\n130,40\n134,150\n160,60'

async function perform(
  scenario: string,
  narrator: Narrator,
  act: Act,
  terms: ChannelTerms = { blocks: BLOCKS },
  chain: StageOptions = {}
): Promise<Report> {
  const stage = await setStage(narrator, FUNDS, chain)
  try {
    const owns = {
      client: await walletScripts(stage.client.dataDir),
      server: await walletScripts(stage.server.dataDir)
    }
    const before = {
      client: await confirmedOn(stage.devnet, owns.client),
      server: await confirmedOn(stage.devnet, owns.server)
    }
    const channel = await openChannel(stage, CAPACITY, terms)
    const ending = await act(stage, channel, narrator)
    const { funding } = channel
    if (funding === undefined) {
      throw new PaychanError('ERR_DEMO_FAILED', 'The channel has no funding.')
    }
    const T1 = await confirmed(stage.devnet, funding.txid)
    const last = await confirmed(stage.devnet, ending.txid)
    const others = await Promise.all(
      (ending.others ?? []).map(async ({ T1, spend }) => ({
        T1: await confirmed(stage.devnet, T1),
        spend: await confirmed(stage.devnet, spend)
      }))
    )
    const sweeps = await Promise.all(
      (ending.sweeps ?? []).map(async (txid) => await confirmed(stage.devnet, txid))
    )
    const swept = addSat(
      ZERO_SAT,
      ...(await Promise.all(sweeps.map(async (raw) => await feeOf(stage.devnet, raw))))
    )
    const all = [T1, last, ...others.flatMap((other) => [other.T1, other.spend])]
    const feesSat = addSat(
      swept,
      ...(await Promise.all(all.map(async (raw) => await feeOf(stage.devnet, raw))))
    )
    // Output 0 of a settlement is the payer's, behind `1 CSV`, until its wallet sweeps it.
    const csv = { client: [] as Uint8Array[], server: [] as Uint8Array[] }
    for (const raw of ending.kind === 'settlement'
      ? [last, ...others.map(({ spend }) => spend)]
      : []) {
      csv[payerIn(raw, channel, terms)].push(
        ...parseTransaction(raw)
          .outputs.slice(0, 1)
          .map(({ script }) => script)
      )
    }
    const after = {
      client: await confirmedOn(stage.devnet, [...owns.client, ...csv.client]),
      server: await confirmedOn(stage.devnet, [...owns.server, ...csv.server])
    }
    const paid = ending.amounts?.paid ?? PAYMENT * BigInt(ending.payments)
    const due = ending.kind === 'refund' ? ZERO_SAT : (ending.amounts?.server ?? paid)
    const conserved = before.client + before.server === after.client + after.server + feesSat
    const isServers = ending.kind === 'settlement' && payerIn(last, channel, terms) === 'client'
    const serverPaid =
      after.server === due - swept - (isServers ? await feeOf(stage.devnet, last) : ZERO_SAT)
    const report: Report = {
      scenario,
      ok: conserved && serverPaid && (ending.ok ?? true),
      steps: stage.steps,
      channel: {
        capacity: Number(channel.capacity),
        funding: { txid: funding.txid, vout: funding.vout },
        refundHeight: channel.refundHeight
      },
      payments: { acknowledged: ending.payments, totalSat: Number(paid) },
      ...withoutUndefined({ kills: ending.kills, turns: ending.turns, race: ending.race }),
      transactions: {
        T1: rawHex(T1),
        [{ close: 'close', settlement: 'T3', refund: 'T2' }[ending.kind]]: rawHex(last)
      },
      onchain: {
        client: { before: Number(before.client), after: Number(after.client) },
        server: { before: Number(before.server), after: Number(after.server) },
        feesSat: Number(feesSat)
      }
    }
    printBooks(report, narrator, ending.outcome)
    return report
  } finally {
    await stage.strike()
  }
}

/** The payer of the state that a settlement publishes, by its lock. */
function payerIn(
  raw: Uint8Array,
  { refundHeight }: ChannelInfo,
  { step }: ChannelTerms
): 'client' | 'server' {
  const { lockTime } = parseTransaction(raw)
  return step === undefined || ((refundHeight - lockTime) / step - 1) % 2 === 0
    ? 'client'
    : 'server'
}

/** Step 9, many times: 32 callers at once. */
async function pay(
  stage: Stage,
  channel: ChannelInfo,
  count: number,
  narrator: Narrator
): Promise<void> {
  const started = Date.now()
  let begun = 0
  let done = 0
  const caller = async (): Promise<void> => {
    while (begun < count) {
      begun += 1
      await stage.client.api.pay({ to: channel.id, amount: PAYMENT })
      done += 1
      if (done % 50 === 0) {
        narrator.progress(
          `${done.toLocaleString('en-US')} of ${count.toLocaleString('en-US')} payments acknowledged`
        )
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(32, count) }, caller))
  const seconds = (Date.now() - started) / 1000
  stage.record(
    9,
    'client',
    `paid ${count.toLocaleString('en-US')} times ${sat(PAYMENT)}, all acknowledged (${seconds.toFixed(1)} s)`
  )
}

async function closeInPeace(
  stage: Stage,
  channel: ChannelInfo,
  narrator: Narrator
): Promise<Ending> {
  const payments = 1_000
  await pay(stage, channel, payments, narrator)
  const { txid } = await stage.client.api.channels.close(channel.id)
  if (txid === undefined) throw new PaychanError('ERR_DEMO_FAILED', 'The close has no transaction.')
  await confirm(stage, channel, 'close', [stage.client, stage.server])
  return { payments, kind: 'close', txid }
}

async function serverGone(stage: Stage, channel: ChannelInfo, narrator: Narrator): Promise<Ending> {
  const payments = 10
  await pay(stage, channel, payments, narrator)
  await stage.server.kill()
  narrator.say(
    `the server is killed (SIGKILL); the blocks go by until the lock, height ${channel.refundHeight}`
  )
  await stage.mine(channel.refundHeight - stage.devnet.height, [stage.client])
  const txid = await confirm(stage, channel, 'refund', [stage.client])
  return {
    payments,
    kind: 'refund',
    txid,
    outcome: `the server has lost the ${sat(PAYMENT * BigInt(payments))} that it was paid: the refund gives everything back to the client, and the server's node was not there to settle before the lock.`
  }
}

async function clientGone(stage: Stage, channel: ChannelInfo, narrator: Narrator): Promise<Ending> {
  const payments = 100
  await pay(stage, channel, payments, narrator)
  await stage.client.kill()
  const { settleHeight } = channel
  if (settleHeight === undefined) {
    throw new PaychanError('ERR_DEMO_FAILED', 'The channel has no settle height.')
  }
  narrator.say(
    `the client is killed (SIGKILL); the server waits until height ${settleHeight}, ${channel.refundHeight - settleHeight} blocks before the lock`
  )
  await stage.mine(settleHeight - stage.devnet.height, [stage.server])
  const txid = await confirm(stage, channel, 'settlement', [stage.server])
  return { payments, kind: 'settlement', txid }
}
