/**
 * Opens many real channels: engines that speak the protocol with each other in memory, T1s in one
 * block, a payment on each. What is left of them is the store of the server, for another process.
 */
import { fundingScriptOf } from '../src/channel/terms.js'
import { defaultPolicy, type Policy } from '../src/channel/policy.js'
import { Engine } from '../src/engine/engine.js'
import type { Peers, Signer, Store } from '../src/engine/ports.js'
import { systemClock, systemRandom } from '../src/node/system.js'
import { SimNetwork } from '../src/testing/network.js'
import { keyMaker } from '../src/testing/keys.js'
import { openSimStore } from '../src/testing/disk.js'
import { blockDelta, feeRate, satoshi } from '../src/types/units.js'
import { BenchChain } from './bench-chain.js'
import { BenchWallet } from './bench-wallet.js'

/** Below the streams that a peer may begin at once (WIRE-9). */
const CHANNELS_OF_A_CLIENT = 50
/** Of all clients together, until their T1s are in a block. */
const MOST_AT_ONCE = 1_000_000
const CAPACITY = satoshi(500_000n)
const PAID = satoshi(1_000n)

/** No limit stands in the way of opening all at once. */
export function serverPolicy(): Policy {
  return {
    ...defaultPolicy('regtest'),
    maxPendingOpenings: CHANNELS_OF_A_CLIENT,
    maxUnfunded: CHANNELS_OF_A_CLIENT,
    maxPendingInAll: MOST_AT_ONCE,
    maxUnfundedInAll: MOST_AT_ONCE
  }
}

/** Keys that are hashes: to derive as many as a node does would take most of the time. */
const keys = keyMaker(1, false)

export function signerOf(name: string): Signer {
  return keys.signerFor(name)
}

/** PeerIds are as long as this. */
export function peerName(index: number): string {
  return `12D3KooW${String(index).padStart(44, '0')}`
}

export interface Opened {
  readonly transactions: readonly Uint8Array[]
  /** Of the funding outputs. */
  readonly scripts: readonly Uint8Array[]
}

/** @param store - the server's; it is full of channels afterwards */
export async function openIdleChannels(count: number, store: Store): Promise<Opened> {
  const chain = new BenchChain()
  const network = new SimNetwork()
  const engineOf = (peers: Peers, signer: Signer, itsStore: Store): Engine =>
    new Engine({
      network: 'regtest',
      policy: serverPolicy(),
      store: itsStore,
      chain,
      peers,
      wallet: new BenchWallet(),
      signer,
      clock: systemClock,
      random: systemRandom,
      initialFeeRate: feeRate(1_000n),
      watchesRisk: false,
      isListening: () => false,
      onEvent: () => {}
    })
  const server = engineOf(network.peer(peerName(0)), signerOf(peerName(0)), store)
  await server.start()
  const clients: Engine[] = []
  const ready: Array<Promise<void>> = []
  while (ready.length < count) {
    const name = peerName(clients.length + 1)
    const client = engineOf(network.peer(name), signerOf(name), openSimStore())
    await client.start()
    clients.push(client)
    for (let left = Math.min(CHANNELS_OF_A_CLIENT, count - ready.length); left > 0; left--) {
      const opened = client.open({
        peer: peerName(0),
        capacity: CAPACITY,
        blocks: blockDelta(1_008),
        wait: 'ready'
      })
      ready.push(
        opened.then(async ({ id }) => {
          await client.pay(id, PAID, '')
        })
      )
    }
    await chain.sent(ready.length)
  }
  chain.mine()
  await Promise.all(ready)
  for (const client of clients) await client.stop()
  const scripts = server
    .states()
    .flatMap((state) => (state.stage === 'established' ? [fundingScriptOf(state.terms)] : []))
  await server.stop()
  return { transactions: chain.transactions, scripts }
}
