/** A channel in words: what there is to say about it beside its balances. */
import { isUnwatched } from '../channel/unwatched.js'
import type { ChannelInfo, CloseResult, News, NewsKind, NodeEvent, NodeInfo } from '../node/api.js'
import { feeRate, formatAmount, formatFeeRate } from '../types/units.js'
import { type Field, shortChannel } from './text.js'

/*
 * News about a channel, in sentences: in users' words, or with `--verbose` in the protocol's own
 * (T1, K2, step 5).
 */

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

/** Risks below 5 % are hidden. */
const SHOWN_RISK = 0.05

/** Everything to say about a channel beside its balances, a sentence each. */
export function notesOf(channel: ChannelInfo): string[] {
  const { status, risk, inFlight, turns, receivable, lastPaymentHeight } = channel
  return [
    ...troublesOf(channel),
    ...(turns === undefined || status === 'closed'
      ? []
      : [
          turnText(turns),
          `receivable ${formatAmount(receivable)}`,
          `close by block ${lastPaymentHeight ?? '?'}`,
          maturityText(turns)
        ]),
    ...courseOf(channel),
    ...(inFlight > 0n ? [`${formatAmount(inFlight)} not acknowledged`] : []),
    ...dustOf(channel),
    ...(risk !== undefined && risk >= SHOWN_RISK
      ? [
          `risk ${(risk * 100).toFixed(0)} %: so likely is it not to be in a block in time, by the fees seen`
        ]
      : [])
  ]
}

/** As `notesOf`, without what stands beside it: turn, deadline, risk and amounts. */
export function remarksOf(channel: ChannelInfo): string[] {
  return [...troublesOf(channel), ...courseOf(channel), ...dustOf(channel)]
}

function troublesOf(channel: ChannelInfo): string[] {
  const { reason } = channel
  return [
    ...(isUnwatched(channel)
      ? ['not watched: no server tells what happens to it, and nothing is paid']
      : []),
    ...(reason === undefined ? [] : [reason])
  ]
}

/** The event that a channel waits for, and the next step. */
function courseOf({
  status,
  renews,
  renewFor,
  confirmations,
  minDepth,
  alone
}: ChannelInfo): string[] {
  return [
    ...(renews === undefined || !['opening', 'confirming'].includes(status)
      ? []
      : [`renews ${shortChannel(renews)}`]),
    ...(renewFor === undefined || !['open', 'offline', 'confirming'].includes(status)
      ? []
      : [`renews itself for ${renewFor} blocks`]),
    ...(status === 'confirming' ? [`${confirmations} of ${minDepth ?? '?'} confirmations`] : []),
    ...(alone === undefined || !['offline', 'stopped', 'closing'].includes(status)
      ? []
      : [`without the peer our share comes home by the ${alone.by}, from block ${alone.from} on`])
  ]
}

function dustOf({ atRisk }: ChannelInfo): string[] {
  return atRisk > 0n ? [`${formatAmount(atRisk)} at risk: not worth the fee of settling alone`] : []
}

/** All details of a channel by their names, ids whole. */
export function channelFields(channel: ChannelInfo): Field[] {
  const {
    limits,
    funding,
    spend,
    payments,
    turns,
    renews,
    renewedAs,
    minDepth,
    lastPaymentHeight,
    settleHeight
  } = channel
  const block = (name: string, height: number | undefined): Field[] =>
    height === undefined ? [] : [[name, `block ${height}`]]
  return [
    ['channel', channel.id],
    ['peer', channel.peerId],
    ['status', channel.status],
    [
      'role',
      channel.role === 'client' ? 'client: this node opened it' : 'server: the peer opened it'
    ],
    [
      'kind',
      channel.mode === 'two-way' ? 'two-way: both sides pay, in turns' : 'one-way: the client pays'
    ],
    ['capacity', formatAmount(channel.capacity)],
    ['ours', formatAmount(channel.ourBalance)],
    ['theirs', formatAmount(channel.theirBalance)],
    ['spendable', formatAmount(channel.spendable)],
    ['receivable', formatAmount(channel.receivable)],
    ...(channel.stake === 0n ? [] : [['at stake', formatAmount(channel.stake)] as const]),
    [
      'payments',
      `${payments.sent.toLocaleString('en')} sent, ${payments.received.toLocaleString('en')} received`
    ],
    ...(turns === undefined
      ? []
      : [['turn', `${turnText(turns)}, ${turns.step} blocks apart`] as const]),
    ...(funding === undefined
      ? []
      : [
          ['funding', `${funding.txid}:${funding.vout}`] as const,
          [
            'confirmations',
            `${channel.confirmations}${minDepth === undefined ? '' : ` (${minDepth} needed)`}`
          ] as const
        ]),
    ...(spend === undefined
      ? []
      : [
          [
            'spent by',
            `${spend.kind} ${spend.txid}${spend.height === undefined ? ', in no block yet' : `, in block ${spend.height}`}`
          ] as const
        ]),
    ...block('last payment', lastPaymentHeight),
    ...block('settled at', settleHeight),
    ...block('refund at', channel.refundHeight),
    ...(limits === undefined
      ? []
      : [
          [
            'limits',
            `first payment at least ${formatAmount(limits.minFirstPayment)}, at most ${formatAmount(limits.maxStake)} at stake; in flight ${limits.maxInFlightUpdates} updates, ${formatAmount(limits.maxInFlightValue)}`
          ] as const
        ]),
    ...(renews === undefined ? [] : [['renews', renews] as const]),
    ...(renewedAs === undefined ? [] : [['renewed as', renewedAs] as const]),
    ...notesOf(channel).map((note, i) => [i === 0 ? 'note' : '', note] as const)
  ]
}

