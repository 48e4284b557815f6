/** The dashboard of a made-up node with much to show, as `paychan start --ui` serves it. */
import { serveTcp } from '../../src/daemon/tcp-api.js'
import type { ChannelInfo, PaymentInfo, RequestInfo } from '../../src/node/api.js'
import { channelId } from '../../src/types/bytes.js'
import { blockHeight, satoshi } from '../../src/types/units.js'
import { balance, channel, FakeNode, info, payment, PEER, requested } from '../daemon/fake-node.js'

const OTHERS = ['bakery', 'relay-berlin', 'archive'].map((name, at) => ({
  name,
  peerId: `${PEER.slice(0, -8)}${String(at).repeat(3)}${name.slice(0, 5)}`
}))

function peerAt(at: number): string {
  return OTHERS[at % OTHERS.length]?.peerId ?? PEER
}

/** Channels in the states that people have to tell apart. */
export const CHANNELS: readonly ChannelInfo[] = [
  {
    ...channel,
    id: channelId('5f2c9a01'.repeat(8)),
    peerId: peerAt(0),
    mode: 'two-way',
    capacity: satoshi(2_000_000n),
    ourBalance: satoshi(1_180_000n),
    theirBalance: satoshi(795_000n),
    inFlight: satoshi(25_000n),
    spendable: satoshi(1_179_000n),
    receivable: satoshi(794_000n),
    turns: {
      number: 6,
      payer: 'peer',
      left: 21,
      step: 12,
      oursMatures: blockHeight(900_410),
      theirsMatures: blockHeight(900_422)
    },
    stake: satoshi(340_000n),
    risk: 0.08,
    lastPaymentHeight: blockHeight(900_386),
    refundHeight: blockHeight(900_700),
    settleHeight: blockHeight(900_410)
  },
  { ...channel, peerId: peerAt(1), lastPaymentHeight: blockHeight(901_000) },
  {
    ...channel,
    id: channelId('c0ffee12'.repeat(8)),
    peerId: peerAt(2),
    role: 'server',
    status: 'offline',
    capacity: satoshi(500_000n),
    ourBalance: satoshi(86_420n),
    theirBalance: satoshi(413_580n),
    spendable: satoshi(0n),
    receivable: satoshi(413_000n),
    atRisk: satoshi(420n),
    stake: satoshi(86_000n),
    risk: 0.004,
    lastPaymentHeight: blockHeight(900_150),
    alone: { by: 'settlement', from: blockHeight(900_168) },
    payments: { sent: 0, received: 1_204 }
  },
  {
    ...channel,
    id: channelId('0badcafe'.repeat(8)),
    status: 'confirming',
    confirmations: 1,
    minDepth: 3,
    capacity: satoshi(300_000n),
    ourBalance: satoshi(300_000n),
    theirBalance: satoshi(0n),
    spendable: satoshi(0n),
    lastPaymentHeight: blockHeight(901_008)
  },
  {
    ...channel,
    id: channelId('dead0001'.repeat(8)),
    peerId: peerAt(0),
    status: 'closed',
    stake: satoshi(0n),
    spendable: satoshi(0n)
  }
]

const MEMOS = ['two coffees', '', 'storage, November', 'relay: 1 MB', 'page 17', 'thanks!']

const PAYMENTS: readonly PaymentInfo[] = Array.from({ length: 14 }, (_, at) => ({
  ...payment,
  id: at.toString(16).padStart(32, '0'),
  channel: CHANNELS[at % 3]?.id ?? payment.channel,
  peerId: peerAt(at),
  direction: at % 3 === 0 ? 'received' : 'sent',
  amount: satoshi(BigInt(137 * (at + 3) ** 3)),
  memo: MEMOS[at % MEMOS.length] ?? '',
  status: at === 2 ? 'unknown' : 'acknowledged',
  time: 1_800_000_000_000 - at * 4_000_000
}))

const REQUESTS: readonly RequestInfo[] = [
  requested,
  {
    ...requested,
    id: '2e3f4a5b6c7d8e9f',
    memo: 'invoice 17',
    state: 'paid',
    amount: satoshi(125_000n),
    received: satoshi(125_000n),
    payments: 1
  },
  {
    ...requested,
    id: '3f4a5b6c7d8e9f00',
    memo: 'tips',
    reusable: true,
    amount: undefined,
    received: satoshi(4_200n),
    payments: 3
  },
  { ...requested, id: '4a5b6c7d8e9f0011', memo: '', state: 'expired' }
]

/** The payments that a node has told of, the newest first. */
function told({ kept }: FakeNode): PaymentInfo[] {
  return kept.flatMap((event) => (event.type === 'payment' ? [event.payment] : [])).reverse()
}

export function busyNode(): FakeNode {
  const node = new FakeNode()
  Object.assign(node.answers, {
    info: async () => ({
      ...info,
      network: 'signet',
      chain: {
        ...info.chain,
        height: blockHeight(900_010),
        servers: [
          {
            url: 'tls://one.example:50002',
            state: 'used',
            height: blockHeight(900_010),
            problem: undefined
          },
          {
            url: 'tls://other.example:50002',
            state: 'down',
            height: undefined,
            problem: 'it does not answer'
          }
        ]
      }
    }),
    balance: async () => ({
      ...balance,
      confirmed: satoshi(3_450_000n),
      pending: satoshi(120_000n),
      inChannels: satoshi(2_316_420n),
      total: satoshi(5_886_750n)
    }),
    channels: async () => [...CHANNELS],
    payments: async () => [...told(node), ...PAYMENTS],
    requests: async () => [...REQUESTS],
    aliases: async () => [...OTHERS]
  } satisfies FakeNode['answers'])
  return node
}

export interface ServedDashboard {
  /** The address that a person opens, with the token. */
  readonly url: string
  readonly close: () => Promise<void>
}

/** Serves the dashboard of a node, as `paychan start --ui` does. */
export async function serveDashboard(
  node: Parameters<typeof serveTcp>[0],
  port = 0
): Promise<ServedDashboard> {
  const api = await serveTcp(node, { host: '127.0.0.1', port, ui: true })
  const { token } = node.gate().access.lend({ name: 'dashboard', scopes: ['manage'] })
  return { url: `${api.url}/ui/#token=${token}`, close: api.close }
}
