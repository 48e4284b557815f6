/**
 * The chain's view of a channel. Level-triggered: every call gets the whole history of the funding
 * script, so that a reorg is only another history.
 */
import { isSignedByBoth, signedParts } from '../bitcoin/funding-spend.js'
import type { Role } from '../bitcoin/keys.js'
import { payoutWitnessScript, p2wsh } from '../bitcoin/scripts.js'
import { readableTransaction, type Transaction } from '../bitcoin/transaction.js'
import { sameBytes, type OutPoint } from '../types/bytes.js'
import {
  formatAmount,
  min,
  subSat,
  ZERO_SAT,
  type BlockHeight,
  type Satoshi
} from '../types/units.js'
import { become, type CsvPayout, type Effect, type Transition } from './effects.js'
import type { FundingHistory, ShownTransaction } from './events.js'
import type { Env } from './env.js'
import { figuresOf, shareOf } from './evidence.js'
import { FINAL_DEPTH } from './funding.js'
import { balances } from './ledger.js'
import { onFundingShown, onStrays } from './outside-funding.js'
import { isFundingSeen, withFunding } from './renewing.js'
import { isOlder, kindOf, payeeOf, payerOf, stateOfLock, type StateRef } from './schedule.js'
import { shareIn } from './stakes.js'
import { hasLostLedger, isForgotten, knowsItself, whereMoneyMayBe } from './stopping.js'
import {
  spendInSight,
  type Channel,
  type Established,
  type FirstShown,
  type OnChain,
  type ShownSpend,
  type Spend,
  type SpendKind
} from './state.js'
import { partyOf, type Terms } from './terms.js'
import { alarm, PaychanError } from '../types/errors.js'

/** Blocks after a settlement in which its payout is handed to the wallet again. */
export const CLAIM_AGAIN_BLOCKS = 6

/** Takes in a new history of the funding script. */
export function onHistory(
  channel: Established,
  { funding, fundings, spends, strays }: FundingHistory,
  env: Pick<Env, 'verify' | 'height'>
): Transition<Established> {
  const before = channel.onChain
  const { real, forged } = judged(channel, spends, env)
  const spend = provedSpend(channel, spends, real)
  const now = spend === undefined ? real.map((each) => shownSpend(channel, each)) : []
  const firstShown = firstOf(channel, now, env.height)
  const completed = withFunding(channel, funding, fundings, env)
  const onChain: OnChain = {
    fundingSeen: isFundingSeen(completed, funding),
    fundingHeight: funding?.height,
    ...(isShownByTwo(funding) ? { fundingShownByTwo: true } : {}),
    ...(funding?.block === undefined ? {} : { fundingBlock: funding.block }),
    spend,
    shown: inOrder(
      channel,
      now.map((each) => ({ ...each, since: sinceOf(channel, each, firstShown, env.height) }))
    ),
    ...(firstShown === undefined ? {} : { firstShown })
  }
  const shown = onFundingShown(completed, funding, env)
  const strayed = onStrays(shown.state, strays, funding?.height)
  // All channels hear their history again when a node starts: what says nothing new is not written.
  const state: Established =
    now.length === 0 && spend === undefined && isSameUnspent(before, onChain)
      ? strayed.state
      : { ...strayed.state, onChain }
  const alarms: Effect[] =
    forged === undefined
      ? []
      : [
          alarm(
            new PaychanError(
              'ERR_FORGED_SPEND',
              `An Electrum server shows ${forged.transaction.txid} as a spend of the channel, and it is not signed by both sides as it is shown: that is ignored. Use another server.`,
              { txid: forged.transaction.txid }
            )
          )
        ]
  return become(
    state,
    ...alarms,
    ...shown.effects,
    ...strayed.effects,
    ...fundingNews(channel, before, onChain),
    ...spendNews(channel, spendInSight({ ...channel, onChain: before }), spendInSight(state))
  )
}

function isShownByTwo(funding: ShownTransaction | undefined): boolean {
  return funding !== undefined && funding.height === undefined && (funding.shownBy ?? 1) > 1
}

