/**
 * New channels, ours and those that peers ask for: their keys and scripts, the limits on their
 * number and time, and how one is given up while it is under way.
 */
import type { OpenChannel } from '../../protocols/paychan/1.0/index.js'
import { requireFee } from '../bitcoin/coin-selection.js'
import type { Role } from '../bitcoin/keys.js'
import { channelIdOf } from '../bitcoin/scripts.js'
import { checkRequest, offerChannel, usualFundingRate } from '../channel/opening-client.js'
import { acceptChannel } from '../channel/opening-server.js'
import { checkOffer, type OwnPart } from '../channel/opening-terms.js'
import { awaitsInputs, checkFunded, checkSigned, notExpected } from '../channel/outside-funding.js'
import { checkRenewal } from '../channel/renewed.js'
import {
  type AcceptedClient,
  type Channel,
  type ClientChannel,
  isOpening,
  type KeyBits
} from '../channel/state.js'
import { fundingScriptOf } from '../channel/terms.js'
import { isUnfunded } from '../channel/funding.js'
import { must, Violation } from '../channel/violation.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import { ZERO_SAT } from '../types/units.js'
import type { ChannelActor } from './channel-actor.js'
import type { EngineContext } from './context.js'
import type { CloseScripts, OwnScripts, RefundShare, Strangers } from './opening-upkeep.js'
import { watchStands } from './performing.js'
import { inBackground, type Link, type LinkListener, type Random } from './ports.js'
import type { Offer, Renewals } from './renewals.js'
import { type Bucket, BufferingListener, refuse } from './streams.js'
import { fundingSent, openForPayments, readyForSignatures } from './waiters.js'

/** The parts of an engine that an opening needs besides. */
interface OpeningParts {
  readonly renewals: Pick<Renewals, 'named' | 'supersede'>
  readonly strangers: Pick<Strangers, 'admit'>
  readonly refunds: Pick<RefundShare, 'take' | 'hold'>
  readonly closeScripts: Pick<CloseScripts, 'take' | 'giveBack'>
  readonly ownScripts: Pick<OwnScripts, 'take' | 'giveBack'>
}

/** True for a channel that is opening, waits for its funding, or has money in it. */
function isAlive(channel: Channel, height: number): boolean {
  if (channel.stage === 'established' && channel.onChain.fundingHeight !== undefined) {
    return channel.onChain.spend === undefined
  }
  return channel.stage === 'offered' || channel.stage === 'accepted' || isUnfunded(channel, height)
}

function sumOf(numbers: Iterable<number>): number {
  let sum = 0
  for (const number of numbers) sum += number
  return sum
}

export class Openings {
  /** Number of offers by peer whose keys are being drawn. */
  readonly #drawing = new Map<string, number>()
  readonly #context: EngineContext
  readonly #parts: OpeningParts

  constructor(context: EngineContext, parts: OpeningParts) {
    this.#context = context
    this.#parts = parts
  }

