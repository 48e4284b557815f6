/** The channels of a node: opened, renewed, closed, as the facet `channels` of `NodeApi`. */
import { bytesOfText } from '../bitcoin/psbt.js'
import type { ChannelInfo } from '../channel/summary.js'
import type { Closed } from '../engine/waiters.js'
import type { ChannelId, Txid } from '../types/bytes.js'
import { codeOf, PaychanError } from '../types/errors.js'
import { blockDelta, type Satoshi, ZERO_SAT } from '../types/units.js'
import type { ChannelEvent, EventsApi } from './answers.js'
import { channelByPrefix, type NamedPeer, peerText } from './choose.js'
import { choiceOf, type FeeChoice, fundingChoice, namedRate } from './wallet.js'
import { amountOf } from './plan-payment.js'
import { peerNamed, type Running } from './running.js'
import { unlessAborted, type WaitOptions } from './waiting.js'

export type { ChannelInfo, ChannelStatus, OutsideFunding } from '../channel/summary.js'

/** News of the channel that a call waits for, in the shape of libp2p's progress events. */
export interface ChannelProgress {
  /** Always this, as libp2p names progress events. */
  readonly type: 'paychan:channel'
  /** The news, as `node.events` tells it. */
  readonly detail: ChannelEvent
}

/** The options of calls that tell how they get on. */
export interface ProgressOptions {
  /** Called with each news of the channel, until the call ends; not over the local API. */
  readonly onProgress?: ((progress: ChannelProgress) => void) | undefined
}

/**
 * A fee choice is for a close with the peer, and may exceed what this node pays by itself when it
 * asks again; without one the close pays a tenth above the estimate for an hour.
 */
export interface CloseOptions extends FeeChoice, WaitOptions, ProgressOptions {
  /** Closes it alone; a server does that by publishing T3. */
  readonly force?: boolean
}

/**
 * Without a choice T1 pays the estimate for 6 blocks. With a target, a child raises the fee after
 * that many blocks; with a feerate that is left to `wallet.bumpFee`.
 */
export interface OpenRequest extends FeeChoice, ProgressOptions {
  /** A peer that we are connected to, or a full multiaddr. */
  readonly peer: NamedPeer
  /** The capacity in satoshis, all of it the client's at first. */
  readonly amount: Satoshi
  /** L minus the height of the tip; the node's default when left out. */
  readonly blocks?: number
  /** Either side can pay on it, in turns. */
  readonly twoWay?: boolean
  /**
   * Blocks between the locks of two turns of a two-way channel; the node's default when left out.
   */
  readonly step?: number
  /**
   * Renews the channel before its end, for as many blocks again: the transaction that closes it
   * opens the next one.
   */
  readonly renew?: boolean
  /**
   * Exactly these coins fund it, as `txid:vout`, locked ones too; the wallet chooses when left out.
   */
  readonly coins?: readonly string[]
  /**
   * The most that the funding transaction may cost, in satoshis (`ERR_FEE_TOO_HIGH`); when left
   * out, the amount, and with `highFee` no limit.
   */
  readonly mostFee?: Satoshi
  /**
   * An outside wallet makes the funding transaction. The call resolves once that may begin
   * (`ChannelInfo.outside`); `channels.fundingPsbt` does the rest.
   */
  readonly psbt?: true
  /**
   * What the call waits for: until an Electrum server of this node has taken T1 (`broadcast`), or
   * until the channel can be paid on (`ready`, the default).
   */
  readonly wait?: 'broadcast' | 'ready'
  /** Cancels the opening, as long as the funding transaction has not left this node. */
  readonly signal?: AbortSignal
}

/** What handing over a funding transaction waits for. */
export interface PsbtOptions extends WaitOptions {
  /** For the signed transaction, as in `open`; `ready` when left out. */
  readonly wait?: 'broadcast' | 'ready'
}

