/**
 * Keeps a set of scripts watched through the port `Chain`. A watch that the server refused is
 * reported, and set up again with the next block or the next connection.
 */
import { toHex } from '../types/bytes.js'
import { messageOf, PaychanError } from '../types/errors.js'
import type { Chain, ChainTransaction, ScriptWatch, Unsubscribe } from '../engine/ports.js'

interface WatchesInit {
  readonly chain: Chain
  readonly onHistory: (scriptPubKey: Uint8Array, history: readonly ChainTransaction[]) => void
  readonly onError: (error: Error) => void
}

interface Watched {
  readonly scriptPubKey: Uint8Array
  /** Undefined while no watch stands. */
  watch: ScriptWatch | undefined
  heard: boolean
}

export class Watches {
  readonly #watched = new Map<string, Watched>()
  readonly #unsubscribe: Unsubscribe[] = []
  readonly #init: WatchesInit

  constructor(init: WatchesInit) {
    this.#init = init
  }

  start(): void {
    this.#unsubscribe.push(
      this.#init.chain.onTip(() => {
        this.#retry()
      }),
      this.#init.chain.onStatus((status) => {
        if (status === 'synced') this.#retry()
      })
    )
  }

  /** Watches a script from now on; a second call makes no difference. */
  add(scriptPubKey: Uint8Array): void {
    const key = toHex(scriptPubKey)
    if (this.#watched.has(key)) return
    const entry: Watched = { scriptPubKey, watch: undefined, heard: false }
    this.#watched.set(key, entry)
    this.#setUp(key, entry)
  }

  remove(scriptPubKey: Uint8Array): void {
    const key = toHex(scriptPubKey)
    this.#watched.get(key)?.watch?.stop()
    this.#watched.delete(key)
  }

  /** True when the history of a script has arrived, from all servers that can be reached. */
  heard(scriptPubKey: Uint8Array): boolean {
    const entry = this.#watched.get(toHex(scriptPubKey))
    return entry?.heard === true && entry.watch?.isToldByAll !== false
  }

  stop(): void {
    for (const stop of this.#unsubscribe.splice(0)) stop()
    for (const { watch } of this.#watched.values()) watch?.stop()
    this.#watched.clear()
  }

  #retry(): void {
    for (const [key, entry] of this.#watched) {
      if (entry.watch === undefined) this.#setUp(key, entry)
    }
  }

  #setUp(key: string, entry: Watched): void {
    const isCurrent = (): boolean => this.#watched.get(key) === entry
    const watch = this.#init.chain.watchScript(entry.scriptPubKey, {
      onHistory: (history) => {
        if (!isCurrent()) return
        entry.heard = true
        this.#init.onHistory(entry.scriptPubKey, history)
      },
      onError: (error) => {
        if (isCurrent()) this.#init.onError(error)
      }
    })
    entry.watch = watch
    watch.ready.catch((error: unknown) => {
      if (!isCurrent() || entry.watch !== watch) return
      entry.watch = undefined
      this.#init.onError(
        new PaychanError(
          'ERR_WALLET_WATCH',
          `The server does not watch one of the wallet's scripts (${messageOf(error)}). It is tried again with the next block; if this goes on, use another server.`,
          { script: key },
          { cause: error }
        )
      )
    })
  }
}
