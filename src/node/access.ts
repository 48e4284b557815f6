/**
 * Who may use this node over the API on TCP, and for how much: tokens and their budgets.
 *
 * - `access/token/<id>`: the hash of a token, its scopes, budget and times
 * - `access/spent/<id>/<payment>`: an amount that counts against a budget, and since when
 *
 * What a payment costs is on the disk before anything is signed: a crash between the two counts a
 * payment that was not made, and never the other way round.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import type { Change, Clock, Random, Store } from '../engine/ports.js'
import { toHex } from '../types/bytes.js'
import { adviceOf } from '../types/error-advice.js'
import { PaychanError } from '../types/errors.js'
import { parseRecord, recordChange, unlessDamaged } from '../types/records.js'
import { formatAmount, satoshi, type Satoshi } from '../types/units.js'

/* `node.access`: tokens, by which programs use this node over the API on TCP. */

/**
 * The effects of verbs on money, from least to most: `read` shows, `receive` makes what others pay
 * to, `pay` pays peers on open channels, `manage` does everything.
 */
export const SCOPES = ['read', 'receive', 'pay', 'manage'] as const

/** One of the scopes of a token. */
export type Scope = (typeof SCOPES)[number]

/** The times over which a budget is counted; `total`: as long as the token lives. */
export const BUDGET_SPANS = ['hour', 'day', 'week', 'month', 'total'] as const

/** One of the times over which a budget is counted. */
export type BudgetSpan = (typeof BUDGET_SPANS)[number]

/** A span behind an amount: `1,000 sat a day`, `1,000 sat in all`. */
export function spanText(per: BudgetSpan): string {
  return per === 'total' ? 'in all' : per === 'hour' ? 'an hour' : `a ${per}`
}

/** Satoshis that a token may pay within any span of that length. */
export interface Budget {
  /** The most that may be paid within a span, in satoshis. */
  readonly amount: Satoshi
  /** The span: any hour, not that of the clock. */
  readonly per: BudgetSpan
}

/** What a new token may do. */
export interface TokenOptions {
  /** The purpose of the token, as a person will find it in the list. */
  readonly name: string
  /** At least one. `manage` has all the others in it. */
  readonly scopes: readonly Scope[]
  /** Only with `pay`, and not with `manage`; without it, `pay` may pay all that is in channels. */
  readonly budget?: Budget | undefined
  /** Seconds from now on; it never expires when left out. */
  readonly expiresIn?: number | undefined
}

/** A token, without its secret. */
export interface TokenInfo {
  /** The public half, by which the token is revoked. */
  readonly id: string
  /** Its purpose, as its maker wrote it. */
  readonly name: string
  /** What it may do. */
  readonly scopes: readonly Scope[]
  /** Undefined when it may pay all that is in channels, or nothing. */
  readonly budget: Budget | undefined
  /** Satoshis paid within the span that ends now; zero without a budget. */
  readonly spent: Satoshi
  /** Milliseconds since 1970. */
  readonly made: number
  /** Milliseconds since 1970; undefined when it never expires. */
  readonly expires: number | undefined
}

/** A token that was just made, with its secret. */
export interface NewToken extends TokenInfo {
  /** The secret. The node keeps its hash only: this is the one time that it is shown. */
  readonly token: string
}

/** `node.access`: tokens, by which programs use this node over the API on TCP. */
export interface AccessApi {
  /**
   * Makes a token, and shows its secret this one time; waits for the disk.
   *
   * @throws PaychanError `ERR_INVALID_TOKEN_REQUEST`, `ERR_TOO_MANY_TOKENS`
   * @example
   * const budget = { amount: satoshi(10_000n), per: 'day' } as const
   * const { token } = await node.access.make({ name: 'shop', scopes: ['read', 'pay'], budget })
   */
  make: (options: TokenOptions) => Promise<NewToken>
  /**
   * Lists the tokens, the newest first, those included that have expired.
   *
   * @example
   * const [newest] = await node.access.list()
   */
  list: () => Promise<TokenInfo[]>
  /**
   * Takes a token away at once; waits for the disk.
   *
   * @throws PaychanError `ERR_NO_TOKEN`
   * @example
   * await node.access.revoke('5f0c9a13')
   */
  revoke: (id: string) => Promise<void>
}

