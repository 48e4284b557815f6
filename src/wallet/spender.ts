/** Sends coins, replaces stuck transactions, and keeps sending those that are in no block yet. */
import { addressFromScript, scriptFromAddress } from '../bitcoin/address.js'
import { parseTransaction, type Transaction } from '../bitcoin/transaction.js'
import { outPointFromText, outPointText, txid, type OutPoint, type Txid } from '../types/bytes.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import {
  blockDelta,
  blockHeight,
  feeFor,
  feeRate,
  formatFeeRate,
  max,
  type BlockHeight,
  type FeeRate
} from '../types/units.js'
import { signSpend } from '../bitcoin/owner-spend.js'
import { planChild, raisedRate, unconfirmedFunding, type ChildPlan } from './child-plan.js'
import { isBuried } from './claims.js'
import {
  askedRate,
  checkCost,
  chosenRate,
  estimatedRate,
  incrementalOf,
  targetOf,
  type FeeChoice
} from './fee-choice.js'
import { labelChange, madeChange, type Notes } from './notes.js'
import {
  feeOf,
  newestOf,
  outgoingChange,
  outgoingRemoval,
  versionToSend,
  type Outgoing,
  type OutgoingTransactions
} from './outgoing.js'
import { BackgroundTask } from './tasks.js'
import { isUnderpaid, packageRefused, refusedText } from './refusal-advice.js'
import { spendVsize } from '../bitcoin/coin-selection.js'
import { planBump, planSend, type SendPlan } from './send-plan.js'
import { type BumpResult, paymentOf, type SendOptions, type SendResult } from './spending.js'
import type { AddressBook, OwnScript } from './addresses.js'
import type { CoinControl } from './coin-control.js'
import type { Coin, CoinLocks, Reservations } from './coins.js'
import type { HistoryView } from './history-view.js'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import type { Chain, Change, FundingBump, Store, Verdict } from '../engine/ports.js'

/** The target of a send, in blocks: within the hour. */
const SEND_TARGET = blockDelta(6)

/**
 * Signals BIP125, so that old servers too let it be replaced; `nLockTime` counts, relative locks
 * are off.
 */
const SEQUENCE = 0xfffffffd

export interface SpenderInit {
  readonly chain: Chain
  readonly store: Store
  readonly network: Network
  readonly addresses: AddressBook
  readonly view: HistoryView
  readonly reservations: Reservations
  readonly outgoing: OutgoingTransactions
  readonly notes: Notes
  /** Runs one task at a time, in line with everything else that chooses or writes. */
  readonly change: <T>(task: () => Promise<T>) => Promise<T>
  readonly coins: Pick<CoinControl, 'free' | 'named'>
  readonly locks: CoinLocks
  /** Explains a lack of coins that only comes from a missing server. */
  readonly explained: <T>(choose: () => T) => T
  /** Writes the next change index together with other records. */
  readonly useChange: (records: readonly Change[]) => Promise<void>
  readonly onError: (error: Error) => void
}

export class Spender {
  private readonly triedAt = new Map<Txid, string>()
  /** Transactions whose newest version a server refused for its fee the last time it was sent. */
  private readonly underpaid = new Set<Txid>()
  private readonly task = new BackgroundTask(async () => {
    await this.look()
  })

  constructor(private readonly init: SpenderInit) {}

  /** Called after a new block, a new history or a new connection. */
  lookAgain(): void {
    this.task.lookAgain()
  }

  stop(): void {
    this.task.stop()
  }

  async idle(): Promise<void> {
    await this.task.idle()
  }

