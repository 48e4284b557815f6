/**
 * Opens channels as the plan says, retries failed openings, and arranges the events after a
 * channel's end.
 */
import type { EngineEvent } from '../../engine/context.js'
import type { Established } from '../../channel/state.js'
import type { ChannelId } from '../../types/bytes.js'
import { codeOf } from '../../types/errors.js'
import { ChannelRecord } from '../measure/channels.js'
import type { Publications } from '../measure/publications.js'
import type { SimNode } from '../node.js'
import type { Plan } from '../plan.js'
import type { PlannedOpening } from '../plan/traffic.js'
import type { Calendar } from '../../testing/calendar.js'

/** A place for channels: payments go over the newest. */
interface Place {
  readonly opening: PlannedOpening
  readonly records: ChannelRecord[]
}

interface OpeningsHost {
  readonly plan: Plan
  readonly calendar: Calendar
  readonly node: (name: string) => SimNode
  readonly publications: Publications
}

export const RETRY_MS = 600_000
export const MOST_TRIES = 6
/** Milliseconds between a channel's end and the opening of the next in its place. */
export const REOPEN_MS = 60_000

export class OpeningsDriver {
  readonly records: ChannelRecord[] = []
  readonly #places: Place[]
  readonly #byId = new Map<ChannelId, ChannelRecord>()
  readonly #placesOf = new Map<ChannelRecord, Place>()
  /** By client: requested openings without an id so far. */
  readonly #opening = new Map<SimNode, Set<ChannelRecord>>()
  readonly #reopened = new Set<ChannelRecord>()
  readonly #host: OpeningsHost

  constructor(host: OpeningsHost) {
    this.#host = host
    this.#places = host.plan.openings.map((opening) => ({ opening, records: [] }))
  }

  begin(): void {
    for (const place of this.#places) {
      this.#host.calendar.at(place.opening.time * 1_000, () => {
        this.#open(place)
      })
    }
  }

  /** The channel to pay on in a place. */
  current(opening: number): ChannelRecord | undefined {
    return this.#places[opening]?.records.at(-1)
  }

  recordOf(id: ChannelId): ChannelRecord | undefined {
    return this.#byId.get(id)
  }

  /** Handles a node's event about one of its channels. */
  onEvent(node: SimNode, event: Extract<EngineEvent, { type: 'channel' }>): void {
    const state = node.engine?.find(event.channel)
    if (state?.stage !== 'established') return
    const record = this.#byId.get(state.id) ?? this.#discover(node, state)
    if (record === undefined) return
    if (
      state.publication !== undefined &&
      event.txid === state.publication.txid &&
      event.news.kind === 'published'
    ) {
      this.#host.publications.published(record, node, state)
    }
    if (state.onChain.spend !== undefined && node === record.client) this.#ended(record)
  }

  /** Finds channels, also of a restarted node. */
  discoverAll(node: SimNode): void {
    for (const state of node.engine?.states() ?? []) {
      if (state.stage === 'established' && !this.#byId.has(state.id)) this.#discover(node, state)
    }
  }

  /** Records an unreported channel: a renewal, or one whose opener died on the way. */
  #discover(node: SimNode, state: Established): ChannelRecord | undefined {
    if (state.role !== 'client') return undefined
    const old =
      state.terms.renews === undefined ? undefined : this.#byId.get(state.terms.renews.channel)
    const record =
      old === undefined
        ? this.#openingAs(node, state)
        : this.#record(this.#placeOf(old), Number(state.terms.capacity))
    if (record === undefined) return undefined
    this.#opening.get(node)?.delete(record)
    record.learn(state)
    record.lastPaidAt = this.#host.calendar.now
    this.#byId.set(state.id, record)
    return record
  }

  #openingAs(node: SimNode, { peer, terms }: Established): ChannelRecord | undefined {
    for (const record of this.#opening.get(node) ?? []) {
      if (record.server.name === peer && BigInt(record.capacity) === terms.capacity) return record
    }
    return undefined
  }

  #placeOf(record: ChannelRecord): Place {
    const place = this.#placesOf.get(record)
    if (place === undefined) throw new Error(`channel ${record.number} has no place`)
    return place
  }

  #record(place: Place, capacity: number): ChannelRecord {
    const { client, server } = place.opening
    const record = new ChannelRecord(
      this.records.length,
      place.opening,
      this.#host.node(client),
      this.#host.node(server),
      capacity
    )
    this.records.push(record)
    place.records.push(record)
    this.#placesOf.set(record, place)
    return record
  }

  #open(place: Place): void {
    const record = this.#record(place, Number(place.opening.capacity))
    this.#opening.set(record.client, (this.#opening.get(record.client) ?? new Set()).add(record))
    this.#try(place, record, 1)
  }

  #try(place: Place, record: ChannelRecord, tries: number): void {
    const { opening } = place
    const { client } = record
    const again = (code: string): void => {
      if (record.id !== undefined) return
      record.failure = code
      if (tries < MOST_TRIES) {
        this.#host.calendar.after(RETRY_MS, () => {
          this.#try(place, record, tries + 1)
        })
      }
    }
    if (record.id !== undefined) return
    if (!client.isUp || client.engine === undefined) {
      again('ERR_NODE_DOWN')
      return
    }
    client.engine
      .open({
        peer: opening.server,
        capacity: opening.capacity,
        blocks: opening.blocks,
        step: opening.step,
        ...(opening.then === 'renew' ? { renewFor: opening.blocks } : {}),
        wait: 'broadcast'
      })
      .then(
        () => {
          this.discoverAll(client)
        },
        (error: unknown) => {
          // T1 may be on no server, and the channel exists all the same (`ERR_FUNDING_NOT_TAKEN`).
          this.discoverAll(client)
          again(codeOf(error))
        }
      )
  }

  #ended(record: ChannelRecord): void {
    if (record.opening.then !== 'reopen' || this.#reopened.has(record)) return
    this.#reopened.add(record)
    const place = this.#placeOf(record)
    this.#host.calendar.after(REOPEN_MS, () => {
      if (place.records.at(-1) === record) this.#open(place)
    })
  }
}