  /**
   * Opens a stream and offers a channel on it. Our own shortages are reported before the peer is
   * asked.
   *
   * @throws PaychanError `ERR_CHAIN_UNAVAILABLE`, `ERR_INVALID_AMOUNT`, `ERR_INSUFFICIENT_FUNDS`,
   *   `ERR_FEE_TOO_HIGH` (facts: fee, amount), `ERR_CANCELLED`, and those of `Peers.open`
   */
  async offer({
    peer,
    capacity,
    blocks,
    step,
    renewFor,
    choice,
    mostFee,
    patience,
    renewal,
    outside,
    signal
  }: Offer): Promise<ChannelActor> {
    const { chain, peers, network, policy, wallet } = this.#context
    checkRequest({ capacity, blocks, step }, { policy })
    if (chain.tip === undefined || chain.status !== 'synced') {
      throw new PaychanError(
        'ERR_CHAIN_UNAVAILABLE',
        'The Electrum server does not answer; a channel can only be opened while the chain can be watched. Check the server, then try again.'
      )
    }
    const coins = outside === true ? ZERO_SAT : renewal === undefined ? capacity : renewal.coins
    const fee =
      coins > 0n
        ? wallet.checkFunds(
            coins,
            choice?.feeRate ??
              usualFundingRate(this.#context.env({ role: 'client', keys: { high: 0, low: 0 } })),
            choice?.coins,
            mostFee
          )
        : ZERO_SAT
    requireFee(fee, mostFee)
    const listener = new BufferingListener()
    const link = await unlessCancelled(
      signal,
      peers.open(peer, () => listener),
      (late) => {
        late.close()
      }
    )
    let unused: Uint8Array | undefined
    try {
      const { keys, party } = await this.#drawParty('client', link.peer)
      unused = party.closeScript
      throwIfCancelled(signal)
      const request = {
        id: channelIdOf(party.channelKey),
        peer: link.peer,
        address: link.address ?? peer,
        network,
        keys,
        ours: party,
        capacity,
        blocks,
        step,
        renewFor,
        // The estimate may be another one when T1 is built.
        choice: mostFee === undefined ? choice : { ...choice, mostFee },
        patience,
        renewal,
        outside
      }
      const actor = this.#context.begin(
        offerChannel(request, this.#context.env({ role: 'client', keys }))
      )
      unused = undefined
      listener.bind(this.#context.links.attach(actor, link))
      return actor
    } catch (error) {
      if (unused !== undefined) this.#parts.ownScripts.giveBack(unused, link.peer)
      link.close()
      throw error
    }
  }

  /**
   * Handles the offer of a peer. Refuses what it can before anything is drawn or written.
   *
   * @throws Violation which the peer is told
   */
  onOffer(link: Link, offer: OpenChannel): LinkListener {
    const { policy, network, chain } = this.#context
    const served = this.#context.actors
      .channelsOf(link.peer)
      .filter((channel) => channel.role === 'server')
    const pending = served.filter(
      (channel) => isOpening(channel) && channel.stage !== 'refund-signed'
    ).length
    const drawing = this.#drawing.get(link.peer) ?? 0
    must(
      pending + drawing < policy.maxPendingOpenings,
      'OPEN-7',
      'ERR_TOO_MANY_OPENINGS',
      `At most ${policy.maxPendingOpenings} openings may be under way.`,
      { pending, most: policy.maxPendingOpenings }
    )
    const height = chain.tip?.height ?? 0
    const unfunded = served.filter((channel) => isUnfunded(channel, height)).length
    must(
      unfunded < policy.maxUnfunded,
      'OPEN-7',
      'ERR_TOO_MANY_OPENINGS',
      `At most ${policy.maxUnfunded} channels may wait for their funding.`,
      { unfunded, most: policy.maxUnfunded }
    )
    // A renewal takes the place of another channel.
    const alive =
      served.filter((channel) => isAlive(channel, height)).length -
      (offer.renews === undefined ? 0 : 1)
    must(
      alive + drawing < policy.maxChannelsPerPeer,
      'WIRE-9',
      'ERR_TOO_MANY_CHANNELS',
      `At most ${policy.maxChannelsPerPeer} channels with one peer; close one of them first.`,
      { channels: alive, most: policy.maxChannelsPerPeer }
    )
    const env = this.#context.env({ role: 'server', keys: { high: 0, low: 0 } })
    checkOffer(offer, network, env)
    const old = this.#parts.renewals.named(offer, link.peer)
    checkRenewal(offer, old, old === undefined ? env : this.#context.env(old))
    const share = this.#admit(offer, link.peer)
    this.#drawing.set(link.peer, drawing + 1)
    const listener = new BufferingListener()
    inBackground(() => this.#accept(link, offer, listener, share), this.#context.alarm)
    return listener
  }

  /**
   * OPEN-11, OPEN-14: takes the place of an opening, and what it may leave.
   *
   * @throws Violation `ERR_TOO_MANY_OPENINGS`
   */
  #admit({ renews }: OpenChannel, peer: string): Bucket {
    const share = this.#parts.refunds.take(peer)
    // A renewal has money in it from the start.
    if (renews !== undefined) return share
    try {
      must(
        this.#context.registry.hasRoom,
        'OPEN-14',
        'ERR_TOO_MANY_OPENINGS',
        'This node remembers as many openings that came to nothing as it can; it takes new ones in some weeks.'
      )
      this.#parts.strangers.admit(peer, sumOf(this.#drawing.values()))
    } catch (error) {
      share.giveBack()
      throw error
    }
    return share
  }

  /** Accepts an offer. Never rejects: errors are told to the peer. */
  async #accept(
    link: Link,
    offer: OpenChannel,
    listener: BufferingListener,
    share: Bucket
  ): Promise<void> {
    let unused: Uint8Array | undefined
    let actor: ChannelActor | undefined
    try {
      const { keys, party } = await this.#drawParty('server', link.peer)
      unused = party.closeScript
      const request = {
        id: channelIdOf(offer.channelKey),
        peer: link.peer,
        network: this.#context.network,
        keys,
        ours: party
      }
      actor = this.#context.begin(
        acceptChannel(request, offer, this.#context.env({ role: 'server', keys }))
      )
      this.#parts.refunds.hold(actor, share)
      this.#parts.renewals.supersede(actor.state)
      unused = undefined
      listener.bind(this.#context.links.attach(actor, link))
    } catch (error) {
      // Refused after all, since another stream brought the same K1 meanwhile.
      if (actor === undefined) share.giveBack()
      if (unused !== undefined) this.#parts.closeScripts.giveBack(unused)
      const text = error instanceof Violation ? messageOf(error) : 'This node could not do that.'
      refuse(link, codeOf(error), error instanceof Violation ? error.rule : '', text, true)
    } finally {
      const left = (this.#drawing.get(link.peer) ?? 1) - 1
      if (left > 0) this.#drawing.set(link.peer, left)
      else this.#drawing.delete(link.peer)
    }
  }

  async #drawParty(role: Role, peer: string): Promise<{ keys: KeyBits; party: OwnPart }> {
    const { random, signer } = this.#context
    const keys = drawKeys(random)
    const closeScript =
      role === 'server' ? this.#parts.closeScripts.take() : await this.#parts.ownScripts.take(peer)
    return {
      keys,
      party: {
        channelKey: signer.publicKey({ role, ...keys, use: 'channel' }),
        payoutKey: signer.publicKey({ role, ...keys, use: 'payout' }),
        closeScript,
        derivation: bitsToBytes(keys)
      }
    }
  }
}

/* KEY-2: the 62 random bits that our keys of a channel derive from. */

/** Two BIP32 indexes of 31 bits; the derivation hardens them. */
function drawKeys(random: Random): KeyBits {
  const bytes = random.bytes(8)
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8)
  return { high: view.getUint32(0) & 0x7fffffff, low: view.getUint32(4) & 0x7fffffff }
}

/** The 8 bytes that `AcceptChannel` and `Reestablish` carry: both indexes, big-endian. */
export function bitsToBytes(bits: KeyBits): Uint8Array {
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, bits.high)
  view.setUint32(4, bits.low)
  return bytes
}

/*
 * Giving up an opening while it is under way: as long as T1 has not left, nobody has anything to
 * lose.
 */

/** The error of an opening that its user gave up in time. */
function cancelled(): PaychanError {
  return new PaychanError(
    'ERR_CANCELLED',
    'The opening was cancelled by its user; nothing was funded.'
  )
}

/** @throws PaychanError `ERR_CANCELLED` */
function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw cancelled()
}

