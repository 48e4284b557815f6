/**
 * A node that is paid, and one that pays it, without channels: for gates whose money is not the
 * matter.
 */
import type { PayeeNode, PayerNode } from '../../src/metering/index.js'
import type { NodeEvent, PayRequest } from '../../src/node/api.js'

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