/** A channel whose funding transaction was taken. */
export interface PsbtResult {
  /** The channel as it is then; `outside` says what is next. */
  readonly channel: ChannelInfo
  /** Warnings about what is allowed but unwise, one sentence each. */
  readonly warnings: readonly string[]
}

/**
 * Without a choice the transaction pays a tenth above the estimate for an hour. The peer signs
 * nothing above what 600 vB cost at a quarter above its own.
 */
export interface RenewOptions extends FeeChoice, ProgressOptions {
  /** Satoshis of the wallet to add to the new channel; 0 when left out. */
  readonly amount?: Satoshi
  /**
   * Exactly these coins pay the amount and the fee, as `txid:vout`; the wallet chooses when left
   * out.
   */
  readonly coins?: readonly string[]
  /**
   * L of the new channel minus the height of the tip; when left out, the channel's own renewal
   * period, or the node's default.
   */
  readonly blocks?: number
  /** What the call waits for, as in `open`; `ready` when left out. */
  readonly wait?: 'broadcast' | 'ready'
  /** Cancels the renewal, as long as the funding transaction has not left this node. */
  readonly signal?: AbortSignal
}

/** How a channel was closed. */
export interface CloseResult {
  /** The channel. */
  readonly channel: ChannelId
  /** By agreement, alone by T3 or T2, or before it was funded. */
  readonly kind: 'close' | 'settlement' | 'abandoned'
  /** The transaction that was broadcast; undefined when nothing had to be. */
  readonly txid: Txid | undefined
}

/** The channels lost by this node that a peer handed back. */
export interface RecoverResult {
  /** The peer that was asked. */
  readonly peerId: string
  /** The channels that are restored. They only close. */
  readonly recovered: readonly ChannelInfo[]
  /** Number of channels the peer named that this node has anyway. */
  readonly known: number
  /** Channels that the peer named and could not prove. */
  readonly refused: ReadonlyArray<{
    readonly channel: ChannelId
    readonly code: string
    readonly reason: string
  }>
}

/** What became of each channel that was to be settled alone. */
export interface SettleAllResult {
  /** Those whose settlement a server has taken. */
  readonly settled: readonly CloseResult[]
  /**
   * Settlements that no server has taken yet, or that something else prevented. A settlement is
   * sent again with every block.
   */
  readonly failed: ReadonlyArray<{
    readonly channel: ChannelId
    readonly code: string
    readonly reason: string
  }>
  /** Channels with a share of ours that is not worth its fee now, or that are closing already. */
  readonly leftOut: readonly ChannelId[]
}

