/**
 * Hands a channel back to a side that has lost its data (spec.md, "Restoring"): the record that one
 * side tells, and the checks of the other side.
 */
import {
  type AcceptChannel,
  type ChannelRecord,
  type ChannelState,
  MAX_RECORDED_STATES,
  type Network,
  type OpenChannel
} from '../../protocols/paychan/1.0/index.js'
import { checkFundingTx, readFunding } from '../bitcoin/funding.js'
import { type KeyPath, otherRole, type Role } from '../bitcoin/keys.js'
import { channelIdOf, isStandardScript } from '../bitcoin/scripts.js'
import { payerSighash } from '../bitcoin/template.js'
import { fromHex, sameBytes } from '../types/bytes.js'
import { blockHeight, max, min, satoshi, subSat } from '../types/units.js'
import { become, type Transition } from './effects.js'
import type { Env } from './env.js'
import { NOTHING_ON_CHAIN } from './establishing.js'
import { NEW_EPOCHS } from './epochs.js'
import { FINAL_DEPTH } from './funding.js'
import { balances, canLeadTo, initialBalance, type Ledger, NEW_LEDGER } from './ledger.js'
import { refundTemplateOf } from './opening-client.js'
import { termsOf } from './opening-terms.js'
import { isUnsigned } from './outside-funding.js'
import { payeeOf, payerOf, PAYMENT_MARGIN } from './schedule.js'
import { stateDigest } from './signing.js'
import {
  type Channel,
  type EndedTurn,
  type Established,
  type Funded,
  type KeyBits,
  NO_WISHES,
  type Stopped
} from './state.js'
import { fundingScriptOf, partyOf, type Terms } from './terms.js'
import { attempt, must, Violation } from './violation.js'

/*
 * The record of a channel for a peer that has lost its data (spec.md, "Restoring"). Nothing in it
 * is new: both have agreed on the terms, and the peer has given every signature, or has been given
 * it before. Ours are made again, with the same bytes (RFC 6979).
 */

const NO_SIGNATURE = new Uint8Array(0)

/**
 * RESTORE-3: the record of a channel; undefined when it holds nothing for the peer, or when we do
 * not have all of it.
 */
export function recordOf(
  channel: Channel,
  env: Pick<Env, 'sign' | 'height'>
): ChannelRecord | undefined {
  if (
    channel.stage !== 'established' ||
    (channel.role === 'client' && channel.renewal !== undefined) ||
    isUnsigned(channel) ||
    isOver(channel, env)
  ) {
    return undefined
  }
  const { terms, outPoint, fundingTx } = channel
  const { clientDerivation } = terms
  if (clientDerivation === undefined) return undefined
  const states = statesOf(channel, env)
  const refundSignature =
    channel.role === 'client'
      ? channel.refundSignature
      : env.sign(payerSighash(refundTemplateOf(terms, outPoint)))
  if (states === undefined) return undefined
  return {
    type: 'ChannelRecord',
    open: offerOf(terms, clientDerivation),
    accept: acceptanceOf(terms),
    fundingTx,
    fundingOutput: outPoint.vout,
    refundSignature,
    states
  }
}

/**
 * Four weeks of blocks: a peer that pays with names, and is on a copy as old as that, learns of its
 * payments since (RESTORE-9).
 */
const TOLD_FOR = 4_032

/**
 * True when nothing of the channel is left for the peer: its end is buried and pays the peer by no
 * output that takes the channel's keys, or T1 never came. A peer that has paid on the channel is
 * told of it for a while longer.
 */
function isOver(channel: Established, { height }: Pick<Env, 'height'>): boolean {
  const {
    onChain: { spend, fundingSeen },
    terms,
    role
  } = channel
  if (height === undefined) return false
  if (spend === undefined) return !fundingSeen && height >= terms.refundHeight
  if (height - spend.height + 1 < (hasPaid(channel, otherRole(role)) ? TOLD_FOR : FINAL_DEPTH)) {
    return false
  }
  const { state, clientBalance } = spend
  if (state === undefined || clientBalance === undefined || payerOf(state) === role) return true
  return clientBalance === (role === 'server' ? 0n : terms.capacity)
}

/** True when a side has paid on a channel, as far as the states say. */
function hasPaid({ ended, ledger: { turn, held } }: Established, role: Role): boolean {
  const last = held === undefined ? ended : [...ended, { turn, sequence: held.sequence }]
  return last.some(
    ({ turn, sequence }, i) => payerOf(turn) === role && sequence > (last[i - 1]?.sequence ?? 0)
  )
}