/** True when nobody shows a spend, and nothing else differs. */
function isSameUnspent(before: OnChain, now: OnChain): boolean {
  return (
    before.spend === undefined &&
    before.shown.length === 0 &&
    before.fundingSeen === now.fundingSeen &&
    before.fundingShownByTwo === now.fundingShownByTwo &&
    before.fundingHeight === now.fundingHeight &&
    before.fundingBlock === now.fundingBlock &&
    before.firstShown?.states === now.firstShown?.states &&
    before.firstShown?.others === now.firstShown?.others
  )
}

/**
 * TIME-8: separates the spends that both sides have signed from forged ones. Servers may differ, or
 * make a spend up; even for a spend in a block they may make up the witness, for a proof covers
 * only the txid.
 */
function judged(
  channel: Established,
  spends: readonly ShownTransaction[],
  { verify }: Pick<Env, 'verify'>
): { real: ShownTransaction[]; forged: ShownTransaction | undefined } {
  const { outPoint, terms, onChain, publication } = channel
  const output = {
    outPoint,
    value: terms.capacity,
    clientKey: terms.client.channelKey,
    serverKey: terms.server.channelKey
  }
  const isKnown = ({ txid, raw }: Transaction): boolean =>
    [publication, onChain.spend, ...onChain.shown].some(
      (known) => known?.txid === txid && sameBytes(known.raw, raw)
    )
  const isReal = ({ transaction }: ShownTransaction): boolean =>
    isKnown(transaction) || isSignedByBoth(transaction, output, verify)
  const real = spends.filter(isReal)
  return { real, forged: spends.find((spend) => !real.includes(spend)) }
}

/**
 * Finds the spend in a block. Servers may differ in its witness: a valid one counts. When each is
 * false, we only know that the spend is there, and what it pays.
 */
function provedSpend(
  channel: Established,
  spends: readonly ShownTransaction[],
  real: readonly ShownTransaction[]
): Spend | undefined {
  const mined = spends.filter(({ height }) => height !== undefined)
  const spend = mined.find((each) => real.includes(each)) ?? mined[0]
  if (spend?.height === undefined) return undefined
  const { transaction, height } = spend
  if (!real.includes(spend)) return { ...unknown(transaction), height }
  const known = recognise(channel, transaction)
  return { ...known, clientBalance: minedBalance(channel, transaction, known), height }
}

/**
 * EVID-2: the client's balance in a state that is in a block, by the outputs, which its txid
 * proves. Only a witness tells whether the payer has signed one of them or none, and a payee, which
 * has both signatures, could have either shown.
 */
function minedBalance(
  channel: Established,
  tx: Transaction,
  { state, clientBalance }: Omit<Spend, 'height'>
): Satoshi | undefined {
  if (state === undefined) return clientBalance
  const payer = payerOf(state)
  const value = paidBeside(channel, tx, payer)
  return payer === 'client' ? value : subSat(channel.terms.capacity, value)
}

/** The payer's output beside the channel's input; zero when that output is somebody else's. */
function paidBeside(channel: Established, tx: Transaction, payer: Role): Satoshi {
  const output = tx.outputs[tx.inputOf(channel.outPoint)]
  return output !== undefined &&
    sameBytes(output.script, payoutScript(channel, payer)) &&
    output.value <= channel.terms.capacity
    ? output.value
    : ZERO_SAT
}

function unknown({ txid, raw }: Transaction): Omit<Spend, 'height'> {
  return { txid, raw, kind: 'unknown', state: undefined, clientBalance: undefined }
}

function shownSpend(
  channel: Established,
  { transaction, shownBy = 1 }: ShownTransaction
): Omit<ShownSpend, 'since'> {
  return {
    ...recognise(channel, transaction),
    height: undefined,
    shownBy,
    ...figuresOf(transaction, channel.terms.capacity)
  }
}

/** True for a state that the other side holds. */
function isTheirs({ role }: Established, { state }: Pick<ShownSpend, 'state'>): boolean {
  return state !== undefined && payeeOf(state) !== role
}

