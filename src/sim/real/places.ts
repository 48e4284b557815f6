/**
 * The channels between real nodes: opened as the plan says, retried on failure, and followed to
 * their end.
 */
import type { ChannelInfo } from '../../node/api.js'
import { codeOf, PaychanError } from '../../types/errors.js'
import { MOST_TRIES, REOPEN_MS, RETRY_MS } from '../drive/openings.js'
import type { Flow } from '../measure/channels.js'
import type { PlannedOpening } from '../plan/traffic.js'
import type { RealNode } from './real-node.js'
import type { RealWorld } from './real-world.js'

export class RealChannel {
  /** Undefined as long as T1 has not been broadcast. */
  id: string | undefined
  /** As its client showed it last. */
  info: ChannelInfo | undefined
  failure: string | undefined
  capacity: number
  fundedAt: number | null = null
  spentAt: number | null = null
  /** Turns, as known by the side with the newest one. */
  turns = 0
  lastPaidAt = 0
  /** True when its end was seen and what follows is arranged. */
  isFollowed = false
  readonly forth: Flow = { made: 0, volume: 0, unknown: 0 }
  readonly back: Flow = { made: 0, volume: 0, unknown: 0 }
  firstSample = -1
  readonly balances: number[] = []

  constructor(
    readonly number: number,
    readonly opening: PlannedOpening,
    readonly client: RealNode,
    readonly server: RealNode
  ) {
    this.capacity = Number(opening.capacity)
  }

  get isOpen(): boolean {
    return this.fundedAt !== null && this.spentAt === null
  }
}

/**
 * A place for channels (`Plan.openings`): payments go over the newest. Its requests are handled in
 * order.
 */
interface Place {
  readonly opening: PlannedOpening
  readonly channels: RealChannel[]
  tail: Promise<void>
}

/** An event, with its time in seconds of virtual time. */
export interface Timed {
  readonly time: number
  readonly happen: () => void | Promise<void>
}

export class Places {
  readonly channels: RealChannel[] = []
  readonly #places: Place[]
  readonly #byId = new Map<string, RealChannel>()
  readonly #world: RealWorld
  readonly #later: (timed: Timed) => void

  /** `later` receives what is due at a future time. */
  constructor(
    openings: readonly PlannedOpening[],
    world: RealWorld,
    later: (timed: Timed) => void
  ) {
    this.#world = world
    this.#later = later
    this.#places = openings.map((opening) => ({ opening, channels: [], tail: Promise.resolve() }))
    for (const place of this.#places) {
      later({
        time: place.opening.time,
        happen: () => {
          this.#open(place, place.opening.time)
        }
      })
    }
  }

  /** Acts on the newest channel of a place, after all earlier requests. */
  do(opening: number, what: (channel: RealChannel | undefined) => Promise<void>): void {
    const place = this.#places[opening]
    if (place !== undefined) {
      place.tail = place.tail.then(async () => {
        await what(place.channels.at(-1))
      })
    }
  }

  /** Resolves once every request is handled. */
  async idle(): Promise<void> {
    await Promise.all(
      this.#places.map(async ({ tail }) => {
        await tail
      })
    )
  }

  /**
   * Updates every channel from the newest reports of the nodes. `time` in seconds of virtual time.
   */
  follow(time: number): void {
    for (const { channels, seenAt } of this.#world.nodes) {
      for (const info of channels) {
        const { turns } = info
        const known = this.#byId.get(info.id)
        if (turns !== undefined && known !== undefined) {
          known.turns = Math.max(known.turns, turns.number)
        }
        if (info.role !== 'client' || info.funding === undefined) continue
        const channel = known ?? this.#renewal(info, time)
        if (channel !== undefined) this.#learn(channel, info, seenAt, time)
      }
    }
  }

  #learn(channel: RealChannel, info: ChannelInfo, height: number, time: number): void {
    channel.info = info
    // A reorganisation takes either back.
    channel.fundedAt = info.confirmations > 0 ? height - info.confirmations + 1 : null
    channel.spentAt = info.spend?.height ?? null
    if (channel.spentAt === null || channel.isFollowed) return
    channel.isFollowed = true
    const place = this.#placeOf(channel)
    const at = time + REOPEN_MS / 1_000
    if (channel.opening.then === 'reopen') {
      this.#later({
        time: at,
        happen: () => {
          if (place.channels.at(-1) === channel) this.#open(place, at)
        }
      })
    }
  }

  /** A channel that the node itself has opened in place of another one. */
  #renewal(info: ChannelInfo, time: number): RealChannel | undefined {
    const old = info.renews === undefined ? undefined : this.#byId.get(info.renews)
    if (old === undefined) return undefined
    const channel = this.#add(this.#placeOf(old))
    this.#opened(channel, info, time)
    return channel
  }

  #opened(channel: RealChannel, info: ChannelInfo, time: number): void {
    channel.lastPaidAt = time
    channel.id = info.id
    channel.info = info
    channel.capacity = Number(info.capacity)
    this.#byId.set(info.id, channel)
  }

  #placeOf(channel: RealChannel): Place {
    const place = this.#places.find(({ channels }) => channels.includes(channel))
    if (place === undefined) throw new Error(`channel ${channel.number} has no place`)
    return place
  }

  #add(place: Place): RealChannel {
    const { client, server } = place.opening
    const channel = new RealChannel(
      this.channels.length,
      place.opening,
      this.#world.node(client),
      this.#world.node(server)
    )
    this.channels.push(channel)
    place.channels.push(channel)
    return channel
  }

  #open(place: Place, time: number): void {
    this.#try(place, this.#add(place), time, 1)
  }

  /**
   * The channel exists, and its T1 is sent with every block: a second opening would make two
   * channels.
   */
  async #pending({ client }: RealChannel, error: unknown): Promise<ChannelInfo | undefined> {
    const id = error instanceof PaychanError ? error.facts['channel'] : undefined
    return (await client.api.channels.list()).find((info) => info.id === id)
  }

  #try(place: Place, channel: RealChannel, time: number, tries: number): void {
    const { capacity, blocks, step, then } = place.opening
    place.tail = place.tail.then(async () => {
      try {
        if (!channel.client.isUp) {
          throw new PaychanError('ERR_NODE_DOWN', `${channel.client.name} is down.`, {
            node: channel.client.name
          })
        }
        this.#opened(
          channel,
          await channel.client.api.channels.open({
            peer: channel.server.multiaddr,
            amount: capacity,
            blocks,
            ...(step === undefined ? {} : { step }),
            ...(then === 'renew' ? { renew: true } : {}),
            wait: 'broadcast'
          }),
          time
        )
      } catch (error) {
        const pending =
          codeOf(error) === 'ERR_FUNDING_NOT_TAKEN'
            ? await this.#pending(channel, error)
            : undefined
        if (pending !== undefined) {
          this.#opened(channel, pending, time)
          return
        }
        channel.failure = codeOf(error)
        const again = time + RETRY_MS / 1_000
        if (tries < MOST_TRIES) {
          this.#later({
            time: again,
            happen: () => {
              this.#try(place, channel, again, tries + 1)
            }
          })
        }
      }
    })
  }
}
