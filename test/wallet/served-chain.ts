/**
 * The chain of a world as one server tells a wallet of it: each change at once and by itself, and
 * honestly unless a test says otherwise. Its mempool replaces only what says that it can be.
 */
import { SAFE_RELAY_RATE } from '../../src/bitcoin/relay.js'
import { parseTransaction, type Transaction } from '../../src/bitcoin/transaction.js'
import { broadcastRefused } from '../../src/chain/broadcasting.js'
import type {
  ChainTransaction,
  RelayRates,
  ScriptWatch,
  ScriptWatcher,
  Verdict
} from '../../src/engine/ports.js'
import { Life } from '../../src/testing/calendar.js'
import { SimChain } from '../../src/testing/chain.js'
import { ONE_HONEST, Phantoms, Servers, SharedFees } from '../../src/testing/servers.js'
import { SimView, Watchers } from '../../src/testing/view.js'
import { toHex, type Txid } from '../../src/types/bytes.js'
import { PaychanError } from '../../src/types/errors.js'
import {
  type BlockDelta,
  type FeeRate,
  feeFor,
  satoshi,
  type Satoshi
} from '../../src/types/units.js'

/** Blocks before a test begins: any of them can be undone. */
const BLOCKS = 100

/** It shows for a script what it makes up, whatever the mempool has. */
class MakingUp extends Servers {
  readonly #madeUp = new Map<string, ChainTransaction[]>()

  makeUp(script: string, transaction: Transaction): void {
    const before = this.#madeUp.get(script) ?? []
    this.#madeUp.set(script, [...before, { transaction, height: undefined }])
  }

  override historyOf(script: string, hidesMempool: boolean): ChainTransaction[] {
    return [...super.historyOf(script, hidesMempool), ...(this.#madeUp.get(script) ?? [])]
  }
}

export class ServedChain extends SimView {
  /** For how many blocks a fee rate was asked, one by one. */
  readonly targets: number[] = []
  readonly broadcasts: Uint8Array[] = []
  /** Of new watches: all servers have told. */
  isToldByAll = true
  /** What its mempool says that it asks for. */
  minimum = SAFE_RELAY_RATE
  /** While set, there is another server, which refuses what pays less; this one takes it. */
  elsewhere: FeeRate | undefined
  /** While set, every broadcast is refused for this reason. */
  refusal: string | undefined
  /** While set, every new watch is rejected for this reason. */
  watchRefusal: string | undefined
  readonly #servers: MakingUp

  constructor(readonly sim = new SimChain({ fullRbf: false })) {
    const [watchers, fees] = [new Watchers(), new SharedFees([1])]
    const servers = new MakingUp(ONE_HONEST, sim, fees, new Phantoms(() => {}))
    super({ chain: sim, watchers, servers }, new Life())
    this.#servers = servers
    watchers.follow(sim)
    sim.onChange(() => {
      this.hearNow()
    })
    sim.mine(BLOCKS)
  }

  override watchScript(script: Uint8Array, watcher: ScriptWatcher): ScriptWatch {
    const { watchRefusal, isToldByAll } = this
    if (watchRefusal !== undefined) {
      const ready = Promise.reject(new Error(watchRefusal))
      return { ready, isCurrent: false, stop: () => {} }
    }
    return Object.assign(super.watchScript(script, watcher), { isToldByAll })
  }

  override async broadcast(transaction: Transaction): Promise<Verdict> {
    this.#needServer()
    const { txid, raw, vsize } = transaction
    this.broadcasts.push(raw)
    if (this.refusal !== undefined && this.transaction(txid) === undefined) {
      throw broadcastRefused(txid, this.refusal)
    }
    const verdict = await super.broadcast(transaction)
    if (this.elsewhere === undefined) return verdict
    const isLow = BigInt(this.sim.transaction(txid)?.fee ?? 0) < feeFor(this.elsewhere, vsize)
    return {
      ...verdict,
      of: 2,
      refusals: isLow ? [{ kind: 'fee-too-low', reason: 'min relay fee not met' }] : []
    }
  }

  override async estimateFeeRate(target: BlockDelta): Promise<FeeRate> {
    this.#needServer()
    this.targets.push(target)
    return await super.estimateFeeRate(target)
  }

  override async relayRates(): Promise<RelayRates> {
    this.#needServer()
    return { ...(await super.relayRates()), minimum: this.minimum }
  }

  /** Takes the last blocks away, before others are there; their transactions wait again. */
  reorg(depth: number): void {
    this.sim.reorg(depth, { length: 0, keepsEarly: true })
  }

  /** Shows a transaction in the history of one script alone. */
  makeUp(script: Uint8Array, raw: Uint8Array): void {
    this.#servers.makeUp(toHex(script), parseTransaction(raw))
    this.changed(toHex(script), this.seen)
    this.hearNow()
  }

  transaction(id: Txid): Transaction | undefined {
    return this.sim.transaction(id)?.transaction
  }

  unspent(script: Uint8Array): Array<{ value: Satoshi; confirmed: boolean }> {
    return this.sim.unspent(toHex(script)).map(({ value, height }) => ({
      value: satoshi(BigInt(value)),
      confirmed: height !== undefined
    }))
  }

  /** A question fails at once, as where a node knows that none of its servers can be used. */
  #needServer(): void {
    if (this.status !== 'synced') throw new PaychanError('ERR_CHAIN_UNAVAILABLE', 'no server')
  }
}
