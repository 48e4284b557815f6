/** The shape of `config.json`, key by key, and a sentence for each error in it. */
import { z } from 'zod'
import { readFingerprint } from '../chain/electrum/endpoint.js'
import {
  ofEachSetting,
  type PartialPolicy,
  POLICY,
  POLICY_KEYS,
  type PolicyKey,
  type PolicySetting
} from '../channel/policy.js'
import { didYouMean, parseAmount } from '../types/amount.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import { blockDelta, satoshi, type Satoshi } from '../types/units.js'
import { withoutUndefined } from './wire.js'

export interface ConfigFile {
  readonly network?: string | undefined
  readonly iUnderstandTheRisk?: boolean | undefined
  readonly electrum?: readonly string[] | undefined
  readonly electrumProxy?: string | undefined
  readonly electrumFingerprint?: string | undefined
  readonly electrumCa?: string | undefined
  readonly listen?: readonly string[] | undefined
  readonly announce?: readonly string[] | undefined
  readonly relay?: readonly string[] | undefined
  readonly mdns?: boolean | undefined
  readonly nat?: boolean | undefined
  readonly api?: string | undefined
  readonly apiCert?: string | undefined
  readonly apiKey?: string | undefined
  readonly apiHosts?: readonly string[] | undefined
  readonly logLevel?: string | undefined
  readonly logFormat?: string | undefined
  readonly ui?: boolean | undefined
  readonly policy?: PartialPolicy | undefined
}

/** Satoshis as a JSON number, or a text with a unit. */
const amount = z
  .union([z.int().min(1), z.string()], { error: 'an amount, such as 50000 or "0.0005btc"' })
  .transform((value, context): Satoshi => {
    try {
      return typeof value === 'number' ? satoshi(BigInt(value)) : parseAmount(value)
    } catch (error) {
      context.issues.push({ code: 'custom', message: messageOf(error), input: value })
      return z.NEVER
    }
  })

const count = (least: number, most: number): z.ZodInt => {
  const error = `a whole number from ${least} to ${most.toLocaleString('en')}`
  return z.int({ error }).min(least, { error }).max(most, { error })
}

function readerOf(setting: PolicySetting): z.ZodType {
  if (setting.unit === 'sat') return amount
  const number = count(setting.least, setting.most)
  return setting.unit === 'blocks' ? number.transform((value) => blockDelta(value)) : number
}

const policyShape = ofEachSetting(readerOf)

const policySchema = z.strictObject(policyShape).partial() as unknown as z.ZodType<{
  [Key in PolicyKey]?: PartialPolicy[Key] | undefined
}>

const fileSchema = z
  .strictObject({
    network: z.string({ error: 'a text, such as "regtest"' }),
    iUnderstandTheRisk: z.boolean({ error: 'true or false' }),
    electrum: z.union([z.string().transform((url) => [url]), z.array(z.string()).min(1)], {
      error: 'a text, such as "tcp://127.0.0.1:50001", or a list of them'
    }),
    electrumProxy: z.string({ error: 'a text, such as "socks5://127.0.0.1:9050"' }),
    electrumFingerprint: z.string({ error: 'a text, the SHA-256 fingerprint of a certificate' }),
    electrumCa: z.string({ error: 'a text, the path of a file' }),
    listen: z.array(z.string(), { error: 'a list of multiaddrs' }),
    announce: z.array(z.string(), { error: 'a list of multiaddrs' }),
    relay: z.array(z.string(), { error: 'a list of multiaddrs' }),
    mdns: z.boolean({ error: 'true or false' }),
    nat: z.boolean({ error: 'true or false' }),
    api: z.string({ error: 'a text, such as "127.0.0.1:9802"' }),
    apiCert: z.string({ error: 'a text, the path of a file' }),
    apiKey: z.string({ error: 'a text, the path of a file' }),
    apiHosts: z.array(z.string(), { error: 'a list of names, such as ["node.example"]' }),
    logLevel: z.string({ error: 'a text, such as "info"' }),
    logFormat: z.string({ error: 'a text, such as "json"' }),
    ui: z.boolean({ error: 'true or false' }),
    policy: policySchema
  })
  .partial()

const FILE_KEYS = Object.keys(fileSchema.shape)

/**
 * The content of the file, checked.
 *
 * @throws PaychanError `ERR_CONFIG_UNKNOWN_KEY`, `ERR_CONFIG_INVALID` (facts: key, where)
 */
export function checkShape(content: unknown, path: string): ConfigFile {
  const result = fileSchema.safeParse(content)
  if (!result.success) throw refusal(result.error, path)
  const { policy = {}, ...rest } = result.data
  return { ...rest, policy: withoutUndefined(policy) }
}

/**
 * One setting of the policy from a text, as the environment has it.
 *
 * @throws PaychanError `ERR_CONFIG_INVALID`
 */
