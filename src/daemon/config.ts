/**
 * What a node is configured with, and where each value comes from: flags win over the environment,
 * the environment over the file, the file over the defaults. Pure: nothing is read here.
 */
import { multiaddr } from '@multiformats/multiaddr'
import { defaultPolicy, type Policy } from '../channel/policy.js'
import { PAYMENT_MARGIN } from '../channel/schedule.js'
import { readFingerprint } from '../chain/electrum/tls.js'
import { PaychanError } from '../types/errors.js'
import { didYouMean } from './nearest.js'
import { POLICY_KEYS, checkShape, readPolicyText, type ConfigFile, type PartialPolicy } from './config-schema.js'

export interface NodeConfig {
  readonly network: 'regtest'
  /** `tcp://HOST:PORT` or `tls://HOST:PORT`. */
  readonly electrum: string
  /** SHA-256 of the certificate that alone is trusted, as 64 hex digits. */
  readonly electrumFingerprint?: string
  /** The path of a file of certificates (PEM) that are trusted instead of the usual authorities. */
  readonly electrumCa?: string
  /** Multiaddrs to listen on. */
  readonly listen: readonly string[]
  readonly dataDir: string
  readonly policy: Policy
}

/** What the command line can say. */
export interface ConfigFlags {
  readonly network?: string | undefined
  readonly electrum?: string | undefined
  readonly electrumFingerprint?: string | undefined
  readonly electrumCa?: string | undefined
  readonly listen?: readonly string[] | undefined
}

export interface ConfigSources {
  readonly dataDir: string
  /** The parsed file, and its path for the errors; undefined when there is none. */
  readonly file?: { readonly path: string, readonly content: unknown } | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly flags: ConfigFlags
}

/** Where `paychan devnet` serves its chain. */
export const DEFAULT_ELECTRUM = 'tcp://127.0.0.1:50001'

/** Loopback only, any free port: whoever wants to be reached from elsewhere says so. */
export const DEFAULT_LISTEN = ['/ip4/127.0.0.1/tcp/0'] as const

const PREFIX = 'PAYCHAN_'

/** `minDepth` is `PAYCHAN_MIN_DEPTH`. */
function envName (key: string): string {
  return PREFIX + key.replace(/[A-Z]/g, letter => `_${letter}`).toUpperCase()
}

const POLICY_ENV = new Map(POLICY_KEYS.map(key => [envName(key), key]))
const KNOWN_ENV = ['PAYCHAN_DATA', 'PAYCHAN_NETWORK', 'PAYCHAN_ELECTRUM', 'PAYCHAN_ELECTRUM_FINGERPRINT', 'PAYCHAN_ELECTRUM_CA', 'PAYCHAN_LISTEN', 'PAYCHAN_PASSPHRASE', 'PAYCHAN_PASSPHRASE_FD', ...POLICY_ENV.keys()]

/**
 * One configuration out of all sources.
 *
 * @throws PaychanError `ERR_CONFIG_UNKNOWN_KEY` (facts: key, where), `ERR_CONFIG_INVALID` (facts:
 *   key, where), `ERR_NETWORK_NOT_SUPPORTED` (facts: network)
 * @example
 * resolveConfig({ dataDir: '/home/alice/.paychan', env: process.env, flags: { electrum: 'tcp://127.0.0.1:50001' } })
 */
export function resolveConfig ({ dataDir, file, env, flags }: ConfigSources): NodeConfig {
  const fromFile = file === undefined ? {} : checkShape(file.content, file.path)
  const fromEnv = readEnvironment(env)

  const network = pick('network', flags.network, fromEnv.network, fromFile.network, 'regtest')
  if (network.value !== 'regtest') refuseNetwork(network.value)

  const electrum = pick('electrum', flags.electrum, fromEnv.electrum, fromFile.electrum, DEFAULT_ELECTRUM)
  checkElectrum(electrum)
  const fingerprint = pickOptional('electrumFingerprint', flags.electrumFingerprint, fromEnv.electrumFingerprint, fromFile.electrumFingerprint)
  const ca = pickOptional('electrumCa', flags.electrumCa, fromEnv.electrumCa, fromFile.electrumCa)
  const trust = checkTrust(electrum.value, fingerprint, ca)

  const listen = pick<readonly string[]>('listen', flags.listen, fromEnv.listen, fromFile.listen, DEFAULT_LISTEN)
  for (const address of listen.value) checkMultiaddr(address, listen.where)

  const policy: Policy = { ...defaultPolicy('regtest'), ...fromFile.policy, ...fromEnv.policy }
  checkPolicy(policy)
  return { network: 'regtest', electrum: electrum.value, ...trust, listen: [...listen.value], dataDir, policy }
}

interface Picked<T> { readonly value: T, readonly where: string }

function pick<T> (key: string, flag: T | undefined, env: T | undefined, file: T | undefined, fallback: T): Picked<T> {
  if (flag !== undefined) return { value: flag, where: `--${key.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}` }
  if (env !== undefined) return { value: env, where: envName(key) }
  if (file !== undefined) return { value: file, where: `'${key}' of the configuration file` }
  return { value: fallback, where: `the default of '${key}'` }
}

/** As `pick`, of a setting without a default. An empty text takes back what is said with less weight. */
function pickOptional (key: string, flag: string | undefined, env: string | undefined, file: string | undefined): Picked<string> | undefined {
  const { value, where } = pick(key, flag, env, file, '')
  return value.trim() === '' ? undefined : { value: value.trim(), where }
}

