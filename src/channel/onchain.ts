/**
 * What the chain shows of a channel. Level-triggered: every call gets the whole history of the
 * funding script, so that a reorg is only another history.
 */
import { isSignedByBoth, isSignedWhole } from '../bitcoin/funding-witness.js'
import type { Role } from '../bitcoin/keys.js'
import { payoutWitnessScript, p2wsh } from '../bitcoin/scripts.js'
import { parseTransaction, type ParsedTransaction } from '../bitcoin/transaction.js'
import { sameBytes, sameOutPoint, type OutPoint } from '../types/bytes.js'
import { formatAmount, subSat, ZERO_SAT, type Satoshi } from '../types/units.js'
import { to, type Effect, type Transition } from './effects.js'
import type { FundingHistory, ShownTransaction } from './events.js'
import type { Env } from './env.js'
import { FINAL_DEPTH } from './funding-depth.js'
import { balances } from './ledger.js'
import { onFundingShown, onStrays } from './outside-funding.js'
import { withFunding } from './renewing.js'
import { payerOf, turnOfLock } from './schedule.js'
import { shareIn } from './stakes.js'
import type { Established, OnChain, Spend, SpendKind } from './state.js'
import { partyOf } from './terms.js'

/** The payer's output of a state: `P2WSH(<payout key> OP_CHECKSIGVERIFY 1 OP_CSV)` of ours. */
export interface CsvPayout { readonly outPoint: OutPoint, readonly value: Satoshi, readonly scriptPubKey: Uint8Array }

/** Blocks after a settlement in which its payout is handed to the wallet again. */
export const CLAIM_AGAIN_BLOCKS = 6

/** The funding script has a new history. */
export function onHistory (channel: Established, { funding, spends, strays }: FundingHistory, env: Pick<Env, 'verify'>): Transition<Established> {
  const { spend, effects } = spendOf(channel, spends, env)
  const before = channel.onChain
  const onChain: OnChain = {
    fundingSeen: funding !== undefined,
    fundingHeight: funding?.height,
    spend: spend === undefined ? undefined : recognise(channel, spend)
  }
  const shown = onFundingShown(withFunding(channel, funding?.raw), funding, env)
  const strayed = onStrays(shown.state, strays, funding?.height)
  return to({ ...strayed.state, onChain }, ...effects, ...shown.effects, ...strayed.effects, ...fundingNews(channel, before, onChain), ...spendNews(channel, before.spend, onChain.spend))
}

/**
 * TIME-8: what is in a block; else a spend in a mempool, if both sides have signed it, and rather one that
 * is not our own bid. Servers may differ, or make one up: a state newer than ours, for which we would wait.
 */
function spendOf (channel: Established, spends: readonly ShownTransaction[], { verify }: Pick<Env, 'verify'>): { spend: ShownTransaction | undefined, effects: Effect[] } {
  const mined = spends.find(({ height }) => height !== undefined)
  if (mined !== undefined) return { spend: mined, effects: [] }
  const { outPoint, terms, onChain, publication } = channel
  const output = { outPoint, value: terms.capacity, clientKey: terms.client.channelKey, serverKey: terms.server.channelKey }
  const isReal = ({ txid, raw }: ShownTransaction): boolean => txid === onChain.spend?.txid || txid === publication?.txid || isSignedByBoth(raw, output, verify)
  const real = spends.filter(isReal)
  const forged = spends.find((spend) => !real.includes(spend))
  const effects: Effect[] = forged === undefined ? [] : [{ type: 'alarm', code: 'ERR_FORGED_SPEND', text: `An Electrum server shows ${forged.txid} as a spend of the channel that waits for a block, and it is not signed by both sides: it is ignored. Use another server.` }]
  return { spend: real.find(({ txid }) => txid !== publication?.txid) ?? real[0], effects }
}

/** Which of the transactions that can exist this one is. */
function recognise (channel: Established, spend: ShownTransaction): Spend {
  const { txid, raw, height } = spend
  const parsed = parseTransaction(raw)
  const close = channel.closes.some((close) => close.txid === txid) || isForgottenClose(channel, raw, parsed)
  const turn = close ? undefined : turnOfLock(channel.terms, parsed.lockTime)
  const kind: SpendKind = close ? 'close' : turn === undefined ? 'unknown' : turn === -1 ? 'refund' : 'settlement'
  return { kind, turn, txid, raw, height, clientBalance: clientBalanceOf(channel, kind, turn, parsed.outputs[payoutIndex(channel, parsed)]) }
}

/** A close whose signature was lost with our data (RESTORE-6): both have signed all of it, and it pays to the scripts of both and to nobody else. Who has lost nothing has signed no such thing. */
function isForgottenClose ({ terms, outPoint, restored }: Established, raw: Uint8Array, { outputs }: ParsedTransaction): boolean {
  const scripts = [terms.client.closeScript, terms.server.closeScript]
  return restored === true && outputs.every(({ script }) => scripts.some((own) => sameBytes(own, script))) && isSignedWhole(raw, outPoint)
}

/**
 * The payer's output stands beside the channel's input, wherever in the transaction that is:
 * SINGLE|ANYONECANPAY signs no index, and a server may put other inputs before it (SIG-2).
 */