/** `node.channels`: opened, renewed, closed, recovered. */
export interface ChannelsApi {
  /**
   * Lists all channels, the newest first, those that are closed too, or the one with an id of 64 hex
   * digits: none, where there is none. Amounts are in satoshis, and heights are block heights. Waits
   * for no peer and no server.
   *
   * @example
   * const open = (await node.channels.list()).filter(({ status }) => status === 'open')
   */
  list: (filter?: { readonly id?: string | undefined }) => Promise<ChannelInfo[]>
  /**
   * Opens a channel as its client; resolves once an Electrum server of this node has taken T1
   * (`wait: 'broadcast'`) or once the channel can be paid on (`wait: 'ready'`, the default). If no
   * server takes T1 at once, `wait: 'broadcast'` rejects with `ERR_FUNDING_NOT_TAKEN` (facts:
   * channel, txid). The channel stays, since the peer has T1 as well, and T1 is sent again with
   * every block: do not open it again.
   *
   * @throws PaychanError `ERR_INVALID_PEER`, `ERR_AMBIGUOUS_PEER` (facts: asked, matches),
   *   `ERR_INVALID_MULTIADDR`, `ERR_PEER_UNREACHABLE`, `ERR_NO_PAYCHAN`, `ERR_INSUFFICIENT_FUNDS`,
   *   `ERR_CHAIN_UNAVAILABLE`, `ERR_OPEN_REFUSED` (facts: peerCode), `ERR_INVALID_AMOUNT`, those of
   *   `wallet.send` about feerates and coins; after `signal`: `ERR_CANCELLED`, or
   *   `ERR_CANCEL_TOO_LATE` (facts: channel, txid), and the channel opens all the same
   * @example
   * const peer = '/ip4/192.0.2.1/tcp/9801/p2p/12D3KooW...'
   * const { id } = await node.channels.open({ peer, amount: satoshi(1_000_000n), blocks: 1_008 })
   */
  open: (request: OpenRequest) => Promise<ChannelInfo>
  /**
   * Hands over the funding transaction of a channel that was opened with `psbt`, in base64 or hex.
   * First the funded PSBT, not signed: resolves once the refund T2 is signed by the peer and on
   * disk. Then the same PSBT signed, or the signed transaction: resolves as `open` does; with
   * `wait: 'broadcast'` also when no server takes it for now, and a warning says so. A refused PSBT
   * changes nothing; another one may follow.
   *
   * @throws PaychanError `ERR_PSBT_...` (facts: input, fee, txid, ...), `ERR_PSBT_NOT_EXPECTED`,
   *   `ERR_NO_CHANNEL`, `ERR_BROADCAST_REFUSED`, `ERR_CHAIN_UNAVAILABLE`, `ERR_WAIT_ENDED`, and the
   *   reason for a cancelled opening
   * @example
   * const { warnings } = await node.channels.fundingPsbt('3f5c0a91', 'cHNidP8B...')
   */
  fundingPsbt: (channel: string, psbt: string, options?: PsbtOptions) => Promise<PsbtResult>
  /**
   * Closes a channel and opens the next one with the same peer in one transaction; both balances go
   * over, and `amount` satoshis of the wallet are added to ours. Resolves with the new channel as
   * `open` does, but with `wait: 'broadcast'` as soon as this side has signed T1 and handed it to
   * the peer, which completes and broadcasts it. The fee comes out of our share of the channel;
   * with an amount, out of the wallet. With an amount only up to 3 blocks before payments end
   * (`ERR_CHANNEL_EXPIRED`, facts: height, until), without one until the channel is settled.
   *
   * @throws PaychanError `ERR_NO_CHANNEL`, `ERR_AMBIGUOUS_CHANNEL`, `ERR_NOT_THE_CLIENT`,
   *   `ERR_CHANNEL_NOT_OPEN`, `ERR_CHANNEL_CLOSED`, `ERR_CHANNEL_STOPPED`, `ERR_CHANNEL_EXPIRED`,
   *   `ERR_RENEWAL_UNDER_WAY`, `ERR_RENEWAL_FEE` (facts: asked, least, most: feerates),
   *   `ERR_RENEWAL_NOT_SIGNED` (facts: channel, old, code: close the old one),
   *   `ERR_LATER_UPDATES`, `ERR_INSUFFICIENT_BALANCE`,
   *   `ERR_COINS_TOO_LARGE`, and those of `open`
   * @example
   * const { id } = await node.channels.renew('3f5c0a91', { amount: satoshi(200_000n) })
   */
  renew: (channel: string, options?: RenewOptions) => Promise<ChannelInfo>
  /**
   * Closes a channel (at least 8 of its first digits): with the peer, or, with `force`, alone,
   * which a server does by publishing T3. Resolves once a server of the chain, or the peer, says
   * that the transaction waits for a block, or when nothing has to be published.
   *
   * @throws PaychanError `ERR_NO_CHANNEL`, `ERR_AMBIGUOUS_CHANNEL`, `ERR_CHANNEL_CLOSED`,
   *   `ERR_CHANNEL_NOT_OPEN`, `ERR_PEER_UNREACHABLE`, `ERR_CHAIN_UNAVAILABLE`, `ERR_CLOSE_REFUSED`
   *   (facts: peerCode; the channel takes no payments any more, and the close can be asked for
   *   again), `ERR_CLOSE_FEE_TOO_HIGH` (facts: asked, estimate, most), `ERR_INVALID_FEERATE`,
   *   `ERR_FEERATE_TOO_LOW`, `ERR_FEE_TOO_HIGH`, `ERR_INVALID_TARGET`, `ERR_LATER_UPDATES`,
   *   `ERR_NOTHING_TO_SETTLE`, `ERR_CLOSE_TIMEOUT` (the peer, or the chain, has not answered; the
   *   channel closes all the same), `ERR_WAIT_ENDED` (so it does after a signal)
   * @example
   * const { kind, txid } = await node.channels.close('3f5c0a91')
   */
  close: (channel: string, options?: CloseOptions) => Promise<CloseResult>
  /**
   * Settles every one-way channel in which this node is the server, without the clients, each by
   * its own transaction. Channels not worth their fee are left out; a failure does not stop the
   * others. Resolves once a server of the chain has answered about each.
   *
   * @throws PaychanError `ERR_CHAIN_UNAVAILABLE`, `ERR_WAIT_ENDED`
   * @example
   * const { settled, failed } = await node.channels.settleAll()
   */
  settleAll: (options?: WaitOptions) => Promise<SettleAllResult>
  /**
   * Asks a peer (as for `open`) for the channels with this node that this node has lost. Restored
   * channels only close. Known channels stay as they are. Resolves once the peer has named all of
   * them, and what it could prove is on disk.
   *
   * @throws PaychanError `ERR_INVALID_PEER`, `ERR_AMBIGUOUS_PEER` (facts: asked, matches),
   *   `ERR_INVALID_MULTIADDR`, `ERR_PEER_UNREACHABLE`, `ERR_PEER_UNKNOWN`, `ERR_NO_PAYCHAN`,
   *   `ERR_CHAIN_UNAVAILABLE`, `ERR_RESTORE_TIMEOUT`, `ERR_RESTORE_REFUSED` (facts: peerCode),
   *   `ERR_OUT_OF_ORDER`, `ERR_TOO_MANY_REFUSED`, `ERR_WAIT_ENDED`
   * @example
   * const { recovered } = await node.channels.recover('/ip4/192.0.2.1/tcp/9801/p2p/12D3KooW...')
   */
  recover: (peer: NamedPeer, options?: WaitOptions) => Promise<RecoverResult>
}

