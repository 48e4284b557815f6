/**
 * The cheat: of all states that it holds it publishes the one that is best for it, at the first
 * height at which that can be mined, and bids for it block by block, up to a part of what it would
 * gain. It keeps its engine from publishing what is worse for it, and answers no request to close.
 */
import { completeState, payerOutput } from '../../bitcoin/template.js'
import { newestHeld } from '../../channel/publishable.js'
import { lockOf, payeeOf } from '../../channel/schedule.js'
import { stateTemplate } from '../../channel/signing.js'
import { sharesByTurn } from '../../channel/stakes.js'
import type { Established } from '../../channel/state.js'
import { partyOf } from '../../channel/terms.js'
import type { Chain } from '../../engine/ports.js'
import { outPointText, type ChannelId } from '../../types/bytes.js'
import { satoshi, type Satoshi } from '../../types/units.js'
import type { SharedFees } from '../chain/fees.js'
import type { SimChain } from '../chain/sim-chain.js'
import { readSimTransaction } from '../chain/sim-transaction.js'
import type { SimNode } from '../nodes/sim-node.js'
import type { Calendar } from '../world/calendar.js'

/** A state as its holder could publish it; `turn` -1 for T2. */
interface OldState { readonly turn: number, readonly payerBalance: Satoshi, readonly signature: Uint8Array, readonly share: number }

/** One channel in which it has begun. `bid`: the last fee. */
export interface AttackRecord { readonly node: SimNode, readonly channel: ChannelId, readonly turn: number, readonly height: number, readonly gain: number, readonly txids: Set<string>, bid: number }

/** What an output of its own has to be worth. */
const DUST = 330
const VSIZE = 181
/** Milliseconds until it answers a bid of the other side. */
const REACTION_MS = 5_000

export class PublishOld {
  readonly attacks = new Map<ChannelId, AttackRecord>()
  #node: SimNode | undefined

  constructor (private readonly upTo: number, private readonly chain: SimChain, private readonly fees: SharedFees, private readonly calendar: Calendar) {
    chain.onChange(({ tip }) => { if (tip) calendar.after(0, () => { this.#look() }) })
  }

  /** Between its engine and the chain: a spend of a channel that it would rather see spent otherwise goes nowhere. */
  chainOf (chain: Chain, node: SimNode): Chain {
    this.#node = node
    return {
      get status () { return chain.status },
      get tip () { return chain.tip },
      onTip: (listener) => chain.onTip(listener),
      onStatus: (listener) => chain.onStatus(listener),
      watchScript: (script, watcher) => chain.watchScript(script, watcher),
      broadcast: async (raw) => this.#isUnwanted(raw) ? { txid: readSimTransaction(raw).txid, taken: 1, of: 1, refusals: [] } : await chain.broadcast(raw),
      estimateFeeRate: (target) => chain.estimateFeeRate(target),
      relayRates: () => chain.relayRates()
    }
  }

  #isUnwanted (raw: Uint8Array): boolean {
    const spent = new Set(readSimTransaction(raw).inputs.map(({ outPoint }) => outPoint))
    return this.#channels().some((channel) => spent.has(outPointText(channel.outPoint)) && this.#best(channel) !== undefined)
  }

  #channels (): Established[] {
    return this.#node?.engine?.states().filter((state): state is Established => state.stage === 'established') ?? []
  }

  /** The state that gives it more than the newest; undefined when there is none. */
  #best (channel: Established): (OldState & { readonly gain: number }) | undefined {
    const newest = Number(sharesByTurn(channel).at(-1) ?? 0n)
    const held = newestHeld(channel)
    const old: OldState[] = channel.ended.flatMap(({ turn, payerBalance, signature }) => signature === undefined || payeeOf(turn) !== channel.role ? [] : [this.#state(channel, turn, payerBalance, signature)])
    if (channel.refundSignature !== undefined) old.push(this.#state(channel, -1, channel.terms.serverBalance, channel.refundSignature))
    const best = old.filter(({ turn }) => turn !== held?.turn || held.turn === -1).sort((a, b) => b.share - a.share)[0]
    return best === undefined || best.share <= newest + DUST ? undefined : { ...best, gain: best.share - newest }
  }

  #state (channel: Established, turn: number, payerBalance: Satoshi, signature: Uint8Array): OldState {
    const own = payerOutput(stateTemplate(channel, payerBalance, turn))
    return { turn, payerBalance, signature, share: Number(channel.terms.capacity - (own?.value ?? 0n)) }
  }

  #look (): void {
    if (this.#node?.isUp !== true) return
    for (const channel of this.#channels()) this.#attack(channel)
  }

  #attack (channel: Established): void {
    const node = this.#node
    const outPoint = outPointText(channel.outPoint)
    const best = this.#best(channel)
    const rival = this.chain.spenderOf(outPoint)
    if (node === undefined || best === undefined || rival?.height !== undefined || lockOf(channel.terms, best.turn) > this.chain.height) return
    const known = this.attacks.get(channel.id)
    const attack: AttackRecord = known ?? { node, channel: channel.id, turn: best.turn, height: this.chain.height, gain: best.gain, txids: new Set(), bid: 0 }
    const isOurs = rival !== undefined && attack.txids.has(rival.txid)
    const rate = Number(this.fees.current.nextBlockRate) / 1_000 * 1.25
    const least = rival === undefined ? 0 : rival.fee + VSIZE + (isOurs ? 0 : Math.floor(rival.fee / 4))
    const wanted = Math.max(Math.ceil(rate * VSIZE), isOurs ? 0 : least)
    const fee = Math.min(wanted, Math.floor(best.gain * this.upTo), best.share - DUST)
    if (fee < VSIZE || fee < (isOurs ? attack.bid + VSIZE : least)) return
    this.attacks.set(channel.id, attack)
    this.#publish(channel, best, fee, attack)
  }

  #publish (channel: Established, state: OldState, fee: number, attack: AttackRecord): void {
    const { signer, engine } = attack.node
    const { role, keys, terms } = channel
    if (engine === undefined) return
    const raw = completeState(stateTemplate(channel, state.payerBalance, state.turn), state.signature, [{ script: partyOf(terms, role).closeScript, value: satoshi(BigInt(state.share - fee)) }], (digest) => signer.sign({ role, ...keys, use: 'channel' }, digest))
    try {
      attack.txids.add(this.chain.broadcast(raw))
      attack.bid = fee
      // The other side may outbid it before the next block.
      this.calendar.after(REACTION_MS, () => { this.#attack(channel) })
    } catch {
      // Not worth more, or too late: the next block shows.
    }
  }
}
