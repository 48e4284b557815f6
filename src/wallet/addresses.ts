/** The wallet's own scripts: P2WPKH of the BIP84 keys, receive and change, and their watch. */
import type { Network } from '../../protocols/paychan/1.0/messages.js'
import { scriptOf } from '../bitcoin/address.js'
import { hash160 } from '../bitcoin/hashes.js'
import type { CoinEcdsa } from '../bitcoin/owner-spend.js'
import { addressBranch, addressSecret, type HDKey } from '../bitcoin/seed.js'
import type { Chain, ChainTransaction, ScriptWatch, Unsubscribe } from '../engine/ports.js'
import { toHex } from '../types/bytes.js'
import { messageOf, PaychanError } from '../types/errors.js'
import { CLOSE_GAP, GAP, MOST_FOR_CHANNELS, MOST_UNUSED } from './gaps.js'
import { type Branch, BRANCHES, MAX_GAP } from './records.js'
import { loadEcdsa } from './signer.js'

/**
 * BIP44: branch 0 is for addresses that others see, branch 1 for those that only we pay to. Branch
 * 2 is for the close scripts that a server gives to peers, who can ask for as many as they like.
 */
const BRANCH_INDEX: Readonly<Record<Branch, number>> = { receive: 0, change: 1, close: 2 }

/** Scripts that a far search derives without a break: some milliseconds. */
const FAR_STEP = 50

/** One script of ours. */
export interface OwnScript {
  readonly branch: Branch
  readonly index: number
  readonly scriptPubKey: Uint8Array
}

