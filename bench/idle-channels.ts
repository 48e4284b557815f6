/**
 * A store with many channels: some are real, opened by engines that speak the protocol with each
 * other in memory, with T1s in one block and a payment on each. The others are copies of their
 * records with keys, T1s and peers of their own, since opening ten thousand takes minutes.
 */
import { fundingScript } from '../src/bitcoin/funding.js'
import { channelIdOf } from '../src/bitcoin/scripts.js'
import { sha256OfText } from '../src/bitcoin/hashes.js'
import { makeTransaction, parseTransaction } from '../src/bitcoin/transaction.js'
import type { Established } from '../src/channel/state.js'
import { fundingScriptOf } from '../src/channel/terms.js'
import { defaultPolicy, type Policy } from '../src/channel/policy.js'
import { Engine } from '../src/engine/engine.js'
import { paymentKey } from '../src/engine/payments.js'
import type { Change, Signer, Store } from '../src/engine/ports.js'
import { CHANNEL_PREFIX, LEDGER_PREFIX } from '../src/engine/stored-channel.js'
import { systemClock, systemRandom } from '../src/node/system.js'
import { SimNetwork } from '../src/testing/network.js'
import { keyMaker } from '../src/testing/keys.js'
import { SimChain } from '../src/testing/chain.js'
import { openSimStore } from '../src/testing/disk.js'
import { ONE_HONEST, Phantoms, Servers, SharedFees } from '../src/testing/servers.js'
import { Life } from '../src/testing/calendar.js'
import { SimView, Watchers } from '../src/testing/view.js'
import { Purses, SimWallet } from '../src/testing/wallet.js'
import { quiet } from '../src/testing/world.js'
import { toHex, txidFromHash } from '../src/types/bytes.js'
import { decodeRecord, recordChange } from '../src/types/records.js'
import { blockDelta, feeRate, satoshi } from '../src/types/units.js'

/** Below the streams that a peer may begin at once (WIRE-9). */
const CHANNELS_OF_A_CLIENT = 50
/** So many are opened at most. */
const MOST_REAL = 100
/** Records that are written at once. */
const WRITTEN_AT_ONCE = 3_000
/** Of all clients together, until their T1s are in a block. */
const MOST_AT_ONCE = 1_000_000
const CAPACITY = satoshi(500_000n)
const PAID = satoshi(1_000n)
/** The coin with which a client pays for a channel and its fee. */
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
  const opened = await openRealChannels(Math.min(count, MOST_REAL), store)
  const copied = await copyChannels(count - opened.scripts.length, store)
  return {
    transactions: [...opened.transactions, ...copied.transactions],
    scripts: [...opened.scripts, ...copied.scripts]
  }
}

/** Fills the store with copies of a channel that it has. */
async function copyChannels(count: number, store: Store): Promise<Opened> {
  const [first] = await store.last(CHANNEL_PREFIX, 1)
  if (first === undefined || count === 0) return { transactions: [], scripts: [] }
  const model = decodeRecord<Established>(...first)
  const t1 = parseTransaction(model.fundingTx)
  const keys = [LEDGER_PREFIX + model.id, paymentKey(model.id, 1)] as const
  const [ledger, payment] = await Promise.all(
    keys.map(async (key) => decodeRecord<object>(key, (await store.get(key)) ?? new Uint8Array()))
  )
  const transactions: Uint8Array[] = []
  const scripts: Uint8Array[] = []
  let changes: Change[] = []
  for (let n = 0; n < count; n++) {
    const keyOf = (name: string): Uint8Array => Uint8Array.of(2, ...sha256OfText(`${name} ${n}`))
    const { client } = model.terms
    const [clientKey, serverKey] = [keyOf('client'), keyOf('server')]
    const script = fundingScript(clientKey, serverKey)
    const funding = makeTransaction({
      version: t1.version,
      inputs: t1.inputs.map((input) => ({
        ...input,
        outPoint: { txid: txidFromHash(sha256OfText(`coin ${n}`)), vout: 0 }
      })),
      outputs: t1.outputs.map((output, vout) => (vout === 0 ? { ...output, script } : output))
    })
    const id = channelIdOf(clientKey)
    const peer = peerName(1 + Math.floor((MOST_REAL + n) / CHANNELS_OF_A_CLIENT))
    const channel = {
      ...model,
      ...{ id, peer, address: peer, keys: { high: n, low: n } },
      terms: {
        ...model.terms,
        client: { ...client, channelKey: clientKey, payoutKey: keyOf('payout of client') },
        server: {
          channelKey: serverKey,
          payoutKey: keyOf('payout of server'),
          closeScript: Uint8Array.of(0, 20, ...sha256OfText(`close ${n}`).subarray(0, 20))
        }
      },
      outPoint: { txid: funding.txid, vout: 0 },
      fundingTx: funding.raw
    }
    changes.push(
      recordChange(CHANNEL_PREFIX + id, channel),
      recordChange(LEDGER_PREFIX + id, ledger),
      recordChange(paymentKey(id, 1), payment)
    )
    transactions.push(funding.raw)
    scripts.push(script)
    if (changes.length >= WRITTEN_AT_ONCE || n === count - 1) {
      await store.commit(changes)
      changes = []
    }
  }
  return { transactions, scripts }
}

async function openRealChannels(count: number, store: Store): Promise<Opened> {
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
