/** One server of a pool: the chain that follows it, and how it stands with us. */
import type { ScriptWatch, Unsubscribe } from '../engine/ports.js'
import type { ElectrumChain, ElectrumChainInit } from './chain.js'
import type { Member } from './pooled-script.js'
import type { ProvedWatcher } from './script-watch.js'

export type ServerAddress = Pick<ElectrumChainInit, 'url' | 'tls'>

/** An answer, and when it came. */
export interface Said {
  readonly value: unknown
  readonly at: number
}

export class PoolServer implements Member {
  readonly url: string
  /** Why it was dropped. */
  fault: Error | undefined
  /** While it is behind: the work that it has to come to. */
  lag: { readonly work: bigint; readonly cancel: Unsubscribe } | undefined
  /** When it was last seen to be there. */
  thereAt: number | undefined
  /** What it has answered last to each question about fees, and when. */
  readonly said = new Map<string, Said>()
  /** Since when it is dropped, and when it is to be tried again. */
  droppedAt = 0
  retry: { readonly at: number; readonly cancel: Unsubscribe } | undefined

  /** @param chain - another one after it was dropped */
  constructor(
    readonly address: ServerAddress,
    public chain: ElectrumChain
  ) {
    this.url = address.url
  }

  get isUsed(): boolean {
    return this.fault === undefined
  }

  watchScript(scriptPubKey: Uint8Array, watcher: ProvedWatcher): ScriptWatch {
    return this.chain.watchScript(scriptPubKey, watcher)
  }

  readonly blockAt = (height: number): string | undefined => this.chain.headers.hashAt(height)
}

/** The work of the chain that a server has shown. */
export function workOf({ chain }: PoolServer): bigint {
  return chain.tip === undefined ? 0n : chain.headers.workUpTo(chain.tip.height)
}
