/** Reports that a store has failed, whichever of its users it failed under. */
import { codeOf, STORE_FAILED } from '../types/errors.js'
import type { Store } from '../engine/ports.js'

/**
 * The same store; `onFailure` is called, once, when a commit is refused by the disk. From then on
 * the store cannot be trusted, and the node has to stop as a whole: wallet, channels and all.
 */
export function onStoreFailure(store: Store, onFailure: (error: Error) => void): Store {
  let failed = false
  let closed = false
  return {
    get: async (key) => await store.get(key),
    entries: (prefix) => store.entries(prefix),
    last: async (prefix, count, before) => await store.last(prefix, count, before),
    commit: async (changes) => {
      try {
        await store.commit(changes)
      } catch (error) {
        if (!failed && !closed && error instanceof Error && codeOf(error) === STORE_FAILED) {
          failed = true
          onFailure(error)
        }
        throw error
      }
    },
    close: async () => {
      closed = true
      await store.close()
    }
  }
}
