/**
 * The configuration of a node and the sources of its values: flags win over the environment, the
 * environment over the file, the file over the defaults. `loadConfig` reads the file; the rest is pure.
 */
import { readFile } from 'node:fs/promises'
import { multiaddr } from '@multiformats/multiaddr'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import { NETWORKS } from '../bitcoin/network-names.js'
import { parseProxy, readFingerprint } from '../chain/electrum/endpoint.js'
import { defaultPolicy, type PartialPolicy, type Policy, POLICY_KEYS } from '../channel/policy.js'
import { PAYMENT_MARGIN } from '../channel/schedule.js'
import { didYouMean, readHostPort } from '../types/amount.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import {
  checkElectrum,
  checkShape,
  type ConfigFile,
  DEFAULT_ELECTRUM,
  DEFAULT_LOG,
  LOG_FORMATS,
  LOG_LEVELS,
  type LogConfig,
  parseConfigText,
  readPolicyText
} from './config-schema.js'
import { dataPaths, DEFAULT_API } from './paths.js'

export interface NodeConfig {
  readonly network: Network
  /** Must be set on purpose for `mainnet`. */
  readonly iUnderstandTheRisk?: true
  /**
   * `tcp://HOST:PORT`, `tls://HOST:PORT`, or with a pinned certificate
   * `tls://HOST:PORT#FINGERPRINT`. At least one.
   */
  readonly electrum: readonly string[]
  /** `socks5://HOST:PORT`: the proxy for all Electrum servers. */
  readonly electrumProxy?: string
  /** SHA-256 of the only trusted certificate, as 64 hex digits. */
  readonly electrumFingerprint?: string
  /** The path of a file of certificates (PEM) that are trusted instead of the usual authorities. */
  readonly electrumCa?: string
  /** Multiaddrs to listen on. */
  readonly listen: readonly string[]
  /** Addresses used instead when a port of `listen` is in use and the user chose no port. */
  readonly listenElse?: readonly string[]
  /** Public multiaddrs at which others reach the node, told to all. */
  readonly announce?: readonly string[]
  /** Relays at which the node is reached; an empty list lets it dial peers behind relays. */
  readonly relays?: readonly string[]
  /** Finds peers on the local network. */
  readonly mdns?: true
  /** Asks the router for a port. */
  readonly nat?: true
  /** The API on TCP; undefined when it is not served. */
  readonly api?: ApiConfig
  readonly log: LogConfig
  readonly dataDir: string
  readonly policy: Policy
}

/** The address of the API on TCP, and the files of its certificate. */
export interface ApiConfig {
  readonly host: string
  readonly port: number
  /** Paths of PEM files. */
  readonly files?: { readonly cert: string; readonly key: string }
  readonly hosts: readonly string[]
  /** Serves the dashboard under `/ui/`. */
  readonly ui: boolean
}

/** The flags of the command line. */
export type ConfigFlags = Omit<ConfigFile, 'policy'>

export interface ConfigSources {
  readonly dataDir: string
  /** The parsed file, and its path for the errors; undefined when there is none. */
  readonly file?: { readonly path: string; readonly content: unknown } | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly flags: ConfigFlags
}

/**
 * Loopback only; reaching the node from elsewhere takes a setting. The same port at every start, so
 * that its clients find a server again.
 */
export const DEFAULT_LISTEN = ['/ip4/127.0.0.1/tcp/9801'] as const

/** The address for the second node of a machine: any free port. */
export const LISTEN_ELSE = ['/ip4/127.0.0.1/tcp/0'] as const

const PREFIX = 'PAYCHAN_'

/** `minDepth` is `PAYCHAN_MIN_DEPTH`. */
export function envName(key: string): string {
  return PREFIX + key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()
}

