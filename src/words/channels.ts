/** A channel in words: what there is to say about it beside its balances. */
import { isUnwatched } from '../channel/unwatched.js'
import type { ChannelInfo, CloseResult, NodeInfo } from '../node/api.js'
import { blocksText } from './channel-news.js'
import { formatAmount } from '../types/units.js'
import { type Field, shortChannel } from './text.js'

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
