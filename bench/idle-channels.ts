/**
 * Opens many real channels: engines that speak the protocol with each other in memory, T1s in one
 * block, a payment on each. What is left of them is the store of the server, for another process.
 */
import { fundingScriptOf } from '../src/channel/terms.js'
import { defaultPolicy, type Policy } from '../src/channel/policy.js'
import { Engine } from '../src/engine/engine.js'
import type { Signer, Store } from '../src/engine/ports.js'
import { systemClock, systemRandom } from '../src/node/system.js'
import { SimNetwork } from '../src/testing/network.js'
import { keyMaker } from '../src/testing/keys.js'
import { SimChain } from '../src/testing/chain.js'
import { openSimStore } from '../src/testing/disk.js'
import { SharedFees } from '../src/testing/fees.js'
import { Life } from '../src/testing/life.js'
import { ONE_HONEST, Phantoms, Servers } from '../src/testing/servers.js'
import { SimView, Watchers } from '../src/testing/view.js'
import { Purses, SimWallet } from '../src/testing/wallet.js'
import { quiet } from '../src/testing/world.js'
import { toHex } from '../src/types/bytes.js'
import { blockDelta, feeRate, satoshi } from '../src/types/units.js'

/** Below the streams that a peer may begin at once (WIRE-9). */
const CHANNELS_OF_A_CLIENT = 50
/** Of all clients together, until their T1s are in a block. */
const MOST_AT_ONCE = 1_000_000
const CAPACITY = satoshi(500_000n)
const PAID = satoshi(1_000n)
/** What a client pays for a channel with, its fee included. */
const COIN = 550_000
/** More than a T1 has. */
const MOST_VSIZE = 400

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

/** A wallet that pays for channels, on a chain that judges no signature. */
export function walletOn(chain: SimChain, purses: Purses, name: string, coins = 0): SimWallet {
  const wallet = new SimWallet(name, chain, purses, async (transaction) =>
    chain.broadcast(transaction)
  )
  for (let n = 0; n < coins; n++) chain.mint(toHex(wallet.nextScript()), COIN)
  return wallet
}

/** Resolves once so many transactions wait for a block. */
async function sent(chain: SimChain, count: number): Promise<void> {
  while (chain.waiting.size < count) await quiet()
}

/** @param store - the server's; it is full of channels afterwards */
export async function openIdleChannels(count: number, store: Store): Promise<Opened> {
  const chain = new SimChain({ blockVsize: count * MOST_VSIZE })
  const purses = new Purses(chain)
  const watchers = new Watchers()
  watchers.follow(chain)
  const servers = new Servers(ONE_HONEST, chain, new SharedFees([1]), new Phantoms(() => {}))
  const network = new SimNetwork()
  const engineOf = (name: string, itsStore: Store, coins: number): Engine =>
    new Engine({
      network: 'regtest',
      policy: serverPolicy(),
      store: itsStore,
      chain: new SimView({ chain, servers, watchers }, new Life()),
      peers: network.peer(name),
      wallet: walletOn(chain, purses, name, coins),
      signer: signerOf(name),
      clock: systemClock,
      random: systemRandom,
      initialFeeRate: feeRate(1_000n),
      watchesRisk: false,
      isListening: () => false,
      onEvent: () => {}
    })
  const server = engineOf(peerName(0), store, 0)
  await server.start()
  const clients: Engine[] = []
  const ready: Array<Promise<void>> = []
  while (ready.length < count) {
    const name = peerName(clients.length + 1)
    const channels = Math.min(CHANNELS_OF_A_CLIENT, count - ready.length)
    const client = engineOf(name, openSimStore(), channels)
    await client.start()
    clients.push(client)
    for (let left = channels; left > 0; left--) {
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
    await sent(chain, ready.length)
  }
  const transactions = [...chain.waiting.values()].flatMap(({ transaction }) =>
    transaction === undefined ? [] : [transaction.raw]
  )
  chain.mine()
  await Promise.all(ready)
  for (const client of clients) await client.stop()
  const scripts = server
    .states()
    .flatMap((state) => (state.stage === 'established' ? [fundingScriptOf(state.terms)] : []))
  await server.stop()
  return { transactions, scripts }
}
