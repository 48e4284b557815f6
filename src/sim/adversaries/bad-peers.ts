/**
 * The adversaries' changes to their streams: the port `Peers` of an honest engine, with messages
 * left out or added.
 */
import type { Message, AcceptChannel, OpenChannel } from '../../../protocols/paychan/1.0/index.js'
import { PAYMENT_MARGIN } from '../../channel/schedule.js'
import type { Link, LinkListener, Peers } from '../../engine/ports.js'
import type { Adversary } from '../scenario/scenario.js'
import { type Calendar, type Draws, Life } from '../../testing/calendar.js'
import { type CheatWorld, DUST } from './cheat.js'
import { unsignedRefund } from '../../bitcoin/refund.js'
import { refundTemplateOf } from '../../channel/opening-client.js'
import { termsOf } from '../../channel/opening-terms.js'
import { satoshi } from '../../types/units.js'
import { txidFromHash } from '../../types/bytes.js'
import type { SimChain } from '../../testing/chain.js'
import type { SimNetwork } from '../../testing/network.js'
import type { SimNode } from '../node.js'

/**
 * Decides if a message goes on, to the engine or to the other side. `reply` answers in the engine's
 * place; `changed` replaces the engine's message.
 */
interface Filter {
  readonly incoming: (message: Message, reply: (message: Message) => void) => boolean
  readonly outgoing: (message: Message) => boolean
  readonly changed?: (message: Message) => Message
  readonly onLink?: (link: Link) => void
}

/** A flood comes for a minute in every hour: more would not test its target any further. */
const FLOOD_MS = 60_000
const PAUSE_MS = 3_600_000

/** The part of the world that an adversary sees. */
type BadWorld = Pick<CheatWorld, 'calendar' | 'chain'> & {
  /** True while it asks for a close by itself (`Cheat.isAsking`). */
  readonly isAsking: () => boolean
}

/** The streams of an adversary's node. */
export function badPeers(peers: Peers, adversary: Adversary, world: BadWorld): Peers {
  const filter = filterOf(adversary, world)
  return filter === undefined ? peers : filtered(peers, filter)
}

function filterOf(
  adversary: Adversary,
  { calendar, chain, isAsking }: BadWorld
): Filter | undefined {
  switch (adversary.kind) {
    case 'refuse-turns':
      return {
        incoming: (message, reply) => {
          if (message.type !== 'TurnRequest') return true
          reply({
            type: 'TurnRefuse',
            turn: message.turn,
            code: 'ERR_TURN_TOO_EARLY',
            notBefore: 0,
            text: 'Not now.'
          })
          return false
        },
        outgoing: () => true
      }
    // Except for the first, without which no channel opens.
    case 'refuse-acks':
      return {
        incoming: () => true,
        outgoing: (message) => message.type !== 'UpdateAck' || message.sequence === 0
      }
    case 'silent': {
      const speaks = (): boolean => calendar.now < adversary.from * 1_000
      return { incoming: speaks, outgoing: speaks }
    }
    case 'flood':
      return {
        incoming: () => true,
        outgoing: () => true,
        onLink: (link) => {
          flood(link, adversary.perSecond, calendar)
        }
      }
    case 'chosen-output':
      return takesAndVanishes()
    case 'pinning-renewal':
      return vanishesBehindRenewal()
    case 'draining-renewal':
      return leavesNoBlocks(() => chain.height)
    // The strangers do this (`FreePeers`).
    case 'free-peers':
      return undefined
    case 'dear-close':
      return {
        incoming: ({ type }) => type !== 'CloseRequest',
        outgoing: ({ type }) => type !== 'CloseRequest' || isAsking()
      }
    // It wants the channel to stay until its transaction can be mined.
    case 'publish-old':
    case 'phantom-state':
    case 'premature-rival':
    case 'bluff':
    case 'fat-state':
    case 'direct-miner':
      return {
        incoming: ({ type }) => type !== 'CloseRequest',
        outgoing: ({ type }) => type !== 'CloseRequest'
      }
  }
}

/** It takes all payments until one leaves the payer less than dust; then it falls silent. */
function takesAndVanishes(): Filter {
  let isGone = false
  return {
    incoming: (message) => {
      if (isGone || message.type === 'CloseRequest') return false
      isGone = message.type === 'Update' && message.payerBalance < DUST
      return true
    },
    outgoing: ({ type }) => !isGone && type !== 'CloseRequest'
  }
}

