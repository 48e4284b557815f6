/**
 * Checks of a channel's record against itself: keys, signatures, the funding transaction, the
 * payment log. For `paychan check`; the node itself never needs them.
 */
import { sameBytes } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { formatAmount, satoshi, ZERO_SAT, type Satoshi } from '../types/units.js'
import { checkFundingTx, readFunding } from '../bitcoin/funding.js'
import type { Ecdsa, KeyPath } from '../bitcoin/keys.js'
import { channelIdOf } from '../bitcoin/scripts.js'
import { payerSighash } from '../bitcoin/template.js'
import { heldBalance, initialBalance, isBase, totalOf } from './ledger.js'
import { refundTemplateOf } from './opening-client.js'
import { isUnsigned } from './outside-funding.js'
import { payerOf } from './schedule.js'
import { stateDigest } from './signing.js'
import type { Channel, Established } from './state.js'
import { fundingScriptOf, partyOf } from './terms.js'

/**
 * `broken`: the money in the channel depends on it. `incomplete`: only the display to people
 * depends on it.
 */
export interface Finding {
  readonly severity: 'broken' | 'incomplete'
  readonly text: string
}

/** The means of an audit. */
export interface AuditEnv extends Pick<Ecdsa, 'verify'> {
  readonly publicKey: (path: KeyPath) => Uint8Array
  /** The payment log up to the newest acknowledged update. */
  readonly logged: { readonly count: number; readonly amount: Satoshi }
}

/** Finds everything that is wrong with a channel; returns nothing when all is well. */
export function auditChannel(channel: Channel, env: AuditEnv): Finding[] {
  if (channel.stage === 'abandoned' || channel.stage === 'offered') return []
  const { role, keys, terms } = channel
  const ours = partyOf(terms, role)
  return [
    ...broken(
      channelIdOf(terms.client.channelKey) === channel.id,
      'Its id is not that of its key K1 (ID-1).'
    ),
    ...broken(
      sameBytes(env.publicKey({ role, ...keys, use: 'channel' }), ours.channelKey),
      'Its channel key does not derive from this seed: nothing of it can be signed here.'
    ),
    ...broken(
      sameBytes(env.publicKey({ role, ...keys, use: 'payout' }), ours.payoutKey),
      'Its payout key does not derive from this seed: what it pays out cannot be spent here.'
    ),
    ...(channel.stage === 'established'
      ? [...auditFunding(channel, env), ...auditStates(channel, env), ...auditLog(channel, env)]
      : [])
  ]
}

function auditFunding(channel: Established, env: AuditEnv): Finding[] {
  const { terms, outPoint, fundingTx } = channel
  const renewal = channel.role === 'client' ? channel.renewal : undefined
  const bare = isUnsigned(channel) ? 'all' : undefined
  const findings = [
    ...refusalOf(() => {
      const tx = readFunding(fundingTx)
      checkFundingTx(tx, {
        outPoint,
        script: fundingScriptOf(terms),
        capacity: terms.capacity,
        unsigned:
          renewal === undefined
            ? bare
            : tx.inputs.find(({ witness }) => witness.length === 0)?.outPoint
      })
    })
  ]
  if (channel.role === 'server') return findings
  const valid = env.verify(
    terms.server.channelKey,
    payerSighash(refundTemplateOf(terms, outPoint)),
    channel.refundSignature
  )
  return [
    ...findings,
    ...broken(
      valid,
      "The server's signature of the refund T2 is missing or wrong (REF-7): without the peer the money cannot come back."
    )
  ]
}

/** UPD-4, UPD-18: every signature is the payer's, and balances only fall. */
function auditStates(channel: Established, env: AuditEnv): Finding[] {
  const { terms, ledger, role } = channel
  const payer = payerOf(ledger.turn)
  const { held, inFlight } = ledger
  const signed = [
    ...(held?.signature === undefined ? [] : [{ ...held, signature: held.signature }]),
    ...inFlight
  ]
  const wrong = signed.find(
    ({ payerBalance, signature }) =>
      !env.verify(partyOf(terms, payer).channelKey, stateDigest(channel, payerBalance), signature)
  )
  let before = heldBalance(ledger, terms)
  const rising =
    before > terms.capacity ||
    inFlight.some(({ payerBalance }) => {
      const rises = payerBalance > before
      before = payerBalance
      return rises
    })
  return [
    ...broken(
      wrong === undefined,
      `The payer's signature of state ${wrong?.sequence ?? 0} is wrong (UPD-4): it could not be published.`
    ),
    ...broken(
      payer === role || held === undefined || held.signature !== undefined || isBase(channel),
      "The payer's signature of the newest state is missing: it could not be published."
    ),
    ...auditTurns(channel, env),
    ...broken(!rising, 'A balance of the payer grows from one state to the next (UPD-18).')
  ]
}

/**
 * TURN-6: each turn that is over, and in which we were paid, has its signature, and the right one.
 */
function auditTurns(channel: Established, env: AuditEnv): Finding[] {
  const { terms, ended, role } = channel
  const wrong = ended.find(({ turn, sequence, payerBalance, signature }, i) => {
    const isPaidToUs = payerOf(turn) !== role && (turn === 0 || sequence !== ended[i - 1]?.sequence)
    if (signature === undefined) return isPaidToUs
    return !env.verify(
      partyOf(terms, payerOf(turn)).channelKey,
      stateDigest(channel, payerBalance, turn),
      signature
    )
  })
  return broken(
    wrong === undefined,
    `The payer's signature of the last state of turn ${wrong?.turn ?? 0} is missing or wrong (UPD-4): it could not be published.`
  )
}

/** Adds the payments of all turns: each turn begins with what the turn before left its payee. */
function paidInAll({ terms, ledger, ended }: Established): Satoshi {
  let total = 0n
  let begin: bigint = initialBalance(terms)
  for (const { payerBalance } of ended) {
    total += begin - payerBalance
    begin = terms.capacity - payerBalance
  }
  return satoshi(total + begin - (ledger.held?.payerBalance ?? begin))
}

function auditLog(channel: Established, { logged }: AuditEnv): Finding[] {
  const { ledger } = channel
  const paid = paidInAll(channel)
  if (logged.amount === paid && logged.count === (ledger.held?.paymentCount ?? 0)) return []
  return [
    {
      severity: 'incomplete',
      text: `The payment log adds up to ${formatAmount(logged.amount)} in ${logged.count} payments; ${formatAmount(paid)} in ${ledger.held?.paymentCount ?? 0} payments were made. The balances are right, the list is not complete.`
    }
  ]
}

function broken(holds: boolean, text: string): Finding[] {
  return holds ? [] : [{ severity: 'broken', text }]
}

function refusalOf(check: () => void): Finding[] {
  try {
    check()
    return []
  } catch (error) {
    if (error instanceof PaychanError) return [{ severity: 'broken', text: error.message }]
    throw error
  }
}

/** The sum and the number of logged payments up to a sequence. */
export function sumLog(
  entries: ReadonlyArray<{
    readonly sequence: number
    readonly payments: Parameters<typeof totalOf>[0]
  }>,
  upTo: number
): AuditEnv['logged'] {
  const counted = entries.filter(({ sequence }) => sequence <= upTo)
  return {
    count: counted.reduce((sum, { payments }) => sum + payments.length, 0),
    amount: satoshi(
      counted.reduce<bigint>((sum, { payments }) => sum + totalOf(payments), ZERO_SAT)
    )
  }
}
