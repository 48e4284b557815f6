/**
 * The states that a side of a channel could publish alone, and an adversary's transactions for
 * them: with inputs and outputs that no honest side would add.
 */
import { outPointFromText, toHex } from '../../types/bytes.js'
import { satoshi, type Satoshi } from '../../types/units.js'
import { SIGHASH, toDer } from '../../bitcoin/ecdsa.js'
import { fundingScript } from '../../bitcoin/funding.js'
import { digestOfAll, fundingWitness, SEQUENCE } from '../../bitcoin/funding-spend.js'
import { payerOutput } from '../../bitcoin/template.js'
import { makeTransaction, type Transaction, type TxOutput } from '../../bitcoin/transaction.js'
import { newestHeld } from '../../channel/publishable.js'
import { payeeOf, type StateRef } from '../../channel/schedule.js'
import { stateTemplate } from '../../channel/signing.js'
import { sharesByTurn } from '../../channel/stakes.js'
import type { Established } from '../../channel/state.js'
import { KEY_WITNESS } from '../../testing/wallet.js'
import type { SimNode } from '../node.js'

/** A state as its holder could publish it. `share`: the holder's part, in satoshis. */
export interface HeldState {
  readonly state: StateRef
  readonly payerBalance: Satoshi
  readonly signature: Uint8Array
  readonly share: number
}

/** The least value of an output of its own. */
export const DUST = 330

/** The newest state that it holds. */
export function newestState(channel: Established): HeldState | undefined {
  const held = newestHeld(channel)
  return held === undefined
    ? undefined
    : stateOf(channel, held.state, held.payerBalance, held.signature)
}

/** The state that gives it more than the newest; undefined when there is none. */
export function bestOldState(
  channel: Established
): (HeldState & { readonly gain: number }) | undefined {
  const newest = Number(sharesByTurn(channel).at(-1) ?? 0n)
  const held = newestHeld(channel)
  const old: HeldState[] = channel.ended.flatMap(({ turn, payerBalance, signature }) =>
    signature === undefined || payeeOf(turn) !== channel.role
      ? []
      : [stateOf(channel, turn, payerBalance, signature)]
  )
  if (channel.role === 'client') {
    old.push(stateOf(channel, 'refund', channel.terms.serverBalance, channel.refundSignature))
  }
  const best = old
    .filter(({ state }) => state !== held?.state || state === 'refund')
    .sort((a, b) => b.share - a.share)[0]
  return best === undefined || best.share <= newest + DUST
    ? undefined
    : { ...best, gain: best.share - newest }
}

function stateOf(
  channel: Established,
  state: StateRef,
  payerBalance: Satoshi,
  signature: Uint8Array
): HeldState {
  const own = payerOutput(stateTemplate(channel, payerBalance, state))
  return {
    state,
    payerBalance,
    signature,
    share: Number(channel.terms.capacity - (own?.value ?? 0n))
  }
}

/** The script of the funding output, in hex, which the other side watches. */
export function fundingScriptOf({ terms }: Established): string {
  return toHex(fundingScript(terms.client.channelKey, terms.server.channelKey))
}

/** Outputs behind the payer's, in satoshis; `inputs`: outpoints beside the channel's, as text. */
interface SpendParts {
  readonly outputs: ReadonlyArray<{ readonly script: Uint8Array; readonly value: number }>
  readonly inputs?: readonly string[]
}

/** A state with the additions that the payer's signature leaves to the payee; signed by both. */
export function signedSpend(
  node: SimNode,
  channel: Established,
  state: HeldState,
  { outputs, inputs = [] }: SpendParts
): Transaction {
  const template = stateTemplate(channel, state.payerBalance, state.state)
  const own = payerOutput(template)
  const added: TxOutput[] = outputs.map(({ script, value }) => ({
    script,
    value: satoshi(BigInt(value))
  }))
  const { funding, version, lock } = template
  const transaction = makeTransaction({
    version,
    lockTime: lock,
    inputs: [funding.outPoint, ...inputs.map(outPointFromText)].map((outPoint) => ({
      outPoint,
      sequence: SEQUENCE
    })),
    outputs: own === undefined ? added : [own, ...added]
  })
  const payer = toDer(
    state.signature,
    (own === undefined ? SIGHASH.NONE : SIGHASH.SINGLE) | SIGHASH.ANYONECANPAY
  )
  const payee = toDer(
    node.signer.sign(
      { role: channel.role, ...channel.keys, use: 'channel' },
      digestOfAll(transaction, funding)
    ),
    SIGHASH.ALL
  )
  const witness =
    template.payer === 'client'
      ? fundingWitness(funding, payer, payee)
      : fundingWitness(funding, payee, payer)
  return transaction.withWitnesses([witness, ...inputs.map(() => KEY_WITNESS)])
}
