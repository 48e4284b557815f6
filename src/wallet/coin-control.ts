/** The wallet's coins as their owner sees them: their uses, and which ones are locked or named. */
import { addressFromScript } from '../bitcoin/address.js'
import { outPointText, sameOutPoint, type ChannelId, type OutPoint } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { formatAmount, type BlockHeight } from '../types/units.js'
import { isBuried } from './claims.js'
import {
  type Coin,
  coinAt,
  type CoinLocks,
  coinsOf,
  isFree,
  isReserved,
  lockChange,
  lockRemoval,
  type OutgoingTransactions,
  type Reservations,
  sumOf
} from './coins.js'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import type { Store } from '../engine/ports.js'
import type { AddressBook } from './addresses.js'
import type { HistoryView } from './history-view.js'
import type { CoinState, WalletBalance, WalletCoin } from './node-wallet.js'
import type { Notes } from './notes.js'
import type { StrandedFundings } from './funding.js'

interface CoinControlInit {
  readonly network: Network
  readonly addresses: AddressBook
  readonly view: HistoryView
  readonly reservations: Reservations
  readonly outgoing: OutgoingTransactions
  readonly locks: CoinLocks
  readonly stranded: Pick<StrandedFundings, 'isSpendable' | 'spendableFrom'>
  readonly notes: Notes
  readonly store: Store
  readonly height: () => BlockHeight | undefined
}

export class CoinControl {
  readonly #init: CoinControlInit

  constructor(init: CoinControlInit) {
    this.#init = init
  }

