/** The coins of a node: its on-chain wallet, as the facet `wallet` of `NodeApi`. */
import type { FundingChoice } from '../channel/state.js'
import type { Chain } from '../engine/ports.js'
import { type ChannelId, outPointFromText, outPointText, type Txid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import {
  type BlockDelta,
  type BlockHeight,
  blockHeight,
  type FeeRate,
  rateOfSatPerVByte,
  type Satoshi,
  satoshi,
  satPerVByte,
  sumShown
} from '../types/units.js'
import { askedRate, checkCost, estimatedRate, MAX_TARGET, targetOf } from '../wallet/fee-choice.js'
import type * as wallet from '../wallet/node-wallet.js'
import type {
  CoinState,
  TransactionKind,
  WalletCoin,
  WalletTransaction
} from '../wallet/node-wallet.js'
import type { ChannelInfo } from '../channel/summary.js'
import { amountOf } from './plan-payment.js'
import type { Running } from './running.js'
import { unlessAborted, type WaitOptions } from './waiting.js'

/* The node's lists of coins and transactions, as people want them. */

/** A coin of the wallet as `NodeApi` shows it. */
function coinInfo({
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
function transactionKinds(
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

export type { CoinState } from '../wallet/node-wallet.js'
export type { TransactionKind, WalletTransaction } from '../wallet/node-wallet.js'

/** What the node has, in satoshis, as it knows now. */
export interface Balance {
  /** Coins of the wallet with at least one confirmation. */
  readonly confirmed: Satoshi
  /** Coins of the wallet that are still in the mempool. */
  readonly pending: Satoshi
  /** The part of `confirmed` that is set aside for funding transactions and sends under way. */
  readonly reserved: Satoshi
  /** The part of `confirmed` that its owner has locked, and that nothing spends. */
  readonly locked: Satoshi
  /** Our share of all channels that are not yet settled on the chain. */
  readonly inChannels: Satoshi
  /** The part of `inChannels` that no server reports on now, as last known. */
  readonly unwatched: Satoshi
  /** Payout outputs of settled channels that are ours and not yet swept. */
  readonly unswept: Satoshi
  /** What is ours in all: coins, shares of channels, and what is not yet swept. */
  readonly total: Satoshi
}

/** A coin of the wallet. */
export interface CoinInfo {
  /** `txid:vout`: the coin's name for `wallet.lockCoins`, and for the option `coins`. */
  readonly outPoint: string
  /** In satoshis. */
  readonly amount: Satoshi
  /** The address of the wallet that has it. */
  readonly address: string
  /** Undefined in the mempool. */
  readonly height: BlockHeight | undefined
  /** 0 in the mempool. */
  readonly confirmations: number
  /** The label of its address; undefined when it has none. */
  readonly label: string | undefined
  /**
   * `free`: may be chosen. `unconfirmed`: in no block yet, or the reward of a block that is not
   * mature.
   */
  readonly state: CoinState
  /** True also when the coin is reserved or unconfirmed. */
  readonly locked: boolean
  /** The channel whose funding transaction spends it. */
  readonly channel: ChannelId | undefined
  /** The send that spends the coin and that is in no mempool yet. */
  readonly spentBy: Txid | undefined
}

/** At most one of `satPerVByte` and `target`; without either, the usual rate for the task. */
export interface FeeChoice {
  /** The feerate in sat/vB, with at most 3 decimals. */
  readonly satPerVByte?: number
  /** Number of blocks, 1 to 1,008: takes the servers' estimate for a confirmation within it. */
  readonly target?: number
  /**
   * Allows a fee that exceeds the amount, or ten times the estimate; otherwise such a fee is
   * refused (`ERR_FEE_TOO_HIGH`).
   */
  readonly highFee?: boolean
}

/** A send; without a fee choice it pays the servers' estimate to be in a block within 6. */
export interface SendOptions
  extends Omit<wallet.SendOptions, keyof wallet.FeeChoice | 'amount'>, FeeChoice, WaitOptions {
  /**
   * Satoshis, or everything that is confirmed, free, and worth its fee; the URI's amount when left
   * out.
   */
  readonly amount?: Satoshi | 'all'
}

/** The way in which a fee is raised. */
export interface BumpOptions extends FeeChoice, WaitOptions {}

/** A send: what it pays, and what it costs. */
export interface SendResult extends Omit<wallet.SendResult, 'feeRate'> {
  /** The feerate of the transaction, in sat/vB. */
  readonly satPerVByte: number
}

/** The transaction with its raised fee. */
export interface BumpResult extends Omit<wallet.BumpResult, 'feeRate'> {
  /** For a child: the rate of parent and child together. */
  readonly satPerVByte: number
}

/** `node.wallet`: coins of the chain, addresses, sends, and fees of what waits. */
export interface WalletApi {
  /**
   * Draws a fresh receive address (P2WPKH) of the wallet. Resolves once the wallet has written down
   * that it is used, so no later start gives it out again. After 1,000 addresses in a row to which
   * no block has paid, the newest is given again.
   *
   * @example
   * const address = await node.wallet.address()
   */
  address: () => Promise<string>
  /**
   * Adds up what the node has, in satoshis: free, pending, reserved, locked and in channels. Waits
   * for no server: it is what the node knows now.
   *
   * @example
   * const { confirmed, inChannels } = await node.wallet.balance()
   */
  balance: () => Promise<Balance>
  /**
   * Pays satoshis to an address, or what a `bitcoin:` URI asks for (BIP321), from the named coins,
   * or else from confirmed coins that nothing else needs. Resolves once the transaction is on disk
   * and was handed to the servers; `broadcast` tells whether one has taken it.
   *
   * @throws PaychanError `ERR_INVALID_ADDRESS`, `ERR_INVALID_URI`, `ERR_URI_UNSUPPORTED`,
   *   `ERR_INVALID_AMOUNT` (also when it differs from that of the URI), `ERR_INVALID_FEERATE`,
   *   `ERR_FEERATE_TOO_LOW` (facts, in sat/vB: satPerVByte, least), `ERR_FEE_TOO_HIGH` (facts: fee,
   *   amount; or satPerVByte, estimate), `ERR_INVALID_TARGET`, `ERR_INVALID_LABEL`,
   *   `ERR_INSUFFICIENT_FUNDS` (facts: asked, available, fee, locked), `ERR_TOO_MANY_COINS`,
   *   `ERR_INVALID_OUTPOINT`, `ERR_COIN_UNKNOWN`, `ERR_COIN_SPENT`, `ERR_COIN_UNCONFIRMED`,
   *   `ERR_COIN_RESERVED` (facts: coin), `ERR_CHAIN_UNAVAILABLE`, `ERR_BROADCAST_REFUSED` (facts:
   *   txid; the transaction is kept, and sent again with every block), `ERR_WAIT_ENDED`
   * @example
   * const { fee } = await node.wallet.send({ to: 'bcrt1q...', amount: satoshi(50_000n), dryRun:
   * true })
   */
  send: (options: SendOptions) => Promise<SendResult>
  /**
   * Raises the fee of a send or of a sweep (by a replacement) or of a funding transaction (by a
   * child, for it is never replaced), also of one that no server shows. The choice is in sat/vB or
   * blocks; for a child, it applies to parent and child together. Resolves as `send` does.
   *
   * @throws PaychanError `ERR_COIN_LOCKED` (the change of T1 is locked), `ERR_INVALID_TARGET`,
   *   `ERR_CANNOT_BUMP`, `ERR_ALREADY_CONFIRMED`, `ERR_FEERATE_TOO_LOW`, `ERR_FEE_TOO_HIGH`,
   *   `ERR_NO_CHANGE`, `ERR_INSUFFICIENT_FUNDS`, `ERR_INVALID_FEERATE`, `ERR_BROADCAST_REFUSED`,
   *   `ERR_WAIT_ENDED`
   * @example
   * const { satPerVByte } = await node.wallet.bumpFee('3f5c...', { target: 2 })
   */
  bumpFee: (txid: string, choice?: BumpOptions) => Promise<BumpResult>
  /**
   * Lists the wallet's coins, the largest first, in satoshis. Waits for no server.
   *
   * @example
   * const free = (await node.wallet.coins()).filter(({ state }) => state === 'free')
   */
  coins: () => Promise<CoinInfo[]>
  /**
   * Locks coins (`txid:vout`): from now on, restarts included, nothing spends them unless they are
   * named. Resolves once that is on disk.
   *
   * @throws PaychanError `ERR_INVALID_OUTPOINT`, `ERR_COIN_UNKNOWN`, `ERR_COIN_SPENT` (facts: coin)
   * @example
   * await node.wallet.lockCoins(['3f5c...:0'])
   */
  lockCoins: (coins: readonly string[]) => Promise<void>
  /**
   * Unlocks coins (`txid:vout`), also those that a reorganisation has taken from the chain.
   * Resolves once that is on disk.
   *
   * @throws PaychanError `ERR_INVALID_OUTPOINT`, `ERR_COIN_UNKNOWN`, `ERR_COIN_SPENT` (facts: coin)
   * @example
   * await node.wallet.unlockCoins(['3f5c...:0'])
   */
  unlockCoins: (coins: readonly string[]) => Promise<void>
  /**
   * Lists the wallet's transactions, the newest first: at most `limit`, else all. Amounts are in
   * satoshis, and below zero when the wallet's coins become less. Waits for no server.
   *
   * @example
   * const newest = await node.wallet.transactions({ limit: 10 })
   */
  transactions: (filter?: { readonly limit?: number }) => Promise<WalletTransaction[]>
  /**
   * Labels a txid or an address; an empty label removes it. Resolves once that is on disk.
   *
   * @throws PaychanError `ERR_INVALID_LABEL`, `ERR_INVALID_ADDRESS`
   * @example
   * await node.wallet.label('bcrt1q...', 'salary')
   */
  label: (of: string, text: string) => Promise<void>
}

/* Turns the funding options of `open` and `renew` into the engine's terms. */

export interface ChosenFunding {
  readonly choice: FundingChoice | undefined
  /** Undefined for the usual patience. */
  readonly patience: BlockDelta | undefined
  /** The limit for the cost of the wallet's share of T1. */
  readonly mostFee: Satoshi | undefined
}

/** The wallet counts in sat per 1,000 vB, without fractions. */
export function choiceOf({ satPerVByte, target, highFee }: FeeChoice): wallet.FeeChoice {
  return {
    ...(satPerVByte === undefined ? {} : { feeRate: rateOfSatPerVByte(satPerVByte) }),
    ...(target === undefined ? {} : { target }),
    ...(highFee === undefined ? {} : { highFee })
  }
}

/** Gives the wallet's answer in the unit that people are told. */
function shownRate<Result extends { readonly feeRate: FeeRate }>({
  feeRate,
  ...result
}: Result): Omit<Result, 'feeRate'> & { readonly satPerVByte: number } {
  return { ...result, satPerVByte: satPerVByte(feeRate) }
}

/**
 * The feerate of a choice; undefined without one.
 *
 * @throws PaychanError those of `chosenRate` and `checkCost`
 */
export async function namedRate(
  chain: Chain,
  asked: wallet.FeeChoice
): Promise<FeeRate | undefined> {
  const target = targetOf(asked)
  const rate =
    target === undefined ? await askedRate(chain, asked) : await estimatedRate(chain, target)
  await checkCost(chain, { rate: asked.feeRate === undefined ? undefined : rate }, asked.highFee)
  return rate
}

/**
 * A target is the time T1 may wait before its fee is raised. With a feerate the caller decides that
 * as well, with `bumpFee`, for at least a week.
 *
 * @param added - the amount that the wallet puts into the channel
 * @throws PaychanError those of `chosenRate` and `checkCost`, `ERR_INVALID_OUTPOINT`,
 *   `ERR_PSBT_CHOICE`
 */
export async function fundingChoice(
  chain: Chain,
  added: Satoshi,
  {
    coins,
    psbt,
    mostFee: most,
    ...given
  }: FeeChoice & {
    readonly coins?: readonly string[]
    readonly psbt?: true
    readonly mostFee?: Satoshi
  }
): Promise<ChosenFunding> {
  const asked = choiceOf(given)
  if (psbt === true && (coins ?? asked.feeRate ?? asked.target) !== undefined) {
    throw new PaychanError(
      'ERR_PSBT_CHOICE',
      'With a PSBT the coins and the fee are chosen in the outside wallet, not here.'
    )
  }
  const named = coins?.map(outPointFromText)
  if (named?.length === 0) {
    throw new PaychanError(
      'ERR_INVALID_OUTPOINT',
      'No coin is named. Name at least one, or leave the choice to the wallet.'
    )
  }
  const rate = await namedRate(chain, asked)
  const mostFee = most ?? (asked.highFee === true || added === 0n ? undefined : added)
  if (rate === undefined && named === undefined) {
    return { choice: undefined, patience: undefined, mostFee }
  }
  return {
    choice: { feeRate: rate, coins: named },
    patience: rate === undefined ? undefined : (targetOf(asked) ?? MAX_TARGET),
    mostFee
  }
}

/**
 * The bid of a settlement or a refund; undefined without a choice. Only the stake bounds it: it may
 * compete with another state.
 */
async function bidOf(
  chain: Pick<Chain, 'estimateFeeRate'>,
  choice: FeeChoice
): Promise<FeeRate | undefined> {
  const asked = choiceOf(choice)
  const target = targetOf(asked)
  if (target !== undefined) return await chain.estimateFeeRate(target)
  return choice.satPerVByte === undefined ? undefined : rateOfSatPerVByte(choice.satPerVByte)
}

/* The coins of a node, for people: amounts in satoshis, feerates in sat/vB. */

/** The facet `wallet`; `running` throws while the node is stopped. */
export function walletFacet(running: () => Running): WalletApi {
  return {
    address: async () => await running().wallet.newAddress(),

    balance: async () => {
      const { wallet, engine } = running()
      const { confirmed, pending, reserved, locked, unswept } = wallet.balance()
      const inChannels = engine.inChannels()
      return {
        confirmed,
        pending,
        reserved,
        locked,
        inChannels,
        unwatched: engine.unwatched(),
        unswept,
        total: sumShown([confirmed, pending, inChannels, unswept])
      }
    },

    send: async ({ signal, ...options }) => {
      const { amount } = options
      const wanted =
        amount === undefined ? {} : { amount: amount === 'all' ? amount : amountOf(amount) }
      const { wallet } = running()
      return await unlessAborted(signal, async () =>
        shownRate(await wallet.send({ ...options, ...choiceOf(options), ...wanted }))
      )
    },

    bumpFee: async (txid, { signal, ...choice } = {}) =>
      await unlessAborted(signal, async () => await bumped(running(), txid, choice)),

    coins: async () => running().wallet.coins().map(coinInfo),

    lockCoins: async (coins) => {
      await running().wallet.lockCoins(coins.map(outPointFromText))
    },

    unlockCoins: async (coins) => {
      await running().wallet.unlockCoins(coins.map(outPointFromText))
    },

    transactions: async ({ limit } = {}) => {
      const { wallet, engine, chain } = running()
      const channels = engine.outlines()
      const all = withRenewals(
        wallet.transactions(transactionKinds(channels)),
        channels,
        chain.tip?.height
      )
      return limit === undefined ? all : all.slice(0, limit)
    },

    label: async (of, text) => {
      await running().wallet.label(of, text)
    }
  }
}

async function bumped(
  { engine, wallet, chain }: Running,
  txid: string,
  choice: FeeChoice
): Promise<BumpResult> {
  const ours = await engine.bump(txid, await bidOf(chain, choice))
  return ours === undefined
    ? shownRate(await wallet.bumpFee(txid, choiceOf(choice), engine.fundingOf))
    : { kind: 'replacement', ...shownRate(ours), broadcast: true }
}
