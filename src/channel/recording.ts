/**
 * What a peer that has lost its data is told of a channel (spec.md, "Restoring"). Nothing in it is
 * new: the terms are what both have agreed on, and every signature is one that the peer has given,
 * or has been given before. Ours are made again, and come to the same bytes (RFC 6979).
 */
import {
  MAX_RECORDED_STATES,
  type AcceptChannel,
  type ChannelRecord,
  type ChannelState,
  type OpenChannel
} from '../../protocols/paychan/1.0/index.js'
import { otherRole, type Role } from '../bitcoin/keys.js'
import { payerSighash } from '../bitcoin/template.js'
import { fromHex } from '../types/bytes.js'
import type { Env } from './env.js'
import { FINAL_DEPTH } from './funding-depth.js'
import { refundTemplateOf } from './opening-client.js'
import { isUnsigned } from './outside-funding.js'
import { payerOf } from './schedule.js'
import { stateDigest } from './signing.js'
import type { Channel, EndedTurn, Established } from './state.js'
import type { Terms } from './terms.js'

const NO_SIGNATURE = new Uint8Array(0)

/**
 * RESTORE-3: the record of a channel; undefined when there is nothing in it for the peer, or when
 * we do not have it all.
 */
export function recordOf(
  channel: Channel,
  env: Pick<Env, 'sign' | 'height'>
): ChannelRecord | undefined {
  if (
    channel.stage !== 'established' ||
    channel.renewal !== undefined ||
    isUnsigned(channel) ||
    isOver(channel, env)
  ) {
    return undefined
  }
  const { terms, outPoint, fundingTx, role } = channel
  const { clientDerivation } = terms
  if (clientDerivation === undefined) return undefined
  const states = statesOf(channel, env)
  const refundSignature =
    role === 'client'
      ? channel.refundSignature
      : env.sign(payerSighash(refundTemplateOf(terms, outPoint)))
  if (states === undefined || refundSignature === undefined) return undefined
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
 * Four weeks of blocks: who pays with names, and is on a copy as old as that, learns of what it has
 * paid since (RESTORE-9).
 */
const TOLD_FOR = 4_032

/**
 * Nothing of the channel is left for the peer: its end is buried and pays it by no output that
 * takes the channel's keys, or T1 never came. Of one on which it has paid it is told for a while.
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
  const { turn, clientBalance } = spend
  if (turn === undefined || clientBalance === undefined || payerOf(turn) === role) return true
  return clientBalance === (role === 'server' ? 0n : terms.capacity)
}

/** Whether a side has paid on a channel, as far as the states say. */
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
