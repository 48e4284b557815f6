/** The channels of a node, for people: named by their first digits, funded in satoshis. */
import { bytesOfText } from '../bitcoin/psbt.js'
import { PaychanError } from '../types/errors.js'
import { blockDelta, ZERO_SAT } from '../types/units.js'
import type { ChannelsApi } from './channels-api.js'
import { channelByPrefix } from './choose.js'
import { fundingChoice } from './funding-choice.js'
import { settledOf } from './lists.js'
import { amountOf } from './plan-payment.js'
import { peerNamed, type Running } from './running.js'

/** The facet `channels`; `running` throws while the node is stopped. */
export function channelsFacet(running: () => Running): ChannelsApi {
  return {
    list: async () => running().engine.channels(),

    open: async (request) => {
      const parts = running()
      const { engine, chain, policy } = parts
      const capacity = amountOf(request.amount)
      const blocks = blockDelta(request.blocks ?? policy.defaultBlocks)
      const step =
        request.twoWay === true || request.step !== undefined
          ? blockDelta(request.step ?? policy.defaultStep)
          : undefined
      return await engine.open({
        ...(await fundingChoice(chain, capacity, request)),
        peer: await peerNamed(parts, request.peer),
        capacity,
        blocks,
        step,
        renewFor: request.renew === true ? blocks : undefined,
        outside: request.psbt,
        wait: request.wait ?? 'ready',
        signal: request.signal
      })
    },

    fundingPsbt: async (channel, psbt, { wait = 'ready' } = {}) => {
      const { engine } = running()
      const { id } = channelByPrefix(engine.channels(), channel)
      const warnings = await engine.fundingPsbt(id, bytesOfText(psbt), wait)
      return { channel: engine.describe(id), warnings }
    },

    renew: async (
      channel,
      { amount: asked = ZERO_SAT, blocks, wait = 'ready', signal, ...choice } = {}
    ) => {
      const { engine, chain, policy } = running()
      const amount = amountOf(asked)
      const { id, renewFor } = channelByPrefix(engine.channels(), channel)
      const lasting = blocks === undefined ? (renewFor ?? policy.defaultBlocks) : blockDelta(blocks)
      if (choice.coins !== undefined && amount === ZERO_SAT) {
        throw new PaychanError(
          'ERR_INVALID_AMOUNT',
          'Coins are spent only when an amount is added to the channel; a renewal alone spends none.'
        )
      }
      return await engine.renew(id, {
        ...(await fundingChoice(chain, amount, choice)),
        amount,
        blocks: lasting,
        wait,
        signal
      })
    },

    close: async (channel, { force = false } = {}) => {
      const { engine } = running()
      const { id } = channelByPrefix(engine.channels(), channel)
      return { channel: id, ...(await engine.close(id, force)) }
    },

    settleAll: async () => {
      const { engine } = running()
      return settledOf(await engine.settleAll(), engine.channels())
    },

    recover: async (peer) => {
      const parts = running()
      const { engine } = parts
      const found = await engine.recover(await peerNamed(parts, peer))
      return {
        peerId: found.peer,
        recovered: found.restored.map((id) => engine.describe(id)),
        known: found.known,
        refused: found.refused
      }
    }
  }
}
