/**
 * `paychan check`: is all that a data directory should hold there, and whole? Changes no record.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import { NETWORKS } from '../bitcoin/network-names.js'
import { checkEngine, unlessDamaged, type ChannelCheck, type Finding } from '../engine/check.js'
import { GIVEN_UP_PREFIX } from '../engine/registry.js'
import type { Signer, Store } from '../engine/ports.js'
import { RESTORED_KEY } from '../engine/restores.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import { loadEcdsa } from '../wallet/ecdsa.js'
import { checkRecord, meaningOfDamage } from '../wallet/loading.js'
import { readSeedFile, type AskPassphrase } from '../wallet/seed-file.js'
import { rootFromWords } from '../bitcoin/seed.js'
import { createSigner } from '../wallet/signer.js'
import { ANCHOR_KEY, NETWORK_KEY, networkOf } from './chain-anchor.js'
import { CERTIFICATE_PREFIX } from './electrum-servers.js'
import { HEADERS_PREFIX } from './header-records.js'
import { PEER_KEY } from './identity.js'
import { SEED_FILE, STORE_DIRECTORY } from './layout.js'
import { openToCheck, type OpenedStore } from './open-to-check.js'

export interface Section {
  readonly ok: boolean
  readonly findings: readonly Finding[]
}

export interface CheckReport {
  /** Nothing is broken; what is `incomplete` may still be listed. */
  readonly ok: boolean
  readonly dataDir: string
  readonly network: Network
  /** How many records were read. */
  readonly records: number
  readonly seed: Section
  readonly store: Section
  readonly channels: readonly ChannelCheck[]
  readonly payments: Section
  readonly wallet: Section
  /** What could not be checked, and why. */
  readonly notChecked: readonly string[]
}

export interface CheckOptions {
  readonly dataDir: string
  /** Of a directory that does not say itself of which one it is. */
  readonly network: Network
  /** Asked only when the seed is encrypted. */
  readonly passphrase?: AskPassphrase
  readonly onProgress?: (records: number) => void
}

const ENGINE_RECORDS = [
  'channel/',
  'ledger/',
  'payment/',
  'paid/',
  'paid-name/',
  'fees/',
  GIVEN_UP_PREFIX,
  RESTORED_KEY
]
const WALLET_RECORDS = 'wallet/'
/** Of the node around the two. */
const NODE_RECORDS = [ANCHOR_KEY, NETWORK_KEY, PEER_KEY, CERTIFICATE_PREFIX, HEADERS_PREFIX]

/**
 * Checks a data directory whose node is stopped. LevelDB may tidy its own log files when it is
 * opened.
 *
 * @throws PaychanError `ERR_STORE_LOCKED` while a node runs on it, `ERR_NO_DATA` when there is
 *   nothing to check,
 *   `ERR_NOT_CHECKED` when it cannot be read for a reason that is no damage
 */
export async function checkData({
  dataDir,
  network: fallback,
  passphrase,
  onProgress = () => {}
}: CheckOptions): Promise<CheckReport> {
  const directory = join(dataDir, STORE_DIRECTORY)
  const hasStore = await exists(directory)
  if (!hasStore && !(await hasEntry(dataDir, SEED_FILE))) {
    throw new PaychanError(
      'ERR_NO_DATA',
      `There is no node's data in ${dataDir}: neither a seed nor a store. Give the directory with --data.`,
      { dataDir }
    )
  }
  // The lock first: nobody is asked for a passphrase in vain.
  const opened: OpenedStore = hasStore
    ? await openToCheck(directory)
    : { store: undefined, findings: [NO_STORE], notes: [], done: async () => {} }
  let records = 0
  try {
    const network = (await knownNetwork(opened.store)) ?? fallback
    const {
      signer,
      findings: seed,
      notChecked
    } = await openSeed(join(dataDir, SEED_FILE), network, passphrase)
    const onRecord = (): void => {
      onProgress((records += 1))
    }
    const found =
      opened.store === undefined ? NOTHING : await checkStore(opened.store, signer, onRecord)
    const sections = {
      seed: section(seed),
      store: section([...opened.findings, ...found.store]),
      payments: section(found.payments),
      wallet: section(found.wallet)
    }
    const ok =
      Object.values(sections).every((part) => part.ok) &&
      found.channels.every((channel) => channel.ok)
    return {
      ok,
      dataDir,
      network,
      records,
      ...sections,
      channels: found.channels,
      notChecked: [...opened.notes, ...notChecked]
    }
  } finally {
    await opened.store?.close()
    await opened.done()
  }
}