const POLICY_ENV = new Map(POLICY_KEYS.map((key) => [envName(key), key]))
const KNOWN_ENV = [
  'PAYCHAN_DATA',
  'PAYCHAN_NETWORK',
  'PAYCHAN_I_UNDERSTAND_THE_RISK',
  'PAYCHAN_ELECTRUM',
  'PAYCHAN_ELECTRUM_FINGERPRINT',
  'PAYCHAN_ELECTRUM_CA',
  'PAYCHAN_ELECTRUM_PROXY',
  'PAYCHAN_LISTEN',
  'PAYCHAN_ANNOUNCE',
  'PAYCHAN_RELAY',
  'PAYCHAN_MDNS',
  'PAYCHAN_NAT',
  'PAYCHAN_API',
  'PAYCHAN_API_CERT',
  'PAYCHAN_API_KEY',
  'PAYCHAN_API_HOSTS',
  'PAYCHAN_LOG_LEVEL',
  'PAYCHAN_LOG_FORMAT',
  'PAYCHAN_UI',
  'PAYCHAN_PASSPHRASE',
  'PAYCHAN_PASSPHRASE_FD',
  ...POLICY_ENV.keys()
]

/**
 * One configuration out of all sources.
 *
 * @throws PaychanError `ERR_CONFIG_UNKNOWN_KEY` (facts: key, where), `ERR_CONFIG_INVALID` (facts:
 *   key, where), `ERR_NETWORK_NOT_SUPPORTED`, `ERR_MAINNET_REFUSED` (facts: network)
 * @example
 * const flags = { electrum: ['tcp://127.0.0.1:50001'] }
 * resolveConfig({ dataDir: '/home/alice/.paychan', env: process.env, flags })
 */
export function resolveConfig({ dataDir, file, env, flags }: ConfigSources): NodeConfig {
  const fromFile = file === undefined ? {} : checkShape(file.content, file.path)
  const fromEnv = readEnvironment(env)

  const network = checkNetwork(
    pick('network', flags.network, fromEnv.network, fromFile.network, 'regtest').value
  )
  const isOnPurpose =
    flags.iUnderstandTheRisk ?? fromEnv.iUnderstandTheRisk ?? fromFile.iUnderstandTheRisk ?? false
  if (network === 'mainnet' && !isOnPurpose) {
    throw new PaychanError('ERR_MAINNET_REFUSED', MAINNET_SENTENCE, { network })
  }

  const electrum = pick(
    'electrum',
    flags.electrum,
    fromEnv.electrum,
    fromFile.electrum,
    network === 'regtest' ? [DEFAULT_ELECTRUM] : []
  )
  if (electrum.value.length === 0) {
    throw new PaychanError(
      'ERR_CONFIG_INVALID',
      `Which Electrum servers of ${network} are to be used? Name some with --electrum, at best two or more that have nothing to do with each other, such as --electrum tls://HOST:50002.`,
      { key: 'electrum', where: electrum.where }
    )
  }
  for (const value of electrum.value) checkElectrum({ value, where: electrum.where })
  const proxy = pickOptional(
    'electrumProxy',
    flags.electrumProxy,
    fromEnv.electrumProxy,
    fromFile.electrumProxy
  )
  if (proxy !== undefined) checkProxy(proxy)
  const fingerprint = pickOptional(
    'electrumFingerprint',
    flags.electrumFingerprint,
    fromEnv.electrumFingerprint,
    fromFile.electrumFingerprint
  )
  const ca = pickOptional('electrumCa', flags.electrumCa, fromEnv.electrumCa, fromFile.electrumCa)
  const trust = checkTrust(electrum.value, fingerprint, ca)

  const listen = pick<readonly string[]>(
    'listen',
    flags.listen,
    fromEnv.listen,
    fromFile.listen,
    DEFAULT_LISTEN
  )
  for (const address of listen.value) checkMultiaddr(address, 'listen', listen.where)
  const announce = pick('announce', flags.announce, fromEnv.announce, fromFile.announce, undefined)
  for (const address of announce.value ?? []) checkMultiaddr(address, 'announce', announce.where)
  const relay = pick('relay', flags.relay, fromEnv.relay, fromFile.relay, undefined)
  for (const address of relay.value ?? []) checkMultiaddr(address, 'relay', relay.where)
  const isOn = (key: 'mdns' | 'nat'): boolean =>
    flags[key] ?? fromEnv[key] ?? fromFile[key] ?? false

  const api = apiOf({
    api: pickOptional('api', flags.api, fromEnv.api, fromFile.api),
    cert: pickOptional('apiCert', flags.apiCert, fromEnv.apiCert, fromFile.apiCert),
    key: pickOptional('apiKey', flags.apiKey, fromEnv.apiKey, fromFile.apiKey),
    hosts: flags.apiHosts ?? fromEnv.apiHosts ?? fromFile.apiHosts ?? [],
    ui: flags.ui ?? fromEnv.ui ?? fromFile.ui ?? false
  })

  const level = pick(
    'logLevel',
    flags.logLevel,
    fromEnv.logLevel,
    fromFile.logLevel,
    DEFAULT_LOG.level
  )
  const format = pick(
    'logFormat',
    flags.logFormat,
    fromEnv.logFormat,
    fromFile.logFormat,
    DEFAULT_LOG.format
  )
  const log: LogConfig = {
    level: oneOf('logLevel', level, LOG_LEVELS),
    format: oneOf('logFormat', format, LOG_FORMATS)
  }

  const policy: Policy = { ...defaultPolicy(network), ...fromFile.policy, ...fromEnv.policy }
  checkPolicy(policy)
  return {
    network,
    ...(network === 'mainnet' ? { iUnderstandTheRisk: true } : {}),
    electrum: [...electrum.value],
    ...trust,
    ...(proxy === undefined ? {} : { electrumProxy: proxy.value }),
    listen: [...listen.value],
    ...(listen.value === DEFAULT_LISTEN ? { listenElse: LISTEN_ELSE } : {}),
    ...(announce.value === undefined ? {} : { announce: [...announce.value] }),
    ...(relay.value === undefined ? {} : { relays: [...relay.value] }),
    ...(isOn('mdns') ? { mdns: true } : {}),
    ...(isOn('nat') ? { nat: true } : {}),
    ...(api === undefined ? {} : { api }),
    log,
    dataDir,
    policy
  }
}

