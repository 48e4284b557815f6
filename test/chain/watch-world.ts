/** A fake server three blocks high, and a chain that is synced with it. */
import {
  createElectrumChain,
  type ElectrumChain,
  type ServerReport
} from '../../src/chain/chain.js'
import type { ChainStatus } from '../../src/engine/ports.js'
import type { Txid } from '../../src/types/bytes.js'
import { FakeServer } from './fake-server.js'
import { realClock, Recorder, seededRandom, type History } from './helpers.js'

export interface WatchWorld {
  readonly server: FakeServer
  readonly chain: ElectrumChain
  readonly statuses: Recorder<ChainStatus>
  /** What the chain has said about the server. */
  readonly reports: Recorder<ServerReport>
  /** Another chain, synced with the same server. */
  connect: () => Promise<ElectrumChain>
  stop: () => Promise<void>
}

export async function watchWorld(): Promise<WatchWorld> {
  const server = await new FakeServer().listen()
  server.chain.mine(3)
  const chains: ElectrumChain[] = []
  const reports = new Recorder<ServerReport>()
  const connect = async (statuses = new Recorder<ChainStatus>()): Promise<ElectrumChain> => {
    const chain = createElectrumChain({
      url: server.url,
      network: 'regtest',
      clock: realClock,
      random: seededRandom(),
      onReport: (report) => {
        reports.push(report)
      },
      timeouts: { retryFirst: 2, retryMost: 20 }
    })
    chains.push(chain)
    chain.onStatus((status) => {
      statuses.push(status)
    })
    await chain.start()
    await statuses.when((status) => status === 'synced')
    return chain
  }
  const statuses = new Recorder<ChainStatus>()
  return {
    server,
    statuses,
    reports,
    chain: await connect(statuses),
    connect: async () => await connect(),
    stop: async () => {
      await Promise.all(
        chains.map(async (chain) => {
          await chain.stop()
        })
      )
      await server.close()
    }
  }
}

/** What a history says, without the raw transactions. */
export function entries(history: History): Array<[Txid, number | undefined]> {
  return history.map(({ transaction: { txid }, height }) => [txid, height])
}
