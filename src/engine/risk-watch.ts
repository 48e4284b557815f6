/**
 * Tells when the risk of a channel rises to the level that the policy names, and when it is below
 * again (risk.ts); and when our newest state is due and its share is worth no bid, or its bids have
 * been in no block for a day.
 */
import type { Env } from '../channel/env.js'
import { isUnaffordable } from '../channel/publishing.js'
import { exposureOf } from '../channel/risk.js'
import { DAY } from '../channel/schedule.js'
import type { Established } from '../channel/state.js'
import { formatFeeRate, satoshi, satPerVByte } from '../types/units.js'
import type { ChannelActor } from './channel-actor.js'
import type { EngineContext } from './context.js'
import { type Facts, PaychanError } from '../types/errors.js'
import type { ErrorCode } from '../types/error-codes.js'

/**
 * Number of channels that are looked at with a block. A risk takes 1 to 2 ms, and nothing else that
 * a block brings shall wait for it: with more channels, each is looked at every few blocks.
 */
const MOST_AT_ONCE = 10

export class RiskWatch {
  readonly #high = new Set<ChannelActor>()
  readonly #stuck = new Set<ChannelActor>()
  #next = 0
  readonly #context: Pick<EngineContext, 'env' | 'emit' | 'alarm'>

  constructor(context: Pick<EngineContext, 'env' | 'emit' | 'alarm'>) {
    this.#context = context
  }

  /** Handles a new tip. */
  onTip(actors: readonly ChannelActor[]): void {
    const count = Math.min(MOST_AT_ONCE, actors.length)
    for (let n = 0; n < count; n++) {
      const actor = actors[(this.#next + n) % actors.length]
      if (actor !== undefined) this.#look(actor)
    }
    this.#next = actors.length === 0 ? 0 : (this.#next + count) % actors.length
  }

  #look(actor: ChannelActor): void {
    const { state } = actor
    const env = this.#context.env(state)
    this.#lookAtDue(actor, env)
    const exposure = state.stage === 'established' ? exposureOf(state, env) : undefined
    const isHigh = exposure !== undefined && exposure.risk * 100 >= env.policy.riskAlarm
    if (isHigh === this.#high.has(actor)) return
    if (isHigh) this.#high.add(actor)
    else this.#high.delete(actor)
    // Settled, or with nothing at stake any more: there is no risk.
    const { risk, stake } = exposure ?? { risk: 0, stake: 0n }
    this.#context.emit({ type: 'risk', channel: actor.id, risk, stake: satoshi(stake), isHigh })
  }

  #lookAtDue(actor: ChannelActor, env: Env): void {
    const { state } = actor
    const waits = state.stage === 'established' ? waitsFor(state, env) : 0
    const isStuck = waits > 0 || (state.stage === 'established' && isUnaffordable(state, env))
    if (isStuck === this.#stuck.has(actor)) return
    if (!isStuck) {
      this.#stuck.delete(actor)
      return
    }
    this.#stuck.add(actor)
    if (waits > 0) {
      this.#alarm(
        actor,
        'ERR_BID_WAITS',
        `What is to settle the channel alone has been in no block for ${waits} blocks. Its fee rises by itself; \`paychan bumpfee\` raises it at once. If blocks take less than it pays, an Electrum server may say of it what is not true: add another one.`,
        { blocks: waits }
      )
    } else {
      this.#alarm(
        actor,
        'ERR_NOT_WORTH_A_BID',
        `It is time to settle the channel alone, and what it holds for you does not pay for a transaction at ${formatFeeRate(env.feeRate)}. It is tried again with every block; until one is cheap enough it stays where it is, and before that the other side may take it.`,
        { satPerVByte: satPerVByte(env.feeRate) }
      )
    }
  }

  #alarm(actor: ChannelActor, ...[code, text, facts]: [ErrorCode, string, Facts]): void {
    this.#context.alarm(new PaychanError(code, text, facts), actor.id)
  }
}

/** Number of blocks for which a publication has waited, from a day on. */
function waitsFor({ publication, onChain }: Established, { height }: Pick<Env, 'height'>): number {
  const blocks =
    publication === undefined || onChain.spend !== undefined || height === undefined
      ? 0
      : height - publication.since.height
  return blocks >= DAY ? blocks : 0
}
