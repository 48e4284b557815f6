/**
 * Makes a spend that pays nearly all that its own side has as fee, just when its victim bids for
 * its own: whoever outbids it burns as much of its own share, and gives the adversary its fee back
 * (EVID-10). A close pays the victim all that it has; nothing is won by outbidding it.
 */
import { closeVsize } from '../../bitcoin/closing.js'
import { balances } from '../../channel/ledger.js'
import { lockOf, payeeOf, publishHeightOf, type StateRef } from '../../channel/schedule.js'
import { deadlineOf } from '../../channel/stakes.js'
import type { Established } from '../../channel/state.js'
import { partyOf } from '../../channel/terms.js'
import type { FeeView } from '../../engine/fee-estimates.js'
import { readSimTransaction, type SimTransaction } from '../../testing/mempool.js'
import { outPointText, type ChannelId } from '../../types/bytes.js'
import { feeRate, type FeeRate } from '../../types/units.js'
import type { SimNode } from '../node.js'
import type { Adversary } from '../scenario/scenario.js'
import {
  bestOldState,
  Cheat,
  type CheatWorld,
  DUST,
  fundingScriptOf,
  newestState,
  signedSpend
} from './cheat.js'

/** The part of its share that goes to miners. */
const PART = 0.95
/** A close pays a tenth above the estimate. */
const ABOVE_ESTIMATE = 1.1
/** Milliseconds for which its engine believes the rate of its close. */
const ASKING_MS = 2_000
/** Milliseconds between two tries to reach a victim that is away. */
const RETRY_MS = 60_000
/** Most of them in a block. */
const RETRIES = 12
/** Milliseconds for which a spend is hidden in each block. */
const HIDDEN_MS = 20_000
/** Blocks of the attack on a T2, which has no deadline. */
const WITHOUT_DEADLINE = 2

export class DearClose extends Cheat {
  #rate: FeeRate | undefined
  readonly #shown = new Map<ChannelId, SimTransaction>()
  readonly #setup: Pick<Extract<Adversary, { kind: 'dear-close' }>, 'spend' | 'shown' | 'left'>

  constructor(
    setup: Pick<Extract<Adversary, { kind: 'dear-close' }>, 'spend' | 'shown' | 'left'>,
    world: CheatWorld
  ) {
    super('dear-close', world)
    this.#setup = setup
  }

  override get isAsking(): boolean {
    return this.#rate !== undefined
  }

  /** Its engine asks for a close at the rate that it believes blocks to take. */
  override feesOf(fees: FeeView): FeeView {
    const rate = (): FeeRate | undefined => this.#rate
    return {
      get current() {
        const told = rate()
        return told === undefined
          ? fees.current
          : { ...fees.current, feeRate: told, nextBlockRate: told }
      },
      load: async () => {
        await fees.load()
      },
      save: async () => {
        await fees.save()
      },
      refresh: async () => {
        await fees.refresh()
      }
    }
  }

  /** The channel is to stay until its victim's last block. */
  protected isUnwanted(channel: Established): boolean {
    return this.world.chain.height < windowOfOther(channel).deadline
  }

  protected act(channel: Established, node: SimNode): void {
    const { begin, deadline } = windowOfOther(channel)
    const { height } = this.world.chain
    this.#blink(channel)
    if (height < Math.max(begin - 1, deadline - this.#setup.left)) return
    if (this.#setup.spend === 'state') this.#publish(channel, node)
    else if (height < deadline) this.#ask(channel, node, RETRIES)
  }

  /** Asks until there is a close, or the block is over: its victim may come back at any moment. */
  #ask(channel: Established, node: SimNode, tries: number): void {
    const { calendar, chain } = this.world
    const { height } = chain
    const signed = this.#signed(channel, node)
    if (signed !== undefined) return this.#keep(channel, signed)
    if (tries === 0) return
    calendar.after(RETRY_MS, () => {
      if (chain.height === height && node.isUp) this.#ask(channel, node, tries - 1)
    })
    const share = Number(balances(channel.terms, channel.ledger)[channel.role])
    const vsize = closeVsize(channel.terms.client.closeScript, channel.terms.server.closeScript)
    const rate = Math.floor((share * PART * 1_000) / vsize / ABOVE_ESTIMATE)
    if (this.isAsking || rate <= this.blockRate * 1_000) return
    this.recordOf(node, channel, 0)
    this.#rate = feeRate(BigInt(rate))
    calendar.after(ASKING_MS, () => {
      this.#rate = undefined
      const seen = this.#signed(channel, node)
      if (seen !== undefined) this.#keep(channel, seen)
    })
    // Its victim may be away, or refuse.
    node.engine?.close(channel.id, false).catch(() => {})
  }

  /** Its close, once its victim has signed it and the mempools have it. */
  #signed(channel: Established, node: SimNode): SimTransaction | undefined {
    const spend = this.world.chain.spenderOf(outPointText(channel.outPoint))
    const now = node.engine?.find(channel.id)
    return spend !== undefined &&
      now?.stage === 'established' &&
      now.closes.some(({ txid }) => txid === spend.txid)
      ? spend
      : undefined
  }

  /** The oldest state that is better for it, else its newest, once that could be mined. */
  #publish(channel: Established, node: SimNode): void {
    const state = bestOldState(channel) ?? newestState(channel)
    if (
      state === undefined ||
      this.#shown.has(channel.id) ||
      lockOf(channel.terms, state.state) > this.world.chain.height
    ) {
      return
    }
    const left = Math.max(DUST, Math.floor(state.share * (1 - PART)))
    if (left >= state.share) return
    const spend = signedSpend(node, channel, state, {
      outputs: [{ script: partyOf(channel.terms, channel.role).closeScript, value: left }]
    })
    const attack = this.recordOf(node, channel, 0)
    if (this.#setup.shown === 'mempools') {
      try {
        attack.txids.add(this.world.chain.broadcast(spend))
        attack.bid = state.share - left
      } catch {
        // A rival pays more.
      }
      return
    }
    this.#keep(channel, readSimTransaction(spend))
  }

  /** Has the lying servers show it from now on, whatever becomes of it in the mempools. */
  #keep(channel: Established, spend: SimTransaction): void {
    this.#shown.set(channel.id, spend)
    if (this.#setup.shown === 'mempools') return
    this.world.phantoms.show(fundingScriptOf(channel), spend)
  }

  #blink(channel: Established): void {
    const spend = this.#shown.get(channel.id)
    if (spend === undefined || this.#setup.shown !== 'blinking') return
    const script = fundingScriptOf(channel)
    this.world.phantoms.hide(script, spend)
    this.world.calendar.after(HIDDEN_MS, () => {
      this.world.phantoms.show(script, spend)
    })
  }
}

/**
 * The height at which the other side publishes its newest state, and the first at which an older
 * one may follow.
 */
function windowOfOther(channel: Established): { begin: number; deadline: number } {
  const { terms } = channel
  const state = newestOfOther(channel)
  if (state === undefined) return { begin: Infinity, deadline: -Infinity }
  const begin = publishHeightOf(terms, state)
  return { begin, deadline: deadlineOf(channel, state) ?? begin + WITHOUT_DEADLINE }
}

/** The newest state that the other side holds; undefined for a server that was never paid. */
function newestOfOther({ ledger, ended, role }: Established): StateRef | undefined {
  const isTheirs = (turn: number): boolean => payeeOf(turn) !== role
  if (ledger.held !== undefined && isTheirs(ledger.turn)) return ledger.turn
  return (
    ended.findLast(({ turn }) => isTheirs(turn))?.turn ?? (role === 'server' ? 'refund' : undefined)
  )
}