/**
 * Notes what is shown for the first time. One server alone says nothing of states here: it could
 * show one early, so that a later one seems to have been passed over.
 */
function firstOf(
  channel: Established,
  shown: ReadonlyArray<Omit<ShownSpend, 'since'>>,
  height: BlockHeight | undefined
): FirstShown | undefined {
  const before = channel.onChain.firstShown
  const isNew = (are: (spend: Omit<ShownSpend, 'since'>) => boolean): boolean =>
    height !== undefined && shown.some(are)
  const states =
    before?.states ??
    (isNew((spend) => spend.shownBy > 1 && isTheirs(channel, spend)) ? height : undefined)
  const others = before?.others ?? (isNew(({ state }) => state === undefined) ? height : undefined)
  return states === undefined && others === undefined ? undefined : { states, others }
}

/** The height from which on blocks have passed over a spend. */
function sinceOf(
  channel: Established,
  spend: Omit<ShownSpend, 'since'>,
  first: FirstShown | undefined,
  height: BlockHeight | undefined
): BlockHeight | undefined {
  const { shown } = channel.onChain
  if (spend.state === undefined) return first?.others
  // Takes any state of the same side.
  const before = shown.find(
    ({ txid, state }) =>
      txid === spend.txid ||
      (state !== undefined && spend.state !== undefined && payeeOf(state) === payeeOf(spend.state))
  )
  const since = before === undefined ? height : before.since
  return isTheirs(channel, spend) && first?.states !== undefined
    ? min(first.states, since ?? first.states)
    : since
}

/** Puts our own bid last: the spends of the other side are the news. */
function inOrder({ publication }: Established, shown: readonly ShownSpend[]): ShownSpend[] {
  const isOurs = ({ txid }: ShownSpend): boolean => txid === publication?.txid
  return [...shown.filter((spend) => !isOurs(spend)), ...shown.filter(isOurs)]
}

/** Recognises a transaction among those that can exist. */
function recognise(channel: Established, tx: Transaction): Omit<Spend, 'height'> {
  const { terms, outPoint } = channel
  const { txid, raw } = tx
  if (isOwnClose(channel, tx) || isForgottenClose(channel, tx)) {
    return {
      txid,
      raw,
      kind: 'close',
      state: undefined,
      clientBalance: balances(terms, channel.ledger).client
    }
  }
  const found = stateIn(terms, outPoint, tx)
  return found === undefined ? unknown(tx) : { txid, raw, kind: kindOf(found.state), ...found }
}

/**
 * EVID-2: identifies the state of a spend, by its lock, which every signature covers, and by the
 * part that the payer has signed. An output proves something only when its payer has signed it: the
 * payee may have added any other one, even one to the payer's script. The payer's output stands
 * beside the channel's input, wherever that is: SINGLE|ANYONECANPAY signs no index, and a server
 * may put other inputs before it (SIG-2). Undefined when the spend is not a state.
 */
export function stateIn(
  terms: Parameters<typeof stateOfLock>[0] & Pick<Terms, 'capacity'>,
  outPoint: OutPoint,
  tx: Transaction
): { readonly state: StateRef; readonly clientBalance: Satoshi } | undefined {
  const state = stateOfLock(terms, tx.lockTime)
  if (state === undefined) return undefined
  const payer = payerOf(state)
  const signed = signedParts(tx, outPoint)[payer]
  const value =
    signed === 'nothing'
      ? ZERO_SAT
      : signed === 'own output'
        ? tx.outputs[tx.inputOf(outPoint)]?.value
        : undefined
  if (value === undefined || value > terms.capacity) return undefined
  return { state, clientBalance: payer === 'client' ? value : subSat(terms.capacity, value) }
}

/** True for a close that we remember to have signed. */
function isOwnClose({ closes }: Established, { txid }: Pick<Transaction, 'txid'>): boolean {
  return closes.some((close) => close.txid === txid)
}

/**
 * True for a close whose signature was lost with our data (RESTORE-6): both have signed all of it,
 * and it pays to the scripts of both and to nobody else. A side that lost nothing has signed no
 * such close.
 */
