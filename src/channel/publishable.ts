/**
 * The state that this side can put on the chain alone: the newest one that it holds with the other
 * side's signature.
 */
import { dustLimit } from '../bitcoin/sizes.js'
import { payerOutput, stateVsize, type StateTemplate } from '../bitcoin/template.js'
import { feeFor, satoshi, subSat, ZERO_SAT, type FeeRate, type Satoshi } from '../types/units.js'
import type { Env } from './env.js'
import { ageOf, kindOf, payeeOf, type StateRef } from './schedule.js'
import { stateTemplate } from './signing.js'
import { maturedSlot, sharesByTurn, stakeOf } from './stakes.js'
import type { Channel, EitherSide, Established, Publication, ShownSpend, Spend } from './state.js'
import { partyOf } from './terms.js'

/** `share`: our part of it, in satoshis, before the fee. */
export interface Publishable {
  readonly kind: Publication['kind']
  readonly state: StateRef
  readonly template: StateTemplate
  readonly signature: Uint8Array
  readonly payerBalance: Satoshi
  readonly share: Satoshi
}

/**
 * Our state of the present turn if we are its payee and were paid in it, else of the last turn
 * before; T2 for a client without any.
 */
export function publishable(channel: Established): Publishable | undefined {
  const held = newestHeld(channel)
  return held === undefined
    ? undefined
    : stateOf(channel, held.state, held.payerBalance, held.signature)
}

/** The same state as it was signed; cheap enough to ask for with every block. */
export function newestHeld(
  channel: Established
):
  | { readonly state: StateRef; readonly payerBalance: Satoshi; readonly signature: Uint8Array }
  | undefined {
  const {
    ledger: { turn, held },
    ended,
    role
  } = channel
  if (held?.signature !== undefined && payeeOf(turn) === role) {
    return { state: turn, payerBalance: held.payerBalance, signature: held.signature }
  }
  for (let i = ended.length - 1; i >= 0; i--) {
    const last = ended[i]
    if (last?.signature !== undefined && payeeOf(last.turn) === role) {
      return { state: last.turn, payerBalance: last.payerBalance, signature: last.signature }
    }
  }
  return channel.role === 'client'
    ? {
        state: 'refund',
        payerBalance: channel.terms.serverBalance,
        signature: channel.refundSignature
      }
    : undefined
}

function stateOf(
  channel: Established,
  state: StateRef,
  payerBalance: Satoshi,
  signature: Uint8Array
): Publishable {
  const template = stateTemplate(channel, payerBalance, state)
  return {
    kind: kindOf(state),
    state,
    template,
    signature,
    payerBalance,
    share: subSat(channel.terms.capacity, payerOutput(template)?.value ?? ZERO_SAT)
  }
}

/** The virtual size with one output of ours, to the script of our closes. */
export function vsizeOf(channel: EitherSide, { template }: Publishable): number {
  return stateVsize(template, [partyOf(channel.terms, channel.role).closeScript])
}

/** The smallest share that such a transaction can bring home at a rate. */
export function leastShare(channel: Established, ours: Publishable, rate: FeeRate): Satoshi {
  return satoshi(
    feeFor(rate, vsizeOf(channel, ours)) +
      dustLimit(partyOf(channel.terms, channel.role).closeScript)
  )
}

/**
 * A close that costs nothing is worth an hour. A close that blocks pass over for longer may only be
 * in the mempool of a server that lies (CLOSE-8).
 */
const BLOCKS_FOR_CLOSE = 6

function isOlderThanClosesTake(since: number | undefined, height: number | undefined): boolean {
  return since !== undefined && height !== undefined && height - since >= BLOCKS_FOR_CLOSE
}

/**
 * The spend that ends the channel, so that nobody settles it: one in a block, or a close (also one
 * that we have forgotten) that is shown, and that no six blocks have passed over. A state of the
 * other side that is shown stops nothing (EVID-3): its lock may be weeks away.
 */
export function endingSpend(
  { onChain: { spend, shown } }: Established,
  height: number | undefined
): Spend | ShownSpend | undefined {
  return (
    spend ??
    shown.find(
      ({ kind, since }) =>
        (kind === 'close' || kind === 'unknown') && !isOlderThanClosesTake(since, height)
    )
  )
}

/**
 * True when a server that settles all its channels can settle this one: it is one-way, nothing
 * under way ends it, and it is worth the fee. A close that the client has not answered is not under
 * way; one that both have signed is for an hour.
 */
export function isWorthSettling(
  channel: Channel,
  { height, feeRate }: Pick<Env, 'height' | 'feeRate'>
): boolean {
  if (
    channel.stage !== 'established' ||
    channel.terms.mode !== 'one-way' ||
    channel.role !== 'server'
  ) {
    return false
  }
  if (
    channel.publication !== undefined ||
    channel.onChain.fundingHeight === undefined ||
    endingSpend(channel, height) !== undefined ||
    channel.closes.some(
      ({ raw, completedAt }) => raw !== undefined && !isOlderThanClosesTake(completedAt, height)
    )
  ) {
    return false
  }
  const ours = publishable(channel)
  return ours !== undefined && ours.share >= leastShare(channel, ours, feeRate)
}

/** The largest loss if this state is not published at this height; see `stakeOf`. */
export function stakeAt(
  channel: EitherSide,
  ours: Publishable,
  height: number,
  feeRate: FeeRate
): bigint {
  const { role } = channel
  return stakeOf({
    shares: sharesByTurn(channel),
    state: ours.state,
    role,
    fee: feeFor(feeRate, vsizeOf(channel, ours)),
    slot: maturedSlot(channel, ours.state, height)
  })
}

/**
 * The part of our balance that a transaction of our own could not bring home at the present
 * estimate.
 */
export function shareAtRisk(channel: Established, env: Pick<Env, 'feeRate'>): Satoshi {
  const ours = publishable(channel)
  if (ours === undefined || ours.kind === 'refund' || channel.onChain.spend !== undefined) {
    return ZERO_SAT
  }
  const held = sharesByTurn(channel)[ageOf(ours.state)] ?? 0n
  return ours.share < leastShare(channel, ours, env.feeRate) ? satoshi(held) : ZERO_SAT
}
