/**
 * Where the bench plays: a devnet in this process, two nodes in processes of their own, one
 * channel.
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

export interface Stage {
  readonly payer: NodeCalls
  readonly payee: NodeCalls
  readonly payeeAddress: string
  readonly ecdsa: string
  /** The id of the channel, which can be paid on. */
  readonly channel: string
  /** Stops both nodes in order, so that a profiler writes what it has. */
  leave: () => Promise<void>
  strike: () => Promise<void>
}

/** @param nodeFlags - flags of Node.js for both nodes, such as `--cpu-prof` */
export async function setStage(nodeFlags: readonly string[]): Promise<Stage> {
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
    const [payer, payee] = await Promise.all([begin('payer'), begin('payee')])
    await devnet.fund(await payer.call.address(), FUNDS)
    await devnet.mine(1)
    await until(
      'the payer has coins',
      async () =>
        (await payer.call.confirmed()) >= FUNDS && (await payee.call.height()) === devnet.height
    )
    const channel = await payer.call.open(payee.multiaddr, CAPACITY)
    await devnet.mine(1)
    await until('the channel is open', async () => (await payer.call.channel())?.status === 'open')
    return {
      payer: payer.call,
      payee: payee.call,
      payeeAddress: payee.multiaddr,
      ecdsa: payer.ecdsa,
      channel,
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