/** The turn's payer, and the number of turns left. */
function turnText({ number, payer, left }: NonNullable<ChannelInfo['turns']>): string {
  return `turn ${number}: ${payer === 'us' ? 'we pay' : 'the peer pays'}, ${left} more`
}

/** The blocks from which each side can publish the newest state that it holds. */
function maturityText({ oursMatures, theirsMatures }: NonNullable<ChannelInfo['turns']>): string {
  return `our state matures at ${oursMatures ?? 'none'}, theirs at ${theirsMatures ?? 'none'}`
}

/** The side that pays now. */
export function payerWords({ turns, role }: Pick<ChannelInfo, 'turns' | 'role'>): string {
  if (turns !== undefined) return turnText(turns)
  return role === 'client' ? 'we pay (one-way)' : 'the peer pays (one-way)'
}

/** The risk of a channel; undefined in `ChannelInfo` when nothing is at stake. */
export function riskWords({ risk }: Pick<ChannelInfo, 'risk'>): string {
  if (risk === undefined) return 'none'
  return risk < 0.01 ? 'below 1 %' : `${(risk * 100).toFixed(0)} %`
}

const BLOCK_MINUTES = 10

/** `about 6 days`: how long some blocks take on a network that has one every ten minutes. */
function aboutTime(blocks: number): string {
  const hours = (blocks * BLOCK_MINUTES) / 60
  if (hours < 2) return `about ${blocks * BLOCK_MINUTES} minutes`
  return hours < 48 ? `about ${Math.round(hours)} hours` : `about ${Math.round(hours / 24)} days`
}

/** Until when a channel takes payments, or when our share comes home: in blocks, and about when. */
export function deadlineWords(
  { status, lastPaymentHeight, alone }: ChannelInfo,
  height: number | undefined,
  network: NodeInfo['network'] | undefined
): string {
  const isPayable = ['open', 'offline', 'confirming'].includes(status)
  const [what, at] =
    isPayable && lastPaymentHeight !== undefined
      ? ['payments until', lastPaymentHeight]
      : alone === undefined || ['closed', 'abandoned'].includes(status)
        ? ['', undefined]
        : [`${alone.by} from`, alone.from]
  if (at === undefined) return '–'
  const left = height === undefined ? undefined : at - height
  const block = `${what} block ${at.toLocaleString('en')}`
  if (left === undefined) return block
  if (left <= 0) return `${block}, which is reached`
  const time = network === 'regtest' ? '' : ` (${aboutTime(left)})`
  return `${block}, in ${blocksText(left)}${time}`
}

/** The effect of closing a channel with the peer. */
export function closingWords({ ourBalance, theirBalance }: ChannelInfo): string {
  return `Both sides sign one transaction: ${formatAmount(ourBalance)} come back to this node, less a fee of the chain, and ${formatAmount(theirBalance)} go to the peer. Nothing more can be paid on it.`
}

/** The effect of closing a channel alone, and its cost. */
export function forcingWords({ mode, role, alone, refundHeight, atRisk }: ChannelInfo): string[] {
  if (mode === 'one-way' && role === 'client') {
    return [
      `Only the side that is paid can do that. Without the peer the refund brings everything that was not paid back, by itself, from block ${refundHeight.toLocaleString('en')} on.`
    ]
  }
  if (alone === undefined) return ['This node holds nothing that it could publish alone.']
  return [
    `Publishes the newest ${alone.by} alone. Its fee is paid out of our share, and rises when blocks are full; it can cost more than closing with the peer, and takes longer.`,
    ...(mode === 'two-way'
      ? [`No block takes it before block ${alone.from.toLocaleString('en')}.`]
      : []),
    ...(atRisk === 0n
      ? []
      : [
          `${formatAmount(atRisk)} of our share would be lost: not worth the fee of settling alone.`
        ])
  ]
}

/** The result of `close`. */
export function closedWords({ channel, kind, txid }: CloseResult): string {
  const id = shortChannel(channel)
  const where = txid === undefined ? '' : ` in transaction ${txid}`
  switch (kind) {
    case 'close':
      return `Channel ${id} is closed by both sides${where}.`
    case 'settlement':
      return `Channel ${id} is being settled alone${where}.`
    case 'abandoned':
      return `Channel ${id} is abandoned: nothing had been funded.`
  }
}
