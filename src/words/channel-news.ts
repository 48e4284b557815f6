/**
 * News about a channel, in sentences: in users' words, or with `--verbose` in the protocol's own
 * (T1, K2, step 5).
 */
import type { ChannelInfo, News, NewsKind, NodeEvent } from '../node/api.js'
import { feeRate, formatAmount, formatFeeRate } from '../types/units.js'

export type ChannelEvent = Extract<NodeEvent, { type: 'channel' }>

type Words = { readonly [Kind in NewsKind]: string | ((news: News<Kind>, txid: string) => string) }

const NAMES: Readonly<Record<string, string>> = {
  close: 'cooperative close',
  settlement: 'settlement T3',
  refund: 'refund T2',
  unknown: 'transaction'
}
const PLAIN_NAMES: Readonly<Record<string, string>> = { unknown: 'transaction' }
const SHORT: Readonly<Record<string, string>> = { settlement: 'T3', refund: 'T2' }

/** Describes a channel's end on the chain, with these names of transactions. */
function spendWords(
  names: Readonly<Record<string, string>>
): Pick<Words, 'spend-shown' | 'spend-mined'> {
  return {
    'spend-shown': ({ transaction }, txid) =>
      `the ${names[transaction] ?? transaction} ${txid} is in the mempool`,
    'spend-mined': ({ transaction, height }, txid) =>
      `the ${names[transaction] ?? transaction} ${txid} is in block ${height}`
  }
}

/** The protocol's words. */
const PROTOCOL: Words = {
  'offer-sent': ({ capacity, refundHeight }) =>
    `asked for a channel of ${formatAmount(capacity)} until height ${refundHeight}`,
  'offer-taken': ({ capacity, refundHeight }) =>
    `accepted a channel of ${formatAmount(capacity)} until height ${refundHeight}`,
  'terms-taken': ({ payer }) =>
    `the server named its key K2${payer === 'outside' ? '; T1 is to be paid for by an outside wallet' : ''}`,
  'funding-built': ({ by, fee, vsize }, txid) =>
    `T1 ${txid} is ${by === 'outside' ? 'paid for by an outside wallet, and not signed' : by === 'renewal' ? 'built' : 'signed and held back'}; its fee is ${formatAmount(fee)} (${formatFeeRate(feeRate((fee * 1000n) / BigInt(vsize)))}, ${vsize} vB)`,
  'refund-asked-for': ({ refundHeight }) => `sent T2 unsigned, locked until height ${refundHeight}`,
  'refund-signed': ({ refundHeight }) =>
    `signed T2, locked until height ${refundHeight}, without having seen T1`,
  'refund-secured': ({ payer }) =>
    `the server's signature of T2 is right, and on disk${payer === 'outside' ? ': T1 may be signed now' : ''}`,
  'funding-sent': ({ by }, txid) =>
    `T1 ${txid} is ${by === 'outside' ? 'signed by the outside wallet, handed over and broadcast' : by === 'renewal' ? 'signed and handed over' : 'handed over and broadcast'}`,
  'funding-received': (_, txid) => `got T1 ${txid} and broadcast it`,
  'funding-completed': (_, txid) => `signed T1 ${txid} and broadcast it`,
  'funding-came-from-chain': (_, txid) => `T1 ${txid} came from the chain`,
  'funding-refused': ({ reason }, txid) =>
    `T1 ${txid} was not accepted (${reason}); it is sent again with every block`,
  'first-state-signed': ({ client, server }) =>
    `signed the initial T3: ${server === 0n ? 'everything to the client, nothing to the server' : `${formatAmount(client)} to the client, ${formatAmount(server)} to the server`}`,
  'first-state-stored': 'verified and stored the initial T3',
  'first-state-acknowledged': 'the server verified and stored the initial T3',
  'funding-mined': ({ height }, txid) => `T1 ${txid} is in block ${height}`,
  ready: ({ confirmations, minDepth }) =>
    `T1 has ${confirmations} of ${minDepth} confirmations: ready`,
  open: 'open for payments',
  abandoned: ({ reason }) => `abandoned: ${reason}`,
  'given-up': ({ reason }) => reason,
  disconnected: 'the peer is disconnected',
  reconnected: 'reconnected',
  'not-reconnected': ({ reason }) => `could not reconnect: ${reason}`,
  'peer-says': ({ code, text }) => `the peer says: ${text} (${code})`,
  'turn-granted': ({ turn, matures }) =>
    `granted turn ${turn}: the peer pays; its states mature at height ${matures}`,
  'turn-taken': ({ turn, matures }) =>
    `turn ${turn} is ours: our states mature at height ${matures}`,
  'close-asked-for': ({ fee }) => `asked for a cooperative close, fee ${formatAmount(fee)}`,
  'close-signed': ({ fee }, txid) =>
    `the peer asked for a cooperative close, fee ${formatAmount(fee)}; signed and broadcast ${txid}`,
  'close-broadcast': (_, txid) => `cooperative close ${txid} is broadcast`,
  'close-unknown': ({ txid }) => `the peer reports a close ${txid} that this node does not know of`,
  'close-refused': ({ reason }) => `the close was not accepted: ${reason}`,
  published: ({ transaction, fee }, txid) =>
    `published ${SHORT[transaction] ?? transaction} ${txid}, fee ${formatAmount(fee)}`,
  'publication-refused': ({ transaction, reason }) =>
    `the ${transaction} was not accepted: ${reason}`,
  ...spendWords(NAMES),
  'renewed-as': ({ channel }) =>
    `renewed as channel ${channel.slice(0, 8)}; this one takes no more payments`,
  'handed-back': ({ share, capacity, state }) =>
    `given back by its peer: ${formatAmount(share)} of ${formatAmount(capacity)} are ours by state ${state}; it only closes now`
}

