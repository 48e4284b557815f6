/**
 * Strangers without end: every PeerId is a new one, asks for a channel, has its refund signed, and
 * is never heard of again. It costs them nothing, and whoever keeps what it has for them has less
 * and less room.
 */
import type { AcceptChannel, OpenChannel } from '../../../protocols/paychan/1.0/index.js'
import { unsignedRefund } from '../../bitcoin/refund.js'
import { refundTemplateOf } from '../../channel/opening-client.js'
import { termsOf } from '../../channel/opening-terms.js'
import type { Link, LinkListener } from '../../engine/ports.js'
import { satoshi } from '../../types/units.js'
import { txidFromHash } from '../../types/bytes.js'
import type { SimChain } from '../../testing/chain.js'
import { Life } from '../../testing/life.js'
import type { SimNetwork } from '../../testing/network.js'
import type { SimNode } from '../node.js'
import type { Calendar } from '../../testing/calendar.js'
import type { Draws } from '../../testing/random.js'

export interface FreePeersWorld {
  readonly calendar: Calendar
  readonly chain: SimChain
  readonly network: SimNetwork
  readonly draws: Draws
  /** Whom they ask. */
  readonly targets: () => readonly SimNode[]
}

const HOUR_MS = 3_600_000
const CAPACITY = satoshi(100_000n)
/** Beyond what any server asks for, and below what any refuses. */
const BLOCKS = 500
/** Indexes of keys that the node itself does not come to. */
const FIRST_INDEX = 1_000_000

export class FreePeers {
  #count = 0

  constructor(private readonly world: FreePeersWorld) {}

  /** From now on, so many an hour, on behalf of a node. */
  begin(node: SimNode, perHour: number): void {
    this.world.calendar.after(HOUR_MS / perHour, () => {
      const targets = this.world.targets()
      const target = targets[this.world.draws.below(targets.length)]
      // Whoever is down is not asked.
      if (target !== undefined) this.#ask(node, target).catch(() => {})
      this.begin(node, perHour)
    })
  }

  async #ask(node: SimNode, target: SimNode): Promise<void> {
    const { network, chain, draws } = this.world
    const index = FIRST_INDEX + this.#count++
    const name = `${node.name}-stranger-${index}`
    network.join(name, { group: node.group })
    const life = new Life()
    const keys = { role: 'client', high: index, low: 0 } as const
    const offer: OpenChannel = {
      type: 'OpenChannel',
      network: 'regtest',
      channelKey: node.signer.publicKey({ ...keys, use: 'channel' }),
      payoutKey: node.signer.publicKey({ ...keys, use: 'payout' }),
      closeScript: Uint8Array.from([0, 20, ...draws.bytes(20)]),
      capacity: CAPACITY,
      refundHeight: chain.height + BLOCKS,
      mode: 'one-way',
      step: 0,
      txVersion: 3,
      derivation: draws.bytes(8)
    }
    const link = await network
      .peersFor(name, life)
      .open(target.name, (opened) => this.#listener(opened, offer, life))
    link.send(offer)
  }

  #listener(link: Link, offer: OpenChannel, life: Life): LinkListener {
    return {
      onMessage: (message) => {
        if (message.type === 'AcceptChannel') {
          link.send({ type: 'RefundRequest', refundTx: this.#refund(offer, message) })
        } else life.end()
      },
      onClosed: () => {
        life.end()
      }
    }
  }

  /** Of a T1 that is never made. */
  #refund(offer: OpenChannel, accept: AcceptChannel): Uint8Array {
    const terms = termsOf(offer, accept)
    return unsignedRefund(
      refundTemplateOf(terms, { txid: txidFromHash(this.world.draws.bytes(32)), vout: 0 }),
      { script: terms.client.closeScript, value: satoshi(offer.capacity - 1_000n) }
    )
  }
}