/**
 * The last state of each turn, up to the present one. Undefined when our own ledger is damaged, or
 * there are too many.
 */
function statesOf(channel: Established, env: Pick<Env, 'sign'>): ChannelState[] | undefined {
  const {
    ledger: { turn, held },
    ended
  } = channel
  if (ended.length !== turn) return undefined
  const last: ReadonlyArray<Pick<EndedTurn, 'sequence' | 'payerBalance' | 'signature'>> =
    held === undefined ? ended : [...ended, held]
  const states: ChannelState[] = []
  for (const [turn, { sequence, payerBalance, signature }] of last.entries()) {
    // TURN-6: nothing was paid in it, so nobody has signed in it.
    const isBase = turn > 0 && sequence === last[turn - 1]?.sequence
    const signed = isBase
      ? NO_SIGNATURE
      : payerOf(turn) === channel.role
        ? env.sign(stateDigest(channel, payerBalance, turn))
        : signature
    if (signed === undefined) return undefined
    states.push({ sequence, payerBalance, signature: signed })
  }
  return states.length > MAX_RECORDED_STATES ? undefined : states
}

function offerOf(
  { network, client, capacity, refundHeight, mode, step, txVersion, renews, serverBalance }: Terms,
  derivation: Uint8Array
): OpenChannel {
  const { channelKey, payoutKey, closeScript } = client
  return {
    type: 'OpenChannel',
    ...{
      network,
      channelKey,
      payoutKey,
      closeScript,
      capacity,
      refundHeight,
      mode,
      step,
      txVersion
    },
    ...(renews === undefined
      ? {}
      : {
          renews: {
            channelId: fromHex(renews.channel),
            turn: renews.turn,
            sequence: renews.sequence,
            serverBalance
          }
        }),
    derivation
  }
}

function acceptanceOf({
  server,
  derivation,
  minDepth,
  limits,
  lastPaymentHeight,
  settleHeight
}: Terms): AcceptChannel {
  const { channelKey, payoutKey, closeScript } = server
  return {
    type: 'AcceptChannel',
    ...{
      channelKey,
      derivation,
      payoutKey,
      closeScript,
      minDepth,
      limits: { ...limits },
      lastPaymentHeight,
      settleHeight
    }
  }
}

/*
 * A channel that a peer hands back to a node that has lost its data (spec.md, "Restoring"). The
 * peer's word counts for nothing that it could gain by: the keys have to derive from our seed, T1
 * has to pay to them, and T2 and every state have to be signed. The peer can still keep newer
 * states to itself. So such a channel only closes, and the stake in it is all of our share.
 */

/** Our side of a channel, and the bits that its keys derive from. */
interface OurSide {
  readonly role: Role
  readonly keys: KeyBits
}

/**
 * RESTORE-4: finds our side of a channel that a peer tells us of, by deriving its keys.
 *
 * @throws Violation when neither side is ours
 */
export function ourSide(
  { open, accept }: Pick<ChannelRecord, 'open' | 'accept'>,
  publicKey: (path: KeyPath) => Uint8Array
): OurSide {
  for (const [role, part] of [
    ['client', open],
    ['server', accept]
  ] as const) {
    const keys = bitsOf(part.derivation)
    if (keys === undefined) continue
    if (
      sameBytes(publicKey({ role, ...keys, use: 'channel' }), part.channelKey) &&
      sameBytes(publicKey({ role, ...keys, use: 'payout' }), part.payoutKey)
    ) {
      return { role, keys }
    }
  }
  throw new Violation(
    'RESTORE-4',
    'ERR_NOT_OUR_CHANNEL',
    'The keys of the channel do not derive from the seed of this node.'
  )
}

/** KEY-2, KEY-5: two indexes that BIP32 can harden. */
function bitsOf(derivation: Uint8Array): KeyBits | undefined {
  const view = new DataView(derivation.buffer, derivation.byteOffset, derivation.length)
  const [high, low] = [view.getUint32(0), view.getUint32(4)]
  return high <= 0x7fff_ffff && low <= 0x7fff_ffff ? { high, low } : undefined
}

/** The peer that hands the channel back, and our own knowledge of it. */
export interface Restoring extends OurSide {
  readonly peer: string
  readonly address: string
  readonly network: Network
}

/** RESTORE-6. */
const ONLY_CLOSES: Stopped = {
  code: 'ERR_STATE_FORGOTTEN',
  reason:
    'This node has lost its data, and has the channel back from its peer. It only closes now.',
  rule: 'REEST-4',
  settleNow: false
}

