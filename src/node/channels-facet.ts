/** The channels of a node, for people: named by their first digits, funded in satoshis. */
import { bytesOfText } from '../bitcoin/psbt.js'
import type { Closed } from '../engine/waiters.js'
import type { ChannelId } from '../types/bytes.js'
import { codeOf, PaychanError } from '../types/errors.js'
import { blockDelta, ZERO_SAT } from '../types/units.js'
import type { EventsApi } from './api.js'
import { withNews } from './channel-news.js'
import type { ChannelsApi } from './channels-api.js'
import { channelByPrefix } from './choose.js'
import { choiceOf, fundingChoice, namedRate } from './funding-choice.js'
import { settledOf } from './lists.js'
import { peerText } from './named-peer.js'
import { amountOf } from './plan-payment.js'
import { peerNamed, type Running } from './running.js'
import { unlessAborted } from './waiting.js'

/** The facet `channels`; `running` throws while the node is stopped. */
export function channelsFacet(running: () => Running, on: EventsApi['on']): ChannelsApi {
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
      const offer = {
        ...(await fundingChoice(chain, capacity, request)),
        peer: await peerNamed(parts, peerText(request.peer)),
        capacity,
        blocks,
        step,
        renewFor: request.renew === true ? blocks : undefined,
        outside: request.psbt,
        wait: request.wait ?? 'ready',
        signal: request.signal
      }
      return await overRelays(
        offer.peer,
        async (begun) =>
          await withNews(on, request.onProgress, async (of) => {
            const onChannel = (id: ChannelId): void => {
              begun()
              of(id)
            }
            return await engine.open({ ...offer, onChannel })
          })
      )
    },

    fundingPsbt: async (channel, psbt, { wait = 'ready', signal } = {}) => {
      const { engine } = running()
      const { id } = channelByPrefix(engine.channels(), channel)
      const warnings = await unlessAborted(
        signal,
        async () => await engine.fundingPsbt(id, bytesOfText(psbt), wait)
      )
      return { channel: engine.describe(id), warnings }
    },

    renew: async (
      channel,
      { amount: asked = ZERO_SAT, blocks, wait = 'ready', signal, onProgress, ...choice } = {}
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
      const request = {
        ...(await fundingChoice(chain, amount, choice)),
        amount,
        blocks: lasting,
        wait,
        signal
      }
      return await withNews(
        on,
        onProgress,
        async (of) => await engine.renew(id, { ...request, onChannel: of })
      )
    },

    close: async (channel, { force = false, signal, onProgress, ...fee } = {}) => {
      const { engine, chain } = running()
      const { id } = channelByPrefix(engine.channels(), channel)
      const asked = choiceOf(fee)
      const isNamed = (asked.feeRate ?? asked.target) !== undefined
      if (force && isNamed) {
        throw new PaychanError(
          'ERR_INVALID_FEERATE',
          'A feerate is for a close with the peer. Without the peer this node chooses it; raise it afterwards with `paychan bumpfee`.'
        )
      }
      const close = async (): Promise<Closed> =>
        await engine.close(id, force, isNamed ? await namedRate(chain, asked) : undefined)
      const closed = await withNews(on, onProgress, async (of) => {
        of(id)
        return await unlessAborted(signal, close)
      })
      return { channel: id, ...closed }
    },

    settleAll: async ({ signal } = {}) => {
      const { engine } = running()
      const settled = await unlessAborted(signal, async () => await engine.settleAll())
      return settledOf(settled, engine.channels())
    },

    recover: async (peer, { signal } = {}) => {
      const parts = running()
      const { engine } = parts
      const named = await peerNamed(parts, peerText(peer))
      const found = await unlessAborted(signal, async () => await engine.recover(named))
      return {
        peerId: found.peer,
        recovered: found.restored.map((id) => engine.describe(id)),
        known: found.known,
        refused: found.refused
      }
    }
  }
}

/** The second one mostly finds the direct connection. */
const MOST_TRIES = 3

/**
 * Opens again what was cut before anything was funded. When two hosts that have met over a relay
 * find a direct way, they end the relayed connection at once, and with it the opening that it was
 * made for.
 */
async function overRelays<T>(peer: string, open: (begun: () => void) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    const opening = { isBegun: false }
    try {
      return await open(() => {
        opening.isBegun = true
      })
    } catch (error) {
      const isCut = opening.isBegun && codeOf(error) === 'ERR_PEER_UNREACHABLE'
      if (!isCut || !peer.includes('/p2p-circuit/') || tries === MOST_TRIES) throw error
    }
  }
}
