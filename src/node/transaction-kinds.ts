/** What a transaction of the wallet is for a channel. */
import type { Txid } from '../types/bytes.js'
import type { ChannelInfo, TransactionKind } from './api.js'

/** Looks a transaction up among the fundings and the spends of channels; undefined when it is neither. */
export function transactionKinds (channels: readonly ChannelInfo[]): (id: Txid) => TransactionKind | undefined {
  const kinds = new Map<Txid, TransactionKind>()
  for (const { role, funding, spend } of channels) {
    // A server's wallet has no part in T1.
    if (role === 'client' && funding !== undefined) kinds.set(funding.txid, 'funding')
    // The transaction that renews a channel is both; for a wallet it is the funding of the new one.
    if (spend !== undefined && spend.kind !== 'unknown' && kinds.get(spend.txid) !== 'funding') kinds.set(spend.txid, spend.kind)
  }
  return (id) => kinds.get(id)
}