interface Picked<T> {
  readonly value: T
  readonly where: string
}

function pick<T>(
  key: string,
  flag: T | undefined,
  env: T | undefined,
  file: T | undefined,
  fallback: T
): Picked<T> {
  if (flag !== undefined) {
    return {
      value: flag,
      where: `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
    }
  }
  if (env !== undefined) return { value: env, where: envName(key) }
  if (file !== undefined) return { value: file, where: `'${key}' of the configuration file` }
  return { value: fallback, where: `the default of '${key}'` }
}

/** As `pick`, for a setting without a default. An empty text clears a value of less weight. */
function pickOptional(
  key: string,
  flag: string | undefined,
  env: string | undefined,
  file: string | undefined
): Picked<string> | undefined {
  const { value, where } = pick(key, flag, env, file, '')
  return value.trim() === '' ? undefined : { value: value.trim(), where }
}

function readEnvironment(env: ConfigSources['env']): ConfigFile {
  const policy: PartialPolicy = {}
  for (const [name, value] of Object.entries(env)) {
    // The test runner has variables of its own.
    if (!name.startsWith(PREFIX) || name.startsWith(`${PREFIX}TEST_`) || value === undefined) {
      continue
    }
    if (!KNOWN_ENV.includes(name)) {
      throw new PaychanError(
        'ERR_CONFIG_UNKNOWN_KEY',
        `There is no setting ${name} (in the environment).${didYouMean(name, KNOWN_ENV)}`,
        { key: name, where: 'environment' }
      )
    }
    const key = POLICY_ENV.get(name)
    if (key !== undefined) Object.assign(policy, readPolicyText(key, value, name))
  }
  const list = (name: string): string[] | undefined =>
    env[name]
      ?.split(',')
      .map((address) => address.trim())
      .filter((address) => address !== '')
  return {
    network: env['PAYCHAN_NETWORK'],
    iUnderstandTheRisk: switchOf(env['PAYCHAN_I_UNDERSTAND_THE_RISK']),
    electrum: list('PAYCHAN_ELECTRUM'),
    electrumProxy: env['PAYCHAN_ELECTRUM_PROXY'],
    electrumFingerprint: env['PAYCHAN_ELECTRUM_FINGERPRINT'],
    electrumCa: env['PAYCHAN_ELECTRUM_CA'],
    listen: list('PAYCHAN_LISTEN'),
    announce: list('PAYCHAN_ANNOUNCE'),
    relay: list('PAYCHAN_RELAY'),
    mdns: switchOf(env['PAYCHAN_MDNS']),
    nat: switchOf(env['PAYCHAN_NAT']),
    api: env['PAYCHAN_API'],
    apiCert: env['PAYCHAN_API_CERT'],
    apiKey: env['PAYCHAN_API_KEY'],
    apiHosts: list('PAYCHAN_API_HOSTS'),
    logLevel: env['PAYCHAN_LOG_LEVEL'],
    logFormat: env['PAYCHAN_LOG_FORMAT'],
    ui: switchOf(env['PAYCHAN_UI']),
    policy
  }
}

/** `1` is on. */
function switchOf(value: string | undefined): boolean | undefined {
  return value === undefined ? undefined : value === '1'
}

/** The network that the environment or the file names; undefined when neither does. */
export function namedNetworkOf({
  file,
  env
}: Pick<ConfigSources, 'file' | 'env'>): Network | undefined {
  const inFile = file === undefined ? undefined : checkShape(file.content, file.path).network
  const named = pickOptional('network', undefined, readEnvironment(env).network, inFile)
  return named === undefined ? undefined : checkNetwork(named.value)
}

const MAINNET_SENTENCE =
  'On mainnet real money is at stake, and this software is young: a bug of ours, a lost data directory or a node that is off when it should watch can cost all that is in your channels. If you know that and want it, say so with --i-understand-the-risk. To try things out use --network regtest or signet.'

function checkNetwork(value: string): Network {
  const network = NETWORKS.find((each) => each === value)
  if (network === undefined) {
    throw new PaychanError(
      'ERR_NETWORK_NOT_SUPPORTED',
      `There is no network '${value}'.${didYouMean(value, NETWORKS)} Networks are ${NETWORKS.join(', ')}.`,
      { network: value }
    )
  }
  return network
}

/** @throws PaychanError `ERR_CONFIG_INVALID` */
function oneOf<T extends string>(
  key: string,
  { value, where }: Picked<string>,
  words: readonly T[]
): T {
  const found = words.find((word) => word === value)
  if (found !== undefined) return found
  throw new PaychanError(
    'ERR_CONFIG_INVALID',
    `${where}: '${value}' is none of ${words.join(', ')}.${didYouMean(value, words)}`,
    { key, where }
  )
}

function checkProxy({ value, where }: Picked<string>): void {
  try {
    parseProxy(value)
  } catch (cause) {
    throw new PaychanError(
      'ERR_CONFIG_INVALID',
      `${where}: ${messageOf(cause)}`,
      { key: 'electrumProxy', where },
      { cause }
    )
  }
}

/**
 * A trust setting must be readable, say one thing, and have a use: a pinned certificate requires
 * TLS.
 */
function checkTrust(
  electrum: readonly string[],
  fingerprint: Picked<string> | undefined,
  ca: Picked<string> | undefined
): Pick<NodeConfig, 'electrumFingerprint' | 'electrumCa'> {
  const given = fingerprint ?? ca
  if (given === undefined) return {}
  const key = fingerprint === undefined ? 'electrumCa' : 'electrumFingerprint'
  const refuse = (why: string): never => {
    throw new PaychanError('ERR_CONFIG_INVALID', `${given.where} ${why}`, {
      key,
      where: given.where
    })
  }
  const plain = electrum.find((url) => url.startsWith('tcp:'))
  if (plain !== undefined) {
    refuse(
      `says which certificate to trust, but ${plain} is a connection without TLS. Write tls://HOST:PORT, or leave it out.`
    )
  }
  if (fingerprint === undefined) return { electrumCa: given.value }
  if (ca !== undefined) {
    refuse(`pins one certificate, and ${ca.where} names authorities. Use one of them.`)
  }
  if (electrum.length > 1) {
    refuse(
      `pins one certificate, and there are ${electrum.length} Electrum servers. Write it behind the address of each: tls://HOST:PORT#FINGERPRINT.`
    )
  }
  const plainText =
    readFingerprint(fingerprint.value) ??
    refuse(
      "must be a SHA-256 fingerprint: 32 pairs of hex digits, as 'openssl x509 -noout -fingerprint -sha256 -in FILE' prints them."
    )
  return { electrumFingerprint: plainText }
}

