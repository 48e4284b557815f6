/** A method of the Electrum protocol, and what it may read and change. */
import type { ChainBackend, ScriptHash } from '../backend.js'

/** The part of a connection's state that a method may read and change. */
export interface SessionState {
  /** The protocol version agreed on; undefined before `server.version`. */
  version: string | undefined
  /** True before the first request. */
  isFresh: boolean
  headers: boolean
  /** Watched script hashes, with the status that the client was told last. */
  readonly scripts: Map<ScriptHash, string | null>
  /**
   * Watched outpoints, by `txid:vout`, with the JSON of the status that the client was told last.
   */
  readonly outPoints: Map<
    string,
    { readonly txid: string; readonly vout: number; readonly script: ScriptHash; told: string }
  >
}

export interface MethodContext {
  readonly backend: ChainBackend
  readonly session: SessionState
  readonly host: string
  readonly port: number
}

export interface Method {
  /** Names of the parameters; names of optional ones end with `?`. */
  readonly params: readonly string[]
  /**
   * The first version of the protocol that has it, and the first that does not any more; left out:
   * all.
   */
  readonly since?: string
  readonly before?: string
  /** Answers; `values` are in the order of `params`. @throws RpcError */
  readonly run: (context: MethodContext, values: readonly unknown[]) => Promise<unknown>
}

export type Methods = Readonly<Record<string, Method>>