function isForgottenClose(channel: Established, tx: Transaction): boolean {
  if (!knowsItself(channel)) return false
  const { terms, outPoint } = channel
  const { client, server } = signedParts(tx, outPoint)
  const scripts = [terms.client.closeScript, terms.server.closeScript]
  return (
    client === 'whole' &&
    server === 'whole' &&
    tx.outputs.every(({ script }) => scripts.some((own) => sameBytes(own, script)))
  )
}

function payoutScript(channel: Established, payer: Role): Uint8Array {
  return p2wsh(payoutWitnessScript(partyOf(channel.terms, payer).payoutKey))
}

/**
 * The output of a mined spend that pays to our payout script: it is the wallet's from now on,
 * whatever the witness shown by a server says (EVID-2). In a state it stands beside the channel's
 * input; in T2 that output is the server's, if it brought something along.
 */
export function csvPayout(channel: Established): CsvPayout | undefined {
  const { spend } = channel.onChain
  const tx = spend && readableTransaction(spend.raw)
  if (spend === undefined || tx === undefined) return undefined
  const scriptPubKey = payoutScript(channel, channel.role)
  const isOurs = (vout: number): boolean => {
    const output = tx.outputs[vout]
    return output !== undefined && output.value > 0n && sameBytes(output.script, scriptPubKey)
  }
  const beside = tx.inputOf(channel.outPoint)
  const vout = [beside, ...tx.outputs.keys()].find(isOurs)
  const value = vout === undefined ? undefined : tx.outputs[vout]?.value
  return vout === undefined || value === undefined
    ? undefined
    : { outPoint: { txid: spend.txid, vout }, value, scriptPubKey }
}

/**
 * True when nothing comes of a channel any more: its end is 6 deep, or T1 was never seen and T2 could
 * take it. A deeper reorganisation changes that, and a stream begins again then.
 */
export function isOverAt(channel: Channel, height: BlockHeight): boolean {
  if (channel.stage !== 'established') return false
  const { spend, fundingSeen } = channel.onChain
  if (spend !== undefined) return height - spend.height + 1 >= FINAL_DEPTH
  // A server's opening is given up by other rules (OPEN-9, OPEN-11).
  return channel.role === 'client' && !fundingSeen && height >= channel.terms.refundHeight
}

/**
 * OPEN-12, OPEN-13: true when a channel that is over has paid nothing to the close script of this
 * side: by T2, T3 or a renewal, or a close that left this side nothing.
 */
export function isScriptFree(channel: Channel): boolean {
  if (channel.stage !== 'established') return true
  const { spend } = channel.onChain
  const { closeScript } = channel.terms[channel.role]
  if (spend === undefined) return true
  const outputs = readableTransaction(spend.raw)?.outputs
  return outputs?.every(({ script }) => !sameBytes(script, closeScript)) === true
}

/**
 * Settles the payments in flight: once the spend is buried, the payments that it includes were
 * received after all, and the others never will be. Before that, a reorg could bring another spend
 * (TIME-4).
 */
export function settlePayments(channel: Established, env: Pick<Env, 'height'>): Established {
  const { spend } = channel.onChain
  if (env.height === undefined) return channel
  // Nobody can tell what an unknown spend includes: a payment that is called failed would be made
  // twice.
  const sequence =
    spend !== undefined && spend.kind !== 'unknown' && env.height - spend.height + 1 >= FINAL_DEPTH
      ? settledSequence(channel, spend)
      : undefined
  return sequence === channel.ledger.settledSequence
    ? channel
    : { ...channel, ledger: { ...channel.ledger, settledSequence: sequence } }
}

/**
 * The newest update that the spend includes, by the payer's share in it (EVID-2): a payer that has
 * the balance of a state, or more, has paid no later one, whoever has signed what; it can pay again
 * what it has back. In a state whose payer signs nothing (its balance is dust) the payee chooses
 * the outputs: giving back less than an update took counts as nothing. A state of a later turn than
 * we know, or one that leaves us less than all that we have signed, shows that we are on an old
 * copy of our data, and so does a close that we do not know: nobody knows whether the payments in
 * flight were paid (TURN-2, REEST-8). Undefined then.
 */