/**
 * Takes a channel back from a peer, when all of it can be proved.
 *
 * @throws Violation with the rule that the record breaks; then nothing has happened
 */
export function adoptRecord(
  record: ChannelRecord,
  from: Restoring,
  env: Env
): Transition<Established> {
  const checked = attempt('RESTORE-5', () => adopted(record, from, env))
  if (checked instanceof Violation) throw checked
  const { terms, ledger, role } = checked
  const share = balances(terms, ledger)[role]
  return become(
    checked,
    { type: 'watch-funding', scriptPubKey: fundingScriptOf(terms) },
    {
      type: 'notify',
      txid: checked.outPoint.txid,
      news: {
        kind: 'handed-back',
        share,
        capacity: terms.capacity,
        state: ledger.held?.sequence ?? 0
      }
    }
  )
}

function adopted(record: ChannelRecord, from: Restoring, env: Env): Established {
  const { role, keys, peer, address } = from
  const terms = provenTerms(record, from, env)
  const { fundingTx, refundSignature } = record
  const tx = readFunding(fundingTx)
  const outPoint = { txid: tx.txid, vout: record.fundingOutput }
  checkFundingTx(tx, { outPoint, script: fundingScriptOf(terms), capacity: terms.capacity })
  must(
    !env.isKnownOutPoint(outPoint),
    'REF-2',
    'ERR_OUTPOINT_REUSED',
    'The funding output belongs to another channel of this node.'
  )
  // Checked for a server too: its own signature of T2 proves at which height it has to be first.
  must(
    env.verify(
      terms.server.channelKey,
      payerSighash(refundTemplateOf(terms, outPoint)),
      refundSignature
    ),
    'REF-7',
    'ERR_BAD_REFUND_SIGNATURE',
    "The server's signature of the refund is wrong."
  )
  const { ledger, ended } = provenStates(record, { terms, outPoint }, role, env)
  // FUND-4: nothing is paid before both have said that they are ready.
  const wasPaid = (ledger.held?.sequence ?? 0) > 0
  const known = {
    stage: 'established' as const,
    restored: true as const,
    ...{ terms, outPoint, fundingTx, ledger, ended }
  }
  const fresh: Omit<Funded, keyof typeof known> = {
    ready: { ours: wasPaid, theirs: wasPaid },
    wishes: NO_WISHES,
    closes: [],
    stopped: ONLY_CLOSES,
    publication: undefined,
    onChain: NOTHING_ON_CHAIN,
    link: 'down',
    // REEST-7, RESTORE-6: a side that has lost everything counts from 1 again, and is found out by
    // that.
    epochs: NEW_EPOCHS
  }
  const id = channelIdOf(terms.client.channelKey)
  return role === 'client'
    ? {
        ...{ id, peer, address, role, keys, openedAt: env.now },
        ...known,
        refundSignature,
        fundingAcknowledged: true,
        ...fresh
      }
    : {
        ...{ id, peer, address, role, keys, openedAt: env.now },
        ...known,
        fundingAccepted: true,
        ...fresh
      }
}

