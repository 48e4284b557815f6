/** Reads of whole logs take turns, whoever asks for them. */
import assert from 'node:assert/strict'
import { LongReads } from '../../src/node/running.js'
import { codeOfRejection } from './fixture.js'

describe('node / reads of a log', () => {
  /** Reads that end when they are told to. */
  function held(reads: LongReads): {
    readonly begun: number[]
    readonly end: Array<() => void>
    readonly ask: (name: number) => Promise<number>
  } {
    const begun: number[] = []
    const end: Array<() => void> = []
    const ask = async (name: number): Promise<number> =>
      await reads.run(async () => {
        begun.push(name)
        await new Promise<void>((resolve) => {
          end[name] = resolve
        })
        return name
      })
    return { begun, end, ask }
  }

  /** All that can happen by itself has happened. */
  async function settled(): Promise<void> {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }

  it('are few at once; others wait, and have their turn in the order in which they came', async () => {
    const { begun, end, ask } = held(new LongReads(2, 9))
    const all = [0, 1, 2, 3].map(ask)
    await settled()
    assert.deepEqual(begun, [0, 1])
    end[1]?.()
    await settled()
    assert.deepEqual(begun, [0, 1, 2])
    for (const name of [0, 2]) end[name]?.()
    await settled()
    assert.deepEqual(begun, [0, 1, 2, 3])
    end[3]?.()
    assert.deepEqual(await Promise.all(all), [0, 1, 2, 3])
  })

  it('give their turn on when they fail', async () => {
    const reads = new LongReads(1, 9)
    const failed = reads.run(async () => await Promise.reject(new Error('no disk')))
    const next = reads.run(async () => await Promise.resolve('read'))
    await assert.rejects(failed, /no disk/)
    assert.equal(await next, 'read')
  })

  it('are refused when too many wait', async () => {
    const { end, ask } = held(new LongReads(1, 1))
    const taken = [ask(0), ask(1)]
    assert.equal(await codeOfRejection(ask(2)), 'ERR_TOO_MANY_CALLS')
    end[0]?.()
    await settled()
    taken.push(ask(2))
    for (const name of [1, 2]) {
      await settled()
      end[name]?.()
    }
    assert.deepEqual(await Promise.all(taken), [0, 1, 2])
  })
})
