/**
 * What it costs to start with many channels, and to watch them over one Electrum connection. A
 * process of its own, run with --expose-gc: `start` or `watches`, and the number of channels.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ElectrumChain } from '../src/chain/chain.js'
import type { Engine } from '../src/engine/engine.js'
import { fromHex } from '../src/types/bytes.js'
import { satoshi } from '../src/types/units.js'
import { peerName } from './idle-channels.js'
import { allKnown, chainAt, startEngine } from './idle-node.js'
import type { ServerReady } from './watch-server.js'

/** Milliseconds and bytes. */
export interface StartCosts {
  /**
   * From the start until every history is known; `startCpu` of our own CPU, the rest is the server
   * and the wire.
   */
  readonly start: number
  readonly startCpu: number
  /** The memory of a channel that nothing happens to. */
  readonly bytes: number
}

/** Milliseconds and bytes. */
export interface WatchCosts extends StartCosts {
  /** The same after a reconnection. */
  readonly again: number
  readonly againCpu: number
  /** Our CPU for one new block without any of the channels in it: the median. */
  readonly block: number
}

export interface WatchReport {
  readonly channels: number
  /** Microseconds of CPU in which the channel for a payment to a PeerId is looked for. */
  readonly choice: number
  /** The scripts of the channels, watched and nothing else. */
  readonly chain: WatchCosts
  /** A node's engine with the channels, loaded from its store. */
  readonly engine: WatchCosts
}

/** A process that has done nothing before starts a node that finds the chain as it has left it. */
export interface StartReport extends StartCosts {
  readonly channels: number
}

/** The message to the parent. */
export type WatchMessage<Report> = { readonly doing: string } | { readonly report: Report }

/** The task that is measured, between its beginning and its end. */
interface Subject {
  readonly chain: ElectrumChain
  stop: () => Promise<void>
}

const BLOCKS = 21
/** Of each client there are 50 channels; these have all of theirs however few are watched. */
const CLIENTS = 2
const CHOICES = 50_000
const LOOK_AGAIN_MS = 20
const TELL_MS = 1_000

let told = 0

/** To the parent, no more than once a second. */
function tell(doing: string): void {
  if (performance.now() - told < TELL_MS) return
  told = performance.now()
  process.send?.({ doing })
}

/** Milliseconds of CPU that this process has used since `before`. */
function cpuSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000
}

function heap(): number {
  for (let i = 0; i < 4; i++) globalThis.gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

async function soon(ms: number): Promise<void> {
  await new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}

/** Until a new block is told, and what it brings about is done. */
async function nextTip(chain: ElectrumChain, act: () => void): Promise<void> {
  const { tip } = chain
  act()
  while (chain.tip?.hash === tip?.hash) await soon(1)
  await soon(LOOK_AGAIN_MS)
}

/** From the start until every history is known, and what is in memory then. */
async function measureStart(
  channels: number,
  begin: () => Promise<Subject>
): Promise<StartCosts & { readonly subject: Subject }> {
  const before = heap()
  const [since, cpu] = [performance.now(), process.cpuUsage()]
  const subject = await begin()
  await histories(subject.chain, channels)
  const [start, startCpu] = [performance.now() - since, cpuSince(cpu)]
  await soon(LOOK_AGAIN_MS)
  return { start, startCpu, bytes: (heap() - before) / channels, subject }
}

async function histories(chain: ElectrumChain, channels: number): Promise<void> {
  await allKnown(chain, channels, (known) => {
    tell(`${known.toLocaleString('en-US')} of ${channels.toLocaleString('en-US')} histories`)
  })
}

async function measure(
  channels: number,
  server: ChildProcess,
  begin: () => Promise<Subject>
): Promise<WatchCosts> {
  const { subject, ...costs } = await measureStart(channels, begin)
  const { chain, stop } = subject
  const blocks: number[] = []
  for (let i = 0; i < BLOCKS; i++) {
    const cpu = process.cpuUsage()
    await nextTip(chain, () => {
      server.send('mine')
    })
    blocks.push(cpuSince(cpu))
  }

  const [since, cpu] = [performance.now(), process.cpuUsage()]
  server.send('cut')
  while (chain.status === 'synced') {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
  await histories(chain, channels)
  const [again, againCpu] = [performance.now() - since, cpuSince(cpu)]
  await stop()
  return {
    ...costs,
    again,
    againCpu,
    block: blocks.sort((a, b) => a - b)[BLOCKS >> 1] ?? 0
  }
}

async function chainAlone({ port, scripts }: ServerReady): Promise<Subject> {
  const chain = chainAt(port)
  for (const script of scripts) {
    chain.watchScript(fromHex(script), {
      onHistory: () => {},
      onError: (error) => {
        throw error
      }
    })
  }
  await chain.start()
  return {
    chain,
    stop: async () => {
      await chain.stop()
    }
  }
}

let choice = 0

/** Finds none: a server pays on none of its one-way channels. The way to it is the same. */
function measureChoice(engine: Engine): void {
  const since = process.cpuUsage()
  for (let n = 0; n < CHOICES; n++) engine.channelFor(peerName(1 + (n % CLIENTS)), satoshi(1n))
  choice = (cpuSince(since) * 1_000) / CHOICES
}

async function wholeEngine(directory: string, { port }: ServerReady): Promise<Subject> {
  const node = await startEngine(directory, port)
  measureChoice(node.engine)
  return node
}

async function report(
  isStartOnly: boolean,
  channels: number,
  directory: string
): Promise<WatchReport | StartReport> {
  const server = fork(new URL('watch-server.js', import.meta.url), [String(channels), directory], {
    execArgv: []
  })
  try {
    tell(`opens ${channels.toLocaleString('en-US')} channels`)
    const [ready] = (await Promise.race([
      once(server, 'message'),
      once(server, 'exit').then(() => {
        throw new Error('The server of the bench has ended.')
      })
    ])) as [ServerReady]
    if (isStartOnly) {
      const { subject, ...costs } = await measureStart(
        channels,
        async () => await startEngine(directory, ready.port)
      )
      await subject.stop()
      return { channels, ...costs }
    }
    const chain = await measure(channels, server, async () => await chainAlone(ready))
    const engine = await measure(channels, server, async () => await wholeEngine(directory, ready))
    return { channels, choice, chain, engine }
  } finally {
    if (server.connected) server.disconnect()
  }
}

const directory = await mkdtemp(join(tmpdir(), 'paychan-watches-'))
try {
  const [what, channels] = process.argv.slice(2)
  process.send?.({ report: await report(what === 'start', Number(channels), directory) })
} finally {
  await rm(directory, { recursive: true, force: true })
  process.disconnect()
}