/** Derives scripts, remembers them, and knows the next index of each branch. */
export class AddressBook {
  readonly #parents: Readonly<Record<Branch, HDKey>>
  readonly #derived: Readonly<Record<Branch, OwnScript[]>> = {
    receive: [],
    change: [],
    close: []
  }
  readonly #byScript = new Map<string, OwnScript>()
  readonly #secrets = new Map<OwnScript, Uint8Array>()
  /** The first index of each branch that nobody was given. Changed only after it is on disk. */
  readonly next: Record<Branch, number> = { receive: 0, change: 0, close: 0 }
  /** The last index of the branch `receive` that a block has paid to. */
  #lastPaid = -1
  /** Number of addresses watched beyond `next`. */
  gap = GAP
  /**
   * Number of close scripts searched, in a directory that was made from the words; in other
   * directories every close script that matters is on disk.
   */
  closeGap = 0
  /**
   * Tells which change scripts that were drawn nothing can pay any more, nor has: what
   * was drawn for a T1 that its server refused. None as long as the wallet has not said.
   */
  freeChange: () => (own: OwnScript) => boolean = () => () => false
  /** Signs for coins as well: loaded once for all that the wallet does. */
  readonly ecdsa: CoinEcdsa

  /** @param ecdsa - the fastest implementation that can be loaded, when left out */
  constructor(root: HDKey, network: Network, ecdsa: CoinEcdsa = loadEcdsa()) {
    this.ecdsa = ecdsa
    this.#parents = {
      receive: addressBranch(root, network, BRANCH_INDEX.receive),
      change: addressBranch(root, network, BRANCH_INDEX.change),
      close: addressBranch(root, network, BRANCH_INDEX.close)
    }
  }

  at(branch: Branch, index: number): OwnScript {
    const list = this.#derived[branch]
    for (let i = list.length; i <= index; i++) {
      const secret = addressSecret(this.#parents[branch], i)
      const program = hash160(this.ecdsa.publicKeyOf(secret))
      const own: OwnScript = {
        branch,
        index: i,
        scriptPubKey: scriptOf({ kind: 'witness', version: 0, program })
      }
      list.push(own)
      this.#secrets.set(own, secret)
      this.#byScript.set(toHex(own.scriptPubKey), own)
    }
    const found = list[index]
    if (found === undefined) throw new RangeError(`no address has the index ${index}`)
    return found
  }

  /**
   * The script that will be handed out next: of the change the lowest that is free (OPEN-13), else
   * the first that nobody was given. It may be used once `nextAfter` it is on disk, in one batch
   * with what uses it.
   */
  upcoming(branch: Branch): OwnScript {
    if (branch === 'change') {
      const isFree = this.freeChange()
      for (let index = 0; index < this.next.change; index++) {
        const own = this.at('change', index)
        if (isFree(own)) return own
      }
    }
    return this.at(branch, this.next[branch])
  }

  /** The next index of its branch once a script is used. */
  nextAfter({ branch, index }: OwnScript): number {
    return Math.max(this.next[branch], index + 1)
  }

  /**
   * The farthest address that people may be told, once it was drawn: a search by the words comes no
   * farther until one of them is paid, whatever was drawn behind it for channels (OPEN-13).
   */
  get farthest(): OwnScript | undefined {
    const index = this.#lastPaid + MOST_UNUSED
    return index < this.next.receive ? this.at('receive', index) : undefined
  }

  /**
   * The lowest of these receive addresses, to which no block has paid, once so many in a row are not
   * paid that the words might not find a fresh one.
   */
  usedAgain(unpaid: readonly Uint8Array[]): OwnScript | undefined {
    if (this.next.receive - 1 - this.#lastPaid < MOST_FOR_CHANNELS) return undefined
    return unpaid
      .flatMap((script) => this.find(script) ?? [])
      .filter(({ branch }) => branch === 'receive')
      .reduce<OwnScript | undefined>(
        (lowest, own) => (lowest === undefined || own.index < lowest.index ? own : lowest),
        undefined
      )
  }

  /** Called for each script that a block has paid to. */
  paid({ branch, index }: OwnScript): void {
    if (branch === 'receive') this.#lastPaid = Math.max(this.#lastPaid, index)
  }

  /** All scripts to watch: those that were handed out, and the gap behind them. */
  watched(): OwnScript[] {
    return BRANCHES.flatMap((branch) =>
      Array.from(
        { length: this.next[branch] + (branch === 'close' ? this.closeGap : this.gap) },
        (_, index) => this.at(branch, index)
      )
    )
  }

  /** Derives all close scripts that a channel can have: `find` knows them from now on. */
  deriveCloseScripts(): void {
    this.at('close', this.next.close + Math.max(CLOSE_GAP, this.closeGap) - 1)
  }

  /**
   * RESTORE-4: derives scripts that peers may have been given until this one is among them, as far
   * beyond the known ones as a gap may be. What was derived stays, so a peer that lies costs this
   * once, a second or two of computing, between which others get their turns.
   */
  async searchFar(scriptPubKey: Uint8Array): Promise<void> {
    for (let beyond = 0; beyond < MAX_GAP; beyond += FAR_STEP) {
      for (const branch of ['close', 'receive'] as const) {
        this.at(branch, this.next[branch] + beyond + FAR_STEP - 1)
      }
      if (this.find(scriptPubKey) !== undefined) return
      await new Promise<void>((resolve) => {
        setImmediate(resolve)
      })
    }
  }

  /** The script of ours that this is, if any. */
  find(scriptPubKey: Uint8Array): OwnScript | undefined {
    return this.#byScript.get(toHex(scriptPubKey))
  }

  /** The secret key of a script that this book derived. */
  secret(own: OwnScript): Uint8Array {
    return this.#secrets.get(own) ?? addressSecret(this.#parents[own.branch], own.index)
  }
}

/* Recognises the wallet's own scripts, as far as the chain has been searched. */

export const NOT_HEARD =
  'The Electrum server has not told yet which coins the wallet has. Check the connection with `paychan info`, then try again.'

/**
 * Finds a script among the close scripts that a channel can have, those that were given out and the
 * gap behind them; undefined when it is not there.
 *
 * @param isProven - the script is said to be that of a channel whose keys derive from the words:
 *   the search goes as far as a restore may be told to
 * @throws PaychanError `ERR_CHAIN_UNAVAILABLE` when the script is unknown, and the search may still
 * widen
 */
export async function ownScript(
  scriptPubKey: Uint8Array,
  addresses: AddressBook,
  watches: Pick<Watches, 'heard'>,
  isProven: boolean
): Promise<OwnScript | undefined> {
  const known = addresses.find(scriptPubKey)
  if (known !== undefined) return known
  const watched = addresses.watched()
  addresses.deriveCloseScripts()
  if (isProven) await addresses.searchFar(scriptPubKey)
  const own = addresses.find(scriptPubKey)
  if (own === undefined && !watched.every((one) => watches.heard(one.scriptPubKey))) {
    throw new PaychanError('ERR_CHAIN_UNAVAILABLE', NOT_HEARD)
  }
  return own
}

/*
 * Keeps a set of scripts watched through the port `Chain`. A watch that the server refused is
 * reported, and set up again with the next block or the next connection.
 */

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