  async send(options: SendOptions): Promise<SendResult> {
    const { network, addresses, coins, explained, chain } = this.init
    const { address, amount: wanted, label, message } = paymentOf(options, network)
    const to = scriptFromAddress(address, network)
    const named = options.coins?.map(outPointFromText)
    const rate = await chosenRate(chain, options, SEND_TARGET)
    const prepared = await this.init.change(async () => {
      const changeScript = addresses.upcoming('change')
      const plan = explained(() =>
        planSend({
          coins: named === undefined ? coins.free() : coins.named(named),
          to,
          amount: wanted,
          rate,
          changeScript: changeScript.scriptPubKey,
          exact: named !== undefined
        })
      )
      if (options.dryRun === true) return { plan, outgoing: undefined }
      await checkCost(
        chain,
        {
          rate: options.feeRate === undefined ? undefined : rate,
          fee: plan.fee,
          amount: plan.amount
        },
        options.highFee
      )
      const outgoing = this.first(
        'send',
        plan,
        to,
        wanted === 'all' ? undefined : plan.amount,
        changeScript,
        named !== undefined
      )
      await this.write(outgoing, plan, label)
      return { plan, outgoing }
    })
    const { plan, outgoing } = prepared
    const planned = spendVsize(
      plan.inputs.length,
      plan.change === 0n ? [to] : [to, addresses.upcoming('change').scriptPubKey]
    )
    const shown = {
      to: addressFromScript(to, network),
      amount: plan.amount,
      fee: plan.fee,
      feeRate: rateOf(plan, to, rate),
      change: plan.change,
      message
    }
    if (outgoing === undefined) {
      return { ...shown, vsize: planned, txid: undefined, broadcast: false }
    }
    const transaction = newestOf(outgoing)
    return {
      ...shown,
      vsize: transaction.vsize,
      txid: outgoing.id,
      broadcast: await this.broadcast(outgoing.id, transaction)
    }
  }

  /**
   * Raises a fee: replaces a send; T1, which is never replaced (FUND-5), gets a child.
   *
   * @param fundingOf - T1 as its channel keeps it, whether or not a server shows it
   */
  async bump(
    which: string,
    choice: FeeChoice,
    fundingOf: (id: Txid) => Uint8Array | undefined
  ): Promise<BumpResult> {
    const { chain, outgoing, view } = this.init
    const of = txid(which)
    const known = outgoing.find(of)
    const parent = known?.kind === 'child' ? (known.inputs[0]?.outPoint.txid ?? of) : of
    // A child that T1 went ahead of has only itself to pay for.
    const isAlone = known?.kind === 'send' || view.transaction(parent)?.height !== undefined
    if (known !== undefined && isAlone) return await this.replace(known, choice)
    const rate = await chosenRate(chain, choice, SEND_TARGET)
    const kept = fundingOf(parent)
    const asked = choice.feeRate === undefined ? undefined : rate
    return await this.payFor(
      { txid: parent, kept: kept === undefined ? undefined : parseTransaction(kept) },
      () => rate,
      undefined,
      async () => {
        await checkCost(chain, { rate: asked }, choice.highFee)
      }
    )
  }

  /**
   * Makes a child for a T1 that does not confirm, as long as there is change to pay it from. It
   * pays at most `most`.
   */
  async bumpFunding({
    funding,
    fundingTx,
    feeRate,
    most,
    isLate,
    isRefused
  }: FundingBump): Promise<void> {
    try {
      await this.payFor(
        { txid: funding, kept: parseTransaction(fundingTx) },
        (before, raised) => {
          const isUnpaid = before === undefined ? isRefused : this.underpaid.has(before.id)
          return isLate || isUnpaid ? max(feeRate, raised) : feeRate
        },
        most
      )
    } catch (error) {
      // Nothing is to be done: it pays enough, has no change that may be spent, or is in a block by
      // now. What servers refuse is sent again, and raised, with the next block.
      if (
        ![
          'ERR_FEERATE_TOO_LOW',
          'ERR_INSUFFICIENT_FUNDS',
          'ERR_NO_CHANGE',
          'ERR_CANNOT_BUMP',
          'ERR_ALREADY_CONFIRMED',
          'ERR_COIN_LOCKED',
          'ERR_BROADCAST_REFUSED'
        ].includes(codeOf(error))
      ) {
        throw error
      }
    }
  }

  /** Sends transactions in no block again, and lets go of buried ones. */
  private async look(): Promise<void> {
    const { outgoing, chain, view } = this.init
    const { tip } = chain
    if (tip === undefined) return
    for (const each of outgoing.all()) {
      if (this.task.stopped) return
      const spenders = each.versions.map(({ inputs }) =>
        inputs.map(({ outPoint }) => view.spender(outPoint))
      )
      // Each version is buried, or can never be in a block any more because a conflict is.
      const decided = spenders.every((those) =>
        those.some((spender) => isBuried(spender?.height, tip.height))
      )
      const isOpen = spenders.at(-1)?.every((spender) => spender?.height === undefined) ?? false
      if (decided) await this.settle(each)
      else if (isOpen && this.triedAt.get(each.id) !== tip.hash) await this.again(each, tip.hash)
    }
  }

