import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Established } from '../../src/channel/state.js'
import { Actors } from '../../src/engine/context.js'
import { channelFor } from '../../src/engine/holdings.js'
import { channelId } from '../../src/types/bytes.js'
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
