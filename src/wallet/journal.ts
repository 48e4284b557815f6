/** The history of the wallet: every transaction that touches a coin of it, the newest first. */
import { addressFromScript, isStandardScript } from '../bitcoin/address.js'
import { MAX_MONEY, satoshi, type BlockHeight, type Satoshi } from '../types/units.js'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import type { Txid } from '../types/bytes.js'
import { newestOf, type OutgoingTransactions } from './coins.js'
import type { AddressBook } from './addresses.js'
import type { ChainTransaction } from '../engine/ports.js'
import type { HistoryView } from './history-view.js'
import type { Notes } from './notes.js'
import type { TransactionKind, WalletTransaction } from './node-wallet.js'

interface JournalInit {
  readonly network: Network
  readonly addresses: AddressBook
  readonly view: HistoryView
  readonly outgoing: OutgoingTransactions
  readonly notes: Notes
}

/** @param channelKind - the kind of a channel's transaction; undefined when it is for none */
export function listTransactions(
  init: JournalInit,
  tip: BlockHeight | undefined,
  channelKind: (id: Txid) => TransactionKind | undefined
): WalletTransaction[] {
  const { view, outgoing } = init
  const seen = [...view.transactions()].filter((transaction) => !view.isReplaced(transaction))
  const waiting = outgoing
    .all()
    .filter(({ versions }) => versions.every(({ txid }) => view.transaction(txid) === undefined))
    .map((each): ChainTransaction => ({ transaction: newestOf(each), height: undefined }))
  const rank = new Map(
    [...waiting, ...seen].map(({ transaction: { txid }, height }, i) => [
      txid,
      height ?? Number.MAX_SAFE_INTEGER - i
    ])
  )
  return [...waiting, ...seen]
    .flatMap((transaction) => describe(init, transaction, tip, channelKind))
    .sort((a, b) => {
      const newer = rankOf(rank, b) - rankOf(rank, a)
      if (newer !== 0) return newer
      return a.txid < b.txid ? -1 : 1
    })
}

function rankOf(rank: ReadonlyMap<Txid, number>, { txid }: WalletTransaction): number {
  return rank.get(txid) ?? 0
}

function describe(
  { network, addresses, view, outgoing, notes }: JournalInit,
  { transaction: { txid, inputs, outputs }, height }: ChainTransaction,
  tip: BlockHeight | undefined,
  channelKind: (id: Txid) => TransactionKind | undefined
): WalletTransaction[] {
  // An input of a send that was forgotten by the chain's view is known from its record.
  const known = new Map(
    outgoing
      .find(txid)
      ?.inputs.map(({ outPoint, value, script }) => [
        `${outPoint.txid}:${outPoint.vout}`,
        { value, script }
      ])
  )
  const sources = inputs.map(
    ({ outPoint }) =>
      view.transaction(outPoint.txid)?.transaction.outputs[outPoint.vout] ??
      known.get(`${outPoint.txid}:${outPoint.vout}`)
  )
  const isOwn = (script: Uint8Array | undefined): boolean =>
    script !== undefined && addresses.find(script) !== undefined
  const ownInputs = sources.filter((source) => isOwn(source?.script))
  const ownOutputs = outputs.filter(({ script }) => isOwn(script))
  // A payout output of a channel is not yet a coin of the wallet: its sweep is.
  if (ownInputs.length === 0 && ownOutputs.length === 0) return []
  const total = (values: ReadonlyArray<{ readonly value: Satoshi } | undefined>): bigint =>
    values.reduce((sum, each) => sum + (each?.value ?? 0n), 0n)
  const made = notes.made(txid)
  const left = sources.every((source) => source !== undefined)
    ? total(sources) - total(outputs)
    : -1n
  // What pays more than it spends, or leaves more than there is, a server has made up.
  const fee = made?.fee ?? (left < 0n || left > MAX_MONEY ? undefined : satoshi(left))
  const kind = channelKind(txid) ?? made?.kind ?? (ownInputs.length > 0 ? 'send' : 'receive')
  const addressLabel = outputs
    .map(({ script }) => labelOf(notes, script, network))
    .find((label) => label !== undefined)
  return [
    {
      txid,
      kind,
      amount: total(ownOutputs) - total(ownInputs),
      fee,
      height,
      confirmations: height === undefined || tip === undefined ? 0 : Math.max(0, tip - height + 1),
      status:
        height !== undefined
          ? 'confirmed'
          : view.transaction(txid) === undefined
            ? 'waiting'
            : 'mempool',
      label: notes.label(txid) ?? addressLabel
    }
  ]
}

function labelOf(notes: Notes, script: Uint8Array, network: Network): string | undefined {
  return isStandardScript(script) ? notes.label(addressFromScript(script, network)) : undefined
}
