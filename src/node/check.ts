/** `paychan check`: is all that a data directory should hold there, and whole? Changes no record. */
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import { checkEngine, unlessDamaged, type ChannelCheck, type Finding } from '../engine/check.js'
import { GIVEN_UP_PREFIX } from '../engine/given-up.js'
import type { Signer, Store } from '../engine/ports.js'
import { RESTORED_KEY } from '../engine/restores.js'
import { damagedLogs, type LogDamage } from '../store/level-log.js'
import { openLevelStore } from '../store/level.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import { loadEcdsa } from '../wallet/ecdsa.js'
import { checkRecord, meaningOfDamage } from '../wallet/loading.js'
import { readSeedFile, type AskPassphrase } from '../wallet/seed-file.js'
import { rootFromWords } from '../wallet/seed.js'
import { createSigner } from '../wallet/signer.js'
import { ANCHOR_KEY } from './chain-anchor.js'
import { SEED_FILE, STORE_DIRECTORY } from './layout.js'

export interface Section { readonly ok: boolean, readonly findings: readonly Finding[] }

export interface CheckReport {
  /** Nothing is broken; what is `incomplete` may still be listed. */
  readonly ok: boolean
  readonly dataDir: string
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
  readonly network: Network
  /** Asked only when the seed is encrypted. */
  readonly passphrase?: AskPassphrase
  readonly onProgress?: (records: number) => void
}

const ENGINE_RECORDS = ['channel/', 'ledger/', 'payment/', 'paid/', 'paid-name/', 'fees/', GIVEN_UP_PREFIX, RESTORED_KEY]
const WALLET_RECORDS = 'wallet/'

/**
 * Checks a data directory whose node is stopped. LevelDB may tidy its own log files when it is opened.
 *
 * @throws PaychanError `ERR_STORE_LOCKED` while a node runs on it, `ERR_NO_DATA` when there is nothing to check
 */
export async function checkData ({ dataDir, network, passphrase, onProgress = () => {} }: CheckOptions): Promise<CheckReport> {
  const directory = join(dataDir, STORE_DIRECTORY)
  const hasStore = await exists(directory)
  if (!hasStore && !await hasEntry(dataDir, SEED_FILE)) throw new PaychanError('ERR_NO_DATA', `There is no node's data in ${dataDir}: neither a seed nor a store. Give the directory with --data.`, { dataDir })
  // The lock first: nobody is asked for a passphrase in vain.
  const opened = hasStore ? await openStore(directory) : { store: undefined, findings: [NO_STORE], done: async () => {} }
  let records = 0
  try {
    const { signer, findings: seed, notChecked } = await openSeed(join(dataDir, SEED_FILE), network, passphrase)
    const onRecord = (): void => { onProgress(records += 1) }
    const found = opened.store === undefined ? NOTHING : await checkStore(opened.store, signer, onRecord)
    const sections = { seed: section(seed), store: section([...opened.findings, ...found.store]), payments: section(found.payments), wallet: section(found.wallet) }
    const ok = Object.values(sections).every((part) => part.ok) && found.channels.every((channel) => channel.ok)
    return { ok, dataDir, records, ...sections, channels: found.channels, notChecked }
  } finally {
    await opened.store?.close()
    await opened.done()
  }
}

const NO_STORE: Finding = { severity: 'incomplete', text: 'There is no store: no node has run here yet. If one has, its channels are in it: restore the newest backup of the data directory.' }

interface StoreCheck { readonly store: readonly Finding[], readonly channels: readonly ChannelCheck[], readonly payments: readonly Finding[], readonly wallet: readonly Finding[] }

const NOTHING: StoreCheck = { store: [], channels: [], payments: [], wallet: [] }

/** Everything in a store. Without a signer it is not checked whether the keys of the channels derive from the seed. */
export async function checkStore (store: Store, signer: Signer | undefined, onRecord: () => void = () => {}): Promise<StoreCheck> {
  try {
    const { verify } = signer ?? loadEcdsa()
    const { channels, payments, givenUp } = await checkEngine(store, { verify, publicKey: signer?.publicKey, onRecord })
    return { channels, payments, wallet: await checkWallet(store, onRecord), store: [...givenUp, ...await strangers(store)] }
  } catch (error) {
    if (codeOf(error) !== 'ERR_STORE_FAILED') throw error
    return { ...NOTHING, store: [broken(`${messageOf(error)} Not everything could be read. Copy the directory to another disk, and check the copy.`)] }
  }
}

