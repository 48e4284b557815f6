/**
 * A small chain for the wallet's tests: blocks and a mempool in memory, behind the port `Chain`.
 * It judges what the wallet could get wrong (double spends, values, fees, locks, version 3), not
 * scripts.
 */
import { broadcastRefused } from '../../src/chain/broadcasting.js'
import * as bitcoin from 'bitcoinjs-lib'
import { parseTransaction, type Transaction } from '../../src/bitcoin/transaction.js'
import { hashFromTxid, outPointText, sameBytes, txid, type Txid } from '../../src/types/bytes.js'
import { messageOf, PaychanError } from '../../src/types/errors.js'
import {
  blockHeight,
  feeFor,
  feeRate,
  type BlockDelta,
  type BlockHeight,
  type FeeRate,
  type Satoshi
} from '../../src/types/units.js'
import type {
  Chain,
  ChainStatus,
  ChainTransaction,
  ScriptWatch,
  ScriptWatcher,
  Tip,
  Unsubscribe,
  Verdict
} from '../../src/engine/ports.js'

interface Entry {
  readonly parsed: Transaction
  readonly raw: Uint8Array
  height: BlockHeight | undefined
}
interface Watching {
  readonly script: Uint8Array
  readonly watcher: ScriptWatcher
  readonly ready: { resolve: () => void; reject: (error: Error) => void }
}

const MIN_RELAY = feeRate(1000n)

export class FakeChain implements Chain {
  status: ChainStatus = 'synced'
  /** What `estimateFeeRate` answers. */
  rate: FeeRate = feeRate(1000n)
  /** For how many blocks it was asked, one by one. */
  readonly targets: number[] = []
  /** Of new watches: all servers have told. */
  isToldByAll = true
  /** What its mempool asks for. */
  minimum = MIN_RELAY
  /** While set, there is another server, which refuses what pays less; this one takes it. */
  elsewhere: FeeRate | undefined
  /** While set, every broadcast is refused for this reason. */
  refusal: string | undefined
  /** While set, every new watch is rejected for this reason. */
  watchRefusal: string | undefined
  readonly broadcasts: Uint8Array[] = []
  readonly #entries = new Map<Txid, Entry>()
  /** What it makes up: shown in the history of one script, and in no mempool. */
  readonly #madeUp: Array<{ readonly script: Uint8Array; readonly parsed: Transaction }> = []
  readonly #watching = new Set<Watching>()
  readonly #tipListeners = new Set<(tip: Tip) => void>()
  readonly #statusListeners = new Set<(status: ChainStatus) => void>()
  #height = blockHeight(100)
  #branch = 0
  #made = 0

