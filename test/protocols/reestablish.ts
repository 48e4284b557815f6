/** A `Reestablish` of a side that has nothing to say yet, with changes. */
import type { Reestablish } from '../../protocols/paychan/1.0/index.js'

export function reestablishOf(changes: Partial<Reestablish> = {}): Reestablish {
  return {
    type: 'Reestablish',
    channelId: new Uint8Array(32),
    derivation: new Uint8Array(8),
    turn: 0,
    sequence: 0,
    payerBalance: 0n,
    signature: new Uint8Array(0),
    signed: 0,
    payments: [],
    paymentsAfter: 0,
    epoch: 1,
    peerEpoch: 0,
    ...changes
  }
}