  /** All coins, the largest first. */
  all(): Coin[] {
    const { view, addresses, height } = this.#init
    return coinsOf(view, addresses, height(), this.#init)
  }

  /** The coins that may be chosen. */
  free(): Coin[] {
    return this.all().filter(isFree)
  }

  /**
   * Exactly the coins that were named. Locked coins are allowed: naming one is consent to spend it.
   *
   * @param toOurselves - the coins stay with this wallet, so that those of a T1 that may never be
   *   in a block are allowed, too (FUND-6, RENEW-7)
   * @throws PaychanError `ERR_INVALID_OUTPOINT` when one is named twice, or none;
   *   `ERR_COIN_UNKNOWN`,
   *   `ERR_COIN_SPENT`, `ERR_COIN_UNCONFIRMED`, `ERR_COIN_RESERVED` (facts: coin)
   */
  named(names: readonly OutPoint[], toOurselves = false): Coin[] {
    if (names.length === 0) {
      throw new PaychanError(
        'ERR_INVALID_OUTPOINT',
        'No coin is named. Name at least one, or leave the choice to the wallet.'
      )
    }
    const all = this.all()
    return names.map((outPoint, i) => {
      const coin = outPointText(outPoint)
      if (names.findIndex((other) => sameOutPoint(other, outPoint)) !== i) {
        throw new PaychanError('ERR_INVALID_OUTPOINT', `The coin ${coin} is named twice.`, { coin })
      }
      const found =
        all.find((each) => sameOutPoint(each.outPoint, outPoint)) ??
        this.#spentByFunding(outPoint) ??
        this.#missing(outPoint)
      const { reservedFor } = found
      if (
        reservedFor !== undefined &&
        !(toOurselves && this.#init.stranded.isSpendable(reservedFor))
      ) {
        throw new PaychanError(
          'ERR_COIN_RESERVED',
          `The coin ${coin} is set aside for channel ${reservedFor}, whose funding transaction spends it.${this.#wayOut(coin, reservedFor)}`,
          { coin, channel: reservedFor }
        )
      }
      if (found.spentBy !== undefined) {
        throw new PaychanError(
          'ERR_COIN_RESERVED',
          `The coin ${coin} is spent by the send ${found.spentBy}, which waits for a block. Its fee can be raised with \`paychan bumpfee\`.`,
          { coin, txid: found.spentBy }
        )
      }
      if (!found.confirmed) {
        throw new PaychanError(
          'ERR_COIN_UNCONFIRMED',
          found.height === undefined
            ? `The coin ${coin} is in no block yet; wait for its confirmation.`
            : `The coin ${coin} is the reward of block ${found.height}, and mature only 100 blocks later.`,
          { coin, height: found.height }
        )
      }
      return found
    })
  }

  /**
   * A coin that nothing spends but a T1 of ours that waits. Whoever shows that T1, now and then or
   * for ever, does not close the way out of FUND-6 by it.
   */
  #spentByFunding(outPoint: OutPoint): Coin | undefined {
    const { view, addresses, reservations, height } = this.#init
    const channel = reservations.channelOf(outPoint)
    const spender = view.spender(outPoint)
    const isFunding =
      channel !== undefined &&
      spender?.height === undefined &&
      spender?.transaction.txid === reservations.get(channel)?.funding
    const source = isFunding ? view.transaction(outPoint.txid) : undefined
    return source === undefined
      ? undefined
      : coinAt(source, outPoint.vout, addresses, height(), this.#init)
  }

  /** What to do when the T1 that spends a coin is never in a block. */
  #wayOut(coin: string, channel: ChannelId): string {
    const from = this.#init.stranded.spendableFrom(channel)
    return from === undefined
      ? ''
      : ` Should that never be in a block: from height ${from} on the coin may be sent to an address of this wallet, \`paychan send ADDRESS all --coin ${coin}\`, which gives the channel up.`
  }

  /**
   * Locks coins, on disk before this resolves; a second lock makes no difference.
   *
   * @throws PaychanError `ERR_COIN_UNKNOWN`, `ERR_COIN_SPENT`
   */
  async lock(names: readonly OutPoint[]): Promise<void> {
    const all = this.all()
    for (const outPoint of names) {
      if (!all.some((each) => sameOutPoint(each.outPoint, outPoint))) this.#missing(outPoint)
    }
    await this.#init.store.commit(names.map(lockChange))
    for (const outPoint of names) this.#init.locks.add(outPoint)
  }

  /**
   * Unlocks coins, also those that the chain does not show now.
   *
   * @throws PaychanError `ERR_COIN_UNKNOWN`, `ERR_COIN_SPENT`
   */
  async unlock(names: readonly OutPoint[]): Promise<void> {
    const { locks, store } = this.#init
    const all = this.all()
    for (const outPoint of names) {
      if (!locks.has(outPoint) && !all.some((each) => sameOutPoint(each.outPoint, outPoint))) {
        this.#missing(outPoint)
      }
    }
    await this.forget(
      names.filter((outPoint) => locks.has(outPoint)),
      store
    )
  }

  /** The locked coins whose spend no reorganisation can undo any more. */
  spentForGood(): OutPoint[] {
    const { locks, view, height } = this.#init
    return locks.all().filter((outPoint) => isBuried(view.spender(outPoint)?.height, height()))
  }

  async forget(names: readonly OutPoint[], store = this.#init.store): Promise<void> {
    if (names.length === 0) return
    await store.commit(names.map(lockRemoval))
    for (const outPoint of names) this.#init.locks.remove(outPoint)
  }

  /** The coins as a person is shown them. */
  list(): WalletCoin[] {
    const { network, notes, height } = this.#init
    const tip = height()
    return this.all().map(({ own, ...coin }) => {
      const address = addressFromScript(own.scriptPubKey, network)
      const confirmations =
        coin.height === undefined || tip === undefined ? 0 : Math.max(0, tip - coin.height + 1)
      return {
        ...coin,
        address,
        confirmations,
        label: notes.label(address) ?? notes.label(coin.outPoint.txid),
        state: stateOf(coin)
      }
    })
  }

  balance(): Omit<WalletBalance, 'unswept'> {
    const coins = this.all()
    const confirmed = coins.filter((coin) => coin.confirmed)
    return {
      confirmed: sumOf(confirmed),
      pending: sumOf(coins.filter((coin) => !coin.confirmed)),
      reserved: sumOf(confirmed.filter(isReserved)),
      locked: sumOf(confirmed.filter((coin) => coin.locked && !isReserved(coin)))
    }
  }

  /** Adds the locked coins to an error about a lack of free ones. */
  explain(error: PaychanError): PaychanError {
    const { locked } = this.balance()
    if (locked === 0n) return error
    return PaychanError.of(
      error.code,
      `${error.message} Another ${formatAmount(locked)} are locked: free them with \`paychan coins unlock\`, or name them with --coin.`,
      { ...error.facts, locked },
      { cause: error }
    )
  }

  /** @throws PaychanError `ERR_COIN_SPENT` (facts: coin, txid), `ERR_COIN_UNKNOWN` (facts: coin) */
  #missing(outPoint: OutPoint): never {
    const { view, addresses } = this.#init
    const coin = outPointText(outPoint)
    const output = view.transaction(outPoint.txid)?.transaction.outputs[outPoint.vout]
    const spender =
      output === undefined || addresses.find(output.script) === undefined
        ? undefined
        : view.spender(outPoint)
    if (spender !== undefined) {
      throw new PaychanError(
        'ERR_COIN_SPENT',
        `The coin ${coin} is spent already, by transaction ${spender.transaction.txid}.`,
        { coin, txid: spender.transaction.txid }
      )
    }
    throw new PaychanError(
      'ERR_COIN_UNKNOWN',
      `The wallet has no coin ${coin}. \`paychan coins\` lists those that it has.`,
      { coin }
    )
  }
}

function stateOf(coin: Omit<Coin, 'own'>): CoinState {
  if (isReserved(coin)) return 'reserved'
  if (coin.locked) return 'locked'
  return coin.confirmed ? 'free' : 'unconfirmed'
}
