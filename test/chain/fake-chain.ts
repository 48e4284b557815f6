/**
 * A real little regtest chain for the fake server: headers with proof of work, merkle trees, a
 * mempool.
 */
import { crypto, Transaction } from 'bitcoinjs-lib'
import { concat } from 'uint8arrays'
import { chainParams } from '../../src/chain/params.js'
import {
  hashFromTxid,
  sameBytes,
  toHex,
  txid,
  txidFromHash,
  type Txid
} from '../../src/types/bytes.js'

const TARGET = 0x7fffffn << (8n * 29n)

export interface FakeBlock {
  header: Uint8Array
  transactions: Transaction[]
}

export function hashOf(header: Uint8Array): string {
  return toHex(crypto.hash256(header).reverse())
}

export function idOf(transaction: Transaction): Txid {
  return txid(transaction.getId())
}

/** A header on top of another one, with proof of work unless `work` is false. */
export function makeHeader(
  previous: Uint8Array,
  root: Uint8Array,
  options: { time?: number; bits?: number; work?: boolean } = {}
): Uint8Array {
  const header = new Uint8Array(80)
  const view = new DataView(header.buffer)
  view.setInt32(0, 0x20000000, true)
  header.set(crypto.hash256(previous), 4)
  header.set(root, 36)
  view.setUint32(
    68,
    options.time ?? new DataView(previous.buffer, previous.byteOffset).getUint32(68, true) + 600,
    true
  )
  view.setUint32(72, options.bits ?? 0x207fffff, true)
  for (let nonce = 0; ; nonce++) {
    view.setUint32(76, nonce, true)
    if (BigInt('0x' + hashOf(header)) <= TARGET === (options.work ?? true)) return header
  }
}

/** The rows of a merkle tree, leaves first. */
export function merkleRows(ids: Txid[]): Uint8Array[][] {
  const rows = [ids.map((id) => hashFromTxid(id))]
  for (let row = rows[0] ?? []; row.length > 1;) {
    const above: Uint8Array[] = []
    for (let at = 0; at < row.length; at += 2) {
      const left = row[at] ?? new Uint8Array()
      above.push(crypto.hash256(concat([left, row[at + 1] ?? left])))
    }
    rows.push(above)
    row = above
  }
  return rows
}

export function merkleProof(ids: Txid[], pos: number): { merkle: Txid[]; pos: number } {
  const merkle = merkleRows(ids)
    .slice(0, -1)
    .map((row, level) => {
      const at = pos >> level
      return txidFromHash(row[at ^ 1] ?? row[at] ?? new Uint8Array(32))
    })
  return { merkle, pos }
}

export function merkleRootOfIds(ids: Txid[]): Uint8Array {
  return merkleRows(ids).at(-1)?.[0] ?? new Uint8Array(32)
}

export class FakeChain {
  readonly blocks: FakeBlock[] = [{ header: chainParams('regtest').genesis, transactions: [] }]
  mempool: Transaction[] = []
  #made = 0

  get height(): number {
    return this.blocks.length - 1
  }

  get tipHash(): string {
    return hashOf(this.header(this.height))
  }

  header(height: number): Uint8Array {
    const block = this.blocks[height]
    if (block === undefined) throw new RangeError(`no block ${height}`)
    return block.header
  }

  /** A new transaction that pays to a script, in the mempool. */
  pay(script: Uint8Array, value = 1000n): Transaction {
    const transaction = new Transaction()
    transaction.version = 2
    transaction.addInput(crypto.sha256(new Uint8Array([++this.#made & 0xff, this.#made >> 8])), 0)
    transaction.addOutput(script, value)
    this.mempool.push(transaction)
    return transaction
  }

  /** Mines the mempool into the first of `count` blocks. */
  mine(count = 1): void {
    for (let n = 0; n < count; n++) {
      const coinbase = new Transaction()
      coinbase.addInput(
        new Uint8Array(32),
        0xffffffff,
        0xffffffff,
        new Uint8Array([++this.#made & 0xff, this.#made >> 8])
      )
      coinbase.addOutput(new Uint8Array([0x51]), 50n)
      const transactions = [coinbase, ...this.mempool.splice(0)]
      this.blocks.push({
        header: makeHeader(this.header(this.height), merkleRootOfIds(transactions.map(idOf))),
        transactions
      })
    }
  }

  /** Takes blocks away; what was in them goes back to the mempool. */
  unmine(depth: number): void {
    for (const block of this.blocks.splice(this.blocks.length - depth)) {
      this.mempool.push(...block.transactions.slice(1))
    }
  }

  heightOf(id: Txid): number | undefined {
    const height = this.blocks.findIndex(({ transactions }) =>
      transactions.some((transaction) => idOf(transaction) === id)
    )
    return height === -1 ? undefined : height
  }

  find(id: Txid): Transaction | undefined {
    return [...this.blocks.flatMap(({ transactions }) => transactions), ...this.mempool].find(
      (transaction) => idOf(transaction) === id
    )
  }

  proof(id: Txid, height: number): { merkle: Txid[]; pos: number } | undefined {
    const ids = this.blocks[height]?.transactions.map(idOf) ?? []
    return ids.includes(id) ? merkleProof(ids, ids.indexOf(id)) : undefined
  }

  history(scriptHash: string): Array<{ tx_hash: Txid; height: number }> {
    const all = [...this.blocks.flatMap(({ transactions }) => transactions), ...this.mempool]
    const pays = (transaction: Transaction): boolean =>
      transaction.outs.some(({ script }) => toHex(crypto.sha256(script).reverse()) === scriptHash)
    const spends = (transaction: Transaction): boolean =>
      transaction.ins.some(({ hash, index }) => {
        const output = all.find((other) => sameBytes(other.getHash(), hash))?.outs[index]
        return output !== undefined && toHex(crypto.sha256(output.script).reverse()) === scriptHash
      })
    return all
      .filter((transaction) => pays(transaction) || spends(transaction))
      .map((transaction) => ({
        tx_hash: idOf(transaction),
        height: this.heightOf(idOf(transaction)) ?? 0
      }))
  }

  status(scriptHash: string): string | null {
    const history = this.history(scriptHash)
    if (history.length === 0) return null
    return toHex(
      crypto.sha256(
        new TextEncoder().encode(
          history.map(({ tx_hash: id, height }) => `${id}:${height}:`).join('')
        )
      )
    )
  }
}