  get tip(): Tip {
    return { height: this.#height, hash: `block ${this.#height} of branch ${this.#branch}` }
  }

  get watched(): Uint8Array[] {
    return [...this.#watching].map(({ script }) => script)
  }

  async caughtUp(): Promise<void> {}

  onTip(listener: (tip: Tip) => void): Unsubscribe {
    this.#tipListeners.add(listener)
    queueMicrotask(() => {
      if (this.#tipListeners.has(listener)) listener(this.tip)
    })
    return () => {
      this.#tipListeners.delete(listener)
    }
  }

  onStatus(listener: (status: ChainStatus) => void): Unsubscribe {
    this.#statusListeners.add(listener)
    return () => {
      this.#statusListeners.delete(listener)
    }
  }

  setStatus(status: ChainStatus): void {
    this.status = status
    if (status === 'synced') for (const watching of this.#watching) this.#deliverFirst(watching)
    for (const listener of this.#statusListeners) listener(status)
  }

  watchScript(script: Uint8Array, watcher: ScriptWatcher): ScriptWatch {
    let settle = { resolve: (): void => undefined, reject: (_error: Error): void => undefined }
    const ready = new Promise<void>((resolve, reject) => {
      settle = { resolve, reject }
    })
    const watching: Watching = { script, watcher, ready: settle }
    this.#watching.add(watching)
    queueMicrotask(() => {
      this.#deliverFirst(watching)
    })
    return {
      ready,
      isCurrent: true,
      isToldByAll: this.isToldByAll,
      stop: () => {
        this.#watching.delete(watching)
      }
    }
  }

  async broadcast(parsed: Transaction): Promise<Verdict> {
    await Promise.resolve()
    if (this.status !== 'synced') throw new PaychanError('ERR_CHAIN_UNAVAILABLE', 'no server')
    const { raw } = parsed
    this.broadcasts.push(raw)
    const verdict = (): Verdict => ({
      txid: parsed.txid,
      taken: 1,
      of: this.elsewhere === undefined ? 1 : 2,
      refusals:
        this.elsewhere !== undefined && this.#feeOf(parsed) < feeFor(this.elsewhere, parsed.vsize)
          ? [{ kind: 'fee-too-low', reason: 'min relay fee not met' }]
          : []
    })
    if (this.#entries.has(parsed.txid)) return verdict()
    const reason = this.refusal ?? this.#judge(parsed)
    if (reason !== undefined) throw broadcastRefused(parsed.txid, reason)
    for (const { txid: replaced } of this.#conflicts(parsed)) this.drop(replaced)
    this.insert(raw)
    return verdict()
  }

  async relayRates(): Promise<{ minimum: FeeRate; incremental: FeeRate }> {
    await Promise.resolve()
    if (this.status !== 'synced') throw new PaychanError('ERR_CHAIN_UNAVAILABLE', 'no server')
    return { minimum: this.minimum, incremental: MIN_RELAY }
  }

  async estimateFeeRate(target: BlockDelta): Promise<FeeRate> {
    await Promise.resolve()
    if (this.status !== 'synced') throw new PaychanError('ERR_CHAIN_UNAVAILABLE', 'no server')
    this.targets.push(target)
    return this.rate
  }

  /** Somebody pays to a script: a transaction out of nowhere, in the mempool. */
  pay(script: Uint8Array, value: Satoshi, options: { coinbase?: boolean } = {}): Txid {
    const transaction = new bitcoin.Transaction()
    transaction.version = 2
    if (options.coinbase === true) {
      transaction.addInput(
        new Uint8Array(32),
        0xffffffff,
        0xffffffff,
        Uint8Array.of(2, this.#made & 0xff, this.#made >> 8)
      )
    } else transaction.addInput(hashFromTxid(txid(this.#made.toString(16).padStart(64, 'f'))), 0)
    transaction.addOutput(script, value)
    this.#made++
    return this.insert(transaction.toBuffer())
  }

  /**
   * Mines a block with everything in the mempool (or with nothing), then as many empty ones as
   * asked for.
   */
  mine(blocks = 1, options: { empty?: boolean } = {}): void {
    for (let i = 0; i < blocks; i++) {
      this.#height = blockHeight(this.#height + 1)
      if (options.empty !== true) {
        for (const entry of this.#entries.values()) entry.height ??= this.#height
      }
      this.#tell()
    }
  }

  /** Takes the last blocks away; their transactions are in the mempool again. */
  reorg(depth: number): void {
    this.#height = blockHeight(this.#height - depth)
    this.#branch++
    for (const entry of this.#entries.values()) {
      if (entry.height !== undefined && entry.height > this.#height) entry.height = undefined
    }
    this.#tell()
  }

  /** Takes a transaction out of the mempool, with all that spend from it. */
  drop(id: Txid): void {
    this.#entries.delete(id)
    for (const { parsed } of [...this.#entries.values()]) {
      if (parsed.inputs.some(({ outPoint }) => outPoint.txid === id)) this.drop(parsed.txid)
    }
    this.#tell()
  }

  transaction(id: Txid): Transaction | undefined {
    return this.#entries.get(id)?.parsed
  }

  rawOf(id: Txid): Uint8Array {
    const entry = this.#entries.get(id)
    if (entry === undefined) throw new Error(`there is no transaction ${id}`)
    return entry.raw
  }

  /** Whether a transaction is in the mempool. */
  isPending(id: Txid): boolean {
    const entry = this.#entries.get(id)
    return entry !== undefined && entry.height === undefined
  }

  /** All unspent outputs to a script. */
  unspent(script: Uint8Array): Array<{ value: Satoshi; confirmed: boolean }> {
    const spent = new Set(
      [...this.#entries.values()].flatMap(({ parsed }) =>
        parsed.inputs.map(({ outPoint }) => outPointText(outPoint))
      )
    )
    return [...this.#entries.values()].flatMap(({ parsed, height }) =>
      parsed.outputs.flatMap((output, vout) =>
        sameBytes(output.script, script) && !spent.has(outPointText({ txid: parsed.txid, vout }))
          ? [{ value: output.value, confirmed: height !== undefined }]
          : []
      )
    )
  }

  /** Adds a transaction to the mempool without judging it. */
  insert(raw: Uint8Array): Txid {
    const parsed = parseTransaction(raw)
    this.#entries.set(parsed.txid, { parsed, raw, height: undefined })
    this.#tell()
    return parsed.txid
  }

  /** Shows a transaction in the history of one script alone, without judging it. */
  makeUp(script: Uint8Array, raw: Uint8Array): void {
    this.#madeUp.push({ script, parsed: parseTransaction(raw) })
    this.#tell()
  }

  #judge(transaction: Transaction): string | undefined {
    let spent = 0n
    for (const { outPoint, sequence } of transaction.inputs) {
      const source = this.#entries.get(outPoint.txid)
      const output = source?.parsed.outputs[outPoint.vout]
      if (source === undefined || output === undefined) return 'missing inputs'
      if (sequence === 1 && (source.height === undefined || source.height > this.#height)) {
        return 'non-BIP68-final'
      }
      if (transaction.version === 3 && source.height === undefined && source.parsed.version !== 3) {
        return 'truc-spends-nontruc'
      }
      spent += output.value
    }
    if (transaction.lockTime > this.#height) return 'non-final'
    const fee = spent - transaction.outputs.reduce((sum, { value }) => sum + value, 0n)
    if (fee < 0n) return 'bad-txns-in-belowout'
    if (
      transaction.version === 3 &&
      transaction.inputs.some(({ outPoint }) => this.isPending(outPoint.txid)) &&
      transaction.vsize > 1000
    ) {
      return 'TRUC-violation'
    }
    for (const conflict of this.#conflicts(transaction)) {
      if (
        !this.isPending(conflict.txid) ||
        conflict.inputs.every(({ sequence }) => sequence >= 0xfffffffe)
      ) {
        return 'txn-mempool-conflict'
      }
      if (fee < this.#feeOf(conflict) + feeFor(MIN_RELAY, transaction.vsize)) {
        return 'insufficient fee'
      }
    }
    return fee < feeFor(MIN_RELAY, transaction.vsize) ? 'min relay fee not met' : undefined
  }

  #conflicts(transaction: Transaction): Transaction[] {
    const spent = new Set(transaction.inputs.map(({ outPoint }) => outPointText(outPoint)))
    return [...this.#entries.values()]
      .map(({ parsed }) => parsed)
      .filter(({ inputs }) => inputs.some(({ outPoint }) => spent.has(outPointText(outPoint))))
  }

  #feeOf({ inputs, outputs }: Transaction): bigint {
    const spent = inputs.reduce(
      (sum, { outPoint }) =>
        sum + (this.#entries.get(outPoint.txid)?.parsed.outputs[outPoint.vout]?.value ?? 0n),
      0n
    )
    return spent - outputs.reduce((sum, { value }) => sum + value, 0n)
  }

  #tell(): void {
    if (this.status !== 'synced') return
    for (const { script, watcher } of [...this.#watching]) watcher.onHistory(this.#history(script))
    for (const listener of [...this.#tipListeners]) listener(this.tip)
  }

  #deliverFirst(watching: Watching): void {
    if (!this.#watching.has(watching) || this.status !== 'synced') return
    if (this.watchRefusal !== undefined) {
      this.#watching.delete(watching)
      watching.ready.reject(new Error(this.watchRefusal))
      return
    }
    try {
      watching.watcher.onHistory(this.#history(watching.script))
      watching.ready.resolve()
    } catch (error) {
      watching.ready.reject(new Error(messageOf(error)))
    }
  }

  #history(script: Uint8Array): ChainTransaction[] {
    const found: ChainTransaction[] = []
    for (const { parsed, height } of this.#entries.values()) {
      const pays = parsed.outputs.some((output) => sameBytes(output.script, script))
      const spends = parsed.inputs.some(({ outPoint }) => {
        const output = this.#entries.get(outPoint.txid)?.parsed.outputs[outPoint.vout]
        return output !== undefined && sameBytes(output.script, script)
      })
      if (pays || spends) found.push({ transaction: parsed, height })
    }
    for (const { script: shownOf, parsed } of this.#madeUp) {
      if (sameBytes(shownOf, script)) found.push({ transaction: parsed, height: undefined })
    }
    return found
  }
}
