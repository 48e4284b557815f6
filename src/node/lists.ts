/** The node's lists of coins and transactions, as people want them. */
import { outPointText, type Txid } from '../types/bytes.js'
import { blockHeight, type BlockHeight, satoshi } from '../types/units.js'
import type { WalletCoin } from '../wallet/node-wallet.js'
import type {
  ChannelInfo,
  CoinInfo,
  SettleAllResult,
  TransactionKind,
  WalletTransaction
} from './api.js'

/**
 * The settled channels, the failed ones, and the one-way channels with a share of ours that were
 * not tried.
 */
export function settledOf(
  { settled, failed }: Pick<SettleAllResult, 'settled' | 'failed'>,
  channels: ReadonlyArray<Omit<ChannelInfo, 'risk'>>
): SettleAllResult {
  const done = new Set([...settled, ...failed].map(({ channel }) => channel))
  const leftOut = channels.filter(
    ({ id, role, mode, ourBalance, status }) =>
      role === 'server' &&
      mode === 'one-way' &&
      ourBalance > 0n &&
      status !== 'closed' &&
      !done.has(id)
  )
  return {
    settled: settled.map(({ channel, kind, txid }) => ({ channel, kind, txid })),
    failed,
    leftOut: leftOut.map(({ id }) => id)
  }
}

/** A coin of the wallet as `NodeApi` shows it. */
export function coinInfo({
  outPoint,
  value,
  address,
  height,
  confirmations,
  label,
  state,
  locked,
  reservedFor,
  spentBy
}: WalletCoin): CoinInfo {
  return {
    outPoint: outPointText(outPoint),
    amount: value,
    address,
    height,
    confirmations,
    label,
    state,
    locked,
    channel: reservedFor,
    spentBy
  }
}

/*
 * The purpose of a wallet transaction for a channel, and the channel transactions without the
 * wallet.
 */

/**
 * Looks a transaction up among the fundings and the spends of channels; undefined when it is
 * neither.
 */
export function transactionKinds(
  channels: ReadonlyArray<Omit<ChannelInfo, 'risk'>>
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
 * coin of the wallet and bring it none, and the cost of a top-up, since one of its inputs is the
 * old channel.
 */
export function withRenewals(
  all: readonly WalletTransaction[],
  channels: ReadonlyArray<Omit<ChannelInfo, 'risk'>>,
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
 * The fee; undefined for a negative `rest`, as long as the histories of the wallet's scripts do not
 * agree.
 */
function feeOf(rest: bigint): WalletTransaction['fee'] {
  return rest < 0n ? undefined : satoshi(rest)
}

/** Ranks unconfirmed transactions as the newest. */
function rankOf({ height }: WalletTransaction): number {
  return height ?? Number.MAX_SAFE_INTEGER
}
