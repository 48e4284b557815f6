/**
 * Where the bench plays: a devnet in this process, and nodes in processes of their own: payers with
 * channels to one payee.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { startDevnet } from '../src/devnet/devnet.js'
import { startProcess, type NodeCalls, type NodeProcess } from './calls.js'

/** Satoshis: more than can be paid one by one while the bench runs. */
const CAPACITY = 50_000_000n
const FUNDS = 100_000_000n
const PATIENCE_MS = 30_000
const LOOK_AGAIN_MS = 20

export interface Payer {
  readonly call: NodeCalls
  /** The ids of its channels, which can be paid on. */
  readonly channels: readonly string[]
}

export interface Stage {
  readonly payers: readonly Payer[]
  readonly payee: NodeCalls
  readonly payeeAddress: string
  readonly ecdsa: string
  /** Microseconds of CPU that opening a channel took, both sides together. */
  readonly openingCpu: number
  /** Stops all nodes in order, so that a profiler writes what it has. */
  leave: () => Promise<void>
  strike: () => Promise<void>
}

export interface StageInit {
  /** Flags of Node.js for all nodes, such as `--cpu-prof`. */
  readonly nodeFlags: readonly string[]
  readonly payers: number
  /** Of each payer, with the payee. */
  readonly channels: number
  /** Turns of each channel; it is a one-way channel when left out. */
  readonly turns?: number
}

export async function setStage({ nodeFlags, payers, channels, turns }: StageInit): Promise<Stage> {
  const directory = await mkdtemp(join(tmpdir(), 'paychan-bench-'))
  const devnet = await startDevnet()
  const processes: NodeProcess[] = []
  const leave = async (): Promise<void> => {
    await Promise.all(
      processes.map(async (node) => {
        await node.leave()
      })
    )
  }
  const strike = async (): Promise<void> => {
    await Promise.all(
      processes.map(async (node) => {
        await node.end()
      })
    )
    await devnet.stop()
    await rm(directory, { recursive: true, force: true })
  }
  const begin = async (
    name: string
  ): Promise<{ call: NodeCalls; multiaddr: string; ecdsa: string }> => {
    const node = startProcess(new URL('node.js', import.meta.url), nodeFlags)
    processes.push(node)
    return { call: node.call, ...(await node.call.start(join(directory, name), devnet.url)) }
  }
  try {
    const payee = await begin('payee')
    const nodes = await Promise.all(
      Array.from({ length: payers }, async (_, n) => await begin(`payer-${n}`))
    )
    const paying = nodes.map(({ call }) => call)
    for (const payer of paying) {
      for (let n = 0; n < channels; n++) await devnet.fund(await payer.address(), FUNDS)
    }
    await devnet.mine(1)
    for (const payer of paying) {
      await until(
        'a payer has coins',
        async () =>
          (await payer.confirmed()) >= FUNDS * BigInt(channels) &&
          (await payee.call.height()) === devnet.height
      )
    }
    const cpuOfAll = async (): Promise<number> => {
      const used = await Promise.all([payee.call, ...paying].map(async (node) => await node.cpu()))
      return used.reduce((sum, cpu) => sum + cpu, 0)
    }
    const before = await cpuOfAll()
    for (const payer of paying) {
      for (let n = 0; n < channels; n++) await payer.open(payee.multiaddr, CAPACITY, turns)
    }
    await devnet.mine(1)
    for (const payer of paying) {
      await until('the channels are open', async () => (await payer.payable()).length === channels)
    }
    return {
      payers: await Promise.all(
        paying.map(async (call) => ({ call, channels: await call.payable() }))
      ),
      payee: payee.call,
      payeeAddress: payee.multiaddr,
      ecdsa: payee.ecdsa,
      openingCpu: ((await cpuOfAll()) - before) / (payers * channels),
      leave,
      strike
    }
  } catch (error) {
    await strike()
    throw error
  }
}

async function until(what: string, check: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + PATIENCE_MS; !(await check());) {
    if (Date.now() > end) throw new Error(`Waited ${PATIENCE_MS / 1000} s in vain: ${what}.`)
    await wait(LOOK_AGAIN_MS)
  }
}
