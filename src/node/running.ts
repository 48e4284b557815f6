/**
 * The parts of a node that exist between its start and its stop, and how much of them those who ask
 * may use: reads of whole logs, and the feerates of servers.
 */
import type { ElectrumChain } from '../chain/chain.js'
import { Slots } from '../chain/waiting.js'
import type { Policy } from '../channel/policy.js'
import type { Engine } from '../engine/engine.js'
import type { Chain, Clock, Meter, Signer, Store, Tip } from '../engine/ports.js'
import type { Libp2pPeers } from '../p2p/peers.js'
import type { RequestQuestions } from '../p2p/requests.js'
import { PaychanError } from '../types/errors.js'
import { satPerVByte } from '../types/units.js'
import { SHOWN_TARGETS } from '../wallet/fee-choice.js'
import type { NodeWallet } from '../wallet/node-wallet.js'
import type { Access } from './access.js'
import type { Fees } from './answers.js'
import { assertWholePeer, LONG_PART, peerByEnds } from './choose.js'
import type { KeptAnswers } from './kept-answers.js'
import type { Aliases } from './identity.js'
import type { Webhooks } from './webhooks.js'

/** The parts of a node that the API on TCP needs besides the calls of `NodeApi`. */
export interface Gate {
  readonly access: Access
  readonly answers: KeptAnswers
  /** All channels, without what takes long to reckon. */
  readonly outlines: Engine['outlines']
  /** How it sees the chain. */
  readonly chainStatus: () => ElectrumChain['status']
}

export interface Running {
  readonly store: Store
  readonly chain: ElectrumChain
  readonly wallet: NodeWallet
  readonly engine: Engine
  readonly signer: Signer
  readonly peers: Libp2pPeers
  /** Questions to a peer about payment requests. */
  readonly questions: RequestQuestions
  /** Names that a person gave to peers. */
  readonly aliases: Aliases
  readonly gate: Gate
  readonly webhooks: Webhooks
  readonly reads: LongReads
  readonly fees: ShownFees
  readonly policy: Policy
  readonly meter: Meter | undefined
}

/**
 * Finds the PeerId that a person means, also by its name or a part of it. A multiaddr stays as it
 * is.
 */
export async function peerNamed(
  { engine, peers, aliases }: Running,
  text: string
): Promise<string> {
  const named = aliases.peerOf(text)
  if (named !== undefined) return named
  if (text.startsWith('/')) return text
  const ours = [peers.self, ...engine.states().map(({ peer }) => peer)]
  const found = peerByEnds(ours, text) ?? (await strangerNamed(peers, text))
  if (found === undefined) assertWholePeer(text)
  return found ?? text
}

/** Whoever wants an id with an end of four letters has one in a minute: strangers take eight. */
async function strangerNamed(peers: Libp2pPeers, text: string): Promise<string | undefined> {
  if (text.replace(/\W/g, '').length < LONG_PART) return undefined
  return peerByEnds(
    (await peers.peers()).map(({ peerId }) => peerId),
    text
  )
}

/*
 * Reads of whole logs: payments, requests, receipts. There are few at once for the whole node, so
 * that blocks and payments have their turn between two pages, whoever asks and however often.
 */

/** One waits for the disk while the other one decodes. */
const MOST_AT_ONCE = 2

/** More than the programs of one node have under way. */
const MOST_WAITING = 256

export class LongReads {
  readonly #slots: Slots
  readonly #mostWaiting: number

  constructor(mostAtOnce = MOST_AT_ONCE, mostWaiting = MOST_WAITING) {
    this.#mostWaiting = mostWaiting
    this.#slots = new Slots(mostAtOnce)
  }

  /**
   * Reads when its turn has come, in the order of the calls.
   *
   * @throws PaychanError `ERR_TOO_MANY_CALLS` (facts: most), and whatever `read` does
   */
  async run<T>(read: () => Promise<T>): Promise<T> {
    if (this.#slots.waiting >= this.#mostWaiting) {
      throw new PaychanError(
        'ERR_TOO_MANY_CALLS',
        `${this.#mostWaiting} calls wait already to read the log of this node. Wait a moment, then ask again; with a limit, a time or a peer a read is shorter.`,
        { most: this.#mostWaiting }
      )
    }
    return await this.#slots.run(read)
  }
}

/*
 * The feerates that callers are shown. One answer of the servers is for all of them, so that nobody
 * who asks this node spends what its servers allow it: publications need that.
 */

/** Milliseconds for which an answer holds, however fast blocks come. */
const LEAST_MS = 30_000

/** Milliseconds after which mempools are other ones, without a block too. */
const MOST_MS = 600_000

interface Asked {
  readonly answer: Promise<Fees>
  readonly at: number
  readonly tip: Tip | undefined
  failed: boolean
}

export class ShownFees {
  #asked: Asked | undefined
  readonly #chain: Pick<Chain, 'tip' | 'relayRates' | 'estimateFeeRate'>
  readonly #clock: Pick<Clock, 'now'>

  constructor(
    chain: Pick<Chain, 'tip' | 'relayRates' | 'estimateFeeRate'>,
    clock: Pick<Clock, 'now'>
  ) {
    this.#chain = chain
    this.#clock = clock
  }

  /**
   * The last answer of the servers, which are asked anew once there is another block and 30 s are
   * over, or 10 minutes. What failed is asked again with another block, or after 30 s.
   *
   * @throws PaychanError `ERR_CHAIN_UNAVAILABLE`
   */
  async now(): Promise<Fees> {
    if (this.#asked === undefined || this.#isOver(this.#asked)) this.#asked = this.#ask()
    return await this.#asked.answer
  }

  #isOver({ at, tip, failed }: Asked): boolean {
    // A clock that is set back must not keep an answer for ever.
    const age = Math.abs(this.#clock.now() - at)
    const isOtherBlock = tip?.hash !== this.#chain.tip?.hash
    return failed
      ? isOtherBlock || age >= LEAST_MS
      : (isOtherBlock && age >= LEAST_MS) || age >= MOST_MS
  }

  #ask(): Asked {
    const chain = this.#chain
    const clock = this.#clock
    const asked: Asked = { answer: feesOf(chain), at: clock.now(), tip: chain.tip, failed: false }
    asked.answer.catch(() => {
      asked.failed = true
    })
    return asked
  }
}

async function feesOf(chain: Pick<Chain, 'relayRates' | 'estimateFeeRate'>): Promise<Fees> {
  const { minimum } = await chain.relayRates()
  const estimates = await Promise.all(
    SHOWN_TARGETS.map(async (blocks) => ({
      blocks,
      satPerVByte: satPerVByte(await chain.estimateFeeRate(blocks))
    }))
  )
  return { leastSatPerVByte: satPerVByte(minimum), estimates }
}
