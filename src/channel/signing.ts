/** The one template of every state (spec.md, "Transactions": SIG-2), filled in for a channel. */
import { payerSighash, payerSighasher, type StateTemplate } from '../bitcoin/template.js'
import type { OutPoint } from '../types/bytes.js'
import type { Satoshi } from '../types/units.js'
import { initialBalance, NEW_LEDGER } from './ledger.js'
import { lockOf, payerOf, type StateRef } from './schedule.js'
import type { Established } from './state.js'
import { fundingOutput, partyOf, type Terms } from './terms.js'

/** A state (of the present turn when none is named) that leaves its payer `payerBalance`. */
export function stateTemplate(
  channel: Pick<Established, 'terms' | 'outPoint' | 'ledger'>,
  payerBalance: Satoshi,
  state: StateRef = channel.ledger.turn
): StateTemplate {
  const { terms } = channel
  const payer = payerOf(state)
  return {
    funding: fundingOutput(terms, channel.outPoint),
    version: terms.txVersion,
    lock: lockOf(terms, state),
    payer,
    payerBalance,
    payerPayoutKey: partyOf(terms, payer).payoutKey
  }
}

/**
 * The digest that the payer of a turn (of the present one when none is named) signs for a balance.
 */
export function stateDigest(
  channel: Pick<Established, 'terms' | 'outPoint' | 'ledger'>,
  payerBalance: Satoshi,
  turn = channel.ledger.turn
): Uint8Array {
  return turn === channel.ledger.turn
    ? stateDigester(channel)(payerBalance)
    : payerSighash(stateTemplate(channel, payerBalance, turn))
}

type Digester = (payerBalance: Satoshi) => Uint8Array

/**
 * The common part of the present turn's digests, for channels that were paid on: laying it out
 * takes nearly as long as a digest itself. Terms and outpoint are never changed in place, so the
 * same objects have the same content.
 */
const digesters = new WeakMap<
  Terms,
  { readonly outPoint: OutPoint; readonly turn: number; readonly digest: Digester }
>()

/** Makes digests for many balances of one channel in its present turn. */
export function stateDigester(
  channel: Pick<Established, 'terms' | 'outPoint' | 'ledger'>
): Digester {
  const {
    terms,
    outPoint,
    ledger: { turn }
  } = channel
  const known = digesters.get(terms)
  if (known?.outPoint === outPoint && known.turn === turn) return known.digest
  const digest = payerSighasher(stateTemplate(channel, terms.capacity))
  digesters.set(terms, { outPoint, turn, digest })
  return digest
}

/**
 * UPD-9: the digest that the client signs in the first update, when there are only terms and an
 * outpoint.
 */
export function initialDigest(channel: Pick<Established, 'terms' | 'outPoint'>): Uint8Array {
  return stateDigest({ ...channel, ledger: NEW_LEDGER }, initialBalance(channel.terms))
}
