/** What callers may use of a node: one question about fees is for all, and reads of logs take turns. */
import assert from 'node:assert/strict'
import type { Chain, Tip } from '../../src/engine/ports.js'
import { LongReads, ShownFees } from '../../src/node/running.js'
import { codeOf, PaychanError } from '../../src/types/errors.js'
import { blockHeight, feeRate } from '../../src/types/units.js'
import { codeOfRejection } from './fixture.js'

describe('node / the fees that are shown', () => {
  let now: number
  let asked: number
  let fails: boolean
  let chain: { tip: Tip | undefined } & Pick<Chain, 'relayRates' | 'estimateFeeRate'>
  let fees: ShownFees

  beforeEach(() => {
    ;[now, asked, fails] = [1_800_000_000_000, 0, false]
    chain = {
      tip: { height: blockHeight(100), hash: 'block 100' },
      relayRates: async () => {
        asked += 1
        if (fails) throw new PaychanError('ERR_CHAIN_UNAVAILABLE', 'Nobody answers.')
        return await Promise.resolve({ minimum: feeRate(1_000n), incremental: feeRate(1_000n) })
      },
      estimateFeeRate: async () => await Promise.resolve(feeRate(BigInt(1_000 * asked)))
    }
    fees = new ShownFees(chain, { now: () => now })
  })

  function nextBlock(): void {
    const height = blockHeight((chain.tip?.height ?? 0) + 1)
    chain.tip = { height, hash: `block ${height}` }
  }

  it('cost what one call costs, with a hundred at once and a hundred later', async () => {
    const first = await Promise.all(Array.from({ length: 100 }, async () => await fees.now()))
    for (let n = 0; n < 100; n++) first.push(await fees.now())
    assert.equal(asked, 1)
    assert.deepEqual(first[199], first[0])
    assert.equal(first[0]?.leastSatPerVByte, 1)
  })

  it('are asked for anew with a block, and not within 30 s, however fast blocks come', async () => {
    await fees.now()
    now += 29_999
    for (let n = 0; n < 50; n++) {
      nextBlock()
      await fees.now()
    }
    assert.equal(asked, 1)
    now += 1
    assert.equal((await fees.now()).estimates[0]?.satPerVByte, 2)
    assert.equal(asked, 2)
  })

  it('are asked for anew after 10 minutes without a block, and after a clock that was set back', async () => {
    await fees.now()
    now += 599_999
    await fees.now()
    assert.equal(asked, 1)
    now += 1
    await fees.now()
    assert.equal(asked, 2)
    now -= 86_400_000
    await fees.now()
    assert.equal(asked, 3)
  })

  it('that could not be had cost no more: they are asked for again with a block, or after 30 s', async () => {
    fails = true
    for (let n = 0; n < 100; n++) {
      assert.equal(await codeOfRejection(fees.now()), 'ERR_CHAIN_UNAVAILABLE')
    }
    assert.equal(asked, 1)
    fails = false
    now += 29_999
    assert.equal(await fees.now().catch(codeOf), 'ERR_CHAIN_UNAVAILABLE')
    nextBlock()
    await fees.now()
    assert.equal(asked, 2)
  })
})

/* Reads of whole logs take turns, whoever asks for them. */

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
