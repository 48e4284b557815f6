/** The curves of a run with real nodes. */
import { rounded, type PaymentCounts } from '../measure/payments.js'
import type { Series } from '../results.js'
import { chainOf, type RealChain } from './real-chain.js'
import type { Places } from './places.js'
import type { RealWorld } from './real-world.js'

const IDLE_AFTER = 86_400

type Curves = { -readonly [name in keyof Series]: number[] }

export class RealSamples {
  readonly curves: Curves = { times: [], heights: [], feeRates: [], made: [], failed: [], volume: [], locked: [], openChannels: [], nodesUp: [], fees: [], riskMax: [], riskMean: [] }
  /** What the nodes have paid on the chain so far. */
  readonly chain: RealChain
  #before = { made: 0, failed: 0, volume: 0 }
  #idle = 0

  constructor (private readonly world: RealWorld, private readonly places: Places, private readonly counts: PaymentCounts) {
    this.chain = chainOf(world.devnet)
  }

  /** Mean of what is in open channels, and the part of it on which nothing was paid for a day. */
  get capital (): { readonly locked: number, readonly idle: number } {
    const { locked } = this.curves
    const sum = locked.reduce((all, value) => all + value, 0)
    return { locked: Math.round(sum / Math.max(1, locked.length)), idle: sum === 0 ? 0 : rounded(this.#idle / sum) }
  }

  async take (time: number): Promise<void> {
    const { curves, world: { devnet, nodes }, counts: { made, failed, volume } } = this
    await this.chain.read()
    const open = this.places.channels.filter(({ isOpen }) => isOpen)
    const rate = await devnet.backend.estimateFeeRate(1) ?? (await devnet.backend.feeRates()).minimum
    const infos = (await Promise.all(nodes.map(async ({ api }) => await api.channels()))).flat()
    const risks = infos.flatMap(({ risk }) => risk === undefined ? [] : [risk])
    curves.times.push(Math.round(time))
    curves.heights.push(devnet.height)
    curves.feeRates.push(rounded(Number(rate) / 1_000))
    curves.made.push(made - this.#before.made)
    curves.failed.push(failed - this.#before.failed)
    curves.volume.push(volume - this.#before.volume)
    curves.locked.push(open.reduce((sum, { capacity }) => sum + capacity, 0))
    curves.openChannels.push(open.length)
    curves.nodesUp.push(nodes.length)
    curves.fees.push(this.chain.fees)
    curves.riskMax.push(rounded(Math.max(0, ...risks)))
    curves.riskMean.push(rounded(risks.reduce((sum, risk) => sum + risk, 0) / Math.max(1, risks.length)))
    this.#before = { made, failed, volume }
    for (const channel of open) {
      if (time - channel.lastPaidAt > IDLE_AFTER) this.#idle += channel.capacity
      if (channel.firstSample < 0) channel.firstSample = curves.times.length - 1
      const shown = infos.find(({ id, role }) => id === channel.id && role === 'client')
      channel.balances.push(Number(shown?.ourBalance ?? 0n))
    }
  }
}