function readEnvironment (env: ConfigSources['env']): ConfigFile {
  const policy: PartialPolicy = {}
  for (const [name, value] of Object.entries(env)) {
    // The test runner has variables of its own.
    if (!name.startsWith(PREFIX) || name.startsWith(`${PREFIX}TEST_`) || value === undefined) continue
    if (!KNOWN_ENV.includes(name)) {
      throw new PaychanError('ERR_CONFIG_UNKNOWN_KEY', `There is no setting ${name} (in the environment).${didYouMean(name, KNOWN_ENV)}`, { key: name, where: 'environment' })
    }
    const key = POLICY_ENV.get(name)
    if (key !== undefined) Object.assign(policy, readPolicyText(key, value, name))
  }
  const listen = env['PAYCHAN_LISTEN']?.split(',').map(address => address.trim()).filter(address => address !== '')
  return { network: env['PAYCHAN_NETWORK'], electrum: env['PAYCHAN_ELECTRUM'], electrumFingerprint: env['PAYCHAN_ELECTRUM_FINGERPRINT'], electrumCa: env['PAYCHAN_ELECTRUM_CA'], listen, policy }
}

const OTHER_NETWORKS = ['mainnet', 'testnet', 'signet']

function refuseNetwork (network: string): never {
  const sentence = OTHER_NETWORKS.includes(network)
    ? `This release runs on regtest only, and ${network} has coins of others at stake. Use --network regtest.`
    : `There is no network '${network}'. Use --network regtest.`
  throw new PaychanError('ERR_NETWORK_NOT_SUPPORTED', sentence, { network })
}

/**
 * Checks the address of an Electrum server; `where` says in the error who gave it.
 *
 * @throws PaychanError `ERR_CONFIG_INVALID`
 */
export function checkElectrum ({ value, where }: Picked<string>): void {
  const refuse = (why: string): never => {
    throw new PaychanError('ERR_CONFIG_INVALID', `${where}: '${value}' ${why} Write it like ${DEFAULT_ELECTRUM}.`, { key: 'electrum', where })
  }
  const match = /^(?:tcp|tls|ssl):\/\/(?:\[[0-9a-fA-F:.]+\]|[^\s:/[\]@?#]+):(\d{1,5})$/.exec(value)
  const port = Number(match?.[1] ?? 0)
  if (port < 1 || port > 65_535) refuse('is not the address of an Electrum server.')
}

/** What says whom to trust must be readable, say one thing, and have a use: whoever pins a certificate wants TLS. */
function checkTrust (electrum: string, fingerprint: Picked<string> | undefined, ca: Picked<string> | undefined): Pick<NodeConfig, 'electrumFingerprint' | 'electrumCa'> {
  const given = fingerprint ?? ca
  if (given === undefined) return {}
  const key = fingerprint === undefined ? 'electrumCa' : 'electrumFingerprint'
  const refuse = (why: string): never => { throw new PaychanError('ERR_CONFIG_INVALID', `${given.where} ${why}`, { key, where: given.where }) }
  if (electrum.startsWith('tcp:')) refuse(`says which certificate to trust, but ${electrum} is a connection without TLS. Write tls://HOST:PORT, or leave it out.`)
  if (fingerprint === undefined) return { electrumCa: given.value }
  if (ca !== undefined) refuse(`pins one certificate, and ${ca.where} names authorities. Use one of them.`)
  const plain = readFingerprint(fingerprint.value) ?? refuse('must be a SHA-256 fingerprint: 32 pairs of hex digits, as \'openssl x509 -noout -fingerprint -sha256 -in FILE\' prints them.')
  return { electrumFingerprint: plain }
}

function checkMultiaddr (address: string, where: string): void {
  try {
    multiaddr(address)
  } catch (error) {
    throw new PaychanError('ERR_CONFIG_INVALID', `${where}: '${address}' is not a multiaddr. Write it like /ip4/0.0.0.0/tcp/4001.`, { key: 'listen', where }, { cause: error })
  }
}

/** The rules between two values, which no value can break alone. */
function checkPolicy (policy: Policy): void {
  const needed = policy.settleMargin + PAYMENT_MARGIN + policy.minDepth
  const rules: Array<readonly [holds: boolean, key: string, sentence: string]> = [
    [policy.minCapacity <= policy.maxCapacity, 'minCapacity', 'minCapacity is at most maxCapacity.'],
    [policy.minDepth <= policy.maxMinDepth, 'maxMinDepth', 'minDepth is at most maxMinDepth: what we ask of others we take ourselves.'],
    [policy.minBlocks <= policy.maxBlocks, 'minBlocks', 'minBlocks is at most maxBlocks.'],
    // T1 must be buried, and the last payment made, before the server settles.
    [policy.minBlocks > needed, 'minBlocks', `minBlocks is more than settleMargin + ${PAYMENT_MARGIN} + minDepth = ${needed}: a channel needs blocks in which it can be paid on.`],
    [policy.defaultBlocks > needed, 'defaultBlocks', `defaultBlocks is more than settleMargin + ${PAYMENT_MARGIN} + minDepth = ${needed}.`]
  ]
  for (const [holds, key, sentence] of rules) {
    if (!holds) throw new PaychanError('ERR_CONFIG_INVALID', `The policy does not fit together: ${sentence}`, { key, where: 'policy' })
  }
}
