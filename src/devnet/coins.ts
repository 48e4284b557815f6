/** The unspent outputs of the chain, found by outpoint and by script. */
import { outPointText, type OutPoint } from '../types/bytes.js'
import { satoshi, type BlockHeight, type Satoshi } from '../types/units.js'
import type { ScriptHash } from './backend.js'
import { scriptHashOf, type Tx } from './transaction.js'

/** An unspent output. */
export interface Coin {
  readonly outPoint: OutPoint
  readonly value: Satoshi
  readonly script: Uint8Array
  /** The height of its block; for an output in the mempool, that of the next block. */
  readonly height: BlockHeight
  readonly coinbase: boolean
}

/** Finds coins by `txid:vout`; a mempool lays its own over those of the chain. */
export interface CoinView {
  readonly coin: (key: string) => Coin | undefined
}

/** The outputs of a transaction as coins of a block at a height. */
export function createdCoins(tx: Tx, { height }: { readonly height: BlockHeight }): Coin[] {
  return tx.outputs.map(({ value, script }, vout) => ({
    outPoint: { txid: tx.txid, vout },
    value: satoshi(value),
    script,
    height,
    coinbase: tx.coinbase
  }))
}

export class CoinSet implements CoinView {
  readonly #byOutPoint = new Map<string, Coin>()
  readonly #byScript = new Map<ScriptHash, Map<string, Coin>>()

  coin(key: string): Coin | undefined {
    return this.#byOutPoint.get(key)
  }

  /** The coins of a script, oldest first. */
  ofScript(script: ScriptHash): Coin[] {
    // A reorganisation puts old coins behind newer ones.
    return [...(this.#byScript.get(script)?.values() ?? [])].sort((a, b) => a.height - b.height)
  }

  /** The value of all coins, in satoshis. */
  get total(): bigint {
    let total = 0n
    for (const { value } of this.#byOutPoint.values()) total += value
    return total
  }

  add(coin: Coin): void {
    const key = outPointText(coin.outPoint)
    const hash = scriptHashOf(coin.script)
    this.#byOutPoint.set(key, coin)
    const sameScript = this.#byScript.get(hash)
    if (sameScript === undefined) this.#byScript.set(hash, new Map([[key, coin]]))
    else sameScript.set(key, coin)
  }

  remove(key: string): void {
    const coin = this.#byOutPoint.get(key)
    if (coin === undefined) return
    this.#byOutPoint.delete(key)
    const hash = scriptHashOf(coin.script)
    const sameScript = this.#byScript.get(hash)
    sameScript?.delete(key)
    if (sameScript?.size === 0) this.#byScript.delete(hash)
  }
}
