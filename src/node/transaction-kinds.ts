/**
 * What a transaction of the wallet is for a channel, and those of channels that the wallet has no
 * part in.
 */
import type { Txid } from '../types/bytes.js'
import { blockHeight, satoshi, type BlockHeight } from '../types/units.js'
import type { ChannelInfo, TransactionKind, WalletTransaction } from './api.js'

/**
 * Looks a transaction up among the fundings and the spends of channels; undefined when it is
 * neither.
 */
export function transactionKinds(
  channels: readonly ChannelInfo[]
): (id: Txid) => TransactionKind | undefined {
  const kinds = new Map<Txid, TransactionKind>()
  for (const { role, funding, spend } of channels) {
    // A server's wallet has no part in T1.
    if (role === 'client' && funding !== undefined) kinds.set(funding.txid, 'funding')
    // The transaction that renews a channel is both; for a wallet it is the funding of the new one.
    if (spend !== undefined && spend.kind !== 'unknown' && kinds.get(spend.txid) !== 'funding') {
      kinds.set(spend.txid, spend.kind)
    }
  }
  return (id) => kinds.get(id)
}

/**
 * Adds what only the channels know, to a list with the newest first: the renewals, which spend no
 * coin of the wallet and bring it none, and what a top-up pays, since one of its inputs is the old
 * channel.
 */
export function withRenewals(
  all: readonly WalletTransaction[],
  channels: readonly ChannelInfo[],
  tip: BlockHeight | undefined
): WalletTransaction[] {
  const known = new Map(all.map((each) => [each.txid, each]))
  const renewals: WalletTransaction[] = []
  for (const { role, status, renews, funding, capacity, confirmations } of channels) {
    const old = channels.find(({ id }) => id === renews)
    if (
      role !== 'client' ||
      old === undefined ||
      funding === undefined ||
      status === 'opening' ||
      status === 'abandoned'
    ) {
      continue
    }
    const { txid } = funding
    const listed = known.get(txid)
    const fee = feeOf(old.capacity - (listed?.amount ?? 0n) - capacity)
    const height =
      confirmations === 0 || tip === undefined ? undefined : blockHeight(tip - confirmations + 1)
    if (listed !== undefined) known.set(txid, { ...listed, fee: listed.fee ?? fee })
    // A top-up spends coins of the wallet, which lists it as soon as it has seen it.
    else if (fee !== undefined) {
      renewals.push({
        txid,
        kind: 'funding',
        amount: 0n,
        fee,
        height,
        confirmations,
        status: height === undefined ? 'mempool' : 'confirmed',
        label: undefined
      })
    }
  }
  return [...renewals, ...known.values()].sort((a, b) => rankOf(b) - rankOf(a))
}

/**
 * Below zero while the histories of the wallet's scripts do not agree yet: then it is not known.
 */
function feeOf(rest: bigint): WalletTransaction['fee'] {
  return rest < 0n ? undefined : satoshi(rest)
}

/** What is in no block is the newest. */
function rankOf({ height }: WalletTransaction): number {
  return height ?? Number.MAX_SAFE_INTEGER
}