  private async replace(known: Outgoing, choice: FeeChoice): Promise<BumpResult> {
    const { addresses, chain, outgoing, view } = this.init
    const target = targetOf(choice) ?? SEND_TARGET
    const asked = await askedRate(chain, choice)
    const estimate = asked ?? (await estimatedRate(chain, target))
    const incremental = await incrementalOf(chain)
    const { signed, plan, of } = await this.init.change(async () => {
      // Another bump may have come first.
      const now = outgoing.find(known.id) ?? known
      this.assertReplaceable(now.versions.map(({ txid }) => txid))
      const changeScript = addresses.upcoming('change')
      const coins = now.exact ? [] : this.init.coins.free()
      const plan = this.bumpPlan(now, asked, estimate, coins, changeScript, incremental)
      await checkCost(chain, { rate: asked, fee: plan.fee, amount: now.amount }, choice.highFee)
      const signed = this.sign(now.kind, plan, now.to, now.change ?? changeScript.scriptPubKey)
      await this.write(
        {
          ...now,
          inputs: merged(now.inputs, plan.inputs),
          change: plan.change > 0n ? (now.change ?? changeScript.scriptPubKey) : now.change,
          versions: [...now.versions, signed]
        },
        plan
      )
      return { signed, plan, of: newestOf(now).txid }
    })
    const { txid: id, vsize } = signed
    const sent = await this.broadcast(known.id, signed)
    return {
      kind: 'replacement',
      txid: id,
      of,
      fee: plan.fee,
      feeRate: feeRate((plan.fee * 1000n) / BigInt(vsize)),
      vsize,
      broadcast: sent || view.transaction(id) !== undefined
    }
  }

  /** Without a feerate it pays the estimate, or the least that replaces when that is more. */
  private bumpPlan(
    now: Outgoing,
    asked: FeeRate | undefined,
    estimate: FeeRate,
    coins: readonly Coin[],
    changeScript: OwnScript,
    incremental: FeeRate
  ): SendPlan {
    const isThere = ({ txid }: OutPoint): boolean => this.init.view.transaction(txid) !== undefined
    try {
      return planBump(now, estimate, coins, changeScript.scriptPubKey, isThere, incremental)
    } catch (error) {
      if (asked !== undefined || codeOf(error) !== 'ERR_FEERATE_TOO_LOW') throw error
      return planBump(now, undefined, coins, changeScript.scriptPubKey, isThere, incremental)
    }
  }

  /** @param rateOf - the fee rate of both, by the present child and the rate that raises it */
  private async payFor(
    { txid: parent, kept }: { readonly txid: Txid; readonly kept: Transaction | undefined },
    rateOf: (before: Outgoing | undefined, raised: FeeRate) => FeeRate,
    most: bigint | undefined,
    ask: () => Promise<void> = async () => {}
  ): Promise<BumpResult> {
    const { addresses, chain, view, reservations, outgoing, locks } = this.init
    const incremental = await incrementalOf(chain)
    const { signed, plan, id } = await this.init.change(async () => {
      this.assertUnconfirmed([parent])
      const funding = unconfirmedFunding(view, reservations, addresses, parent, kept)
      const before = outgoing.spending(funding.change.outPoint)
      const coin = outPointText(funding.change.outPoint)
      if (before === undefined && locks.has(funding.change.outPoint)) {
        throw new PaychanError(
          'ERR_COIN_LOCKED',
          `Only its change ${coin} could pay for the funding transaction ${parent}, and that is locked: free it with \`paychan coins unlock ${coin}\`.`,
          { coin }
        )
      }
      const to = addresses.upcoming('change')
      const script = before?.to ?? to.scriptPubKey
      const rate = rateOf(before, raisedRate(funding, before, script, incremental))
      const plan = planChild(funding, before, script, rate, most, incremental)
      await ask()
      const next =
        before === undefined
          ? this.first('child', plan, to.scriptPubKey, undefined, to, false)
          : {
              ...before,
              versions: [...before.versions, this.sign('child', plan, before.to, before.to)]
            }
      await this.write(next, plan, '', before === undefined)
      return { signed: newestOf(next), plan, id: next.id }
    })
    const sent = await this.sendChild(id, signed, parent, kept)
    const { txid: child, vsize } = signed
    return {
      kind: 'child',
      txid: child,
      of: parent,
      fee: plan.fee,
      feeRate: plan.packageRate,
      vsize,
      broadcast: sent
    }
  }

