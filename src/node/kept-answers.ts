/**
 * What was answered to a request with a name of its caller's (`Idempotency-Key`), so that a caller
 * that did not hear the answer may ask again, and nothing is done twice.
 *
 * - `access/answer/<caller>/<hash of the name>`: what was asked, and the answer once there is one
 */
import { z } from 'zod'
import type { Change, Clock, Store } from '../engine/ports.js'
import { isEarlyRefusal } from '../types/refusals.js'
import { adviceOf } from '../types/error-advice.js'
import { PaychanError } from '../types/errors.js'
import { parseRecord, recordChange, unlessDamaged } from '../types/records.js'
import { hashOf } from './access.js'

export const ANSWER_PREFIX = 'access/answer/'

/** As long as callers that lost an answer may come back. */
const KEPT_MS = 7 * 86_400_000

/**
 * Answers kept for one caller: one in six seconds for a week, of a channel at the most, some 2 kB
 * each.
 */
const MOST_KEPT = 100_000

const answerSchema = z.object({
  asked: z.string(),
  at: z.number(),
  answer: z.string().optional(),
  /** It was done, and its answer had a secret. */
  isSecret: z.literal(true).optional()
})

type Kept = z.infer<typeof answerSchema>

/** True when an error proves that nothing was done. */
export function isUndone(error: unknown): boolean {
  return error instanceof PaychanError && isEarlyRefusal(error.code)
}

/** A record without its answer, which stays on the disk. */
interface Known {
  readonly asked: string
  readonly at: number
  readonly outcome: 'unknown' | 'answered' | 'secret'
}

/**
 * The answers kept for one caller by key, the oldest first: nobody can have it forgotten by asking
 * for more.
 */
type OfCaller = Map<string, Known>

export class KeptAnswers {
  readonly #kept = new Map<string, OfCaller>()
  readonly #underWay = new Map<string, Promise<string>>()
  readonly #store: Store
  readonly #clock: Pick<Clock, 'now'>
  readonly #most: number

  constructor(store: Store, clock: Pick<Clock, 'now'>, most = MOST_KEPT) {
    this.#store = store
    this.#clock = clock
    this.#most = most
  }

  /** Leaves out records that are damaged, and tells them. */
  async load(onDamaged: (error: unknown) => void): Promise<void> {
    const found: Array<readonly [string, Known]> = []
    for await (const [key, value] of this.#store.entries(ANSWER_PREFIX)) {
      const kept = unlessDamaged(() => readAnswer(key, value), onDamaged)
      if (kept !== undefined) found.push([key, knownOf(kept)])
    }
    found.sort(([, a], [, b]) => a.at - b.at)
    for (const [key, known] of found) this.#of(callerIn(key)).set(key, known)
  }

  /**
   * Does what was asked once: asked again, it gives the answer of the first time.
   *
   * @param asked - the request, which has to be the same each time
   * @param isSecret - the answer is shown once, and kept nowhere
   * @throws PaychanError `ERR_IDEMPOTENCY_CONFLICT`, `ERR_IDEMPOTENCY_UNKNOWN`, `ERR_TOO_MANY_KEYS`
   *   (facts: most, waitMs), and whatever `run` does
   */
  async once(
    caller: string,
    name: string,
    asked: string,
    run: () => Promise<string>,
    isSecret = false
  ): Promise<string> {
    const key = `${ANSWER_PREFIX}${caller}/${hashOf(name)}`
    const hash = hashOf(asked)
    const known = this.#kept.get(caller)?.get(key)
    if (known !== undefined && known.asked !== hash) {
      throw new PaychanError(
        'ERR_IDEMPOTENCY_CONFLICT',
        'Another request had this Idempotency-Key: take a new key for a new request.'
      )
    }
    const underWay = this.#underWay.get(key)
    if (underWay !== undefined) return await underWay
    if (known !== undefined) return await this.#again(key, known)
    const running = this.#run(caller, key, { asked: hash, at: this.#clock.now() }, run, isSecret)
    this.#underWay.set(key, running)
    try {
      return await running
    } finally {
      this.#underWay.delete(key)
    }
  }

  /** The answer of before. @throws PaychanError `ERR_IDEMPOTENCY_UNKNOWN` */
  async #again(key: string, { outcome }: Known): Promise<string> {
    if (outcome === 'secret') {
      throw new PaychanError(
        'ERR_IDEMPOTENCY_UNKNOWN',
        'The request with this Idempotency-Key was done, and its answer had a secret, which is shown once and not kept. If you have not got it, take away what was made, and ask with a new key.'
      )
    }
    const value = outcome === 'answered' ? await this.#store.get(key) : undefined
    const answer = value && unlessDamaged(() => readAnswer(key, value))?.answer
    if (answer !== undefined) return answer
    throw new PaychanError(
      'ERR_IDEMPOTENCY_UNKNOWN',
      `It is not known what became of the request with this Idempotency-Key: the node ended, or it failed, while it was under way. ${adviceOf('ERR_IDEMPOTENCY_UNKNOWN')}`
    )
  }

  async #run(
    caller: string,
    key: string,
    kept: Kept,
    run: () => Promise<string>,
    isSecret: boolean
  ): Promise<string> {
    const old = this.#forgotten()
    const own = this.#of(caller)
    if (own.size >= this.#most) {
      await this.#store.commit(old)
      throw this.#tooMany(own)
    }
    own.set(key, knownOf(kept))
    await this.#store.commit([...old, recordChange(key, kept)])
    let answer: string
    try {
      answer = await run()
    } catch (error) {
      if (isUndone(error)) {
        own.delete(key)
        await this.#store.commit([{ key, value: undefined }])
      }
      throw error
    }
    const done: Kept = isSecret ? { ...kept, isSecret } : { ...kept, answer }
    own.set(key, knownOf(done))
    await this.#store.commit([recordChange(key, done)])
    return answer
  }

  #of(caller: string): OfCaller {
    const own = this.#kept.get(caller) ?? new Map<string, Known>()
    this.#kept.set(caller, own)
    return own
  }

  /** Forgets what is old, but for what is still under way. */
  #forgotten(): Change[] {
    const since = this.#clock.now() - KEPT_MS
    const old: Change[] = []
    for (const own of this.#kept.values()) {
      for (const [key, { at }] of own) {
        if (at > since) break
        if (this.#underWay.has(key)) continue
        own.delete(key)
        old.push({ key, value: undefined })
      }
    }
    return old
  }

  #tooMany(own: OfCaller): PaychanError {
    const [oldest] = own.values()
    const waitMs = Math.max(1_000, (oldest?.at ?? 0) + KEPT_MS - this.#clock.now())
    return new PaychanError(
      'ERR_TOO_MANY_KEYS',
      `This token has used ${this.#most.toLocaleString('en')} Idempotency-Keys within a week, and no more are kept for one token: nothing was done. ${adviceOf('ERR_TOO_MANY_KEYS')}`,
      { most: this.#most, waitMs }
    )
  }
}

function knownOf({ asked, at, answer, isSecret }: Kept): Known {
  const outcome = isSecret === true ? 'secret' : answer === undefined ? 'unknown' : 'answered'
  return { asked, at, outcome }
}

/** The caller that a record is kept for. */
function callerIn(key: string): string {
  return key.slice(ANSWER_PREFIX.length, key.lastIndexOf('/'))
}

/** @throws PaychanError `ERR_STORE_CORRUPT`, `ERR_STORE_VERSION` */
export function readAnswer(key: string, value: Uint8Array): Kept {
  return parseRecord(key, value, answerSchema)
}