/** @throws PaychanError `ERR_CONFIG_INVALID` */
function apiOf({
  api: given,
  cert,
  key,
  hosts,
  ui
}: {
  readonly api: Picked<string> | undefined
  readonly cert: Picked<string> | undefined
  readonly key: Picked<string> | undefined
  readonly hosts: readonly string[]
  readonly ui: boolean
}): ApiConfig | undefined {
  const api = given ?? (ui ? { value: DEFAULT_API, where: "the default of 'api'" } : undefined)
  if (api === undefined) return undefined
  const place = readHostPort(api.value)
  if (place === undefined) {
    throw new PaychanError(
      'ERR_CONFIG_INVALID',
      `${api.where}: '${api.value}' is not HOST:PORT. Write it like ${DEFAULT_API} or [::1]:9802.`,
      { key: 'api', where: api.where }
    )
  }
  if ((cert === undefined) !== (key === undefined)) {
    const { where } = cert ?? key ?? api
    throw new PaychanError(
      'ERR_CONFIG_INVALID',
      `${where}: a certificate and its key go together (--api-cert FILE --api-key FILE).`,
      { key: 'apiCert', where }
    )
  }
  return {
    ...place,
    ...(cert === undefined || key === undefined
      ? {}
      : { files: { cert: cert.value, key: key.value } }),
    hosts,
    ui
  }
}

