/**
 * Coins set aside for channels whose T1 is built. A coin stays set aside until its T1 is given up,
 * or until a spend of it is buried: before that a reorg could bring it back, and a second T1
 * with the same coin would conflict with the first, which may come back as well.
 */
import { outPointText, type ChannelId, type OutPoint, type Txid } from '../types/bytes.js'
import type { Reservation } from './records.js'

export class Reservations {
  private readonly byChannel = new Map<ChannelId, Reservation>()
  private readonly byOutPoint = new Map<string, ChannelId>()

  /** Takes over what is on disk. */
  add(reservation: Reservation): void {
    this.byChannel.set(reservation.channel, reservation)
    for (const input of reservation.inputs) {
      this.byOutPoint.set(outPointText(input), reservation.channel)
    }
  }

  remove(channel: ChannelId): void {
    for (const input of this.byChannel.get(channel)?.inputs ?? []) {
      this.byOutPoint.delete(outPointText(input))
    }
    this.byChannel.delete(channel)
  }

  channelOf(outPoint: OutPoint): ChannelId | undefined {
    return this.byOutPoint.get(outPointText(outPoint))
  }

  /** The channel whose T1 spends an output of a transaction. */
  fundedBy(id: Txid): ChannelId | undefined {
    return [...this.byChannel.values()].find(({ inputs }) => inputs.some(({ txid }) => txid === id))
      ?.channel
  }

  has(channel: ChannelId): boolean {
    return this.byChannel.has(channel)
  }

  channels(): ChannelId[] {
    return [...this.byChannel.keys()]
  }

  /**
   * The channels one of whose coins is spent for good: by T1, and then all are; or by something
   * else, and then T1 can never be in a block any more, and the others are free.
   */
  settled(isBuried: (outPoint: OutPoint) => boolean): ChannelId[] {
    return [...this.byChannel.values()]
      .filter(({ inputs }) => inputs.some(isBuried))
      .map(({ channel }) => channel)
  }
}