export const TOKEN_PREFIX = 'access/token/'
export const SPENT_PREFIX = 'access/spent/'

/** A token is `paychan_`, its id and its secret: secret scanners find it by its beginning. */
const FORM = /^paychan_([0-9a-f]{8})_([0-9a-f]{64})$/

const ID_BYTES = 4
/** 2^256 possibilities, so a plain hash keeps it: nobody can try them. */
const SECRET_BYTES = 32

const MOST_TOKENS = 1_000
const LONGEST_NAME = 64
const LONGEST_LIFE_S = 10 * 365 * 86_400

const DAY_MS = 86_400_000

/** A month has at most 31 days; a budget counts a day too many rather than one too few. */
const SPAN_MS: Readonly<Record<BudgetSpan, number>> = {
  hour: 3_600_000,
  day: DAY_MS,
  week: 7 * DAY_MS,
  month: 31 * DAY_MS,
  total: Number.POSITIVE_INFINITY
}

/** Milliseconds that a payment may take without being counted anew at its end. */
const PROMPT_MS = 1_000

/** Number of amounts that a budget keeps apart; the older half is then added up. */
const MOST_SPENT = 10_000

const amountSchema = z.bigint().transform((value) => satoshi(value))

const tokenSchema = z.object({
  name: z.string(),
  hash: z.string(),
  scopes: z.array(z.enum(SCOPES)),
  budget: z.object({ amount: amountSchema, per: z.enum(BUDGET_SPANS) }).optional(),
  made: z.number(),
  expires: z.number().optional()
})

type TokenRecord = z.infer<typeof tokenSchema>

const spentSchema = z.object({ amount: amountSchema, at: z.number() })

type Spent = z.infer<typeof spentSchema>

/** An amount that counts, and how far its payment has come. */
interface Counted extends Spent {
  /** Number of calls that are under way for this payment. */
  underWay: number
  /** True once one of them has, or may have, paid. */
  mayBePaid: boolean
  /** The newest time at which it was asked for again by those that are under way. */
  again: number | undefined
  /** True once it may have been paid, or a part of it, since it was asked for again. */
  isPaidAgain: boolean
}

interface Token {
  readonly id: string
  readonly record: TokenRecord
  readonly spent: Spending
}

/** The right of one request: whose it is, and for what. */
export interface Grant {
  readonly id: string
  readonly scopes: readonly Scope[]
  readonly hasBudget: boolean
}

export class Access implements AccessApi {
  readonly #tokens = new Map<string, Token>()
  readonly #store: Store
  readonly #clock: Pick<Clock, 'now'>
  readonly #random: Random

  constructor(store: Store, clock: Pick<Clock, 'now'>, random: Random) {
    this.#store = store
    this.#clock = clock
    this.#random = random
  }