function payoutIndex (channel: Established, transaction: ParsedTransaction): number {
  return transaction.inputs.findIndex(({ outPoint }) => sameOutPoint(outPoint, channel.outPoint))
}

function clientBalanceOf (channel: Established, kind: SpendKind, turn: number | undefined, payout: { script: Uint8Array, value: Satoshi } | undefined): Satoshi | undefined {
  switch (kind) {
    case 'close': return balances(channel.terms, channel.ledger).client
    case 'refund':
    case 'settlement': {
      const payer = payerOf(turn ?? 0)
      const value = payout !== undefined && sameBytes(payout.script, payoutScript(channel, payer)) ? payout.value : ZERO_SAT
      return payer === 'client' ? value : subSat(channel.terms.capacity, value)
    }
    case 'unknown': return undefined
  }
}

function payoutScript (channel: Established, payer: Role): Uint8Array {
  return p2wsh(payoutWitnessScript(partyOf(channel.terms, payer).payoutKey))
}

/** The payer's output of a state that is in a block: the wallet's from now on. In T2 that is the server's, if it brought something along. */
export function csvPayout (channel: Established): CsvPayout | undefined {
  const { spend } = channel.onChain
  if (spend?.turn === undefined || spend.height === undefined || payerOf(spend.turn) !== channel.role || spend.clientBalance === undefined) return undefined
  const value = channel.role === 'client' ? spend.clientBalance : subSat(channel.terms.capacity, spend.clientBalance)
  if (value === ZERO_SAT) return undefined
  return { outPoint: { txid: spend.txid, vout: payoutIndex(channel, parseTransaction(spend.raw)) }, value, scriptPubKey: payoutScript(channel, channel.role) }
}

/**
 * What became of payments in flight: once the spend is buried, those that it includes were received
 * after all, and the others never will be. Before, a reorg could bring another one (TIME-4).
 */
export function settlePayments (channel: Established, env: Pick<Env, 'height'>): Established {
  const { spend } = channel.onChain
  if (env.height === undefined) return channel
  const final = spend?.height !== undefined && env.height - spend.height + 1 >= FINAL_DEPTH
  const sequence = final ? settledSequence(channel, spend) : undefined
  return sequence === channel.ledger.settledSequence ? channel : { ...channel, ledger: { ...channel.ledger, settledSequence: sequence } }
}

function settledSequence (channel: Established, spend: Spend): number {
  const held = channel.ledger.held?.sequence ?? -1
  const { clientBalance, turn } = spend
  if (turn !== channel.ledger.turn || clientBalance === undefined) return held
  const payerHas = shareIn(channel.terms.capacity, turn, clientBalance, 'client')
  return channel.ledger.inFlight.filter((update) => update.payerBalance >= payerHas).at(-1)?.sequence ?? held
}

function fundingNews (channel: Established, before: OnChain, now: OnChain): Effect[] {
  if (now.fundingHeight !== undefined && before.fundingHeight !== now.fundingHeight) {
    return [{ type: 'notify', txid: channel.outPoint.txid, what: `T1 ${channel.outPoint.txid} is in block ${now.fundingHeight}` }]
  }
  if (now.fundingHeight === undefined && before.fundingHeight !== undefined) {
    return [{ type: 'alarm', code: 'ERR_FUNDING_REORGED', text: `T1 ${channel.outPoint.txid} was in block ${before.fundingHeight} and is no longer; no payments until it is buried again.` }]
  }
  return []
}

function spendNews (channel: Established, before: Spend | undefined, now: Spend | undefined): Effect[] {
  if (now === undefined || (before?.txid === now.txid && before.height === now.height)) return []
  const effects: Effect[] = [{ type: 'notify', ...(now.kind === 'unknown' ? {} : { step: now.kind }), txid: now.txid, what: `${nameOf(now.kind)} ${now.txid} is ${now.height === undefined ? 'in the mempool' : `in block ${now.height}`}` }]
  const after = { ...channel, onChain: { ...channel.onChain, spend: now } }
  const payout = csvPayout(after)
  if (payout !== undefined) effects.push({ type: 'claim', payout })
  const loss = lossBy(channel, now)
  if (loss > 0n) effects.push({ type: 'alarm', code: 'ERR_OLDER_STATE_CONFIRMED', text: `${nameOf(now.kind)} ${now.txid} confirmed and costs us ${formatAmount(loss)} against the newest state.` })
  if (now.kind === 'unknown') effects.push({ type: 'alarm', code: 'ERR_UNKNOWN_SPEND', text: `Transaction ${now.txid} spends the channel, and we do not know it.` })
  return effects
}

/** What a confirmed spend by an older turn takes from us, compared with the newest state. */
function lossBy (channel: Established, { height, turn, clientBalance }: Spend): bigint {
  if (height === undefined || turn === undefined || clientBalance === undefined || turn >= channel.ledger.turn) return 0n
  const share = channel.role === 'client' ? clientBalance : channel.terms.capacity - clientBalance
  return balances(channel.terms, channel.ledger)[channel.role] - share
}

function nameOf (kind: SpendKind): string {
  switch (kind) {
    case 'close': return 'the cooperative close'
    case 'settlement': return 'the settlement T3'
    case 'refund': return 'the refund T2'
    case 'unknown': return 'an unknown transaction'
  }
}