function checkMultiaddr(
  address: string,
  key: 'listen' | 'announce' | 'relay',
  where: string
): void {
  try {
    multiaddr(address)
  } catch (error) {
    throw new PaychanError(
      'ERR_CONFIG_INVALID',
      `${where}: '${address}' is not a multiaddr. Write it like /ip4/0.0.0.0/tcp/4001.`,
      { key, where },
      { cause: error }
    )
  }
}

/** The rules between two values, which a single value cannot break. */
function checkPolicy(policy: Policy): void {
  const needed = policy.settleMargin + PAYMENT_MARGIN + policy.minDepth
  const rules: Array<readonly [holds: boolean, key: string, sentence: string]> = [
    [
      policy.minCapacity <= policy.maxCapacity,
      'minCapacity',
      'minCapacity is at most maxCapacity.'
    ],
    [
      policy.minDepth <= policy.maxMinDepth,
      'maxMinDepth',
      'minDepth is at most maxMinDepth: what we ask of others we take ourselves.'
    ],
    [policy.minBlocks <= policy.maxBlocks, 'minBlocks', 'minBlocks is at most maxBlocks.'],
    // T1 must be buried, and the last payment made, before the server settles.
    [
      policy.minBlocks > needed,
      'minBlocks',
      `minBlocks is more than settleMargin + ${PAYMENT_MARGIN} + minDepth = ${needed}: a channel needs blocks in which it can be paid on.`
    ],
    [
      policy.defaultBlocks > needed,
      'defaultBlocks',
      `defaultBlocks is more than settleMargin + ${PAYMENT_MARGIN} + minDepth = ${needed}.`
    ]
  ]
  for (const [holds, key, sentence] of rules) {
    if (!holds) {
      throw new PaychanError(
        'ERR_CONFIG_INVALID',
        `The policy does not fit together: ${sentence}`,
        { key, where: 'policy' }
      )
    }
  }
}

/* Reads the `config.json` of a data directory. */

/**
 * Loads the configuration of a data directory's node. A missing file is an empty one.
 *
 * @throws PaychanError `ERR_CONFIG_UNREADABLE`, and what `resolveConfig` throws
 */
export async function loadConfig(
  dataDir: string,
  env: ConfigSources['env'],
  flags: ConfigFlags
): Promise<NodeConfig> {
  return resolveConfig({ dataDir, file: await fileOf(dataDir), env, flags })
}

/**
 * The network that a data directory is meant for, when its configuration or the environment says
 * so.
 *
 * @throws PaychanError as `loadConfig`
 */
export async function namedNetwork(
  dataDir: string,
  env: ConfigSources['env']
): Promise<Network | undefined> {
  return namedNetworkOf({ file: await fileOf(dataDir), env })
}

async function fileOf(dataDir: string): Promise<ConfigSources['file']> {
  const path = dataPaths(dataDir).config
  const text = await readIfPresent(path)
  return text === undefined ? undefined : { path, content: parseConfigText(text, path) }
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw new PaychanError(
      'ERR_CONFIG_UNREADABLE',
      `${path} cannot be read (${codeOf(error)}). Check who owns it.`,
      { path, reason: codeOf(error) },
      { cause: error }
    )
  }
}
