/** What a refusal to broadcast means, whichever server worded it. Pure. */
import { PaychanError } from '../types/errors.js'
import type { Txid } from '../types/bytes.js'
import type { RefusalKind } from '../types/refusals.js'

/**
 * The words of Bitcoin Core (validation.cpp, node/transaction.cpp, policy/rbf.cpp), which Electrum
 * servers pass on inside sentences of their own. A full mempool takes what pays more, and a
 * replacement that does not improve the mempool ("feerate diagram") pays too little. What takes
 * other ancestors or another place in a chain of transactions is no matter of fees.
 */
const KINDS: ReadonlyArray<readonly [RegExp, RefusalKind]> = [
  [/non-final|non-bip68-final/, 'non-final'],
  [/missing-?\s?inputs|missingorspent/, 'missing-inputs'],
  [
    /new transaction cannot have mempool ancestors|too many potential replacements|replacement-adds-unconfirmed/,
    'other'
  ],
  [/insufficient (fee|anti-dos fees)|replacement-failed|package rbf failed/, 'insufficient-fee'],
  [
    /min(imum)? relay fee not met|mempool[- ]min[- ]fee[- ]not[- ]met|min-fee-not-met|mempool[- ]full/,
    'fee-too-low'
  ],
  [/\bdust\b/, 'dust']
]

// `txn-same-nonwitness-data-in-mempool`: the same txid is there with other witnesses.
const ALREADY_THERE =
  /txn-already-in-mempool|txn-already-known|txn-same-nonwitness-data-in-mempool|already in (block ?chain|mempool|utxo set)/

const SENTENCES: Readonly<Record<RefusalKind, string>> = {
  'non-final': 'its lock has not been reached yet. Try again once the chain is higher',
  'missing-inputs': 'an output that it spends does not exist or is spent already',
  'fee-too-low': 'its fee is below what the server relays. Raise the fee',
  'insufficient-fee':
    'it does not pay enough more than the transaction that it would replace. Raise the fee',
  dust: 'one of its outputs is too small to be relayed',
  other: 'see the reason'
}

/** Whether the server refuses only because it has the transaction already. */
export function isAlreadyThere(text: string): boolean {
  return ALREADY_THERE.test(text.toLowerCase())
}

export function refusalKind(text: string): RefusalKind {
  const lower = text.toLowerCase()
  return KINDS.find(([words]) => words.test(lower))?.[1] ?? 'other'
}

/**
 * The error that `Chain.broadcast` rejects with. Facts: txid, kind (`RefusalKind`), reason (the
 * server's words).
 */
export function broadcastRefused(txid: Txid, text: string): PaychanError {
  const kind = refusalKind(text)
  // Servers append the whole transaction; a reason is for people to read.
  const reason = printable(text).slice(0, 300)
  return new PaychanError(
    'ERR_BROADCAST_REFUSED',
    `The Electrum server refused transaction ${txid}: ${SENTENCES[kind]} (${reason}).`,
    { txid, kind, reason }
  )
}

/** A server's text without control characters, which could rewrite a terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim()
}