/** The words of users, where they differ. */
const PLAIN: Partial<Words> = {
  'offer-sent': 'asking the peer for the channel',
  'offer-taken': 'a peer opens the channel',
  'terms-taken': 'the peer accepts the channel',
  'funding-built': 'funding prepared',
  'refund-asked-for': 'asking the peer to sign the refund',
  'refund-signed': 'refund signed for the peer',
  'refund-secured': 'refund secured',
  'funding-sent': 'funding sent',
  'funding-received': 'funding received',
  'funding-completed': 'funding received',
  'funding-came-from-chain': 'funding seen on the chain',
  'funding-refused': ({ reason }) =>
    `the funding was not accepted (${reason}); it is sent again with every block`,
  'first-state-signed': 'first balances signed',
  'first-state-stored': 'first balances stored',
  'first-state-acknowledged': 'the peer is ready',
  'funding-mined': ({ height }) => `the funding is in block ${height}`,
  ready: ({ confirmations, minDepth }) =>
    `the funding has ${confirmations} of ${minDepth} confirmations: ready`,
  published: ({ transaction, fee }) => `published the ${transaction}, fee ${formatAmount(fee)}`,
  ...spendWords(PLAIN_NAMES)
}

/** Describes an event in the words of the protocol, with the transactions' ids. */
export function protocolWords({ news, txid }: Pick<ChannelEvent, 'news' | 'txid'>): string {
  return told(PROTOCOL[news.kind], news, txid)
}

/** Describes an event in the words of users. */
export function plainWords({ news, txid }: Pick<ChannelEvent, 'news' | 'txid'>): string {
  return told(PLAIN[news.kind] ?? PROTOCOL[news.kind], news, txid)
}

function told(
  words: string | ((news: never, txid: string) => string),
  news: News,
  txid = ''
): string {
  // The words are stored under the kind of news that they describe.
  return typeof words === 'string' ? words : words(news as never, txid)
}

/**
 * Number of blocks a channel still waits for; undefined before the peer has named the depth for its
 * funding.
 */
export function blocksLeft({ confirmations, minDepth }: ChannelInfo): number | undefined {
  return minDepth === undefined ? undefined : Math.max(0, minDepth - confirmations)
}

/** `1 block`, `2 blocks`. */
export function blocksText(count: number): string {
  return `${count} ${count === 1 ? 'block' : 'blocks'}`
}
