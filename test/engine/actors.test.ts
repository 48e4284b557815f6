/** The channels of a node as the engine finds them, and who waits for what comes of one. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Established, ShownSpend, Spend } from '../../src/channel/state.js'
import { Actors } from '../../src/engine/context.js'
import { channelFor } from '../../src/engine/holdings.js'
import { Waiters } from '../../src/engine/waiters.js'
import { channelId } from '../../src/types/bytes.js'
import { codeOf } from '../../src/types/errors.js'
import { blockHeight } from '../../src/types/units.js'
import { shownSpend } from '../channel/asserts.js'
import { World } from '../channel/world.js'

interface Found {
  readonly id: Established['id']
  readonly state: Established
}

const PEERS = ['alice', 'bob', 'carol']

const world = new World().open()
/** Channels that have paid more and more, so that each has another room. */
const states = [1_000n, 2_000n, 50_000n].map((amount) => world.paid(amount).client.established)

function idOf(n: number): Established['id'] {
  return channelId(n.toString(16).padStart(64, '0'))
}

/** What happens to the channels of a node: one comes, with any id and peer, or one goes. */
const anyChange = fc.record({
  id: fc.integer({ min: 1, max: 12 }),
  peer: fc.constantFrom(...PEERS),
  state: fc.constantFrom(...states),
  goes: fc.boolean()
})

describe('engine / the channels of a node', () => {
  it('are found by peer and by id as a walk over all of them finds them', () => {
    let carried = 0
    fc.assert(
      fc.property(
        fc.array(anyChange, { maxLength: 40 }),
        fc.bigInt({ min: 1n, max: 100_000n }),
        (made, amount) => {
          const actors = new Actors<Found>()
          const gone: Found[] = []
          for (const { id, peer, state, goes } of made) {
            const known = actors.get(idOf(id))
            if (goes && known !== undefined) {
              actors.remove(known)
              gone.push(known)
            } else {
              actors.add({ id: idOf(id), state: { ...state, id: idOf(id), peer } })
            }
            // One that went before, or made room, is not there to go again.
            for (const each of gone) if (actors.get(each.id) !== each) actors.remove(each)
          }
          const all = [...actors.values()]
          for (const peer of PEERS) {
            assert.deepEqual(
              new Set(actors.of(peer)),
              new Set(all.filter(({ state }) => state.peer === peer))
            )
          }
          const { height } = world.chain
          const seen = (): { height: typeof height; isWatched: boolean } => ({
            height,
            isWatched: true
          })
          for (const to of [...PEERS, 'dave', ...all.map(({ id }) => id)]) {
            const walked = channelFor(all, to, amount, seen)
            assert.equal(channelFor(actors.to(to), to, amount, seen), walked)
            if (walked !== undefined) carried += 1
          }
        }
      )
    )
    assert.ok(carried > 0)
  })
})

describe('engine / waiting for a close', () => {
  const channel = new World().open().paid(40_000n).server.established

  const REFUND = shownSpend({ kind: 'refund', state: 'refund', lock: channel.terms.refundHeight })

  /** The answer to one who waits, once the chain has looked so at last. */
  async function answerTo(
    ...looks: ReadonlyArray<{ shown?: ShownSpend[]; spend?: Spend }>
  ): Promise<unknown> {
    const waiters = new Waiters()
    let answer: unknown = 'none'
    waiters.close().then(
      ({ kind }) => {
        answer = kind
      },
      (error: unknown) => {
        answer = codeOf(error)
      }
    )
    for (const look of looks) {
      waiters.observe({ ...channel, onChain: { ...channel.onChain, ...look } })
    }
    await new Promise((resolve) => setImmediate(resolve))
    return answer
  }

  it('a close that is shown answers it', async () => {
    assert.equal(await answerTo({ shown: [{ ...REFUND, kind: 'close' }] }), 'close')
  })

  it('T2, or what is not known, ends it in a block, and not by being shown (EVID-3)', async () => {
    const spend = { ...REFUND, height: blockHeight(700) }
    assert.equal(await answerTo({ shown: [REFUND] }), 'none')
    assert.equal(await answerTo({ shown: [{ ...REFUND, kind: 'unknown' }] }), 'none')
    assert.equal(await answerTo({ shown: [REFUND] }, { shown: [], spend }), 'ERR_CHANNEL_CLOSED')
  })
})
