/** Transactions, witnesses and signatures, as peers and servers send them. */
import { p2wsh } from '../../../src/bitcoin/scripts.js'
import { isForgedSpend } from '../../../src/bitcoin/owner-spend.js'
import { fromBlock, fromDer } from '../../../src/bitcoin/ecdsa.js'
import { readFunding, checkFundingTx } from '../../../src/bitcoin/funding.js'
import { isSignedByBoth, signedParts } from '../../../src/bitcoin/funding-spend.js'
import { parseRefundRequest } from '../../../src/bitcoin/refund.js'
import { checkRenewalTx } from '../../../src/bitcoin/renewal.js'
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
    const outPoint = parsed?.inputs[0]?.outPoint ?? funding.outPoint
    if (parsed !== undefined) {
      neverThrows('what a transaction says', () => [
        parsed.spends(outPoint),
        parsed.vsize,
        parsed.paidTo(),
        parsed.sighash(0, fundingScript, funding.value, input.at(-1) ?? 0),
        parsed.withWitnesses()
      ])
      neverThrows('isSignedByBoth', () =>
        isSignedByBoth(parsed, { ...funding, outPoint }, () => true)
      )
      neverThrows('signedParts', () => signedParts(parsed, outPoint))
      neverThrows('isForgedSpend', () =>
        parsed.inputs.map(({ witness }, index) =>
          isForgedSpend(
            parsed,
            index,
            { script: p2wsh(witness.at(-1) ?? input), value: funding.value },
            () => true
          )
        )
      )
    }
    for (const read of [
      () => fromDer(input),
      () => fromBlock(input),
      () =>
        checkFundingTx(readFunding(input), {
          outPoint: funding.outPoint,
          script: fundingScript,
          capacity: funding.value
        }),
      () => parseRefundRequest(input, { version: 3, refundHeight: blockHeight(700) }),
      () =>
        checkRenewalTx(parseTransaction(input), { ...funding, outPoint }, [input], {
          height: blockHeight(700),
          leastRate: feeRate(1_000n),
          mostRate: feeRate(20_000n)
        })
    ]) {
      unlessRefused<unknown>(read)
    }
  }
}