/** The news of one channel, for a caller that waits for it. */

/**
 * Tells the news of a channel while a call waits for it. The call says which channel that is
 * (`of`), before its first record is on the disk and thus before its first news.
 */
async function withNews<T>(
  on: EventsApi['on'],
  onProgress: ProgressOptions['onProgress'],
  call: (of: (channel: ChannelId) => void) => Promise<T>
): Promise<T> {
  if (onProgress === undefined) return await call(() => {})
  let meant: ChannelId | undefined
  const stop = on((event) => {
    if (event.type !== 'channel' || event.channel.id !== meant) return
    onProgress({ type: 'paychan:channel', detail: event })
  })
  try {
    return await call((channel) => {
      meant = channel
    })
  } finally {
    stop()
  }
}

/** The channels of a node, for people: named by their first digits, funded in satoshis. */

/** The facet `channels`; `running` throws while the node is stopped. */
export function channelsFacet(running: () => Running, on: EventsApi['on']): ChannelsApi {
  return {
    list: async ({ id } = {}) => {
      const { engine } = running()
      if (id === undefined) return engine.channels()
      const found = engine.find(id as ChannelId)
      return found === undefined ? [] : [engine.describe(found.id)]
    },

    open: async (request) => {
      const parts = running()
      const { engine, chain, policy } = parts
      const capacity = amountOf(request.amount)
      const blocks = blockDelta(request.blocks ?? policy.defaultBlocks)
      const step =
        request.twoWay === true || request.step !== undefined
          ? blockDelta(request.step ?? policy.defaultStep)
          : undefined
      const offer = {
        ...(await fundingChoice(chain, capacity, request)),
        peer: await peerNamed(parts, peerText(request.peer)),
        capacity,
        blocks,
        step,
        renewFor: request.renew === true ? blocks : undefined,
        outside: request.psbt,
        wait: request.wait ?? 'ready',
        signal: request.signal
      }
      return await overRelays(
        offer.peer,
        async (begun) =>
          await withNews(on, request.onProgress, async (of) => {
            const onChannel = (id: ChannelId): void => {
              begun()
              of(id)
            }
            return await engine.open({ ...offer, onChannel })
          })
      )
    },

    fundingPsbt: async (channel, psbt, { wait = 'ready', signal } = {}) => {
      const { engine } = running()
      const { id } = channelByPrefix(engine.states(), channel)
      const warnings = await unlessAborted(
        signal,
        async () => await engine.fundingPsbt(id, bytesOfText(psbt), wait)
      )
      return { channel: engine.describe(id), warnings }
    },

    renew: async (
      channel,
      { amount: asked = ZERO_SAT, blocks, wait = 'ready', signal, onProgress, ...choice } = {}
    ) => {
      const { engine, chain, policy } = running()
      const amount = amountOf(asked)
      const { id, renewFor } = channelByPrefix(engine.outlines(), channel)
      const lasting = blocks === undefined ? (renewFor ?? policy.defaultBlocks) : blockDelta(blocks)
      if (choice.coins !== undefined && amount === ZERO_SAT) {
        throw new PaychanError(
          'ERR_INVALID_AMOUNT',
          'Coins are spent only when an amount is added to the channel; a renewal alone spends none.'
        )
      }
      const request = {
        ...(await fundingChoice(chain, amount, choice)),
        amount,
        blocks: lasting,
        wait,
        signal
      }
      return await withNews(
        on,
        onProgress,
        async (of) => await engine.renew(id, { ...request, onChannel: of })
      )
    },

    close: async (channel, { force = false, signal, onProgress, ...fee } = {}) => {
      const { engine, chain } = running()
      const { id } = channelByPrefix(engine.states(), channel)
      const asked = choiceOf(fee)
      const isNamed = (asked.feeRate ?? asked.target) !== undefined
      if (force && isNamed) {
        throw new PaychanError(
          'ERR_INVALID_FEERATE',
          'A feerate is for a close with the peer. Without the peer this node chooses it; raise it afterwards with `paychan bumpfee`.'
        )
      }
      const close = async (): Promise<Closed> =>
        await engine.close(id, force, isNamed ? await namedRate(chain, asked) : undefined)
      const closed = await withNews(on, onProgress, async (of) => {
        of(id)
        return await unlessAborted(signal, close)
      })
      return { channel: id, ...closed }
    },

    settleAll: async ({ signal } = {}) => {
      const { engine } = running()
      const settled = await unlessAborted(signal, async () => await engine.settleAll())
      return settledOf(settled, engine.channels())
    },

    recover: async (peer, { signal } = {}) => {
      const parts = running()
      const { engine } = parts
      const named = await peerNamed(parts, peerText(peer))
      const found = await unlessAborted(signal, async () => await engine.recover(named))
      return {
        peerId: found.peer,
        recovered: found.restored.map((id) => engine.describe(id)),
        known: found.known,
        refused: found.refused
      }
    }
  }
}

/** The second one mostly finds the direct connection. */
const MOST_TRIES = 3

/**
 * Opens again what was cut before anything was funded. When two hosts that have met over a relay
 * find a direct way, they end the relayed connection at once, and with it the opening that it was
 * made for.
 */
async function overRelays<T>(peer: string, open: (begun: () => void) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    const opening = { isBegun: false }
    try {
      return await open(() => {
        opening.isBegun = true
      })
    } catch (error) {
      const isCut = opening.isBegun && codeOf(error) === 'ERR_PEER_UNREACHABLE'
      if (!isCut || !peer.includes('/p2p-circuit/') || tries === MOST_TRIES) throw error
    }
  }
}

/**
 * The settled channels, the failed ones, and the one-way channels with a share of ours that were
 * not tried.
 */
function settledOf(
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