/** Waits for `work`, or until it is given up; a later result is handed to `undo`. */
async function unlessCancelled<T>(
  signal: AbortSignal | undefined,
  work: Promise<T>,
  undo: (value: T) => void
): Promise<T> {
  if (signal === undefined) return await work
  return await new Promise<T>((resolve, reject) => {
    const onAbort = (): void => {
      work.then(undo, () => {}) // who asked has been told already
      reject(cancelled())
    }
    if (signal.aborted) {
      onAbort()
      return
    }
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', onAbort)
    })
  })
}

/**
 * Waits until a channel has arrived where `open` wants it. When the signal comes first, the opening
 * is abandoned; when it is too late for that, the opening goes on and only the wait ends.
 *
 * @throws PaychanError `ERR_CANCELLED`, `ERR_CANCEL_TOO_LATE` (facts: channel, txid), and why the
 *   channel did not arrive
 */
export async function arrivalUnlessCancelled(
  signal: AbortSignal | undefined,
  actor: ChannelActor,
  arrival: Promise<void>
): Promise<void> {
  if (signal === undefined) {
    await arrival
    return
  }
  let onAbort = (): void => {}
  const late = new Promise<never>((_resolve, reject) => {
    onAbort = () => {
      actor.post({ type: 'cancel' })
      inBackground(async () => {
        await actor.idle()
        const { state } = actor
        if (state.stage !== 'established') return // it is abandoned, and `arrival` says so
        const { txid } = state.outPoint
        reject(
          new PaychanError(
            'ERR_CANCEL_TOO_LATE',
            `Too late to cancel: the funding transaction ${txid} has left. The channel opens by itself; close it then with \`paychan close ${state.id.slice(0, 8)}\`.`,
            { channel: state.id, txid }
          )
        )
      }, reject)
    }
  })
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  try {
    await Promise.race([arrival, late])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/*
 * T1 from an outside wallet: checks the PSBT that a person brings, first funded and then signed,
 * and passes it on.
 */

/**
 * Takes the PSBT that a channel waits for: funded and unsigned, and resolves once T2 is on disk;
 * then signed, and resolves as `wait` says. A PSBT that is refused changes nothing: another one may
 * follow.
 *
 * @returns warnings, a sentence each
 * @throws PaychanError those of `checkFunded` and `checkSigned`, `ERR_PSBT_NOT_EXPECTED`,
 *   `ERR_PSBT_SUPERSEDED`, `ERR_CHAIN_UNAVAILABLE`, `ERR_BROADCAST_REFUSED`, and why the channel
 *   was given up
 */
export async function takePsbt(
  actor: ChannelActor,
  bytes: Uint8Array,
  wait: 'broadcast' | 'ready',
  context: EngineContext
): Promise<readonly string[]> {
  await actor.idle()
  // REF-7: T1 leaves only when T2's signature is on disk.
  const state = actor.durable ?? actor.state
  if (awaitsInputs(state)) return await takeFunded(actor, state, bytes, context)
  if (state.stage !== 'established' || state.role !== 'client' || state.outside === undefined) {
    throw whyNot(state)
  }
  return await takeSigned(actor, state, bytes, wait, context)
}

/** Steps 2 to 5. No coin is spent on a script that we could not watch. */
async function takeFunded(
  actor: ChannelActor,
  state: AcceptedClient,
  bytes: Uint8Array,
  { watches, clock, env }: EngineContext
): Promise<readonly string[]> {
  const { warnings, ...funded } = checkFunded(state, bytes, env(state))
  await watchStands(watches.watch(actor, fundingScriptOf(state.terms)), clock)
  const secured = actor.waiters.arrival(readyForSignatures)
  actor.post({ type: 'funding-built', ...funded })
  await secured
  // Two may have been brought at once.
  if (actor.state.stage === 'established' && actor.state.outPoint.txid !== funded.outPoint.txid) {
    throw new PaychanError(
      'ERR_PSBT_SUPERSEDED',
      `The refund was signed for another PSBT, of transaction ${actor.state.outPoint.txid}; sign that one.`,
      { txid: actor.state.outPoint.txid }
    )
  }
  return warnings
}

/**
 * Step 6. Asks a mempool first: the person hears of a final refusal at once, and T1 can be signed
 * again.
 */
async function takeSigned(
  actor: ChannelActor,
  state: ClientChannel,
  bytes: Uint8Array,
  wait: 'broadcast' | 'ready',
  { chain, env }: EngineContext
): Promise<readonly string[]> {
  const warnings: string[] = []
  if (state.onChain.fundingHeight === undefined) {
    if (state.stopped !== undefined) {
      throw PaychanError.of(state.stopped.code, `The opening is over: ${state.stopped.reason}`)
    }
    const signed = checkSigned(state, bytes, env(state))
    await chain.broadcast(signed).catch((error: unknown) => {
      if (
        error instanceof PaychanError &&
        codeOf(error) === 'ERR_BROADCAST_REFUSED' &&
        !isForNow(error)
      ) {
        throw error
      }
      warnings.push(`It was not taken yet, and is sent again with every block: ${messageOf(error)}`)
    })
    actor.post({ type: 'funding-signed', raw: signed.raw })
  }
  const arrived = actor.waiters.arrival(wait === 'ready' ? openForPayments : fundingSent)
  actor.waiters.observe(actor.state)
  await arrived
  return warnings
}

/** True for a refusal that time may lift: blocks come, and fees fall. */
function isForNow({ facts: { kind } }: PaychanError): boolean {
  return kind === 'fee-too-low' || kind === 'non-final'
}

function whyNot(state: Channel): PaychanError {
  if (state.stage === 'abandoned') return PaychanError.of(state.code, state.reason, state.facts)
  return notExpected()
}
