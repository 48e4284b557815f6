import assert from 'node:assert/strict'
import { compareEpochs, NEW_EPOCHS, raised } from '../../src/channel/epochs.js'

describe('channel / epochs (REEST-7)', () => {
  const epochs = { ours: 5, theirs: 3, seen: 4 }
  const cases: ReadonlyArray<
    readonly [
      what: string,
      said: readonly [epoch: number, peerEpoch: number],
      after: typeof epochs,
      relapse: string | undefined
    ]
  > = [
    ['the next one, which has seen our last', [4, 5], { ours: 5, theirs: 4, seen: 5 }, undefined],
    ['one that has not seen our last yet', [4, 4], { ours: 5, theirs: 4, seen: 4 }, undefined],
    ['a later one, after some that were lost', [9, 5], { ours: 5, theirs: 9, seen: 5 }, undefined],
    [
      'one that has seen more of us than we know of',
      [4, 7],
      { ours: 7, theirs: 4, seen: 5 },
      'this node'
    ],
    [
      'one that no longer knows what it had seen',
      [4, 3],
      { ours: 5, theirs: 4, seen: 4 },
      'the peer'
    ],
    ['the last one again', [3, 5], { ours: 5, theirs: 3, seen: 5 }, 'a copy']
  ]
  for (const [what, [epoch, peerEpoch], after, relapse] of cases) {
    it(`${what}: ${relapse ?? 'nobody'} has gone back`, () => {
      for (const isAnswer of [false, true]) {
        assert.deepEqual(compareEpochs(epochs, epoch, peerEpoch, isAnswer), {
          epochs: after,
          relapse
        })
      }
    })
  }

  it("an earlier one condemns nobody when it opens a stream, for it may have been long on its way; as an answer it is a copy's", () => {
    assert.deepEqual(compareEpochs(epochs, 2, 5, false), {
      epochs: { ...epochs, seen: 5 },
      relapse: undefined
    })
    assert.deepEqual(compareEpochs(epochs, 2, 5, true), {
      epochs: { ...epochs, seen: 5 },
      relapse: 'a copy'
    })
  })

  it('count from 1 on, and stay within 32 bits', () => {
    assert.deepEqual(raised(NEW_EPOCHS), { ours: 1, theirs: 0, seen: 0 })
    assert.equal(raised({ ...epochs, ours: 0xffff_ffff }).ours, 0xffff_ffff)
  })
})