/** Falls silent once the other side can sign T1. */
function vanishesBehindRenewal(): Filter {
  let isGone = false
  return {
    incoming: ({ type }) => !isGone && type !== 'CloseRequest',
    outgoing: ({ type }) => {
      const goes = !isGone && type !== 'CloseRequest'
      isGone ||= type === 'RenewalRequest'
      return goes
    }
  }
}

/**
 * Channels that renew others end their payments as soon as they can be paid on, and so have to be
 * renewed again.
 */
function leavesNoBlocks(height: () => number): Filter {
  let isRenewal = false
  return {
    incoming: (message) => {
      if (message.type === 'OpenChannel') {
        isRenewal = message.renews !== undefined && message.mode === 'one-way'
      }
      return true
    },
    outgoing: () => true,
    changed: (message) => {
      if (message.type !== 'AcceptChannel' || !isRenewal) return message
      const lastPaymentHeight = height() + message.minDepth + 1
      return { ...message, lastPaymentHeight, settleHeight: lastPaymentHeight + PAYMENT_MARGIN }
    }
  }
}

/** Repeats a message that is harmless on any stream; on a closed stream it goes nowhere. */
function flood(link: Link, perSecond: number, calendar: Calendar): void {
  const begin = (): void => {
    for (let n = 0; n < (perSecond * FLOOD_MS) / 1_000; n++) {
      calendar.after((n * 1_000) / perSecond, () => {
        link.send({ type: 'ChannelReady' })
      })
    }
    if (calendar.now < MOST_FLOODED_MS) calendar.after(PAUSE_MS, begin)
  }
  calendar.after(PAUSE_MS, begin)
}

/** A quarter of a day of flooding is enough. */
const MOST_FLOODED_MS = 21_600_000

function filtered(
  peers: Peers,
  { incoming, outgoing, changed = (message) => message, onLink }: Filter
): Peers {
  const outer = (link: Link): Link => ({
    peer: link.peer,
    address: link.address,
    send: (message) => {
      if (outgoing(message)) link.send(changed(message))
    },
    close: () => {
      link.close()
    }
  })
  const inner = (link: Link, listener: LinkListener): LinkListener => ({
    onMessage: (message) =>
      incoming(message, (reply) => {
        link.send(reply)
      })
        ? listener.onMessage(message)
        : undefined,
    onClosed: (error) => {
      listener.onClosed(error)
    }
  })
  return {
    self: peers.self,
    open: async (peer, listener) => {
      const link = await peers.open(peer, (opened) => inner(opened, listener(outer(opened))))
      onLink?.(link)
      return outer(link)
    },
    onIncoming: (accept) =>
      peers.onIncoming((link) => {
        onLink?.(link)
        return inner(link, accept(outer(link)))
      })
  }
}

/**
 * Strangers without end: every PeerId is new, asks for a channel, has its refund signed, and never
 * returns. It costs them nothing, and a node that keeps records for them has less and less room.
 */
interface FreePeersWorld {
  readonly calendar: Calendar
  readonly chain: SimChain
  readonly network: SimNetwork
  readonly draws: Draws
  /** The nodes that the strangers ask. */
  readonly targets: () => readonly SimNode[]
}

const HOUR_MS = 3_600_000
const CAPACITY = satoshi(100_000n)
/** More than any server requires, and less than any refuses. */
const BLOCKS = 500
/** First index of the keys, beyond those that the node itself uses. */
const FIRST_INDEX = 1_000_000

export class FreePeers {
  #count = 0
  readonly #world: FreePeersWorld

  constructor(world: FreePeersWorld) {
    this.#world = world
  }

  /** Begins to send this many an hour, on behalf of a node. */
  begin(node: SimNode, perHour: number): void {
    this.#world.calendar.after(HOUR_MS / perHour, () => {
      const targets = this.#world.targets()
      const target = targets[this.#world.draws.below(targets.length)]
      // A node that is down is not asked.
      if (target !== undefined) this.#ask(node, target).catch(() => {})
      this.begin(node, perHour)
    })
  }

  async #ask(node: SimNode, target: SimNode): Promise<void> {
    const { network, chain, draws } = this.#world
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

  /** The refund of a T1 that is never made. */
  #refund(offer: OpenChannel, accept: AcceptChannel): Uint8Array {
    const terms = termsOf(offer, accept)
    return unsignedRefund(
      refundTemplateOf(terms, { txid: txidFromHash(this.#world.draws.bytes(32)), vout: 0 }),
      { script: terms.client.closeScript, value: satoshi(offer.capacity - 1_000n) }
    )
  }
}
