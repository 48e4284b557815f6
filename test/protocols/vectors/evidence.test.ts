import assert from 'node:assert/strict'
import { parseTransaction } from '../../../src/bitcoin/transaction.js'
import { isSignedByBoth } from '../../../src/bitcoin/funding-spend.js'
import { countsAsRival } from '../../../src/channel/evidence.js'
import { figuresOf, stateIn } from '../../../src/channel/onchain.js'
import { heightsBefore } from '../../../src/channel/schedule.js'
import { fromHex } from '../../../src/types/bytes.js'
import { blockDelta, blockHeight } from '../../../src/types/units.js'
import { ecdsa } from '../../channel/keys.js'
import { fundingOutput } from './replay.js'
import { read } from './schema.js'

describe('vectors of spends', () => {
  const {
    funding,
    terms: { refundHeight: L, step },
    height,
    cases
  } = read.spends()
  const output = fundingOutput(funding)
  const refundHeight = blockHeight(L)

  for (const { name, raw, oneWay, signedByBoth, turn, clientBalance, counts } of cases) {
    it(`${name} (EVID-2, EVID-3)`, () => {
      const terms = oneWay
        ? {
            mode: 'one-way' as const,
            step: 0,
            refundHeight,
            capacity: output.value,
            ...heightsBefore(refundHeight, blockDelta(36))
          }
        : {
            mode: 'two-way' as const,
            step,
            refundHeight,
            capacity: output.value,
            ...heightsBefore(refundHeight, blockDelta(step))
          }
      const bytes = fromHex(raw)
      assert.equal(isSignedByBoth(parseTransaction(bytes), output, ecdsa.verify), signedByBoth)
      const state = stateIn(terms, output.outPoint, parseTransaction(bytes))
      assert.deepEqual(
        [state?.turn ?? null, state === undefined ? null : Number(state.clientBalance)],
        [turn, clientBalance]
      )
      assert.equal(
        signedByBoth &&
          countsAsRival(
            { onChain: { fundingHeight: blockHeight(500) } },
            figuresOf(parseTransaction(bytes), output.value),
            height
          ),
        counts
      )
    })
  }
})