  /**
   * Sends a child. Servers that have T1 take the child; a server that refused T1 for its fee takes
   * both as a package, and knows T1 from the refused broadcast.
   */
  private async sendChild(
    id: Txid,
    child: Transaction,
    parent: Txid,
    kept: Transaction | undefined
  ): Promise<boolean> {
    const isShown = this.init.view.transaction(parent) !== undefined
    if (kept !== undefined) await this.init.chain.broadcast(kept).catch(() => {})
    try {
      return await this.broadcast(id, child)
    } catch (error) {
      if (isShown || codeOf(error) !== 'ERR_BROADCAST_REFUSED') throw error
      throw packageRefused(parent, id, error)
    }
  }

  private first(
    kind: Outgoing['kind'],
    plan: SendPlan | ChildPlan,
    to: Uint8Array,
    amount: Outgoing['amount'],
    change: OwnScript,
    exact: boolean
  ): Outgoing {
    const signed = this.sign(kind, plan, to, change.scriptPubKey)
    return {
      id: signed.txid,
      kind,
      inputs: plan.inputs,
      to,
      amount,
      change: plan.change > 0n ? change.scriptPubKey : undefined,
      exact,
      versions: [signed]
    }
  }

  private sign(
    kind: Outgoing['kind'],
    { inputs, amount, change, fee }: SendPlan,
    to: Uint8Array,
    changeScript: Uint8Array
  ): Transaction {
    const payment = { script: to, value: amount }
    return signSpend({
      version: kind === 'child' ? 3 : 2,
      coins: inputs.map((input) => ({
        ...input,
        sequence: SEQUENCE,
        secret: this.secretOf(input.script)
      })),
      // The smaller first: nobody can tell from the order which one is the change.
      outputs:
        change === 0n
          ? [payment]
          : [payment, { script: changeScript, value: change }].sort((a, b) =>
              a.value < b.value ? -1 : 1
            ),
      fee,
      // The height of the tip: a miner gains nothing by mining the block that is there once more
      // (fee sniping).
      lockTime: this.height() ?? blockHeight(0)
    })
  }

  private secretOf(script: Uint8Array): Uint8Array {
    const { addresses } = this.init
    const own = addresses.find(script)
    if (own === undefined) {
      throw new PaychanError(
        'ERR_SEED_UNREADABLE',
        'A coin of this transaction belongs to other words than the wallet has now. Restore the seed that the data directory was made with.'
      )
    }
    return addresses.secret(own)
  }

  /**
   * Writes to disk first; every version has the label of the first. The index of a change address
   * that is used for the first time is in the same batch.
   */
  private async write(
    next: Outgoing,
    plan: SendPlan,
    label = this.init.notes.label(next.id) ?? '',
    usesIndex = false
  ): Promise<void> {
    const { store, outgoing, notes, addresses, useChange } = this.init
    const made = {
      kind: next.kind === 'child' ? ('bump' as const) : ('send' as const),
      fee: plan.fee
    }
    const { txid: id } = newestOf(next)
    const records = [
      outgoingChange(next),
      madeChange(id, made),
      ...(label === '' ? [] : [labelChange(id, label)])
    ]
    const upcoming = addresses.upcoming('change').scriptPubKey
    if (
      usesIndex ||
      (next.change !== undefined && addresses.find(next.change) === addresses.find(upcoming))
    ) {
      await useChange(records)
    } else await store.commit(records)
    outgoing.set(next)
    notes.setMade(id, made)
    notes.setLabel(id, label)
  }

  /**
   * Resolves with true when a server has the transaction now. An unreachable server gets it later;
   * a refusal is an error.
   */
  private async broadcast(id: Txid, transaction: Transaction): Promise<boolean> {
    const { chain } = this.init
    if (chain.tip !== undefined) this.triedAt.set(id, chain.tip.hash)
    try {
      this.heard(id, await chain.broadcast(transaction))
      return true
    } catch (error) {
      if (error instanceof Error) this.heard(id, error)
      if (codeOf(error) === 'ERR_CHAIN_UNAVAILABLE') {
        this.triedAt.delete(id)
        return false
      }
      const sent = transaction.txid
      throw PaychanError.of(
        codeOf(error),
        refusedText(
          `The server refused the transaction ${sent}`,
          sent,
          error,
          'Do not send once more. '
        ),
        { txid: sent },
        { cause: error }
      )
    }
  }

