/**
 * The "Payment" scheme of HTTP authentication, as texts in headers: a server asks for money with a
 * challenge (`WWW-Authenticate`), a client answers with a credential (`Authorization`), and the
 * answer that it gets has a receipt (`Payment-Receipt`).
 *
 * Source: draft-httpauth-payment-01, sections 5 and 8; the id of a challenge as `mppx` binds it.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { adviceOf } from '../types/error-advice.js'
import { PaychanError } from '../types/errors.js'

const SCHEME = 'Payment'

/** More than any honest challenge has. */
const MOST_HEADER_LENGTH = 65_536
const MOST_REQUEST_LENGTH = 16_384

/** The demand of a server, as in its header. `request` is base64url of canonical JSON. */
export interface Challenge {
  readonly id: string
  readonly realm: string
  readonly method: string
  readonly intent: string
  readonly request: string
  /** RFC 3339. */
  readonly expires?: string | undefined
  readonly description?: string | undefined
  readonly digest?: string | undefined
  readonly opaque?: string | undefined
}

export const challengeShape = z.object({
  id: z.string().min(1).max(256),
  realm: z.string().max(256),
  method: z.string().regex(/^[a-z][a-z0-9:_-]*$/),
  intent: z.string().max(64),
  request: z.string().max(MOST_REQUEST_LENGTH),
  expires: z.string().max(64).optional(),
  description: z.string().max(1_024).optional(),
  digest: z.string().max(256).optional(),
  opaque: z.string().max(4_096).optional()
})

/** The answer to a challenge. */
export interface Credential {
  readonly challenge: Challenge
  /** The payer, as a DID. */
  readonly source?: string | undefined
  readonly payload: unknown
}

const credentialShape = z.object({
  challenge: challengeShape,
  source: z.string().max(256).optional(),
  payload: z.unknown()
})

/** The server's word about what it took. */
export interface Receipt {
  readonly method: string
  readonly intent: string
  readonly status: 'success'
  /** RFC 3339. */
  readonly timestamp: string
  /** The identifier of the payment. */
  readonly reference: string
  readonly challengeId: string
  /** The sum that the session was paid, and the part that is spent, in the unit of its price. */
  readonly acceptedCumulative: string
  readonly spent: string
  readonly units: number
}

const receiptShape = z.object({
  method: z.string(),
  intent: z.string(),
  status: z.literal('success'),
  timestamp: z.string(),
  reference: z.string(),
  challengeId: z.string(),
  acceptedCumulative: z.string().regex(/^\d{1,16}$/),
  spent: z.string().regex(/^\d{1,16}$/),
  units: z.number().int().nonnegative()
})

/** JSON with the keys of each object in order (RFC 8785, for texts, whole numbers and lists). */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const fields = Object.entries(value)
    .filter(([, each]) => each !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, each]) => `${JSON.stringify(key)}:${canonical(each)}`)
  return `{${fields.join(',')}}`
}

/** Writes data for a header: base64url of canonical JSON, without padding. */
export function toToken(data: object): string {
  return Buffer.from(canonical(data)).toString('base64url')
}

/** The data of such a text; undefined when it is none. */
export function fromToken(text: string): unknown {
  if (!/^[A-Za-z0-9_-]+={0,2}$/.test(text)) return undefined
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
  } catch {
    return undefined
  }
}

/**
 * The id of a challenge: a MAC over all that it asks for, so that the server knows its own again
 * without keeping any.
 */
export function challengeId(secret: Uint8Array, challenge: Omit<Challenge, 'id'>): string {
  const bound = boundFields(challenge).join('|')
  return createHmac('sha256', secret).update(bound).digest('base64url')
}

function boundFields(challenge: Omit<Challenge, 'id'>): readonly string[] {
  const { realm, method, intent, request, expires = '', digest = '', opaque = '' } = challenge
  return [realm, method, intent, request, expires, digest, opaque]
}

/** True for two challenges that have the same id and ask for the same. */
export function isSame(one: Challenge, other: Challenge): boolean {
  const fields = boundFields(other)
  return one.id === other.id && boundFields(one).every((field, n) => field === fields[n])
}

/** The member of `opaque` in which `mppx` names the route that a challenge is for. */
const SCOPE = '_mppx_scope'
const scopeShape = z.object({ [SCOPE]: z.string() })

/** What a challenge is good for at its server, when that says so; undefined for all of it. */
export function scopeOf({ opaque }: Challenge): string | undefined {
  const read = scopeShape.safeParse(opaque === undefined ? undefined : fromToken(opaque))
  return read.success ? read.data[SCOPE] : undefined
}

/** True for a challenge that was made with this secret, and not changed since. */
export function isOwnChallenge(secret: Uint8Array, challenge: Challenge): boolean {
  const [said, right] = [challenge.id, challengeId(secret, challenge)].map((id) => Buffer.from(id))
  return said !== undefined && right?.length === said.length && timingSafeEqual(said, right)
}