const NO_STORE: Finding = {
  severity: 'incomplete',
  text: 'There is no store: no node has run here yet. If one has, its channels are in it: restore the newest backup of the data directory.'
}

interface StoreCheck {
  readonly store: readonly Finding[]
  readonly channels: readonly ChannelCheck[]
  readonly payments: readonly Finding[]
  readonly wallet: readonly Finding[]
}

const NOTHING: StoreCheck = { store: [], channels: [], payments: [], wallet: [] }

/**
 * Everything in a store. Without a signer it is not checked whether the keys of the channels derive
 * from the seed.
 */
export async function checkStore(
  store: Store,
  signer: Signer | undefined,
  onRecord: () => void = () => {}
): Promise<StoreCheck> {
  try {
    const { verify } = signer ?? loadEcdsa()
    const { channels, payments, givenUp } = await checkEngine(store, {
      verify,
      publicKey: signer?.publicKey,
      onRecord
    })
    return {
      channels,
      payments,
      wallet: await checkWallet(store, onRecord),
      store: [...givenUp, ...(await strangers(store))]
    }
  } catch (error) {
    if (codeOf(error) !== 'ERR_STORE_FAILED') throw error
    return {
      ...NOTHING,
      store: [
        broken(
          `${messageOf(error)} Not everything could be read. Copy the directory to another disk, and check the copy.`
        )
      ]
    }
  }
}

async function checkWallet(store: Store, onRecord: () => void): Promise<Finding[]> {
  const findings: Finding[] = []
  for await (const [key, value] of store.entries(WALLET_RECORDS)) {
    onRecord()
    const { damage } = await unlessDamaged(() => {
      checkRecord(key, value)
    })
    if (damage !== '') findings.push(broken(`${damage} ${meaningOfDamage(key)}`.trim()))
  }
  return findings
}

async function strangers(store: Store): Promise<Finding[]> {
  const findings: Finding[] = []
  for await (const [key] of store.entries('')) {
    if (
      ![...ENGINE_RECORDS, WALLET_RECORDS, ...NODE_RECORDS].some((prefix) => key.startsWith(prefix))
    ) {
      findings.push({
        severity: 'incomplete',
        text: `This release knows no record ${JSON.stringify(key)}; it is not used.`
      })
    }
  }
  return findings
}

/**
 * The keys of a channel derive differently on each network: with the wrong one, none would seem to
 * be of this seed.
 */
async function knownNetwork(store: Store | undefined): Promise<Network | undefined> {
  const known =
    store === undefined ? undefined : await unlessDamaged(async () => await networkOf(store))
  return NETWORKS.find((network) => network === known?.value)
}

async function openSeed(
  path: string,
  network: Network,
  passphrase: AskPassphrase | undefined
): Promise<{ signer: Signer | undefined; findings: Finding[]; notChecked: string[] }> {
  try {
    return {
      signer: createSigner(rootFromWords(await readSeedFile(path, passphrase)), network),
      findings: [],
      notChecked: []
    }
  } catch (error) {
    if (!(error instanceof PaychanError) || codeOf(error) === 'ERR_CANCELLED') throw error
    const notChecked = [
      'Whether the keys of the channels derive from the seed: the seed could not be read.'
    ]
    if (codeOf(error) === 'ERR_PASSPHRASE_NEEDED') {
      return {
        signer: undefined,
        findings: [],
        notChecked: [`${notChecked[0] ?? ''} ${error.message}`]
      }
    }
    // The system kept it from us (`reason`), or it would be shown to others (`mode`): that says
    // nothing about the words.
    if (error.facts.reason !== undefined || error.facts.mode !== undefined) {
      return {
        signer: undefined,
        findings: [],
        notChecked: [`${notChecked[0] ?? ''} ${error.message}`]
      }
    }
    return {
      signer: undefined,
      findings: [
        broken(
          `${error.message} Without the seed nothing can be signed, and no channel or coin be spent.`
        )
      ],
      notChecked
    }
  }
}

async function exists(directory: string): Promise<boolean> {
  try {
    await readdir(directory)
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw new PaychanError(
      'ERR_NO_DATA',
      `${directory} cannot be read (${codeOf(error)}). Check who owns it.`,
      { directory, reason: codeOf(error) },
      { cause: error }
    )
  }
}

async function hasEntry(directory: string, name: string): Promise<boolean> {
  return (await exists(directory)) && (await readdir(directory)).includes(name)
}

function section(findings: readonly Finding[]): Section {
  return { ok: !findings.some(({ severity }) => severity === 'broken'), findings }
}

function broken(text: string): Finding {
  return { severity: 'broken', text }
}