  /**
   * Leaves out tokens that are damaged, and tells them. A budget with a damaged amount is used up:
   * the amount is not known.
   */
  async load(onDamaged: (error: unknown) => void): Promise<void> {
    for await (const [key, value] of this.#store.entries(TOKEN_PREFIX)) {
      const record = unlessDamaged(() => readToken(key, value), onDamaged)
      const id = key.slice(TOKEN_PREFIX.length)
      if (record !== undefined) this.#tokens.set(id, { id, record, spent: new Spending() })
    }
    for await (const [key, value] of this.#store.entries(SPENT_PREFIX)) {
      const [id = '', payment = ''] = key.slice(SPENT_PREFIX.length).split('/')
      const token = this.#tokens.get(id)
      if (token === undefined) continue
      const all = { amount: token.record.budget?.amount ?? satoshi(0n), at: this.#clock.now() }
      const entry = unlessDamaged(() => readSpent(key, value), onDamaged) ?? all
      token.spent.set(payment, counted(entry))
    }
    for (const { spent } of this.#tokens.values()) spent.sort()
  }

  readonly make = async ({ name, scopes, budget, expiresIn }: TokenOptions): Promise<NewToken> => {
    checkOptions({ name, scopes, budget, expiresIn })
    if (this.#tokens.size >= MOST_TOKENS) {
      throw new PaychanError(
        'ERR_TOO_MANY_TOKENS',
        `There are ${MOST_TOKENS} tokens already: revoke some that are not used any more.`
      )
    }
    const { token, secret } = this.#draw({ name, scopes, budget, expiresIn })
    await this.#store.commit([recordChange(TOKEN_PREFIX + token.id, token.record)])
    return this.#handOver(token, secret)
  }

  /**
   * Makes a token that is on no disk: it ends with this run of the node, however that ends. It is
   * listed and revoked as any other.
   */
  lend(options: Pick<TokenOptions, 'name' | 'scopes'>): NewToken {
    checkOptions(options)
    const { token, secret } = this.#draw(options)
    return this.#handOver(token, secret)
  }

  readonly list = async (): Promise<TokenInfo[]> =>
    await Promise.resolve(
      [...this.#tokens.values()]
        .sort((a, b) => b.record.made - a.record.made)
        .map((token) => this.#infoOf(token))
    )

  readonly revoke = async (id: string): Promise<void> => {
    const token = this.#tokens.get(id)
    if (token === undefined) {
      throw new PaychanError(
        'ERR_NO_TOKEN',
        `There is no token ${id.slice(0, 16)}; \`paychan token list\` has the ids.`,
        { id: id.slice(0, 16) }
      )
    }
    // First out of use: a disk that fails must not leave it in use.
    this.#tokens.delete(id)
    await this.#store.commit([
      { key: TOKEN_PREFIX + id, value: undefined },
      ...token.spent.names().map((payment) => ({
        key: spentKey(id, payment),
        value: undefined
      }))
    ])
  }

  /**
   * The right that a token gives.
   *
   * @throws PaychanError `ERR_TOKEN_INVALID`, `ERR_TOKEN_EXPIRED`
   */
  admit(text: string): Grant {
    const [, id = '', secret = ''] = FORM.exec(text) ?? []
    const token = this.#tokens.get(id)
    // As long for an id that does not exist: the time says nothing about which exist.
    const given = Buffer.from(hashOf(secret), 'hex')
    const kept = Buffer.from(token?.record.hash ?? hashOf(''), 'hex')
    const isRight = timingSafeEqual(given, kept) && secret !== ''
    if (token === undefined || !isRight) {
      throw new PaychanError(
        'ERR_TOKEN_INVALID',
        `This is not a token of this node, or it was revoked. ${adviceOf('ERR_TOKEN_INVALID')}`
      )
    }
    const { record } = token
    if (record.expires !== undefined && this.#clock.now() > record.expires) {
      throw new PaychanError(
        'ERR_TOKEN_EXPIRED',
        `The token '${record.name}' has expired. Make another one: \`paychan token create\`.`,
        { id }
      )
    }
    return { id, scopes: record.scopes, hasBudget: record.budget !== undefined }
  }

  /**
   * Counts a payment against the budget of a token, before it is made; resolves once that is on the
   * disk. One that is asked for again is counted once, and from now on if it pays what was missing.
   * To be followed by `settle`.
   *
   * @throws PaychanError `ERR_BUDGET_USED_UP` (facts: limit, per, spent, asked, left),
   *   `ERR_TOKEN_INVALID` when it was revoked meanwhile
   */
  async reserve(id: string, payment: string, amount: Satoshi): Promise<void> {
    const token = this.#tokens.get(id)
    if (token === undefined) {
      throw new PaychanError('ERR_TOKEN_INVALID', 'This token was revoked.')
    }
    const { budget } = token.record
    const name = hashOf(payment).slice(0, 32)
    if (budget === undefined) return
    const at = this.#clock.now()
    const known = token.spent.get(name)
    if (known !== undefined) {
      known.underWay++
      known.again = at
      await this.#store.commit([spentChange(id, name, known.amount, at)])
      return
    }
    const changes = this.#forget(token, budget, at)
    const spent = token.spent.sum
    if (spent + amount > budget.amount) {
      if (changes.length > 0) await this.#store.commit(changes)
      throw usedUp(budget, spent, amount)
    }
    token.spent.set(name, { ...counted({ amount, at }), underWay: 1, mayBePaid: false })
    // A disk that fails stops the node, and nothing is signed.
    await this.#store.commit([...changes, spentChange(id, name, amount, at)])
  }

  /**
   * Ends what `reserve` began. A payment counts no more once all calls for it have ended and none
   * of them may have paid.
   */
  async settle(id: string, payment: string, mayBePaid: boolean): Promise<void> {
    const name = hashOf(payment).slice(0, 32)
    const spent = this.#tokens.get(id)?.spent
    const entry = spent?.get(name)
    if (spent === undefined || entry === undefined || entry.underWay === 0) return
    entry.underWay--
    entry.mayBePaid ||= mayBePaid
    entry.isPaidAgain ||= mayBePaid && entry.again !== undefined
    if (entry.underWay > 0) return
    const { amount, again, isPaidAgain } = entry
    if (!entry.mayBePaid) {
      spent.delete(name)
      await this.#store.commit([{ key: spentKey(id, name), value: undefined }])
      return
    }
    const asked = again !== undefined && isPaidAgain ? again : entry.at
    const now = this.#clock.now()
    // It may have been paid just now: a budget counts from then, not from when it was asked for.
    const isLate = now - asked > PROMPT_MS && (again === undefined || isPaidAgain)
    const at = isLate ? now : asked
    // Behind all others, where the newest are.
    if (at > entry.at) spent.delete(name)
    spent.set(name, counted({ amount, at }))
    // `reserve` has written the time at which it was asked for last.
    if (at !== (again ?? entry.at)) await this.#store.commit([spentChange(id, name, amount, at)])
  }

  /**
   * Drops what lies outside of the span, and adds up the older half of what is too much to keep.
   */
  #forget({ id, spent }: Token, { per }: Budget, now: number): Change[] {
    const old = spent.until(now - SPAN_MS[per])
    for (const [name] of old) spent.delete(name)
    const changes: Change[] = old.map(([name]) => ({ key: spentKey(id, name), value: undefined }))
    if (spent.size < MOST_SPENT) return changes
    const [first, ...more] = spent.oldest(MOST_SPENT / 2)
    if (first === undefined) return changes
    const [name] = first
    let { amount, at } = first[1]
    for (const [other, entry] of more) {
      spent.delete(other)
      changes.push({ key: spentKey(id, other), value: undefined })
      amount = satoshi(amount + entry.amount)
      // At the time of its newest part, so that none counts for too short.
      at = Math.max(at, entry.at)
    }
    spent.set(name, counted({ amount, at }))
    return [...changes, spentChange(id, name, amount, at)]
  }

  #draw({ name, scopes, budget, expiresIn }: TokenOptions): {
    readonly token: Token
    readonly secret: string
  } {
    const secret = toHex(this.#random.bytes(SECRET_BYTES))
    const made = this.#clock.now()
    const record: TokenRecord = {
      name,
      hash: hashOf(secret),
      scopes: SCOPES.filter((scope) => scopes.includes(scope)),
      budget,
      made,
      expires: expiresIn === undefined ? undefined : made + 1_000 * expiresIn
    }
    return { token: { id: this.#freshId(), record, spent: new Spending() }, secret }
  }

  #handOver(token: Token, secret: string): NewToken {
    this.#tokens.set(token.id, token)
    return { ...this.#infoOf(token), token: `paychan_${token.id}_${secret}` }
  }

  #infoOf({ id, record, spent }: Token): TokenInfo {
    const { name, scopes, budget, made, expires } = record
    const old = spent.until(this.#clock.now() - SPAN_MS[budget?.per ?? 'total'])
    const gone = old.reduce((sum, [, { amount }]) => sum + amount, 0n)
    return { id, name, scopes, budget, spent: satoshi(spent.sum - gone), made, expires }
  }

  #freshId(): string {
    for (;;) {
      const id = toHex(this.#random.bytes(ID_BYTES))
      if (!this.#tokens.has(id)) return id
    }
  }
}

/** @throws PaychanError `ERR_STORE_CORRUPT`, `ERR_STORE_VERSION` */
export function readToken(key: string, value: Uint8Array): TokenRecord {
  return parseRecord(key, value, tokenSchema)
}

/** @throws PaychanError `ERR_STORE_CORRUPT`, `ERR_STORE_VERSION` */
export function readSpent(key: string, value: Uint8Array): Spent {
  return parseRecord(key, value, spentSchema)
}

function checkOptions({ name, scopes, budget, expiresIn }: TokenOptions): void {
  const problem =
    name === '' || name.length > LONGEST_NAME || /[\p{Cc}\p{Cf}]/u.test(name)
      ? `A token has a name of 1 to ${LONGEST_NAME} characters on one line.`
      : scopes.length === 0
        ? `A token has at least one scope: ${SCOPES.join(', ')}.`
        : budget !== undefined && scopes.includes('manage')
          ? 'A budget would not hold a token with the scope manage, which may send coins and open channels. Leave out one of the two.'
          : budget !== undefined && !scopes.includes('pay')
            ? 'A budget is for what a token pays: add the scope pay, or leave out the budget.'
            : budget !== undefined && budget.amount <= 0n
              ? 'A budget is at least 1 sat.'
              : expiresIn !== undefined && !(expiresIn >= 1 && expiresIn <= LONGEST_LIFE_S)
                ? 'A token lives for at least a second, and for ten years at most.'
                : undefined
  if (problem !== undefined) throw new PaychanError('ERR_INVALID_TOKEN_REQUEST', problem)
}

function usedUp({ amount: limit, per }: Budget, spent: Satoshi, asked: Satoshi): PaychanError {
  const left = spent < limit ? limit - spent : 0n
  const span = spanText(per)
  const wait =
    per === 'total'
      ? 'Make'
      : `What was paid counts for ${span}: ask again when that is over, or make`
  return new PaychanError(
    'ERR_BUDGET_USED_UP',
    `This token may pay ${formatAmount(limit)} ${span}, and ${formatAmount(satoshi(left))} are left: ${formatAmount(asked)} were refused, and nothing was signed. ${wait} a token with a higher limit (\`paychan token create\`).`,
    { limit, per, spent, asked, left }
  )
}

/** A payment that is on the disk may have been made: a crash does not tell. */
function counted(entry: Spent): Counted {
  return { ...entry, underWay: 0, mayBePaid: true, again: undefined, isPaidAgain: false }
}

/** The payments that count against a budget, the oldest first; and its sum. */
class Spending {
  readonly #entries = new Map<string, Counted>()
  sum: Satoshi = satoshi(0n)

  get size(): number {
    return this.#entries.size
  }

  get(payment: string): Counted | undefined {
    return this.#entries.get(payment)
  }

  names(): string[] {
    return [...this.#entries.keys()]
  }

  /** One that is there keeps its place. */
  set(payment: string, entry: Counted): void {
    const before = this.#entries.get(payment)?.amount ?? 0n
    this.#entries.set(payment, entry)
    this.sum = satoshi(this.sum - before + entry.amount)
  }

  delete(payment: string): void {
    const before = this.#entries.get(payment)?.amount ?? 0n
    this.#entries.delete(payment)
    this.sum = satoshi(this.sum - before)
  }

  /** Those of a time and before, unless they are under way. */
  until(time: number): Array<readonly [string, Counted]> {
    const found: Array<readonly [string, Counted]> = []
    for (const [name, entry] of this.#entries) {
      if (entry.at > time) break
      if (entry.underWay === 0) found.push([name, entry])
    }
    return found
  }

  /** The oldest that are not under way. */
  oldest(count: number): Array<readonly [string, Counted]> {
    return [...this.#entries].filter(([, { underWay }]) => underWay === 0).slice(0, count)
  }

  sort(): void {
    const sorted = [...this.#entries].sort(([, a], [, b]) => a.at - b.at)
    this.#entries.clear()
    for (const [name, entry] of sorted) this.#entries.set(name, entry)
  }
}

function spentKey(id: string, payment: string): string {
  return `${SPENT_PREFIX}${id}/${payment}`
}

function spentChange(id: string, payment: string, amount: Satoshi, at: number): Change {
  return recordChange(spentKey(id, payment), { amount, at })
}

/** SHA-256, in hex. */
export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
