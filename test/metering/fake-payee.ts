/**
 * A node that is paid, and one that pays it, without channels: for gates whose money is not the
 * matter.
 */
import type { Following, PayeeNode, PayerNode } from '../../src/metering/index.js'
import type { EventsApi, NodeEvent, PayRequest } from '../../src/node/api.js'
import { satoshi } from '../../src/types/units.js'
import { Fixture, type TestNode } from '../node/fixture.js'

const PEER_ID = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp'

export class FakePayee {
  paid = 0n
  #count = 0
  readonly #listeners = new Set<(event: NodeEvent) => void>()

  readonly node = {
    info: async () => ({
      peerId: PEER_ID,
      network: 'regtest',
      multiaddrs: [`/ip4/127.0.0.1/tcp/1/p2p/${PEER_ID}`],
      policy: { minDepth: 1, minFirstPayment: this.#minFirstPayment },
      chain: { status: 'synced' }
    }),
    events: {
      on: (listener: (event: NodeEvent) => void) => {
        this.#listeners.add(listener)
        return () => this.#listeners.delete(listener)
      }
    },
    channels: { list: async () => [] },
    payments: { list: async () => [] }
  } as unknown as PayeeNode

  /** A node whose payments come at once. */
  readonly payer = {
    info: async () => ({ network: 'regtest', leastFirstPayment: 450n }),
    channels: {},
    pay: async (request: PayRequest) => {
      this.pay(request)
    }
  } as unknown as PayerNode
  readonly #minFirstPayment: bigint

  constructor(minFirstPayment = 0n) {
    this.#minFirstPayment = minFirstPayment
  }

  pay({ amount, memo }: Pick<PayRequest, 'amount' | 'memo'>): void {
    this.paid += amount
    const said = { id: `${this.#count++}`, direction: 'received', status: 'acknowledged' }
    const event = { type: 'payment', payment: { ...said, memo, amount } } as unknown as NodeEvent
    for (const listener of this.#listeners) listener(event)
  }
}

/* A payer and a payee with a channel, on which the payer has paid already. */

export interface Traders {
  readonly fixture: Fixture
  readonly payer: TestNode
  readonly payee: TestNode
  /** The PeerId of the payee. */
  readonly seller: string
}

export async function startTraders(): Promise<Traders> {
  const fixture = await Fixture.create()
  const payer = await fixture.rich('payer')
  const payee = await fixture.node('payee')
  const seller = (await payee.api.info()).peerId
  await payer.api.channels.open({ peer: await payee.address(), amount: satoshi(500_000n) })
  // Whatever is paid later needs not be a first payment.
  await payer.api.pay({ to: seller, amount: satoshi(10_000n) })
  return { fixture, payer, payee, seller }
}

/* The events of a node in another process, to which the connection can break. */

export class FarEvents {
  #break: () => void = () => {}
  readonly #events: Pick<EventsApi, 'on'>

  constructor(events: Pick<EventsApi, 'on'>) {
    this.#events = events
  }

  readonly on = (listener: (event: NodeEvent) => void): (() => void) => this.#events.on(listener)

  readonly follow = (listener: (event: NodeEvent) => void): Following => {
    const stop = this.#events.on(listener)
    const closed = new Promise<void>((resolve) => {
      this.#break = () => {
        stop()
        resolve()
      }
    })
    return { ready: Promise.resolve(), closed, stop }
  }

  /** Nothing more is heard, until it is followed again. */
  break(): void {
    this.#break()
  }
}
