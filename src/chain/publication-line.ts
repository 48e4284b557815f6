/**
 * COST-9: the order in which publications go to one server, and what they may cost it when it
 * refuses them. Many poor channels are cheap to have, and each T3 of theirs that a server refuses
 * costs its patience: they must not use up what the T3 of a rich one needs.
 */
import type { Claim, Clock } from '../engine/ports.js'
import type { Txid } from '../types/bytes.js'
import type { PaychanError } from '../types/errors.js'
import { feeRate, type FeeRate, max } from '../types/units.js'
import { isLately, REFUSAL_MS, RefusalBudget } from './shared-costs.js'

/**
 * Number of refusals at which others wait, while these count (`REFUSAL_MS`). They come to 600 at
 * once, and then to 171 of the 600 that ElectrumX forgives in a block; those of channels whose T1 is
 * in no block to a third of that.
 */
const REFUSED_PUBLICATIONS = 6
const REFUSED_WITHOUT_T1 = 2

/** Milliseconds for which one that was refused goes behind others: the 36 blocks of a window. */
const WINDOW_MS = 21_600_000

/** The rounding of a feerate, in sat/kvB: a bid at just what a server asks for is sent. */
const ROUNDING = 10n

/** What became of a publication at the server. */
export type Outcome =
  /** `unknown`: the server did not answer, or not to the question. */
  'taken' | 'unknown' | PaychanError

interface Waiting {
  readonly claim: Claim
  readonly txid: Txid
  readonly answer: (answer: Answer) => void
}

/** `go`: it may be sent; `gone`: it waits already, or a newer one has taken its place. */
type Answer = 'go' | 'gone' | PaychanError