async function checkWallet (store: Store, onRecord: () => void): Promise<Finding[]> {
  const findings: Finding[] = []
  for await (const [key, value] of store.entries(WALLET_RECORDS)) {
    onRecord()
    const { damage } = await unlessDamaged(() => { checkRecord(key, value) })
    if (damage !== '') findings.push(broken(`${damage} ${meaningOfDamage(key)}`.trim()))
  }
  return findings
}

async function strangers (store: Store): Promise<Finding[]> {
  const findings: Finding[] = []
  for await (const [key] of store.entries('')) {
    if (![...ENGINE_RECORDS, WALLET_RECORDS, ANCHOR_KEY].some((prefix) => key.startsWith(prefix))) findings.push({ severity: 'incomplete', text: `This release knows no record ${JSON.stringify(key)}; it is not used.` })
  }
  return findings
}

interface OpenedStore { readonly store: Store | undefined, readonly findings: Finding[], readonly done: () => Promise<void> }

async function openStore (directory: string): Promise<OpenedStore> {
  try {
    const damaged = await damagedLogs(directory)
    if (damaged.length > 0) return await openCopy(directory, damaged)
    return { store: await openLevelStore(directory, { createIfMissing: false }), findings: [], done: async () => {} }
  } catch (error) {
    if (codeOf(error) !== 'ERR_STORE_FAILED') throw error
    return { store: undefined, findings: [broken(`${messageOf(error)} Nothing in it can be read: restore the newest backup of the data directory. Until then no channel of it is served.`)], done: async () => {} }
  }
}

/** LevelDB deletes a damaged log when it opens it: that is done to a copy. */
async function openCopy (directory: string, damaged: readonly LogDamage[]): Promise<OpenedStore> {
  const copy = await mkdtemp(join(tmpdir(), 'paychan-check-'))
  const done = async (): Promise<void> => { await rm(copy, { recursive: true, force: true }) }
  const findings = damaged.map(({ file, at }) => broken(`The newest writes are damaged (${file}, from byte ${at} on). What was written last is missing: payments, or all of a new channel. A node that is started on it goes on without; its peers bring back what they know, and those channels only close. A newer backup is better, an older one is not.`))
  try {
    await cp(directory, copy, { recursive: true })
    return { store: await openLevelStore(copy, { createIfMissing: false }), findings, done }
  } catch (error) {
    await done()
    throw error
  }
}

async function openSeed (path: string, network: Network, passphrase: AskPassphrase | undefined): Promise<{ signer: Signer | undefined, findings: Finding[], notChecked: string[] }> {
  try {
    return { signer: createSigner(rootFromWords(await readSeedFile(path, passphrase)), network), findings: [], notChecked: [] }
  } catch (error) {
    if (!(error instanceof PaychanError) || codeOf(error) === 'ERR_CANCELLED') throw error
    const notChecked = ['Whether the keys of the channels derive from the seed: the seed could not be read.']
    if (codeOf(error) === 'ERR_PASSPHRASE_NEEDED') return { signer: undefined, findings: [], notChecked: [`${notChecked[0] ?? ''} ${error.message}`] }
    return { signer: undefined, findings: [broken(`${error.message} Without the seed nothing can be signed, and no channel or coin be spent.`)], notChecked }
  }
}

async function exists (directory: string): Promise<boolean> {
  try {
    await readdir(directory)
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw new PaychanError('ERR_NO_DATA', `${directory} cannot be read (${codeOf(error)}). Check who owns it.`, { directory, reason: codeOf(error) }, { cause: error })
  }
}

async function hasEntry (directory: string, name: string): Promise<boolean> {
  return await exists(directory) && (await readdir(directory)).includes(name)
}

function section (findings: readonly Finding[]): Section {
  return { ok: !findings.some(({ severity }) => severity === 'broken'), findings }
}

function broken (text: string): Finding {
  return { severity: 'broken', text }
}