/** The value of `WWW-Authenticate` for a challenge. */
export function challengeHeader(challenge: Challenge): string {
  const { id, realm, method, intent, request, description, digest, expires, opaque } = challenge
  const params = Object.entries({
    id,
    realm,
    method,
    intent,
    request,
    description,
    digest,
    expires,
    opaque
  })
    .filter((param): param is [string, string] => param[1] !== undefined)
    .map(([name, value]) => `${name}="${quotable(value)}"`)
  return `${SCHEME} ${params.join(', ')}`
}

/** A text as a quoted string of a header, which has printable ASCII only. */
function quotable(text: string): string {
  return text
    .replace(/[\p{Cc}]/gu, ' ')
    .replace(/[\\"]/g, (char) => `\\${char}`)
    .replace(/[^ -~]/gu, (char) =>
      [...Array(char.length).keys()]
        .map((i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`)
        .join('')
    )
}

/**
 * The challenges of this scheme in a value of `WWW-Authenticate`, which may have those of other
 * schemes beside them. A malformed one is left out.
 */
export function readChallenges(header: string): Challenge[] {
  if (header.length > MOST_HEADER_LENGTH) return []
  return schemesOf(header)
    .filter(({ scheme }) => scheme.toLowerCase() === SCHEME.toLowerCase())
    .flatMap(({ params }) => {
      const read = challengeShape.safeParse(Object.fromEntries(params))
      return read.success ? [read.data] : []
    })
}

interface Scheme {
  readonly scheme: string
  readonly params: Map<string, string>
}

/**
 * One parameter, or the name of a scheme (RFC 9110, section 11.2); `y`: where the last one ended.
 */
const PARAM = /[\s,]*([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/y
const NAME = /[\s,]*([A-Za-z][A-Za-z0-9_-]*)(?=[\s,]|$)/y

function schemesOf(header: string): Scheme[] {
  const schemes: Scheme[] = []
  for (let at = 0; at < header.length;) {
    PARAM.lastIndex = at
    const param = PARAM.exec(header)
    const present = schemes.at(-1)
    if (param !== null && present !== undefined) {
      const [, name = '', quoted, bare] = param
      const key = name.toLowerCase()
      // One that comes twice makes its challenge void.
      present.params.set(key, present.params.has(key) ? '' : unquoted(quoted ?? bare ?? ''))
      at = PARAM.lastIndex
      continue
    }
    NAME.lastIndex = at
    const name = NAME.exec(header)
    if (name === null) return schemes
    schemes.push({ scheme: name[1] ?? '', params: new Map() })
    at = NAME.lastIndex
  }
  return schemes
}

function unquoted(text: string): string {
  return text.replace(/\\(?:u([0-9A-Fa-f]{4})|(.))/g, (_, hex?: string, char?: string) =>
    hex === undefined ? (char ?? '') : String.fromCharCode(Number.parseInt(hex, 16))
  )
}

/** The value of `Authorization` for a credential. */
export function credentialHeader({ challenge, source, payload }: Credential): string {
  const fields = canonical({ payload, source }).slice(1)
  const text = `{"challenge":${challengeText(challenge)},${fields}`
  return `${SCHEME} ${Buffer.from(text).toString('base64url')}`
}

/** Those of sessions, which are shown again and again. */
const challengeTexts = new WeakMap<Challenge, string>()

function challengeText(challenge: Challenge): string {
  const text = challengeTexts.get(challenge) ?? canonical(challenge)
  challengeTexts.set(challenge, text)
  return text
}

/** True for a value of `Authorization` of this scheme. */
export function isPayment(authorization: string | null): authorization is string {
  return authorization !== null && /^payment\s/i.test(authorization)
}

/** @throws PaychanError `ERR_MALFORMED_CREDENTIAL` */
export function readCredential(authorization: string): Credential {
  const token = /^payment\s+(\S+)\s*$/i.exec(authorization)?.[1] ?? ''
  const read = credentialShape.safeParse(
    token.length > MOST_HEADER_LENGTH ? undefined : fromToken(token)
  )
  if (read.success) return read.data
  throw new PaychanError(
    'ERR_MALFORMED_CREDENTIAL',
    `The Authorization header has no readable payment. ${adviceOf('ERR_MALFORMED_CREDENTIAL')}`
  )
}

/** The value of `Payment-Receipt`. */
export function receiptHeader(receipt: Receipt): string {
  return toToken(receipt)
}

/** The receipt in a header; undefined when there is none that can be read. */
export function readReceipt(header: string | null): Receipt | undefined {
  const read = receiptShape.safeParse(header === null ? undefined : fromToken(header))
  return read.success ? read.data : undefined
}