export class PublicationLine {
  /** By channel: the newest publication of each. */
  readonly #line = new Map<string, Waiting>()
  readonly #underway = new Set<Claim>()
  #refused: Array<{
    readonly claim: Claim
    readonly at: number
    /** Counts up to the next block. */
    readonly isPassing: boolean
  }> = []
  /** The refusal of this block that says which feerates the server does not take. */
  #asked: { readonly least: FeeRate; readonly refusal: PaychanError } | undefined
  /**
   * Number that may be under way at once: one until the server has answered in this block, and one
   * more for each that it takes.
   */
  #atOnce = 1
  readonly #clock: Pick<Clock, 'now'>
  readonly #refusals: RefusalBudget

  /** @param refusals - all of the same server */
  constructor(clock: Pick<Clock, 'now'>, refusals = new RefusalBudget(clock)) {
    this.#clock = clock
    this.#refusals = refusals
  }

  /** Waits for a place; rather than that, the refusal where the server has told it already. */
  async enter(claim: Claim, txid: Txid): Promise<Answer> {
    const before = this.#line.get(claim.publicationOf)
    const isKnown = before?.txid === txid && before.claim.isFundingThere === claim.isFundingThere
    if (isKnown) return 'gone'
    // Also the same, when its T1 has come back to a block: it waits with the others from now on.
    before?.answer('gone')
    return await new Promise<Answer>((resolve) => {
      const waiting = { claim, txid, answer: resolve }
      this.#line.set(claim.publicationOf, waiting)
      // Those that came before have waited for the answer of the server, and still do.
      this.#admit(waiting)
    })
  }

  /** To be called for each that has entered with `go`. `vsize`: its own. */
  leave(claim: Claim, outcome: Outcome, vsize: number): void {
    this.#underway.delete(claim)
    if (outcome === 'taken') this.#atOnce++
    else if (outcome !== 'unknown') this.#heard(claim, outcome, vsize)
    this.#letIn()
  }

  /** To be called with each block: what the server asks for may be another feerate now. */
  look(): void {
    this.#asked = undefined
    this.#atOnce = 1
    this.#refused = this.#refused.filter(({ isPassing }) => !isPassing)
    this.#letIn()
  }

  /** Answers all that wait: nothing is sent any more. */
  stop(): void {
    for (const { answer } of this.#line.values()) answer('gone')
    this.#line.clear()
  }

  #heard(claim: Claim, refusal: PaychanError, vsize: number): void {
    this.#atOnce = 1
    const told = leastAsked(refusal, vsize)
    if (refusal.facts.kind === 'fee-too-low') {
      const least = max(feeRate(claim.feeRate + 1n), told ?? feeRate(0n))
      if (least > (this.#asked?.least ?? 0n)) this.#asked = { least, refusal }
    }
    // One that says what it asks for speaks for all others of the block.
    if (told !== undefined) return
    // A server that lacks T1, as after a reorganisation, may have it with the next block.
    const isPassing = claim.isFundingThere && refusal.facts.kind === 'missing-inputs'
    this.#refused.push({ claim, at: this.#clock.now(), isPassing })
  }

  #letIn(): void {
    const now = this.#clock.now()
    this.#refused = this.#refused.filter(({ at }) => isLately(at, now, WINDOW_MS))
    const waiting = [...this.#line.values()].map((each) => ({ each, worth: this.#worth(each) }))
    waiting.sort((a, b) => (a.worth === b.worth ? 0 : a.worth > b.worth ? -1 : 1))
    for (const { each } of waiting) this.#admit(each)
  }

  /** Lets one go, or answers it, where that can be said. */
  #admit({ claim, answer }: Waiting): void {
    const asked = this.#asked
    if (asked !== undefined && claim.feeRate < asked.least) {
      this.#line.delete(claim.publicationOf)
      answer(asked.refusal)
    } else if (this.#mayGo(claim)) {
      this.#line.delete(claim.publicationOf)
      this.#underway.add(claim)
      answer('go')
    }
  }

  /** The stake, less the more often the server has refused it lately: so each has its turn. */
  #worth({ claim }: Waiting): bigint {
    const refusals = this.#refused.filter(
      ({ claim: { publicationOf } }) => publicationOf === claim.publicationOf
    )
    return (claim.stake * 1_000n) / BigInt(1 + refusals.length)
  }

  #hasRival(claim: Claim, others: readonly Claim[]): boolean {
    if (others.some((each) => isBefore(each, claim))) return true
    for (const each of this.#line.values()) if (isBefore(each.claim, claim)) return true
    return false
  }

  #mayGo(claim: Claim): boolean {
    const now = this.#clock.now()
    const refused = this.#refused.filter(({ at }) => now - at < REFUSAL_MS)
    const others = [...this.#underway, ...refused.map((each) => each.claim)]
    if (!this.#hasRival(claim, others)) return true
    const counts = (each: Claim): boolean =>
      each.publicationOf === claim.publicationOf || isBefore(each, claim)
    const most = claim.isFundingThere ? REFUSED_PUBLICATIONS : REFUSED_WITHOUT_T1
    return (
      others.filter(counts).length < most &&
      [...this.#underway].filter(counts).length < this.#atOnce &&
      this.#refusals.hasRoom(claim.isFundingThere ? 'publication' : 'orphan', this.#underway.size)
    )
  }
}

/**
 * True when one has to wait for another: that of another channel with half as much at stake, or
 * more. So nothing waits for what is poor beside it, and nothing that is alone with its stake. What
 * may have lost its T1 in a reorganisation waits for its like, and nothing else waits for that.
 */
function isBefore(other: Claim, claim: Claim): boolean {
  return (
    other.publicationOf !== claim.publicationOf &&
    other.isFundingThere === claim.isFundingThere &&
    other.stake * 2n >= claim.stake
  )
}

/**
 * The feerate that the server asks for, out of the words of Bitcoin Core, which say what this
 * transaction pays and what it would have to pay.
 */
function leastAsked({ facts: { kind, reason } }: PaychanError, vsize: number): FeeRate | undefined {
  const words = /fee not met, (\d{1,15}) < (\d{1,15})/.exec(String(reason))
  if (kind !== 'fee-too-low' || words === null) return undefined
  const asked = (BigInt(words[2] ?? 0) * 1_000n) / BigInt(vsize)
  return asked > ROUNDING ? feeRate(asked - ROUNDING) : undefined
}