/** Checks the terms that no signature covers against the rules of the opening. */
function provenTerms(
  { open, accept, states }: ChannelRecord,
  { role, network }: Restoring,
  env: Env
): Terms {
  must(
    open.network === network,
    'OPEN-1',
    'ERR_WRONG_NETWORK',
    `The channel is on ${open.network}, and this node on ${network}.`
  )
  must(
    open.txVersion === 3,
    'OPEN-5',
    'ERR_VERSION_NOT_SUPPORTED',
    'Transactions are version 3 (BIP431).'
  )
  const [ours, theirs] = role === 'client' ? ([open, accept] as const) : ([accept, open] as const)
  must(
    env.isPublicKey(theirs.channelKey) && env.isPublicKey(theirs.payoutKey),
    'KEY-1',
    'ERR_INVALID_KEY',
    'A key of the peer is not a point of the curve.'
  )
  must(
    !sameBytes(ours.channelKey, theirs.channelKey) &&
      !env.isKnownKey(ours.channelKey) &&
      !env.isKnownKey(theirs.channelKey),
    role === 'client' ? 'KEY-4' : 'KEY-3',
    'ERR_KEY_REUSED',
    'A key of the channel belongs to another channel of this node.'
  )
  must(
    isStandardScript(theirs.closeScript),
    'OPEN-6',
    'ERR_SCRIPT_NOT_STANDARD',
    "The peer's script for the close is not one that nodes relay."
  )
  const { refundHeight, step, mode } = open
  const { settleHeight, lastPaymentHeight } = accept
  const hasStep = mode === 'one-way' ? step === 0 : step > 0 && settleHeight === refundHeight - step
  must(
    hasStep && settleHeight < refundHeight && lastPaymentHeight <= settleHeight - PAYMENT_MARGIN,
    'OPEN-10',
    'ERR_TERMS_REFUSED',
    'The heights of the channel do not fit each other.',
    { settleHeight, lastPaymentHeight, refundHeight, step }
  )
  const serverBalance = open.renews?.serverBalance ?? 0n
  must(
    serverBalance <= open.capacity,
    'RENEW-1',
    'ERR_TERMS_REFUSED',
    'The server is said to have brought more than the capacity.'
  )
  // T2 pays that to the server, who signs T2: only a state that the client has signed proves to it
  // that it agreed. It has signed one before T1 (RENEW-3), and that bounds the balance (UPD-3).
  must(
    role === 'server' || serverBalance === 0n || states.length > 0,
    'RESTORE-5',
    'ERR_TERMS_REFUSED',
    'The server is said to have brought something along, and no state that the client has signed says so.',
    { serverBalance }
  )
  const terms = termsOf(open, accept)
  // RESTORE-6: a client could name a later height, and publish T2 before the server has begun: the
  // height is never later than the server would set it today.
  return role === 'server' && mode === 'one-way'
    ? {
        ...terms,
        settleHeight: min(
          terms.settleHeight,
          blockHeight(max(0, refundHeight - env.policy.settleMargin))
        )
      }
    : terms
}

/** UPD-2 to UPD-4, TURN-6: the last state of each turn, with its payer's signature. */
export function provenStates(
  { states }: ChannelRecord,
  channel: Pick<Established, 'terms' | 'outPoint'>,
  role: Role,
  env: Env
): Pick<Established, 'ledger' | 'ended'> {
  const { terms } = channel
  must(
    terms.mode === 'one-way' ? states.length <= 1 : states.length * terms.step < terms.refundHeight,
    'TURN-3',
    'ERR_WRONG_TURN',
    `A channel cannot have ${states.length} turns by these terms.`
  )
  const proven: EndedTurn[] = []
  for (const [turn, { sequence, payerBalance: balance, signature }] of states.entries()) {
    const before = proven.at(-1)
    const begin =
      before === undefined ? initialBalance(terms) : subSat(terms.capacity, before.payerBalance)
    if (signature.length === 0) {
      must(
        before !== undefined && sequence === before.sequence && balance === begin,
        'TURN-6',
        'ERR_BAD_SIGNATURE',
        `The last state of turn ${turn} is not signed, and is not the one that the turn began with.`
      )
    } else {
      must(
        before === undefined || sequence > before.sequence,
        'UPD-2',
        'ERR_OUT_OF_ORDER',
        `The states of turn ${turn} are numbered like those of an earlier one.`
      )
      must(
        balance <= begin,
        'UPD-3',
        'ERR_BALANCE_MISMATCH',
        `The payer of turn ${turn} is said to have more than the turn began with.`
      )
      must(
        canLeadTo(
          { sequence: before?.sequence ?? 0, payerBalance: begin },
          { sequence, payerBalance: balance }
        ),
        'UPD-13',
        'ERR_OUT_OF_ORDER',
        `State ${sequence} is said to follow after more updates than satoshis were paid in turn ${turn}.`
      )
      const digest = stateDigest({ ...channel, ledger: NEW_LEDGER }, satoshi(balance), turn)
      must(
        env.verify(partyOf(terms, payerOf(turn)).channelKey, digest, signature),
        'UPD-4',
        'ERR_BAD_SIGNATURE',
        `The signature of state ${sequence} is not the payer's.`
      )
    }
    // The number of payments that led to it is not known any more.
    proven.push({
      turn,
      sequence,
      payerBalance: satoshi(balance),
      paymentCount: 0,
      signature: signature.length > 0 && payeeOf(turn) === role ? signature : undefined
    })
  }
  const present = proven.pop()
  if (present === undefined) return { ledger: NEW_LEDGER, ended: [] }
  const { turn, sequence, payerBalance, paymentCount, signature } = present
  const ledger: Ledger = {
    ...NEW_LEDGER,
    turn,
    held: { sequence, payerBalance, paymentCount, signature }
  }
  return { ledger, ended: proven }
}
