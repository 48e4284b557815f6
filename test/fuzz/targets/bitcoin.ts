/** Transactions, witnesses and signatures, as peers and servers send them. */
import { fromBlock, fromDer } from '../../../src/bitcoin/ecdsa.js'
import { checkFundingTx, fundingOutPoint } from '../../../src/bitcoin/funding.js'
import { isSignedByBoth, signedParts } from '../../../src/bitcoin/funding-witness.js'
import { parseRefundRequest } from '../../../src/bitcoin/refund.js'
import { checkRenewalTx } from '../../../src/bitcoin/renewal.js'
import { spenderOf } from '../../../src/bitcoin/spend.js'
import { parseTransaction } from '../../../src/bitcoin/transaction.js'
import { blockHeight, feeRate } from '../../../src/types/units.js'
import { neverThrows, unlessRefused, type Target } from '../target.js'
import { channels, transactions } from './transactions.js'

export const BITCOIN: Target = {
  name: 'bitcoin',
  seeds: transactions,
  run: (input) => {
    const { funding, fundingScript } = channels().oneWay
    const parsed = unlessRefused(() => parseTransaction(input))
    if (parsed !== undefined) neverThrows('spenderOf', () => spenderOf(parsed, funding.outPoint))
    neverThrows('isSignedByBoth', () =>
      isSignedByBoth(
        input,
        { ...funding, outPoint: parsed?.inputs[0]?.outPoint ?? funding.outPoint },
        () => true
      )
    )
    neverThrows('signedParts', () =>
      signedParts(input, parsed?.inputs[0]?.outPoint ?? funding.outPoint)
    )
    for (const read of [
      () => fromDer(input),
      () => fromBlock(input),
      () =>
        checkFundingTx(input, {
          outPoint: funding.outPoint,
          script: fundingScript,
          capacity: funding.value
        }),
      () => fundingOutPoint(input, input.at(-1) ?? 0),
      () => parseRefundRequest(input, { version: 3, refundHeight: blockHeight(700) }),
      () =>
        checkRenewalTx(
          input,
          { ...funding, outPoint: parsed?.inputs[0]?.outPoint ?? funding.outPoint },
          [input],
          { height: blockHeight(700), leastRate: feeRate(1_000n), mostRate: feeRate(20_000n) }
        )
    ]) {
      unlessRefused<unknown>(read)
    }
  }
}
