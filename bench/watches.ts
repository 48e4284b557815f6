/** What watching many channels over one Electrum connection costs. A process of its own, run with --expose-gc. */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createElectrumChain, type ElectrumChain } from '../src/chain/chain.js'
import { systemClock, systemRandom } from '../src/node/system.js'
import { fundingScript } from './watch-scripts.js'

export interface WatchReport {
  readonly channels: number
  /** From the connection until every history is proved, in milliseconds; `startCpu` of our own CPU, the rest is the server and the wire. */
  readonly start: number
  readonly startCpu: number
  /** The same after a reconnection. */
  readonly again: number
  readonly againCpu: number
  /** Our CPU for one new block without any of the channels in it, in milliseconds: the median. */
  readonly block: number
  /** What a channel that nothing happens to keeps in memory, in bytes. */
  readonly bytes: number
}

const BLOCKS = 21

/** Milliseconds of CPU that this process has used since `before`. */
function cpuSince (before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000
}

function heap (): number {
  for (let i = 0; i < 4; i++) globalThis.gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

async function nextTip (chain: ElectrumChain, act: () => void): Promise<void> {
  const { tip } = chain
  await new Promise<void>((resolve) => {
    const stop = chain.onTip(({ hash }) => {
      if (hash === tip?.hash) return
      queueMicrotask(() => { stop() })
      resolve()
    })
    act()
  })
}

async function allKnown (chain: ElectrumChain, channels: number, onProgress: (known: number) => void): Promise<void> {
  for (let known = 0; known < channels;) {
    await new Promise((resolve) => { setTimeout(resolve, 20) })
    known = chain.watches.known
    onProgress(known)
  }
}

async function measure (channels: number, server: ChildProcess, onProgress: (known: number) => void): Promise<WatchReport> {
  const [port] = await once(server, 'message') as [number]
  const chain = createElectrumChain({ url: `tcp://127.0.0.1:${port}`, network: 'regtest', clock: systemClock, random: systemRandom, timeouts: { retryFirst: 5, retryMost: 50 } })
  const before = heap()
  let [since, cpu] = [performance.now(), process.cpuUsage()]
  for (let index = 0; index < channels; index++) chain.watchScript(fundingScript(index), { onHistory: () => {}, onError: (error) => { throw error } })
  await chain.start()
  await allKnown(chain, channels, onProgress)
  const [start, startCpu] = [performance.now() - since, cpuSince(cpu)]
  const bytes = (heap() - before) / channels

  const blocks: number[] = []
  for (let i = 0; i < BLOCKS; i++) {
    cpu = process.cpuUsage()
    await nextTip(chain, () => { server.send('mine') })
    blocks.push(cpuSince(cpu))
  }

  ;[since, cpu] = [performance.now(), process.cpuUsage()]
  server.send('cut')
  while (chain.status === 'synced') await new Promise((resolve) => { setImmediate(resolve) })
  await allKnown(chain, channels, onProgress)
  const [again, againCpu] = [performance.now() - since, cpuSince(cpu)]
  await chain.stop()
  return { channels, start, startCpu, again, againCpu, block: blocks.sort((a, b) => a - b)[BLOCKS >> 1] ?? 0, bytes }
}

const channels = Number(process.argv[2])
const server = fork(new URL('watch-server.js', import.meta.url), [String(channels)], { execArgv: [] })
let told = 0
const report = await measure(channels, server, (known) => {
  if (performance.now() - told < 1_000) return
  told = performance.now()
  process.send?.({ known })
})
process.send?.({ report })
server.disconnect()
process.disconnect()