export function readPolicyText(key: PolicyKey, text: string, where: string): PartialPolicy {
  const trimmed = text.trim()
  const value =
    POLICY[key].unit === 'sat' || !/^\d{1,10}$/.test(trimmed) ? trimmed : Number(trimmed)
  const result = policySchema.safeParse({ [key]: value })
  if (!result.success) throw invalid(key, where, result.error.issues[0]?.message ?? '')
  return withoutUndefined(result.data)
}

function refusal(error: z.ZodError, path: string): PaychanError {
  const issue = error.issues.find(({ code }) => code === 'unrecognized_keys') ?? error.issues[0]
  const parents = (issue?.path ?? []).map(String)
  if (issue?.code === 'unrecognized_keys') {
    const name = issue.keys[0] ?? ''
    return unknownKey(
      [...parents, name].join('.'),
      name,
      parents[0] === 'policy' ? POLICY_KEYS : FILE_KEYS,
      path
    )
  }
  if (parents.length === 0) {
    return new PaychanError(
      'ERR_CONFIG_INVALID',
      `${path} holds one JSON object, such as { "network": "regtest" }.`,
      { key: '', where: path }
    )
  }
  return invalid(parents.join('.'), path, issue?.message ?? '')
}

function unknownKey(
  key: string,
  name: string,
  known: readonly string[],
  path: string
): PaychanError {
  const sentence =
    key === 'dataDir'
      ? `'dataDir' cannot be set in ${path}, which lies in it. Use --data or PAYCHAN_DATA.`
      : `There is no setting '${key}' (in ${path}).${didYouMean(name, known)}`
  return new PaychanError('ERR_CONFIG_UNKNOWN_KEY', sentence, { key, where: path })
}

function invalid(key: string, where: string, wanted: string): PaychanError {
  const sentence = /^[A-Z']/.test(wanted)
    ? `'${key}' in ${where}: ${wanted}`
    : `'${key}' in ${where} must be ${wanted}.`
  return new PaychanError('ERR_CONFIG_INVALID', sentence, { key, where })
}

/**
 * Parses the text of a configuration file.
 *
 * @throws PaychanError `ERR_CONFIG_UNREADABLE`
 */
export function parseConfigText(text: string, path: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new PaychanError(
      'ERR_CONFIG_UNREADABLE',
      `${path} is not JSON (${messageOf(error)}). Correct it, or remove it to use the defaults.`,
      { path, reason: codeOf(error) },
      { cause: error }
    )
  }
}

/* The address of an Electrum server, as people write it. */

/** The address where `paychan devnet` serves its chain. */
export const DEFAULT_ELECTRUM = 'tcp://127.0.0.1:50001'

/** The option of a command line that reaches the devnet at `url`: nothing at the default. */
export function devnetOption(url: string): string {
  return url === DEFAULT_ELECTRUM ? '' : ` --electrum ${url}`
}

/**
 * Checks the address of an Electrum server; `where` says in the error who gave it.
 *
 * @throws PaychanError `ERR_CONFIG_INVALID`
 */
export function checkElectrum({
  value,
  where
}: {
  readonly value: string
  readonly where: string
}): void {
  const refuse = (why: string): never => {
    throw new PaychanError(
      'ERR_CONFIG_INVALID',
      `${where}: '${value}' ${why} Write it like ${DEFAULT_ELECTRUM}.`,
      { key: 'electrum', where }
    )
  }
  const [, protocol = '', port = 0, pin] =
    /^(tcp|tls|ssl):\/\/(?:\[[0-9a-fA-F:.]+\]|[^\s:/[\]@?#]+):(\d{1,5})(?:#(.*))?$/.exec(value) ??
    []
  if (Number(port) < 1 || Number(port) > 65_535) refuse('is not the address of an Electrum server.')
  if (pin === undefined) return
  if (protocol === 'tcp') refuse('pins a certificate, but is a connection without TLS.')
  if (readFingerprint(pin) === undefined) {
    refuse(
      "has behind the # what is no SHA-256 fingerprint: 32 pairs of hex digits, as 'openssl x509 -noout -fingerprint -sha256 -in FILE' prints them."
    )
  }
}

/* The words of the configuration for how much a node logs, and in which form. */

/** Each level with all before it. */
export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug', 'trace'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** Lines for people, or one JSON object a line. */
export const LOG_FORMATS = ['text', 'json'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]

export interface LogConfig {
  readonly level: LogLevel
  readonly format: LogFormat
}

export const DEFAULT_LOG: LogConfig = { level: 'info', format: 'text' }

/** True when what has a level is logged where `most` is. */
export function isLogged(level: LogLevel, most: LogLevel): boolean {
  return LOG_LEVELS.indexOf(level) <= LOG_LEVELS.indexOf(most)
}
