/** A channel that is settled together with others: when it stays, and what it does when it leaves (TIME-9). */
import assert from 'node:assert/strict'
import { bidBatch, isBatchable, publicationOf, type Batch } from '../../src/channel/batching.js'
import type { Effect, Transition } from '../../src/channel/effects.js'
import type { ChannelEvent } from '../../src/channel/events.js'
import type { Established, OnChain, Publication, ShownSpend } from '../../src/channel/state.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { txid } from '../../src/types/bytes.js'
import { blockHeight, satoshi } from '../../src/types/units.js'
import { effectsOf } from './asserts.js'
import { World } from './world.js'

/** The server of a channel that was paid 40,000 sat, its client gone; L is 700, it is settled from 664 on. */
const paid = (): World => new World().open().paid(40_000n).kill('client').mineTo(663)

/** A batch that counts two, so that the channel here has company elsewhere. */
function batchOf ({ server, chain }: World, previous?: Batch, mustChange = false): Batch | undefined {
  return bidBatch([{ channel: server.established, sign: server.channelKey.sign }], { ...server.env(), height: chain.height }, previous, mustChange)
}

function sharedOf (world: World): Publication {
  const batch = batchOf(world)
  assert.ok(batch)
  return publicationOf(batch, 2, world.chain.height)
}

/** In a batch that no block takes. */
function inBatch (): World {
  const world = paid()
  world.chain.lowestFeeRate = 1_000_000_000n
  world.server.post({ type: 'batched', publication: sharedOf(world), leads: true })
  assert.equal(world.server.established.publication?.batch?.channels, 2)
  return world
}

const bids = (effects: readonly Effect[]): string[] => effectsOf(effects, 'broadcast').flatMap(({ purpose, raw }) => purpose === 'publication' ? [parseTransaction(raw).txid] : [])

/** What the next tip brings, when something else is true as well. */
function tip (world: World, changes: Partial<Established> = {}, height = world.chain.height + 1): Transition & { readonly publication: Publication | undefined } {
  world.server.channel = { ...world.server.established, ...changes }
  const next = world.server.attempt({ type: 'tip' }, { height: blockHeight(height) })
  return { ...next, publication: next.state.stage === 'established' ? next.state.publication : undefined }
}

const unknown: ShownSpend = { kind: 'unknown', turn: undefined, txid: txid('ab'.repeat(32)), raw: new Uint8Array(10), clientBalance: undefined, height: undefined, shownBy: 1, fee: satoshi(500n), vsize: 170, lock: 0 }

describe('channel / batching', () => {
  it('is fetched patiently only when a user has asked for the batch; one that is due bids for its stake (STAKE-3)', () => {
    for (const [byUser, code] of [[true, 'ERR_CHANNEL_SETTLED'], [false, 'ERR_CHANNEL_EXPIRED']] as const) {
      const world = new World().open().paid(40_000n)
      world.server.post({ type: 'batched', publication: sharedOf(world), leads: true, byUser })
      assert.equal(world.server.established.stopped?.code, code)
    }
  })

  it('stays in its batch with a new block, and leaves the bids to it', () => {
    const world = inBatch()
    const { publication, effects } = tip(world)
    assert.deepEqual([publication?.batch?.channels, bids(effects)], [2, []])
  })

  const [closing, renewing] = [undefined, txid('cd'.repeat(32))].map((renewedAs) => ({ asker: 'client', fee: satoshi(400n), txid: txid('ef'.repeat(32)), signature: new Uint8Array(64), raw: undefined, ...(renewedAs === undefined ? {} : { renewedAs: renewedAs as unknown as Established['id'] }) } as const))
  const onChain = (world: World, changes: Partial<OnChain>): Pick<Established, 'onChain'> => ({ onChain: { ...world.server.established.onChain, ...changes } })
  const reasons: ReadonlyArray<readonly [string, (world: World) => Partial<Established>, number?]> = [
    ['a close is signed (CLOSE-8)', () => ({ closes: closing === undefined ? [] : [closing] })],
    ['a renewal is signed (RENEW-5)', () => ({ closes: renewing === undefined ? [] : [renewing] })],
    ['T1 is in no block any more', (world) => onChain(world, { fundingHeight: undefined })],
    ['something spends it that this node does not know', (world) => onChain(world, { shown: [unknown] })],
    ['its client may publish T2, from L on', () => ({}), 700]
  ]
  for (const [why, changes, height] of reasons) {
    it(`leaves its batch with the next block, and bids alone at once: ${why}`, () => {
      const world = inBatch()
      const { publication, effects } = tip(world, changes(world), height)
      assert.deepEqual([publication?.batch, publication?.kind, bids(effects)], [undefined, 'settlement', [publication?.txid]])
      assert.equal(parseTransaction(publication?.raw ?? new Uint8Array()).inputs.length, 1)
    })

    it(`joins none: ${why}`, () => {
      const world = paid()
      const rate = world.server.env().feeRate
      assert.equal(isBatchable(world.server.established, rate, world.chain.height), true)
      assert.equal(isBatchable({ ...world.server.established, ...changes(world) }, rate, blockHeight(height ?? world.chain.height)), false)
    })
  }

  it('bids alone from the moment in which the batch comes apart', () => {
    const { server } = inBatch()
    const effects = server.post({ type: 'batched', publication: undefined, leads: false })
    assert.deepEqual([server.established.publication?.batch, bids(effects)], [undefined, [server.established.publication?.txid]])
  })

  it('keeps the batch that is in a block, and whatever the chain is told to be, bids again after a reorganisation', () => {
    const world = inBatch()
    world.chain.lowestFeeRate = 0n
    world.mine()
    assert.equal(world.server.info.spend?.height, world.chain.height)
    const { state, effects } = tip(world)
    assert.deepEqual([state.stage === 'established' && state.publication?.batch?.channels, bids(effects)], [2, []])
  })

  it('broadcasts what the others count on, though a close was signed while the batch was made', () => {
    const world = paid()
    const event: ChannelEvent = { type: 'batched', publication: sharedOf(world), leads: true }
    world.server.channel = { ...world.server.established, closes: closing === undefined ? [] : [closing] }
    const { state, effects } = world.server.attempt(event)
    assert.deepEqual([state, bids(effects)], [world.server.channel, [event.publication?.txid]])
  })

  it('one that has to change pays what replaces the last one (BIP125); one that need not stands', () => {
    const world = paid()
    const first = batchOf(world)
    assert.ok(first)
    assert.equal(batchOf(world, first), undefined)
    const { vsize } = parseTransaction(first.raw)
    const next = batchOf(world, { ...first, fee: 5_000n }, true)
    assert.ok(next !== undefined && next.fee >= 5_000n + BigInt(vsize) && next.fee < 5_000n + BigInt(vsize + 10), `${next?.fee}`)
    assert.equal(batchOf(world, { ...first, fee: 40_000n }, true), undefined, 'not with more than there is')
  })
})
