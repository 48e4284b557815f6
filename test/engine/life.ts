/**
 * One life of a node: the ports as its engine sees them, from start to crash. After the crash
 * nothing of it reaches the world any more, and nothing of the world reaches it.
 */
import type { Message } from '../../protocols/paychan/1.0/index.js'
import type {
  Chain,
  Clock,
  Link,
  LinkListener,
  Peers,
  ScriptWatch,
  ScriptWatcher,
  Store,
  Unsubscribe,
  Wallet
} from '../../src/engine/ports.js'

/** What left a node: a message to a peer, or a transaction to the chain. */
export type Left =
  | { readonly node: string; readonly kind: 'message'; readonly message: Message }
  | { readonly node: string; readonly kind: 'broadcast'; readonly raw: Uint8Array }

/** Never settles: a dead process answers nobody. */
function never<T>(): Promise<T> {
  return new Promise<T>(() => {})
}

export class Life {
  #alive = true
  /** Commits wait here while the disk is held. */
  #held: Array<() => void> | undefined
  readonly #ends: Unsubscribe[] = []
  /** Messages that were handed to the engine. */
  heard = 0
  /** Scripts that are watched now. */
  watching = 0

  constructor(
    private readonly node: string,
    private readonly onLeft: (left: Left) => void
  ) {}

  get alive(): boolean {
    return this.#alive
  }

  /** Callers of `commit` that wait for a held disk. */
  get waitingCommits(): number {
    return this.#held?.length ?? 0
  }

  /** The process is gone. */
  end(): void {
    this.#alive = false
    for (const end of this.#ends) end()
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

  /** `beforeCommit` may end this life: then nothing is written. */
  store(store: Store, beforeCommit: () => void): Store {
    return {
      get: async (key) => await this.#live(store.get(key)),
      entries: (prefix) => store.entries(prefix),
      commit: async (changes) => {
        const held = this.#held
        if (held !== undefined) {
          await new Promise<void>((resolve) => {
            held.push(resolve)
          })
        }
        if (this.#alive) beforeCommit()
        await (this.#alive ? this.#live(store.commit(changes)) : never())
      },
      close: async () => {
        await store.close()
      }
    }
  }

  chain(chain: Chain): Chain {
    const quiet =
      <T>(listener: (value: T) => void) =>
      (value: T): void => {
        if (this.#alive) listener(value)
      }
    return {
      get status() {
        return chain.status
      },
      get tip() {
        return chain.tip
      },
      onTip: (listener) => chain.onTip(quiet(listener)),
      onStatus: (listener) => chain.onStatus(quiet(listener)),
      watchScript: (script, watcher) => this.#watch(chain, script, watcher),
      broadcast: async (transaction) => {
        if (!this.#alive) return await never()
        this.onLeft({ node: this.node, kind: 'broadcast', raw: transaction.raw })
        return await this.#live(chain.broadcast(transaction))
      },
      estimateFeeRate: async (target) => await this.#live(chain.estimateFeeRate(target)),
      relayRates: async () => await this.#live(chain.relayRates())
    }
  }

  peers(peers: Peers): Peers {
    return {
      self: peers.self,
      open: async (peer, listener) => {
        if (!this.#alive) return await never()
        const link = await this.#live(
          peers.open(peer, (inner) => this.#listener(listener(this.#link(inner))))
        )
        return this.#link(link)
      },
      onIncoming: (accept) => {
        const stop = peers.onIncoming((inner) => this.#listener(accept(this.#link(inner))))
        this.#ends.push(stop)
        return stop
      }
    }
  }

  wallet(wallet: Wallet): Wallet {
    return {
      checkFunds: (amount, feeRate, coins) => wallet.checkFunds(amount, feeRate, coins),
      newScript: async () => await this.#do(() => wallet.newScript()),
      closeScript: (index) => wallet.closeScript(index),
      recognise: async (script) => await this.#do(() => wallet.recognise(script)),
      buildFunding: async (request) => await this.#do(() => wallet.buildFunding(request)),
      releaseFunding: async (channel) => {
        await this.#do(() => wallet.releaseFunding(channel))
      },
      bumpFunding: async (request) => {
        await this.#do(() => wallet.bumpFunding(request))
      },
      claim: async (output) => {
        await this.#do(() => wallet.claim(output))
      }
    }
  }

  clock(clock: Clock): Clock {
    return {
      now: () => clock.now(),
      after: (ms, callback) =>
        clock.after(ms, () => {
          if (this.#alive) callback()
        })
    }
  }

  async #do<T>(work: () => Promise<T>): Promise<T> {
    return await (this.#alive ? this.#live(work()) : never())
  }

  /** What a port answers after the crash is not heard. */
  async #live<T>(answer: Promise<T>): Promise<T> {
    try {
      const value = await answer
      return this.#alive ? value : await never()
    } catch (error) {
      if (!this.#alive) return await never()
      throw error
    }
  }

  #watch(chain: Chain, script: Uint8Array, watcher: ScriptWatcher): ScriptWatch {
    const watch = chain.watchScript(script, {
      onHistory: (history) => {
        if (this.#alive) watcher.onHistory(history)
      },
      onError: (error) => {
        if (this.#alive) watcher.onError(error)
      }
    })
    this.watching += 1
    return {
      ready: watch.ready,
      get isCurrent() {
        return watch.isCurrent
      },
      stop: () => {
        this.watching -= 1
        watch.stop()
      }
    }
  }

  #link(inner: Link): Link {
    return {
      peer: inner.peer,
      send: (message) => {
        if (!this.#alive) return
        this.onLeft({ node: this.node, kind: 'message', message })
        inner.send(message)
      },
      close: () => {
        if (this.#alive) inner.close()
      }
    }
  }

  #listener(inner: LinkListener): LinkListener {
    return {
      onMessage: (message) => {
        if (!this.#alive) return
        this.heard += 1
        return inner.onMessage(message)
      },
      onClosed: (error) => {
        if (this.#alive) inner.onClosed(error)
      }
    }
  }
}
