/**
 * Many channels into one node, a quiet channel beside a busy one, and the turns of a two-way one.
 */
import type { Figure } from './figures.js'
import type { Load } from './load.js'
import type { Output } from './payments.js'
import { setStage } from './stage.js'

const PAYERS = 4
const CHANNELS = 10
const WARM_UP_MS = 2_000
const MEASURE_MS = 4_000
const BUSY_CALLERS = 1_000
const TURNS = 8
const PAYMENTS_A_TURN = 100

export async function measureCrowd(
  nodeFlags: readonly string[],
  { progress }: Output
): Promise<readonly Figure[]> {
  progress(`${PAYERS} payers open ${CHANNELS} channels each`)
  const stage = await setStage({ nodeFlags, payers: PAYERS, channels: CHANNELS })
  try {
    progress(`one caller on each of ${PAYERS * CHANNELS} channels`)
    const all = async (ms: number): Promise<number> => {
      const loads = await Promise.all(
        stage.payers.map(async ({ call, channels }) => await call.pay(channels, CHANNELS, ms))
      )
      return loads.reduce((sum, { payments }) => sum + payments, 0)
    }
    await all(WARM_UP_MS)
    const before = await stage.payee.cpu()
    const payments = await all(MEASURE_MS)
    const cpu = ((await stage.payee.cpu()) - before) / payments
    progress('a quiet channel, alone and beside a busy one')
    const [quiet, busy] = stage.payers
    if (quiet === undefined || busy === undefined) throw new Error('there are no payers')
    const p99 = async (): Promise<number> =>
      (await quiet.call.pay(quiet.channels.slice(0, 1), 1, MEASURE_MS)).p99
    await p99()
    const alone = await p99()
    const rate = busy.call.pay(busy.channels.slice(0, 1), BUSY_CALLERS, WARM_UP_MS + MEASURE_MS)
    const beside = await p99()
    await rate
    await stage.leave()
    return [
      {
        name: '40 channels of 4 peers, CPU a payment at the payee',
        unit: 'us',
        measured: cpu,
        goal: { of: 'measured', is: 'most', value: 250 }
      },
      {
        name: 'a quiet channel beside one at full rate, p99 (alone)',
        unit: 'ms',
        measured: beside,
        floor: alone,
        goal: { of: 'ratio', is: 'most', value: 5 }
      },
      {
        name: 'opening a channel, CPU, both sides, 40 channels',
        unit: 'ms',
        measured: stage.openingCpu / 1_000,
        goal: { of: 'measured', is: 'most', value: 30 }
      }
    ]
  } finally {
    await stage.strike()
  }
}

const PEERS = 10
const CHANNELS_OF_A_PEER = 50

/**
 * Five hundred channels of ten peers, with ten callers of each peer, and with ten of each channel.
 */
export async function measurePeers(
  nodeFlags: readonly string[],
  { progress }: Output
): Promise<readonly Figure[]> {
  progress(`${PEERS} payers open ${CHANNELS_OF_A_PEER} channels each`)
  const stage = await setStage({ nodeFlags, payers: PEERS, channels: CHANNELS_OF_A_PEER })
  try {
    const figures: Figure[] = []
    for (const [whose, callers] of [
      ['peer', 10],
      ['channel', 10 * CHANNELS_OF_A_PEER]
    ] as const) {
      progress(`ten callers of each ${whose}`)
      const all = async (ms: number): Promise<readonly Load[]> =>
        await Promise.all(
          stage.payers.map(async ({ call, channels }) => await call.pay(channels, callers, ms))
        )
      await all(WARM_UP_MS)
      const before = await stage.payee.cpu()
      const loads = await all(MEASURE_MS)
      const payments = loads.reduce((sum, load) => sum + load.payments, 0)
      const seconds = Math.max(...loads.map((load) => load.seconds))
      const name = `500 channels of 10 peers, 10 callers of each ${whose}`
      figures.push(
        {
          name: `${name}, payments`,
          unit: '/s',
          measured: payments / seconds,
          goal: { of: 'measured', is: 'least', value: 10_000 }
        },
        {
          name: `${name}, p99`,
          unit: 'ms',
          measured: Math.max(...loads.map(({ p99 }) => p99)),
          goal: { of: 'measured', is: 'most', value: 100 }
        },
        {
          name: `${name}, CPU at the payee`,
          unit: 'us',
          measured: ((await stage.payee.cpu()) - before) / payments
        }
      )
    }
    await stage.leave()
    return figures
  } finally {
    await stage.strike()
  }
}

export async function measureTurns(
  nodeFlags: readonly string[],
  { progress }: Output
): Promise<readonly Figure[]> {
  progress('turns of a two-way channel')
  const stage = await setStage({ nodeFlags, payers: 1, channels: 1, turns: 4 * TURNS })
  try {
    const [payer] = stage.payers
    const channel = payer?.channels[0]
    if (payer === undefined || channel === undefined) throw new Error('there is no channel')
    const turn = async (n: number): Promise<void> => {
      const side = n % 2 === 0 ? stage.payee : payer.call
      await side.payOnce(channel, PAYMENTS_A_TURN, 100n)
    }
    const cpu = async (): Promise<number> => (await payer.call.cpu()) + (await stage.payee.cpu())
    await payer.call.payOnce(channel, PAYMENTS_A_TURN, 1_000n)
    for (const n of [0, 1]) await turn(n)
    const [since, before] = [performance.now(), await cpu()]
    for (let n = 0; n < TURNS; n++) await turn(n)
    const [wall, used] = [performance.now() - since, (await cpu()) - before]
    await stage.leave()
    return [
      {
        name: 'a turn and the 100 payments in it',
        unit: 'ms',
        measured: wall / TURNS,
        goal: { of: 'measured', is: 'most', value: 10 }
      },
      {
        name: 'a turn and the 100 payments in it, CPU, both sides',
        unit: 'ms',
        measured: used / TURNS / 1_000
      }
    ]
  } finally {
    await stage.strike()
  }
}
