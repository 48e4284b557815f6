/** The curves of a run with real nodes. */
import { Curves } from '../measure/curves.js'
import type { PaymentCounts } from '../measure/payments.js'
import { chainOf, type RealChain } from './real-chain.js'
import type { Places } from './places.js'
import type { RealWorld } from './real-world.js'

export class RealSamples {
  readonly curves: Curves
  /** What the nodes have paid on the chain so far. */
  readonly chain: RealChain

  constructor(
    private readonly world: RealWorld,
    private readonly places: Places,
    counts: PaymentCounts
  ) {
    this.curves = new Curves(counts)
    this.chain = chainOf(world.devnet)
  }

  async take(time: number): Promise<void> {
    const {
      curves,
      world: { devnet, up }
    } = this
    await this.chain.read()
    const open = this.places.channels.filter(({ isOpen }) => isOpen)
    const rate =
      (await devnet.backend.estimateFeeRate(1)) ?? (await devnet.backend.feeRates()).minimum
    const infos = (await Promise.all(up.map(async ({ api }) => await api.channels()))).flat()
    curves.add({
      time,
      height: devnet.height,
      feeRate: Number(rate) / 1_000,
      locked: open.reduce((sum, { capacity }) => sum + capacity, 0),
      openChannels: open.length,
      nodesUp: up.length,
      fees: this.chain.fees,
      risks: infos.flatMap(({ risk }) => (risk === undefined ? [] : [risk]))
    })
    for (const channel of open) {
      // Of a client that is down what it has shown last.
      const shown =
        infos.find(({ id, role }) => id === channel.id && role === 'client') ?? channel.info
      curves.addIdle(channel, time - channel.lastPaidAt)
      curves.addBalance(channel, Number(shown?.ourBalance ?? 0n))
    }
  }
}
