/** The messages of a client that opens a channel by hand, without a wallet and without a coin. */
import { Transaction } from 'bitcoinjs-lib'
import type { OpenChannel, RefundRequest } from '../protocols/paychan/1.0/index.js'
import { unsignedRefund } from '../src/bitcoin/refund.js'
import { refundTemplateOf } from '../src/channel/opening-client.js'
import { fundingScriptOf, type Terms } from '../src/channel/terms.js'
import type { Signer } from '../src/engine/ports.js'
import type { OutPoint } from '../src/types/bytes.js'
import { satoshi } from '../src/types/units.js'

/** A one-way channel with the keys of path 1/`low`. */
export function offerBy(
  signer: Signer,
  low: number,
  {
    closeHash,
    capacity,
    refundHeight
  }: {
    /** 20 bytes. */
    readonly closeHash: Uint8Array
    readonly capacity: bigint
    readonly refundHeight: number
  }
): OpenChannel {
  const path = { role: 'client', high: 1, low } as const
  return {
    type: 'OpenChannel',
    network: 'regtest',
    channelKey: signer.publicKey({ ...path, use: 'channel' }),
    payoutKey: signer.publicKey({ ...path, use: 'payout' }),
    closeScript: Uint8Array.from([0, 20, ...closeHash]),
    capacity,
    refundHeight,
    mode: 'one-way',
    step: 0,
    txVersion: 3,
    derivation: Uint8Array.from([0, 0, 0, 1, 0, 0, 0, low])
  }
}

/** T2 for an outpoint, with a fee of 1,000 sat. */
export function refundRequest(
  terms: Terms,
  { closeScript, capacity }: OpenChannel,
  outPoint: OutPoint
): RefundRequest {
  return {
    type: 'RefundRequest',
    refundTx: unsignedRefund(refundTemplateOf(terms, outPoint), {
      script: closeScript,
      value: satoshi(capacity - 1_000n)
    })
  }
}

/** A T1 whose input does not exist. `hash`: 32 bytes, the id of the transaction that it spends. */
export function madeUpT1(terms: Terms, hash: Uint8Array): Transaction {
  const tx = new Transaction()
  tx.version = 3
  tx.addInput(hash, 0, 0xfffffffd)
  tx.addOutput(fundingScriptOf(terms), terms.capacity)
  tx.setWitness(0, [new Uint8Array(71).fill(1), new Uint8Array(33).fill(2)])
  return tx
}