function settledSequence(channel: Established, spend: Spend): number | undefined {
  const held = channel.ledger.held?.sequence ?? -1
  const { clientBalance, state } = spend
  const { inFlight } = channel.ledger
  if (hasLostLedger(channel) || isForgotten(channel, spend)) return undefined
  if (spend.kind === 'close' && inFlight.length > 0 && !isOwnClose(channel, spend)) return undefined
  if (state !== channel.ledger.turn || clientBalance === undefined) return held
  const payerHas = shareIn(channel.terms.capacity, state, clientBalance, 'client')
  if (payerHas >= balances(channel.terms, channel.ledger)[payerOf(state)]) return held
  const included = inFlight.find(({ payerBalance }) => payerBalance <= payerHas) ?? inFlight.at(-1)
  return included?.sequence ?? held
}

function fundingNews(channel: Established, before: OnChain, now: OnChain): Effect[] {
  if (now.fundingHeight !== undefined && before.fundingHeight !== now.fundingHeight) {
    return [
      {
        type: 'notify',
        txid: channel.outPoint.txid,
        news: { kind: 'funding-mined', height: now.fundingHeight }
      }
    ]
  }
  if (now.fundingHeight === undefined && before.fundingHeight !== undefined) {
    return [
      alarm(
        new PaychanError(
          'ERR_FUNDING_REORGED',
          `T1 ${channel.outPoint.txid} was in block ${before.fundingHeight} and is no longer; no payments until it is buried again.`,
          { txid: channel.outPoint.txid, height: before.fundingHeight }
        )
      )
    ]
  }
  return []
}

function spendNews(
  channel: Established,
  before: Spend | ShownSpend | undefined,
  now: Spend | ShownSpend | undefined
): Effect[] {
  if (now === undefined || (before?.txid === now.txid && before.height === now.height)) return []
  const effects: Effect[] = [
    {
      type: 'notify',
      ...(now.kind === 'unknown' ? {} : { step: now.kind }),
      txid: now.txid,
      news:
        now.height === undefined
          ? { kind: 'spend-shown', transaction: now.kind }
          : { kind: 'spend-mined', transaction: now.kind, height: now.height }
    }
  ]
  const proved = now.height === undefined ? undefined : now
  const payout = csvPayout({ ...channel, onChain: { ...channel.onChain, spend: proved } })
  if (payout !== undefined) effects.push({ type: 'claim', payout })
  const loss = proved === undefined ? 0n : lossBy(channel, proved)
  if (loss > 0n) {
    effects.push(
      alarm(
        new PaychanError(
          'ERR_OLDER_STATE_CONFIRMED',
          `${nameOf(now.kind)} ${now.txid} confirmed and costs us ${formatAmount(loss)} against the newest state.`,
          { txid: now.txid, transaction: now.kind, loss }
        )
      )
    )
  }
  if (now.kind === 'unknown') {
    effects.push(
      alarm(
        new PaychanError(
          'ERR_UNKNOWN_SPEND',
          `Transaction ${now.txid} spends the channel, and we do not know it. ${whereMoneyMayBe(channel)}`,
          { txid: now.txid, peer: channel.peer }
        )
      ),
      { type: 'ask-for-channels' }
    )
  }
  return effects
}

/** Our loss by a confirmed spend of an older turn, compared with the newest state. */
function lossBy(channel: Established, spend: Spend): bigint {
  if (spend.state === undefined || !isOlder(spend.state, channel.ledger.turn)) return 0n
  return balances(channel.terms, channel.ledger)[channel.role] - shareOf(channel, spend)
}

function nameOf(kind: SpendKind): string {
  switch (kind) {
    case 'close':
      return 'the cooperative close'
    case 'settlement':
      return 'the settlement T3'
    case 'refund':
      return 'the refund T2'
    case 'unknown':
      return 'an unknown transaction'
  }
}
