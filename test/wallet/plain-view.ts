/** What counts of all histories, worked out anew from all of them: the measure of `HistoryView`. */
import { isForgedSpend } from '../../src/bitcoin/owner-spend.js'
import { NO_TXID, type Transaction } from '../../src/bitcoin/transaction.js'
import type { Ecdsa } from '../../src/bitcoin/keys.js'
import type { ChainTransaction } from '../../src/engine/ports.js'
import { outPointText, toHex, type Txid } from '../../src/types/bytes.js'

interface Counted {
  /** In the order of the histories that are right about them. */
  readonly transactions: ReadonlyMap<Txid, ChainTransaction>
  /** By the output that is spent. */
  readonly spenders: ReadonlyMap<string, ChainTransaction>
}

const inputsOf = ({ inputs }: Transaction): readonly string[] =>
  inputs
    .filter(({ outPoint }) => outPoint.txid !== NO_TXID)
    .map(({ outPoint }) => outPointText(outPoint))

/** @param histories - by the script, in the order of their arrival */
export function countedOf(
  histories: ReadonlyMap<string, readonly ChainTransaction[]>,
  abandoned: ReadonlySet<Txid>,
  verify: Ecdsa['verify']
): Counted {
  const all = [...histories.values()].flat()
  const sources = new Map(all.map(({ transaction }) => [transaction.txid, transaction]))
  const isOurs = (script: Uint8Array | undefined): boolean =>
    script !== undefined && histories.has(toHex(script))
  const isMadeUp = (transaction: Transaction): boolean =>
    transaction.inputs.some(({ outPoint: { txid, vout } }, index) => {
      const source = sources.get(txid)
      if (source === undefined) return false
      const output = source.outputs[vout]
      return (
        output === undefined ||
        (isOurs(output.script) && isForgedSpend(transaction, index, output, verify))
      )
    })
  const transactions = new Map<Txid, ChainTransaction>()
  for (const shown of all) {
    const { txid } = shown.transaction
    if (shown.height === undefined && isMadeUp(shown.transaction)) continue
    transactions.delete(txid)
    transactions.set(txid, shown)
  }
  const spenders = new Map<string, ChainTransaction>()
  for (const shown of transactions.values()) {
    if (shown.height === undefined) continue
    for (const name of inputsOf(shown.transaction)) spenders.set(name, shown)
  }
  const isVoid = ({ transaction, height }: ChainTransaction): boolean =>
    height === undefined &&
    (abandoned.has(transaction.txid) ||
      inputsOf(transaction).some((name) => spenders.has(name)) ||
      transaction.inputs.some(({ outPoint }) => {
        const source = transactions.get(outPoint.txid)
        return source !== undefined && isVoid(source)
      }))
  const gone = [...transactions.values()].filter(isVoid)
  for (const { transaction } of gone) transactions.delete(transaction.txid)
  for (const shown of transactions.values()) {
    if (shown.height !== undefined) continue
    for (const { outPoint } of shown.transaction.inputs) {
      const output = sources.get(outPoint.txid)?.outputs[outPoint.vout]
      if (isOurs(output?.script)) spenders.set(outPointText(outPoint), shown)
    }
  }
  return { transactions, spenders }
}
