/**
 * The on-chain wallet: addresses by BIP84, coins from the histories of its scripts, T1s, and the
 * payout outputs of channels. It implements the port `Wallet` and the node's view of it.
 *
 * Every choice (an index, a coin) is made in one queue, and on disk before anybody hears of it;
 * every sum is computed from the histories of this moment.
 */
import { addressFromScript, scriptFromAddress } from '../bitcoin/address.js'
import { FINAL_DEPTH } from '../channel/funding.js'
import { requireFee } from '../bitcoin/coin-selection.js'
import { renewalLock } from '../bitcoin/renewal.js'
import { sameBytes, txid, type ChannelId, type OutPoint, type Txid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { blockHeight, type BlockHeight, type FeeRate, type Satoshi } from '../types/units.js'
import { AddressBook, NOT_HEARD, type OwnScript, ownScript, Watches } from './addresses.js'
import { Claims, isBuried, type Claim } from './claims.js'
import { CoinControl } from './coin-control.js'
import {
  type Coin,
  CoinLocks,
  freeChange,
  outgoingRemoval,
  OutgoingTransactions,
  Reservations
} from './coins.js'
import {
  abandonedChange,
  AbandonedFundings,
  abandonedRemoval,
  ANY_FUNDING_SCRIPT,
  buildFundingTransaction,
  previousOf,
  requireNoDust,
  reservationOf,
  selectFunding,
  StrandedFundings
} from './funding.js'
import { HistoryView } from './history-view.js'
import { listTransactions } from './journal.js'
import { loadWallet } from './loading.js'
import { checkLabel, labelChange, Notes } from './notes.js'
import {
  branchChange,
  claimChange,
  reservationChange,
  reservationRemoval,
  type Branch,
  type Reservation
} from './records.js'
import { SerialQueue } from './tasks.js'
import { createSigner } from './signer.js'
import { Rebroadcasts } from './rebroadcasts.js'
import { Spender } from './spender.js'
import { Sweeper } from './sweeper.js'
import type {
  BumpResult,
  FeeChoice,
  NodeWallet,
  SendOptions,
  SendResult,
  TransactionKind,
  WalletBalance,
  WalletCoin,
  WalletInit,
  WalletTransaction
} from './node-wallet.js'
import type {
  BuiltFunding,
  FundingBump,
  FundingRequest,
  ChainTransaction,
  Change,
  CsvOutput,
  Unsubscribe
} from '../engine/ports.js'

/**
 * @example
 * const root = rootFromWords(words)
 * const wallet = createWallet({ root, network: 'regtest', store, chain, random, onError })
 * await wallet.start()
 * console.log(await wallet.newAddress())
 */
export function createWallet(init: WalletInit): NodeWallet {
  return new OnChainWallet(init)
}

class OnChainWallet implements NodeWallet {
  readonly #addresses: AddressBook
  readonly #view: HistoryView
  readonly #watches: Watches
  readonly #reservations = new Reservations()
  readonly #claims: Claims
  readonly #sweeper: Sweeper
  readonly #outgoing = new OutgoingTransactions()
  readonly #abandoned: AbandonedFundings
  readonly #stranded: StrandedFundings
  readonly #notes = new Notes()
  readonly #locks = new CoinLocks()
  readonly #control: CoinControl
  readonly #rebroadcasts: Rebroadcasts
  readonly #spender: Spender
  readonly #serial = new SerialQueue()
  readonly #listeners = new Set<() => void>()
  readonly #unsubscribe: Unsubscribe[] = []
  /** The script of the newest address: it is given again while no server tells what was paid. */
  #newest: Uint8Array | undefined
  #running = false
  readonly #init: WalletInit

  constructor(init: WalletInit) {
    this.#init = init
    const { root, network, chain, store, onError } = init
    this.#addresses = new AddressBook(root, network)
    const signer = createSigner(root, network)
    this.#view = new HistoryView(signer.verify)
    this.#claims = new Claims(this.#view)
    this.#abandoned = new AbandonedFundings(this.#view)
    this.#watches = new Watches({
      chain,
      onError,
      onHistory: (script, history) => {
        this.#heard(script, history)
      }
    })
    this.#sweeper = new Sweeper({
      claims: this.#claims,
      chain,
      store,
      addresses: this.#addresses,
      serial: this.#serial,
      signer,
      onError,
      notes: this.#notes,
      reservations: this.#reservations,
      onChange: (claim, gone) => {
        this.#claimChanged(claim, gone)
      }
    })
    const addresses = this.#addresses
    const view = this.#view
    const reservations = this.#reservations
    const outgoing = this.#outgoing
    const notes = this.#notes
    const locks = this.#locks
    const [watches, claims] = [this.#watches, this.#claims]
    addresses.freeChange = () => freeChange({ reservations, outgoing, claims, watches, view })
    this.#stranded = new StrandedFundings({
      ...{ view, reservations },
      height: () => (this.#isAllHeard() ? this.#height() : undefined)
    })
    this.#control = new CoinControl({
      network,
      addresses,
      view,
      reservations,
      outgoing,
      locks,
      stranded: this.#stranded,
      notes,
      store,
      height: () => this.#height()
    })
    const change = async <T>(task: () => Promise<T>): Promise<T> => await this.#change(task)
    this.#rebroadcasts = new Rebroadcasts({
      ...{ chain, store, view, reservations, outgoing, change, onError }
    })
    this.#spender = new Spender(
      {
        ...{ chain, store, network, addresses, view, reservations, outgoing, notes, locks, change },
        coins: this.#control,
        explained: (choose) => this.#explained(choose),
        useChange: async (...used) => await this.#use(...used)
      },
      this.#rebroadcasts
    )
  }

  async start(): Promise<void> {
    const { store, chain, onError } = this.#init
    const addresses = this.#addresses
    const reservations = this.#reservations
    const locks = this.#locks
    const claims = this.#claims
    const outgoing = this.#outgoing
    const abandoned = this.#abandoned
    const notes = this.#notes
    await loadWallet(
      store,
      { addresses, reservations, locks, claims, outgoing, abandoned, notes },
      onError
    )
    for (const reservation of reservations.all()) this.#judgeBeside(reservation)
    this.#running = true
    this.#watches.start()
    this.#watchAll()
    for (const { record } of this.#claims.all()) this.#watches.add(record.output.scriptPubKey)
    this.#unsubscribe.push(
      chain.onTip(() => {
        this.#look()
      }),
      chain.onStatus((status) => {
        if (status === 'synced') this.#look()
      })
    )
  }

  async stop(): Promise<void> {
    this.#running = false
    for (const stop of this.#unsubscribe.splice(0)) stop()
    this.#watches.stop()
    this.#sweeper.stop()
    this.#rebroadcasts.stop()
    await this.#serial.idle()
  }

  async newScript(seen?: () => readonly Uint8Array[]): Promise<Uint8Array> {
    return await this.#change(async () => await this.#drawScript(seen?.()))
  }

  async recognise(scriptPubKey: Uint8Array, isProven = false): Promise<boolean> {
    const own = await ownScript(scriptPubKey, this.#addresses, this.#watches, isProven)
    if (own !== undefined && own.index >= this.#addresses.next[own.branch]) {
      await this.#change(async () => {
        await this.#skipPast(own)
      })
    }
    return own !== undefined
  }

  closeScript = (index: number): Uint8Array => this.#addresses.at('close', index).scriptPubKey

  async newAddress(): Promise<string> {
    const script = await this.#change(async () => {
      const { farthest } = this.#addresses
      if (farthest === undefined) this.#newest = undefined
      // Until all have told, a block may have paid that one long ago.
      else if (this.#isAllHeard()) return farthest.scriptPubKey
      return (this.#newest ??= await this.#drawScript())
    })
    return addressFromScript(script, this.#init.network)
  }

  checkFunds(
    amount: Satoshi,
    feeRate: FeeRate,
    named?: readonly OutPoint[],
    mostFee?: Satoshi
  ): Satoshi {
    return this.#explained(() =>
      selectFunding(
        {
          ...this.#offered(named),
          scriptPubKey: ANY_FUNDING_SCRIPT,
          amount,
          feeRate,
          changeScript: this.#addresses.upcoming('change').scriptPubKey
        },
        undefined,
        this.#isDeep,
        mostFee
      )
    ).fee
  }

  async buildFunding(request: FundingRequest): Promise<BuiltFunding> {
    return await this.#change(async () => {
      const { channel, scriptPubKey, amount, feeRate, beside, coins, mostFee } = request
      requireNoDust(scriptPubKey, amount)
      if (this.#reservations.has(channel)) {
        throw new PaychanError(
          'ERR_FUNDING_EXISTS',
          `Coins are set aside for channel ${channel} already; release them before another funding transaction is built.`,
          { channel }
        )
      }
      const change = this.#addresses.upcoming('change')
      const changeScript = change.scriptPubKey
      const selection = this.#explained(() =>
        selectFunding(
          { ...this.#offered(coins), scriptPubKey, amount, feeRate, changeScript },
          beside,
          this.#isDeep,
          mostFee
        )
      )
      requireFee(selection.fee, mostFee)
      const previous =
        beside === undefined
          ? []
          : previousOf(selection.inputs, (id) => this.#view.transaction(id)?.transaction)
      const funding = buildFundingTransaction({
        ...selection,
        scriptPubKey,
        amount,
        changeScript,
        changeFirst: ((this.#init.random.bytes(1)[0] ?? 0) & 1) === 1,
        lockTime:
          beside === undefined ? (this.#height() ?? blockHeight(0)) : renewalLock(this.#height()),
        secretOf: ({ own }) => this.#addresses.secret(own),
        ecdsa: this.#addresses.ecdsa,
        beside
      })
      const used = selection.change > 0n ? change : undefined
      const reservation = reservationOf(request, selection.inputs, funding, used?.index)
      const records = [reservationChange(reservation)]
      if (used !== undefined) await this.#use(used, records)
      else await this.#init.store.commit(records)
      this.#reservations.add(reservation)
      this.#judgeBeside(reservation)
      this.#stranded.observe()
      return { ...funding, previous }
    })
  }

  async releaseFunding(channel: ChannelId): Promise<void> {
    await this.#change(async () => {
      const reservation = this.#reservations.get(channel)
      if (reservation === undefined) return
      const { funding, inputs } = reservation
      // A child of this T1 can be in no block either.
      const children = this.#outgoing
        .all()
        .filter(
          ({ kind, inputs }) =>
            kind === 'child' && inputs.some(({ outPoint }) => outPoint.txid === funding)
        )
      await this.#init.store.commit([
        reservationRemoval(channel),
        ...(funding === undefined ? [] : [abandonedChange({ funding, inputs })]),
        ...children.map(({ id }) => outgoingRemoval(id))
      ])
      this.#reservations.remove(channel)
      for (const { id } of children) this.#outgoing.remove(id)
      if (funding !== undefined) this.#abandoned.add({ funding, inputs })
    })
  }

  fundingLostTo = (channel: ChannelId): Txid | undefined => this.#stranded.lostTo(channel)

  async claim(output: CsvOutput): Promise<void> {
    await this.#change(async () => {
      if (this.#claims.get(output.outPoint) !== undefined) return
      const record = { output, sweep: undefined }
      await this.#init.store.commit([claimChange(record)])
      this.#claims.add(record)
      this.#watches.add(output.scriptPubKey)
    })
    this.#sweeper.lookAgain()
  }

  async send(options: SendOptions): Promise<SendResult> {
    return await this.#spender.send(options)
  }

  async bumpFee(
    id: string,
    choice: FeeChoice = {},
    fundingOf: (id: Txid) => Uint8Array | undefined = () => undefined
  ): Promise<BumpResult> {
    return (
      (await this.#sweeper.bump(txid(id), choice)) ??
      (await this.#spender.bump(id, choice, fundingOf))
    )
  }

  async bumpFunding(request: FundingBump): Promise<void> {
    await this.#spender.bumpFunding(request)
  }

  transactions(channelKind: (id: Txid) => TransactionKind | undefined): WalletTransaction[] {
    const addresses = this.#addresses
    const view = this.#view
    const outgoing = this.#outgoing
    const notes = this.#notes
    return listTransactions(
      { network: this.#init.network, addresses, view, outgoing, notes },
      this.#height(),
      channelKind
    )
  }

  async label(of: string, text: string): Promise<void> {
    const { network, store } = this.#init
    // Brought into one form: an address may be written in capitals.
    const name = /^[0-9a-f]{64}$/i.test(of)
      ? txid(of.toLowerCase())
      : addressFromScript(scriptFromAddress(of, network), network)
    const label = checkLabel(text)
    await this.#change(async () => {
      await store.commit([labelChange(name, label)])
      this.#notes.setLabel(name, label)
    })
  }

  coins = (): WalletCoin[] => this.#control.list()

  async lockCoins(coins: readonly OutPoint[]): Promise<void> {
    await this.#change(async () => {
      await this.#known(() => this.#control.lock(coins))
    })
  }

  async unlockCoins(coins: readonly OutPoint[]): Promise<void> {
    await this.#change(async () => {
      await this.#known(() => this.#control.unlock(coins))
    })
  }

  balance(): WalletBalance {
    return { ...this.#control.balance(), unswept: this.#claims.unswept() }
  }

  used = (): Readonly<Record<Branch, number>> => ({ ...this.#addresses.next })

  onChange(listener: () => void): Unsubscribe {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  reservedFor(): ChannelId[] {
    return this.#reservations.channels()
  }

  async idle(): Promise<void> {
    await this.#serial.idle()
    await this.#sweeper.idle()
    await this.#rebroadcasts.idle()
    await this.#serial.idle()
  }

  /** The named coins, all of them; or the coins to choose from. */
  #offered(named: readonly OutPoint[] | undefined): {
    readonly coins: Coin[]
    readonly exact: boolean
  } {
    return {
      coins: named === undefined ? this.#control.free() : this.#control.named(named),
      exact: named !== undefined
    }
  }

  #judgeBeside({ old }: Reservation): void {
    if (old !== undefined) this.#view.judgeBeside(old.outPoint, old)
  }

  readonly #isDeep = ({ height }: Coin): boolean => {
    const tip = this.#height()
    return height !== undefined && tip !== undefined && tip - height + 1 >= FINAL_DEPTH
  }

  #height(): BlockHeight | undefined {
    return this.#init.chain.tip?.height
  }

  #explained<T>(choose: () => T): T {
    try {
      return choose()
    } catch (error) {
      throw this.#explanation(error)
    }
  }

  async #known(work: () => Promise<void>): Promise<void> {
    await work().catch((error: unknown) => {
      throw this.#explanation(error)
    })
  }

  /**
   * Explains an error. Until every address was heard of, a missing coin only means that there is no
   * server yet.
   */
  #explanation(error: unknown): unknown {
    if (
      !(error instanceof PaychanError) ||
      !['ERR_INSUFFICIENT_FUNDS', 'ERR_COIN_UNKNOWN'].includes(error.code)
    ) {
      return error
    }
    if (this.#isAllHeard()) {
      return error.code === 'ERR_INSUFFICIENT_FUNDS' ? this.#control.explain(error) : error
    }
    return new PaychanError('ERR_CHAIN_UNAVAILABLE', NOT_HEARD, {}, { cause: error })
  }

  #isAllHeard(): boolean {
    return this.#handedOut().every(({ scriptPubKey }) => this.#watches.heard(scriptPubKey))
  }

  #handedOut(): OwnScript[] {
    return this.#addresses
      .watched()
      .filter(({ branch, index }) => index < this.#addresses.next[branch])
  }

  /**
   * Writes the next index of a branch (with other records, in one batch), and only then counts on.
   */
  async #use(own: OwnScript, records: readonly Change[] = []): Promise<void> {
    const next = this.#addresses.nextAfter(own)
    await this.#init.store.commit([branchChange(own.branch, next), ...records])
    this.#addresses.next[own.branch] = next
    this.#watchAll()
  }

  async #drawScript(seen: readonly Uint8Array[] = []): Promise<Uint8Array> {
    const again = this.#addresses.usedAgain(seen.filter((script) => !this.#view.isPaid(script)))
    if (again !== undefined) return again.scriptPubKey
    const own = this.#addresses.upcoming('receive')
    await this.#use(own)
    return own.scriptPubKey
  }

  #watchAll(): void {
    if (!this.#running) return
    for (const { scriptPubKey } of this.#addresses.watched()) this.#watches.add(scriptPubKey)
  }

  /** Runs a task that chooses or writes: one at a time, and the listeners are told afterwards. */
  async #change<T>(task: () => Promise<T>): Promise<T> {
    return await this.#serial.run(async () => {
      if (!this.#running) {
        throw new PaychanError(
          'ERR_WALLET_STOPPED',
          'The wallet is not running; start the node first.'
        )
      }
      const result = await task()
      this.#notify()
      return result
    })
  }

  #heard(scriptPubKey: Uint8Array, history: readonly ChainTransaction[]): void {
    this.#view.set(scriptPubKey, history)
    const own = this.#addresses.find(scriptPubKey)
    // A transaction without a block costs nothing to make up, and each step is on disk for good and
    // watches more (EVID-8).
    const isPaid = history.some(({ height }) => height !== undefined)
    if (own !== undefined && isPaid) this.#addresses.paid(own)
    if (own !== undefined && isPaid && own.index >= this.#addresses.next[own.branch]) {
      this.#inBackground(async () => {
        await this.#skipPast(own)
      })
    }
    this.#look()
  }

  /**
   * Skips an address of the gap that was paid to, or named to a peer: the words were used
   * elsewhere. It is never handed out here.
   */
  async #skipPast(own: OwnScript): Promise<void> {
    if (own.index >= this.#addresses.next[own.branch]) await this.#use(own)
  }

  #look(): void {
    this.#stranded.observe()
    const spentForGoodBy = (outPoint: OutPoint): Txid | undefined => {
      const spender = this.#view.spender(outPoint)
      return isBuried(spender?.height, this.#height()) ? spender?.transaction.txid : undefined
    }
    const isSpentForGood = (outPoint: OutPoint): boolean => spentForGoodBy(outPoint) !== undefined
    const hasTold = (channel: ChannelId): boolean => this.#stranded.hasTold(channel)
    for (const channel of this.#reservations.settled(spentForGoodBy, hasTold)) {
      this.#inBackground(async () => {
        await this.#releaseSettled(channel)
      })
    }
    for (const funding of this.#abandoned.settled(isSpentForGood)) {
      // At once: this is looked at with every history, and one write is enough.
      this.#abandoned.remove(funding)
      this.#inBackground(async () => {
        await this.#init.store.commit([abandonedRemoval(funding)])
      })
    }
    const gone = this.#control.spentForGood()
    if (gone.length > 0) {
      this.#inBackground(async () => {
        await this.#control.forget(gone)
      })
    }
    this.#sweeper.lookAgain()
    this.#rebroadcasts.lookAgain()
    this.#notify()
  }

  async #releaseSettled(channel: ChannelId): Promise<void> {
    if (!this.#reservations.has(channel)) return
    await this.#init.store.commit([reservationRemoval(channel)])
    this.#reservations.remove(channel)
  }

  #inBackground(task: () => Promise<void>): void {
    this.#change(task).catch((error: unknown) => {
      this.#report(error)
    })
  }

  #report(error: unknown): void {
    if (this.#running) this.#init.onError(error instanceof Error ? error : new Error(String(error)))
  }

  #claimChanged({ record }: Claim, gone: boolean): void {
    const { scriptPubKey } = record.output
    const shared = this.#claims
      .all()
      .some(
        ({ record: other }) =>
          other !== record && sameBytes(other.output.scriptPubKey, scriptPubKey)
      )
    if (gone && !shared) {
      this.#watches.remove(scriptPubKey)
      this.#view.delete(scriptPubKey)
    }
    this.#watchAll()
    this.#notify()
  }

  #notify(): void {
    for (const listener of this.#listeners) {
      try {
        listener()
      } catch (error) {
        this.#init.onError(error instanceof Error ? error : new Error(String(error)))
      }
    }
  }
}