  private heard(id: Txid, answer: Verdict | Error): void {
    if (isUnderpaid(answer)) this.underpaid.add(id)
    else this.underpaid.delete(id)
  }

  private async again(each: Outgoing, tip: string): Promise<void> {
    const { view, chain, reservations, onError } = this.init
    const version = versionToSend(each, reservations)
    // Without its parent it comes in only with it, as a package, where the server has refused that
    // one for its fee.
    const isOrphan =
      each.kind === 'child' &&
      view.transaction(each.inputs[0]?.outPoint.txid ?? each.id) === undefined
    this.triedAt.set(each.id, tip)
    try {
      this.heard(each.id, await chain.broadcast(version))
    } catch (error) {
      if (error instanceof Error) this.heard(each.id, error)
      if (codeOf(error) === 'ERR_CHAIN_UNAVAILABLE') {
        this.triedAt.delete(each.id)
        return
      }
      if (isOrphan) return
      // A dearer version may be refused while an older one is well on its way.
      if (each.versions.some(({ txid }) => view.transaction(txid) !== undefined)) {
        return
      }
      const { txid: id, vsize } = version
      const pays = formatFeeRate(feeRate((feeOf(each, version) * 1000n) / BigInt(vsize)))
      onError(
        PaychanError.of(
          codeOf(error),
          refusedText(`The transaction ${id}, which pays ${pays}, was refused`, id, error),
          { txid: id },
          { cause: error }
        )
      )
    }
  }

  private async settle({ id, versions, inputs }: Outgoing): Promise<void> {
    const { change, store, outgoing, view, onError } = this.init
    if (versions.every(({ txid }) => view.transaction(txid)?.height === undefined)) {
      const rival =
        inputs
          .map(({ outPoint }) => view.spender(outPoint)?.transaction.txid)
          .find((spender) => spender !== undefined) ?? 'another transaction'
      onError(
        new PaychanError(
          'ERR_SEND_OVERTAKEN',
          `The transaction ${id} can never be in a block: ${rival}, which spends the same coins, is buried. If that was not you, somebody else has the words of this wallet.`,
          { txid: id, rival }
        )
      )
    }
    try {
      await change(async () => {
        await store.commit([outgoingRemoval(id)])
        outgoing.remove(id)
        this.triedAt.delete(id)
        this.underpaid.delete(id)
      })
    } catch (error) {
      if (!this.task.stopped) onError(error instanceof Error ? error : new Error(messageOf(error)))
    }
  }

  private assertUnconfirmed(ids: readonly Txid[]): void {
    for (const id of ids) {
      const height = this.init.view.transaction(id)?.height
      if (height !== undefined) {
        throw new PaychanError(
          'ERR_ALREADY_CONFIRMED',
          `The transaction ${id} is in block ${height}: its fee cannot change any more.`,
          { txid: id, height }
        )
      }
    }
  }

  private assertReplaceable(ids: readonly Txid[]): void {
    this.assertUnconfirmed(ids)
    const channel = ids
      .map((id) => this.init.reservations.fundedBy(id))
      .find((id) => id !== undefined)
    if (channel !== undefined) {
      throw new PaychanError(
        'ERR_CANNOT_BUMP',
        `The fee of ${ids.at(-1)} cannot be raised: the funding transaction of channel ${channel} spends its change, and would be void with another one. It is sent again with every block.`,
        { txid: ids.at(-1), channel }
      )
    }
  }

  private height(): BlockHeight | undefined {
    return this.init.chain.tip?.height
  }
}

/** The fee rate of a plan: higher than asked when the rest would not be worth a change output. */
function rateOf({ inputs, change, fee }: SendPlan, to: Uint8Array, asked: FeeRate): FeeRate {
  const vsize = spendVsize(inputs.length, [to])
  return change > 0n || fee === feeFor(asked, vsize)
    ? asked
    : feeRate((fee * 1000n) / BigInt(vsize))
}

function merged(known: Outgoing['inputs'], more: Outgoing['inputs']): Outgoing['inputs'] {
  const names = new Set(known.map(({ outPoint }) => `${outPoint.txid}:${outPoint.vout}`))
  return [
    ...known,
    ...more.filter(({ outPoint }) => !names.has(`${outPoint.txid}:${outPoint.vout}`))
  ]
}
