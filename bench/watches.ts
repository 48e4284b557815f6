/**
 * What watching many channels over one Electrum connection costs. A process of its own, run with
 * --expose-gc.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createElectrumChain, type ElectrumChain } from '../src/chain/chain.js'
import { Engine } from '../src/engine/engine.js'
import { systemClock, systemRandom } from '../src/node/system.js'
import { SimChain } from '../src/testing/chain.js'
import { SimNetwork } from '../src/testing/network.js'
import { Purses } from '../src/testing/wallet.js'
import { openLevelStore } from '../src/store/level.js'
import { fromHex } from '../src/types/bytes.js'
import { feeRate, satoshi } from '../src/types/units.js'
import { peerName, serverPolicy, signerOf, walletOn } from './idle-channels.js'
import type { ServerReady } from './watch-server.js'

/** Milliseconds and bytes. */
export interface WatchCosts {
  /**
   * From the start until every history is proved; `startCpu` of our own CPU, the rest is the server
   * and the wire.
   */
  readonly start: number
  readonly startCpu: number
  /** The same after a reconnection. */
  readonly again: number
  readonly againCpu: number
  /** Our CPU for one new block without any of the channels in it: the median. */
  readonly block: number
  /** What a channel that nothing happens to keeps in memory. */
  readonly bytes: number
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

/** What the parent hears. */
export type WatchMessage = { readonly doing: string } | { readonly report: WatchReport }

/** What is measured, between its beginning and its end. */
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

async function allKnown(chain: ElectrumChain, channels: number): Promise<void> {
  for (let known = 0; known < channels;) {
    await soon(LOOK_AGAIN_MS)
    known = chain.watches.known
    tell(`${known.toLocaleString('en-US')} of ${channels.toLocaleString('en-US')} histories`)
  }
}

async function measure(
  channels: number,
  server: ChildProcess,
  begin: () => Promise<Subject>
): Promise<WatchCosts> {
  const before = heap()
  let [since, cpu] = [performance.now(), process.cpuUsage()]
  const { chain, stop } = await begin()
  await allKnown(chain, channels)
  const [start, startCpu] = [performance.now() - since, cpuSince(cpu)]
  await soon(LOOK_AGAIN_MS)
  const bytes = (heap() - before) / channels

  const blocks: number[] = []
  for (let i = 0; i < BLOCKS; i++) {
    cpu = process.cpuUsage()
    await nextTip(chain, () => {
      server.send('mine')
    })
    blocks.push(cpuSince(cpu))
  }

  ;[since, cpu] = [performance.now(), process.cpuUsage()]
  server.send('cut')
  while (chain.status === 'synced') {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
  await allKnown(chain, channels)
  const [again, againCpu] = [performance.now() - since, cpuSince(cpu)]
  await stop()
  return {
    start,
    startCpu,
    again,
    againCpu,
    block: blocks.sort((a, b) => a - b)[BLOCKS >> 1] ?? 0,
    bytes
  }
}

function chainAt(port: number): ElectrumChain {
  return createElectrumChain({
    url: `tcp://127.0.0.1:${port}`,
    network: 'regtest',
    clock: systemClock,
    random: systemRandom,
    timeouts: { retryFirst: 5, retryMost: 50 }
  })
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
  const store = await openLevelStore(directory)
  const chain = chainAt(port)
  const virtual = new SimChain()
  const engine = new Engine({
    network: 'regtest',
    policy: serverPolicy(),
    store,
    chain,
    peers: new SimNetwork().peer(peerName(0)),
    wallet: walletOn(virtual, new Purses(virtual), peerName(0)),
    signer: signerOf(peerName(0)),
    clock: systemClock,
    random: systemRandom,
    initialFeeRate: feeRate(1_000n),
    onEvent: (event) => {
      if (event.type === 'alarm' && event.code !== 'ERR_NO_FEE_ESTIMATE') {
        throw new Error(event.text)
      }
    }
  })
  await engine.start()
  await chain.start()
  measureChoice(engine)
  const stop = async (): Promise<void> => {
    await engine.stop()
    await chain.stop()
    await store.close()
  }
  return { chain, stop }
}

async function report(channels: number, directory: string): Promise<WatchReport> {
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
    const chain = await measure(channels, server, async () => await chainAlone(ready))
    const engine = await measure(channels, server, async () => await wholeEngine(directory, ready))
    return { channels, choice, chain, engine }
  } finally {
    if (server.connected) server.disconnect()
  }
}

const directory = await mkdtemp(join(tmpdir(), 'paychan-watches-'))
try {
  process.send?.({ report: await report(Number(process.argv[2]), directory) })
} finally {
  await rm(directory, { recursive: true, force: true })
  process.disconnect()
}
