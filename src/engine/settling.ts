/**
 * The user's commands for the ends of channels: a higher fee for a published transaction, and all
 * settlements at once; and the watch over the risk that a publication comes too late.
 */
import { parseTransaction } from '../bitcoin/transaction.js'
import type { Env } from '../channel/env.js'
import { isWorthSettling } from '../channel/publishable.js'
import { isUnaffordable, raisedTo } from '../channel/publishing.js'
import { exposureOf } from '../channel/risk.js'
import { DAY } from '../channel/schedule.js'
import type { Channel, Established } from '../channel/state.js'
import type { ChannelId, Txid } from '../types/bytes.js'
import type { ErrorCode } from '../types/error-codes.js'
import { codeOf, type Facts, messageOf, PaychanError } from '../types/errors.js'
import { type FeeRate, formatFeeRate, type Satoshi, satoshi, satPerVByte } from '../types/units.js'
import type { ChannelActor } from './channel-actor.js'
import type { EngineContext } from './context.js'
import type { Closed } from './waiters.js'

/* A higher fee, at once and at the user's wish, for a transaction that one channel published. */

/** A settlement or refund with a higher fee. */
interface BumpedPublication {
  readonly txid: Txid
  readonly of: Txid
  readonly fee: Satoshi
  readonly feeRate: FeeRate
  readonly vsize: number
}

/**
 * Replaces a transaction that one of the channels waits for. Undefined when none does.
 *
 * @throws PaychanError `ERR_CANNOT_BUMP` for a T1 of an outside wallet; `ERR_ALREADY_CONFIRMED`,
 * `ERR_CANNOT_BUMP` (facts: fee, most)
 */
export async function bumpPublication(
  actors: Iterable<ChannelActor>,
  envFor: (channel: Channel) => Env,
  txid: string,
  rate: FeeRate | undefined
): Promise<BumpedPublication | undefined> {
  for (const actor of actors) {
    const { state } = actor
    if (
      state.stage === 'established' &&
      state.role === 'client' &&
      state.outside !== undefined &&
      state.outPoint.txid === txid
    ) {
      throw notOurs(txid)
    }
    if (state.stage !== 'established' || state.publication?.txid !== txid) continue
    const { txid: of } = state.publication
    const next = raisedTo(state, rate, envFor(state))
    if (next instanceof PaychanError) throw next
    const replaced = actor.waiters.arrival(
      (now) =>
        now.stage === 'established' && now.publication !== undefined && now.publication.txid !== of
    )
    actor.post({ type: 'bump', feeRate: next.feeRate })
    await replaced
    return {
      txid: next.txid,
      of,
      fee: next.fee,
      feeRate: next.feeRate,
      vsize: parseTransaction(next.raw).vsize
    }
  }
  return undefined
}

/** FUND-5: this node has no change of such a T1, and a replacement would have no T2. */
function notOurs(txid: string): PaychanError {
  return new PaychanError(
    'ERR_CANNOT_BUMP',
    'An outside wallet has made this funding transaction: let that wallet spend its change with a higher fee (CPFP). Never replace it: the refund would be void.',
    { txid }
  )
}

/**
 * The result of closing several channels at once: a channel that cannot be closed now stops no
 * other, and hides no other outcome.
 */
export interface SettledAll {
  readonly settled: ReadonlyArray<Closed & { readonly channel: ChannelId }>
  readonly failed: ReadonlyArray<{
    readonly channel: ChannelId
    readonly code: string
    readonly reason: string
  }>
}

/**
 * TIME-9: each channel that is worth settling is settled by a transaction of its own, whatever
 * becomes of the others.
 *
 * @throws PaychanError `ERR_CHAIN_UNAVAILABLE` while no height is known
 */
export async function settleEach(
  states: readonly Channel[],
  seen: Pick<Env, 'height' | 'feeRate'>,
  close: (channel: ChannelId) => Promise<Closed>
): Promise<SettledAll> {
  if (seen.height === undefined) {
    throw new PaychanError(
      'ERR_CHAIN_UNAVAILABLE',
      'The Electrum server does not answer; nothing can be settled now. Check the server, then try again.'
    )
  }
  const channels = states.filter((state) => isWorthSettling(state, seen)).map(({ id }) => id)
  const settled: Array<SettledAll['settled'][number]> = []
  const failed: Array<SettledAll['failed'][number]> = []
  await Promise.all(
    channels.map(async (channel) => {
      try {
        settled.push({ channel, ...(await close(channel)) })
      } catch (error) {
        failed.push({ channel, code: codeOf(error), reason: messageOf(error) })
      }
    })
  )
  const order = ({ channel }: { readonly channel: ChannelId }): number => channels.indexOf(channel)
  return {
    settled: settled.sort((a, b) => order(a) - order(b)),
    failed: failed.sort((a, b) => order(a) - order(b))
  }
}

/*
 * Tells when the risk of a channel rises to the level that the policy names, and when it is below
 * again (risk.ts); and when our newest state is due and its share is worth no bid, or its bids have
 * been in no block for a day.
 */

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
