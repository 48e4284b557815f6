/** `node.access`: tokens, by which programs use this node over the API on TCP. */
import type { Satoshi } from '../types/units.js'

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
