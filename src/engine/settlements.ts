/** Settles several one-way channels by one transaction: by itself when they are due at about the same height, or when the user asks for it. */
import { MAX_BATCH } from '../bitcoin/batch.js'
import { BATCH_WINDOW, bidBatch, isBatchable, isInBatch, publicationOf, type Batch } from '../channel/batching.js'
import type { Env } from '../channel/env.js'
import { isFrozen, type Channel, type Established, type Publication } from '../channel/state.js'
import type { BlockHeight, FeeRate } from '../types/units.js'
import { feeRate } from '../types/units.js'
import type { ChannelId } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { isFeeRefusal } from '../types/refusals.js'
import type { ChannelActor } from './channel-actor.js'
import { withTimeout } from './performing.js'
import type { Clock } from './ports.js'
import type { Closed } from './waiters.js'

export interface SettlementsHost {
  readonly actors: () => Iterable<ChannelActor>
  readonly env: (channel: Channel) => Pick<Env, 'sign'>
  readonly clock: Clock
  /** How long a server of the chain may take, in milliseconds. */
  readonly timeout: number
}

interface Member { readonly actor: ChannelActor, readonly channel: Established }
export interface Moment extends Pick<Env, 'feeRate' | 'nextBlockRate' | 'relay'> { readonly height: BlockHeight }

export class Settlements {
  constructor (private readonly host: SettlementsHost) {}

  /** With a new tip, before the channels hear of it: raises the batches that wait, and gathers what is due. */
  onTip (moment: Moment): void {
    for (const group of this.#groups().values()) this.#next(group, moment)
    const candidates = this.#candidates(moment.feeRate, moment.height + BATCH_WINDOW)
    if (candidates.some(({ channel }) => channel.terms.settleHeight <= moment.height)) this.#form(candidates, moment)
  }

  /** Settles all that can be settled now, together where there are several; resolves when the chain has it. @throws PaychanError `ERR_CHAIN_UNAVAILABLE`, `ERR_CLOSE_TIMEOUT` */
  async settleAll (moment: Moment | undefined): Promise<ReadonlyArray<Closed & { readonly channel: ChannelId }>> {
    if (moment === undefined) throw new PaychanError('ERR_CHAIN_UNAVAILABLE', 'The Electrum server does not answer; nothing can be settled now. Check the server, then try again.')
    const candidates = this.#candidates(moment.feeRate)
    if (candidates.length === 1) for (const { actor } of candidates) actor.post({ type: 'settle' })
    else this.#form(candidates, moment)
    const timeout = new PaychanError('ERR_CLOSE_TIMEOUT', 'No server of the chain has taken the settlement yet. It goes out again with every block, with a higher fee if need be.')
    return await Promise.all(candidates.map(async ({ actor }) => ({ channel: actor.id, ...await withTimeout(this.host.clock, actor.waiters.close(), this.host.timeout, timeout) })))
  }

  /** Those that are settled up to a height. Most are not, and that is the cheaper question. */
  #candidates (rate: FeeRate, upTo = Infinity): Member[] {
    const members: Member[] = []
    for (const actor of this.host.actors()) {
      const { state } = actor
      if (state.stage === 'established' && state.terms.settleHeight <= upTo && isBatchable(state, rate)) members.push({ actor, channel: state })
    }
    return members
  }

  #form (candidates: readonly Member[], moment: Moment): void {
    if (candidates.length < 2) return
    for (let from = 0; from < candidates.length; from += MAX_BATCH) {
      const members = candidates.slice(from, from + MAX_BATCH)
      const batch = members.length < 2 ? undefined : this.#bid(members, moment, undefined)
      if (batch === undefined) for (const { actor } of members) actor.post({ type: 'settle' })
      else post(members, batch, moment)
    }
  }

  /** By the transaction that they share. */
  #groups (): Map<string, Member[]> {
    const groups = new Map<string, Member[]>()
    for (const actor of this.host.actors()) {
      const { state } = actor
      if (!isInBatch(state) || isFrozen(state)) continue
      const group = groups.get(state.publication.txid)
      if (group === undefined) groups.set(state.publication.txid, [{ actor, channel: state }])
      else group.push({ actor, channel: state })
    }
    return groups
  }

  #next (members: readonly Member[], moment: Moment): void {
    const publications = members.flatMap(({ channel: { publication } }) => publication ?? [])
    const [last] = publications
    if (last?.batch === undefined) return
    const refusals = publications.flatMap(({ refusedFor }) => refusedFor ?? [])
    // A higher fee answers a refusal for it; at anything else the batch comes apart.
    if (refusals.some((kind) => !isFeeRefusal(kind))) {
      for (const { actor } of members) actor.post({ type: 'batched', publication: undefined, leads: false })
      return
    }
    const previous: Batch = { since: last.since, feeRate: last.feeRate, fee: last.batch.fee, txid: last.txid, raw: last.raw }
    // Somebody has left it: what remains is another transaction, which has to replace it.
    const mustChange = refusals.length > 0 || members.length < last.batch.channels
    const next = this.#bid(members, moment, previous, mustChange ? feeRate(last.feeRate * 5n / 4n) : undefined)
    if (next !== undefined) post(members, next, moment)
    else if (!mustChange) members.forEach(({ actor }, i) => { actor.post({ type: 'batched', publication: last, leads: i === 0 }) })
  }

  #bid (members: readonly Member[], moment: Moment, previous: Batch | undefined, leastRate?: FeeRate): Batch | undefined {
    return bidBatch(members.map(({ channel }) => ({ channel, sign: this.host.env(channel).sign })), moment, previous, leastRate)
  }
}

function post (members: readonly Member[], batch: Batch, { height }: Moment): void {
  const publication: Publication = publicationOf(batch, members.length, height)
  members.forEach(({ actor }, i) => { actor.post({ type: 'batched', publication, leads: i === 0 }) })
}
