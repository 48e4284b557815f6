/**
 * T1s of ours that wait for no block. Of a renewal only the server has all signatures, and may keep
 * them to itself (RENEW-7); and a reorganisation may take a coin of T1 away for good (FUND-6). The
 * node replaces no T1 by itself (FUND-5), but what it spends must not be locked for ever: after a
 * while its owner may name one of its coins and send it to an address of this wallet. Once that is
 * final T1 can be in no block, and its channel is given up.
 *
 * What counts is what servers show. If that is a lie, T1 is replaced although it could have been in
 * a block: that costs the fee of the send, and no more, since T1 carries no payments yet and T2 is
 * kept until the send is proved to be final.
 */
import { FINAL_DEPTH } from '../channel/funding-depth.js'
import { DAY } from '../channel/schedule.js'
import type { ChannelId, Txid } from '../types/bytes.js'
import { blockHeight, min, type BlockHeight } from '../types/units.js'
import type { Reservations } from './coins.js'
import type { HistoryView } from './history-view.js'
import type { Reservation } from './records.js'

/** Blocks in which no server shows T1, or what it spends. */
const HIDDEN_BLOCKS = 6

interface StrandedInit {
  readonly view: Pick<HistoryView, 'transaction' | 'spender'>
  readonly reservations: Pick<Reservations, 'all' | 'get'>
  /** Undefined as long as a history is missing, too: what is not heard of is not gone. */
  readonly height: () => BlockHeight | undefined
}

interface Seen {
  /** The newest tip under which T1 was shown. */
  readonly shown: BlockHeight
  /** The newest tip under which all that T1 spends was. */
  readonly whole: BlockHeight
  /** The tip under which T1 was first found to be lost; undefined while it is not. */
  readonly lostSince: BlockHeight | undefined
}

export class StrandedFundings {
  /** Since this node started: a restart costs some blocks of time. */
  readonly #seen = new Map<ChannelId, Seen>()
  readonly #init: StrandedInit

  constructor(init: StrandedInit) {
    this.#init = init
  }

  /** Called with each tip and each history. */
  observe(): void {
    const { view, reservations, height } = this.#init
    const tip = height()
    if (tip === undefined) return
    for (const channel of this.#seen.keys()) {
      if (reservations.get(channel) === undefined) this.#seen.delete(channel)
    }
    for (const { channel, inputs, funding } of reservations.all()) {
      if (funding === undefined) continue
      const isShown = view.transaction(funding) !== undefined
      const isWhole = isShown || inputs.every(({ txid }) => view.transaction(txid) !== undefined)
      const first: Seen = { shown: tip, whole: tip, lostSince: undefined }
      const { shown, whole, lostSince } = this.#seen.get(channel) ?? first
      this.#seen.set(channel, {
        shown: isShown ? tip : shown,
        whole: isWhole ? tip : whole,
        lostSince: this.lostTo(channel) === undefined ? undefined : (lostSince ?? tip)
      })
    }
  }

  /**
   * True once a channel had some blocks to hear that its T1 is lost (`lostTo`): a node that was away
   * finds the other spend buried for long, and has to give the channel up first (FUND-6).
   */
  hasTold(channel: ChannelId): boolean {
    const [since, tip] = [this.#seen.get(channel)?.lostSince, this.#init.height()]
    return since !== undefined && tip !== undefined && tip - since >= FINAL_DEPTH
  }

  /**
   * The height from which on the coins of a channel's T1 may be spent by name, as far as can be
   * told now; undefined while T1 is in a block.
   */
  spendableFrom(channel: ChannelId): BlockHeight | undefined {
    // What has been shown since the last tip counts as well.
    this.observe()
    const reservation = this.#init.reservations.get(channel)
    const { funding, beside, refundHeight } = reservation ?? {}
    const seen = this.#seen.get(channel)
    const { height, view } = { height: this.#init.height(), view: this.#init.view }
    if (funding === undefined || seen === undefined || height === undefined) return undefined
    if (view.transaction(funding)?.height !== undefined) return undefined
    const ends = [
      ...(refundHeight === undefined ? [] : [refundHeight + DAY]),
      ...(beside === true ? [seen.shown + HIDDEN_BLOCKS] : []),
      ...(seen.whole < height ? [seen.whole + HIDDEN_BLOCKS] : [])
    ]
    return ends.length === 0 ? undefined : blockHeight(ends.reduce((a, b) => min(a, b)))
  }

  /** True when the coins of a channel's T1 may be spent by name now. */
  isSpendable(channel: ChannelId): boolean {
    const [from, height] = [this.spendableFrom(channel), this.#init.height()]
    return from !== undefined && height !== undefined && height >= from
  }

  /** The transaction that has spent a coin of a channel's T1 for good, in its place. */
  lostTo(channel: ChannelId): Txid | undefined {
    const { view, height } = this.#init
    const tip = height()
    const reservation = this.#init.reservations.get(channel)
    if (tip === undefined || reservation?.funding === undefined) return undefined
    const { funding, inputs }: Reservation = reservation
    return inputs
      .map((input) => view.spender(input))
      .find(
        (spender) =>
          spender?.height !== undefined &&
          spender.transaction.txid !== funding &&
          tip - spender.height + 1 >= FINAL_DEPTH
      )?.transaction.txid
  }
}
