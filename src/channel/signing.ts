/** The one template of every state (spec.md, "Transactions": SIG-2), filled in for a channel. */
import { payerSighash, payerSighasher, type StateTemplate } from '../bitcoin/template.js'
import type { Satoshi } from '../types/units.js'
import { initialBalance, NEW_LEDGER } from './ledger.js'
import { lockOf, payerOf } from './schedule.js'
import type { Established } from './state.js'
import { fundingOutput, partyOf } from './terms.js'

/** The state of a turn (of the present one when none is named) in which the payer is left with `payerBalance`. */
export function stateTemplate (channel: Pick<Established, 'terms' | 'outPoint' | 'ledger'>, payerBalance: Satoshi, turn = channel.ledger.turn): StateTemplate {
  const { terms } = channel
  const payer = payerOf(turn)
  return {
    funding: fundingOutput(terms, channel.outPoint),
    version: terms.txVersion,
    lock: lockOf(terms, turn),
    payer,
    payerBalance,
    payerPayoutKey: partyOf(terms, payer).payoutKey
  }
}

/** What the payer of a turn (of the present one when none is named) signs for a balance. */
export function stateDigest (channel: Pick<Established, 'terms' | 'outPoint' | 'ledger'>, payerBalance: Satoshi, turn?: number): Uint8Array {
  return payerSighash(stateTemplate(channel, payerBalance, turn))
}

/** The same for many balances of one channel. */
export function stateDigester (channel: Established): (payerBalance: Satoshi) => Uint8Array {
  return payerSighasher(stateTemplate(channel, channel.terms.capacity))
}

/** UPD-9: what the client signs in the first update, before there is anything but terms and an outpoint. */
export function initialDigest (channel: Pick<Established, 'terms' | 'outPoint'>): Uint8Array {
  return stateDigest({ ...channel, ledger: NEW_LEDGER }, initialBalance(channel.terms))
}
