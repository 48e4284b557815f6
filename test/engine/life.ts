/**
 * One life of a node whose doings a test watches, and holds up: what leaves it, what it hears, how
 * many scripts it watches, and a disk that takes nothing for a while.
 */
import type { Message } from '../../protocols/paychan/1.0/index.js'
import type { Chain, Link, LinkListener, Peers, Ports, Store } from '../../src/engine/ports.js'
import { Life as AnyLife } from '../../src/testing/calendar.js'

/** What left a node: a message to a peer, or a transaction to the chain. */
export type Left =
  | { readonly node: string; readonly kind: 'message'; readonly message: Message }
  | { readonly node: string; readonly kind: 'broadcast'; readonly raw: Uint8Array }

export class Life extends AnyLife {
  /** Commits wait here while the disk is held. */
  #held: Array<() => void> | undefined
  /** Messages that were handed to the engine. */
  heard = 0
  /** Scripts that are watched now. */
  watching = 0
  readonly #node: string
  readonly #onLeft: (left: Left) => void

  constructor(node: string, onLeft: (left: Left) => void) {
    super()
    this.#node = node
    this.#onLeft = onLeft
  }

  /** Callers of `commit` that wait for a held disk. */
  get waitingCommits(): number {
    return this.#held?.length ?? 0
  }

  /** The disk takes nothing until `releaseDisk`. */
  holdDisk(): void {
    this.#held ??= []
  }

  releaseDisk(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const go of held) go()
  }

  watched(ports: Ports): Ports {
    return {
      ...ports,
      store: this.store(ports.store),
      chain: this.chain(ports.chain),
      peers: this.#peers(ports.peers)
    }
  }

  store(store: Store): Store {
    return {
      get: async (key) => await this.ask(() => store.get(key)),
      entries: (prefix) => store.entries(prefix),
      last: async (prefix, count, before) => await store.last(prefix, count, before),
      commit: async (changes) => {
        const held = this.#held
        if (held !== undefined) {
          await new Promise<void>((resolve) => {
            held.push(resolve)
          })
        }
        await store.commit(changes)
      },
      close: async () => {
        await store.close()
      }
    }
  }

  chain(chain: Chain): Chain {
    return {
      get status() {
        return chain.status
      },
      get tip() {
        return chain.tip
      },
      onTip: (listener) => chain.onTip(listener),
      onStatus: (listener) => chain.onStatus(listener),
      watchScript: (script, watcher) => {
        const watch = chain.watchScript(script, watcher)
        this.watching += 1
        return {
          ready: watch.ready,
          get isCurrent() {
            return watch.isCurrent
          },
          get isToldByAll() {
            return watch.isToldByAll ?? true
          },
          stop: () => {
            this.watching -= 1
            watch.stop()
          }
        }
      },
      broadcast: async (transaction) => {
        if (this.alive) {
          this.#onLeft({ node: this.#node, kind: 'broadcast', raw: transaction.raw })
        }
        return await this.ask(() => chain.broadcast(transaction))
      },
      estimateFeeRate: async (target) => await this.ask(() => chain.estimateFeeRate(target)),
      relayRates: async () => await this.ask(() => chain.relayRates()),
      caughtUp: () => chain.caughtUp()
    }
  }

  #peers(peers: Peers): Peers {
    return {
      self: peers.self,
      open: async (peer, listener) => {
        const link = await this.ask(() =>
          peers.open(peer, (inner) => this.#listener(listener(this.#link(inner))))
        )
        return this.#link(link)
      },
      onIncoming: (accept) => peers.onIncoming((inner) => this.#listener(accept(this.#link(inner))))
    }
  }

  #link(inner: Link): Link {
    return {
      peer: inner.peer,
      send: (message) => {
        if (!this.alive) return
        this.#onLeft({ node: this.#node, kind: 'message', message })
        inner.send(message)
      },
      close: () => {
        if (this.alive) inner.close()
      }
    }
  }

  #listener(inner: LinkListener): LinkListener {
    return {
      onMessage: (message) => {
        if (!this.alive) return
        this.heard += 1
        return inner.onMessage(message)
      },
      onClosed: (error) => {
        if (this.alive) inner.onClosed(error)
      }
    }
  }
}
