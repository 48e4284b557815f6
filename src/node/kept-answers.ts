/**
 * What was answered to a request with a name of its caller's (`Idempotency-Key`), so that a caller
 * that did not hear the answer may ask again, and nothing is done twice.
 *
 * - `access/answer/<caller>/<hash of the name>`: what was asked, and the answer once there is one
 */
import { z } from 'zod'
import type { Clock, Store } from '../engine/ports.js'
import { isEarlyRefusal } from '../types/early-refusals.js'
import { PaychanError } from '../types/errors.js'
import { parseRecord, recordChange, unlessDamaged } from '../types/records.js'
import { hashOf } from './access.js'

export const ANSWER_PREFIX = 'access/answer/'

/** As long as callers that lost an answer may come back. */
const KEPT_MS = 7 * 86_400_000

/** Of a channel at the most, some 2 kB each. */
const MOST_KEPT = 10_000

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

export class KeptAnswers {
  /** The oldest first. */
  readonly #kept = new Map<string, Kept>()
  readonly #underWay = new Map<string, Promise<string>>()

  constructor(
    private readonly store: Store,
    private readonly clock: Pick<Clock, 'now'>
  ) {}

  /** Leaves out records that are damaged, and tells them. */
  async load(onDamaged: (error: unknown) => void): Promise<void> {
    const found: Array<readonly [string, Kept]> = []
    for await (const [key, value] of this.store.entries(ANSWER_PREFIX)) {
      const kept = unlessDamaged(() => readAnswer(key, value), onDamaged)
      if (kept !== undefined) found.push([key, kept])
    }
    found.sort(([, a], [, b]) => a.at - b.at)
    for (const [key, kept] of found) this.#kept.set(key, kept)
  }

  /**
   * Does what was asked once: asked again, it gives the answer of the first time.
   *
   * @param asked - the request, which has to be the same each time
   * @param isSecret - the answer is shown once, and kept nowhere
   * @throws PaychanError `ERR_IDEMPOTENCY_CONFLICT`, `ERR_IDEMPOTENCY_UNKNOWN`, and whatever `run`
   *   does
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
    const known = this.#kept.get(key)
    if (known !== undefined && known.asked !== hash) {
      throw new PaychanError(
        'ERR_IDEMPOTENCY_CONFLICT',
        'Another request had this Idempotency-Key: take a new key for a new request.'
      )
    }
    const underWay = this.#underWay.get(key)
    if (underWay !== undefined) return await underWay
    if (known?.answer !== undefined) return known.answer
    if (known?.isSecret === true) {
      throw new PaychanError(
        'ERR_IDEMPOTENCY_UNKNOWN',
        'The request with this Idempotency-Key was done, and its answer had a secret, which is shown once and not kept. If you have not got it, take away what was made, and ask with a new key.'
      )
    }
    if (known !== undefined) {
      throw new PaychanError(
        'ERR_IDEMPOTENCY_UNKNOWN',
        'It is not known what became of the request with this Idempotency-Key: the node ended, or it failed, while it was under way. Look at the channels, payments and transactions, then ask with a new key.'
      )
    }
    const running = this.#run(key, { asked: hash, at: this.clock.now() }, run, isSecret)
    this.#underWay.set(key, running)
    try {
      return await running
    } finally {
      this.#underWay.delete(key)
    }
  }

  async #run(
    key: string,
    kept: Kept,
    run: () => Promise<string>,
    isSecret: boolean
  ): Promise<string> {
    this.#kept.set(key, kept)
    await this.store.commit([...this.#forgotten(), recordChange(key, kept)])
    let answer: string
    try {
      answer = await run()
    } catch (error) {
      if (isUndone(error)) {
        this.#kept.delete(key)
        await this.store.commit([{ key, value: undefined }])
      }
      throw error
    }
    const done: Kept = isSecret ? { ...kept, isSecret } : { ...kept, answer }
    this.#kept.set(key, done)
    await this.store.commit([recordChange(key, done)])
    return answer
  }

  /** Forgets what is old, or too much to keep. */
  #forgotten(): Array<{ readonly key: string; readonly value: undefined }> {
    const since = this.clock.now() - KEPT_MS
    const old: Array<{ readonly key: string; readonly value: undefined }> = []
    for (const [key, { at }] of this.#kept) {
      if (at > since && this.#kept.size <= MOST_KEPT) break
      this.#kept.delete(key)
      old.push({ key, value: undefined })
    }
    return old
  }
}

/** @throws PaychanError `ERR_STORE_CORRUPT`, `ERR_STORE_VERSION` */
export function readAnswer(key: string, value: Uint8Array): Kept {
  return parseRecord(key, value, answerSchema)
}
