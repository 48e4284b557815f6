/** `paychan check`: tests that a data directory is complete and undamaged. Changes no record. */
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { tmpdir } from 'node:os'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import { rootFromWords } from '../bitcoin/seed.js'
import { type ChannelCheck, checkEngine, type Finding, unlessDamaged } from '../engine/check.js'
import type { Signer, Store } from '../engine/ports.js'
import { GIVEN_UP_PREFIX } from '../engine/registry.js'
import { REQUEST_MADE_PREFIX, REQUEST_PREFIX, REQUESTED_PREFIX } from '../engine/requests.js'
import { RESTORED_KEY } from '../engine/restores.js'
import {
  damagedLogs,
  hindranceOf,
  LOCK_FILE,
  type LogDamage,
  openLevelStore
} from '../store/level.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import { createSigner, loadEcdsa } from '../wallet/signer.js'
import { checkRecord, meaningOfDamage } from '../wallet/loading.js'
import { type AskPassphrase, readSeedFile } from '../wallet/seed-file.js'
import { BACKUPS_KEY } from './backup.js'
import { ANCHOR_KEY, CERTIFICATE_PREFIX, HEADERS_PREFIX, NETWORK_KEY, networkOf } from './chain.js'
import { DROPPED_KEY, EVENT_PREFIX, readDropped, readKeptEvent } from '../engine/event-log.js'
import { readSpent, readToken, SPENT_PREFIX, TOKEN_PREFIX } from './access.js'
import { ALIAS_PREFIX, PEER_KEY, readAlias } from './identity.js'
import { ANSWER_PREFIX, readAnswer } from './kept-answers.js'
import { readWebhook, WEBHOOK_PREFIX } from './webhooks.js'
import { NONCE_PREFIX, readNonce, readReceiptRecord, RECEIPT_PREFIX } from './receipts.js'
import { SEED_FILE, STORE_DIRECTORY } from './system.js'

export interface Section {
  readonly ok: boolean
  readonly findings: readonly Finding[]
}

export interface CheckReport {
  /** True when nothing is broken; `incomplete` may still list something. */
  readonly ok: boolean
  readonly dataDir: string
  readonly network: Network
  /** Number of records read. */
  readonly records: number
  readonly seed: Section
  readonly store: Section
  readonly channels: readonly ChannelCheck[]
  readonly payments: Section
  readonly wallet: Section
  /** Parts that could not be checked, and why. */
  readonly notChecked: readonly string[]
}

export interface CheckOptions {
  readonly dataDir: string
  /** The network of a directory that does not name its own. */
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
  RESTORED_KEY,
  REQUEST_PREFIX,
  REQUEST_MADE_PREFIX,
  REQUESTED_PREFIX
]
const WALLET_RECORDS = 'wallet/'
/** The node's own records, beside channels and wallet. */
const NODE_RECORDS = [
  ANCHOR_KEY,
  NETWORK_KEY,
  PEER_KEY,
  CERTIFICATE_PREFIX,
  HEADERS_PREFIX,
  ALIAS_PREFIX,
  EVENT_PREFIX,
  DROPPED_KEY,
  TOKEN_PREFIX,
  SPENT_PREFIX,
  ANSWER_PREFIX,
  WEBHOOK_PREFIX,
  NONCE_PREFIX,
  RECEIPT_PREFIX,
  BACKUPS_KEY
]

/**
 * Checks a data directory whose node is stopped. LevelDB may tidy its own log files when it is
 * opened.
 *
 * @throws PaychanError `ERR_STORE_LOCKED` while a node runs on it, `ERR_NO_DATA` when there is
 *   nothing to check,
 *   `ERR_NOT_CHECKED` when it cannot be read for a reason other than damage
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
  // The lock first, so that nobody is asked for a passphrase in vain.
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
      store: [...givenUp, ...(await checkTexts(store, onRecord)), ...(await strangers(store))]
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

/** Names of peers, and receipts. */
async function checkTexts(store: Store, onRecord: () => void): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const [prefix, read, meaning] of [
    [EVENT_PREFIX, readKeptEvent, 'Readers of events do not hear of it.'],
    [DROPPED_KEY, readDropped, 'Readers of events may miss some without being told.'],
    [TOKEN_PREFIX, readToken, 'The token opens nothing; make another one.'],
    [SPENT_PREFIX, readSpent, 'The budget of its token counts as used up until its time is over.'],
    [
      ANSWER_PREFIX,
      readAnswer,
      'A request that is sent again with its Idempotency-Key is done again.'
    ],
    [WEBHOOK_PREFIX, readWebhook, 'The webhook gets no events; add another one.'],
    [ALIAS_PREFIX, readAlias, 'The peer has no name until it is given one again.'],
    [NONCE_PREFIX, readNonce, 'Ask for the payment in `paychan payments` before you pay again.'],
    [RECEIPT_PREFIX, readReceiptRecord, '`paychan receipt get` fetches it again.']
  ] as const) {
    for await (const [key, value] of store.entries(prefix)) {
      onRecord()
      const { damage } = await unlessDamaged(() => read(key, value))
      if (damage !== '') findings.push(broken(`${damage} ${meaning}`))
    }
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
  try {
    return store === undefined ? undefined : await networkOf(store)
  } catch (error) {
    // What another version wrote cannot be checked.
    if (codeOf(error) === 'ERR_STORE_CORRUPT') return undefined
    throw error
  }
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
    // The system refused access (`reason`), or others could read the file (`mode`): that says
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

/*
 * Opens a store for inspection, wherever it lies. LevelDB writes when it opens, so a store that
 * cannot be written (full disk, read-only mount, files of another user) is read from a copy. Such
 * obstacles are never reported as damage: an old backup put back for that could cost money.
 */

export interface OpenedStore {
  /** Undefined when damage makes it unreadable. */
  readonly store: Store | undefined
  readonly findings: readonly Finding[]
  /** Notes for people on how the store was read. */
  readonly notes: readonly string[]
  readonly done: () => Promise<void>
}

/**
 * @throws PaychanError `ERR_STORE_LOCKED` while a node runs on it, `ERR_NOT_CHECKED` when it cannot
 * be read for a reason other than damage
 */
export async function openToCheck(directory: string): Promise<OpenedStore> {
  const damaged = await damagedLogs(directory).catch((error: unknown) => {
    throw notChecked(directory, error)
  })
  // LevelDB deletes a damaged log when it opens it, so it opens a copy.
  if (damaged.length > 0) return await openCopy(directory, damaged.map(lostWrites), [])
  try {
    return {
      store: await openLevelStore(directory, { createIfMissing: false }),
      findings: [],
      notes: [],
      done: async () => {}
    }
  } catch (error) {
    if (codeOf(error) === 'ERR_STORE_LOCKED') throw error
    const hindrance = hindranceOf(error)
    if (hindrance === undefined) return unreadable(error)
    return await openCopy(
      directory,
      [],
      [
        `Whether a node is running on it, since it could not be locked (${hindrance}): it was read from a copy. If a node of another user runs on it, stop that one and check again.`
      ]
    )
  }
}

async function openCopy(
  directory: string,
  findings: readonly Finding[],
  notes: readonly string[]
): Promise<OpenedStore> {
  let copy: string | undefined
  const done = async (): Promise<void> => {
    if (copy !== undefined) await rm(copy, { recursive: true, force: true })
  }
  try {
    copy = await mkdtemp(join(tmpdir(), 'paychan-check-'))
    // The lock is not data, and would lock the copy as well.
    await cp(directory, copy, { recursive: true, filter: (path) => basename(path) !== LOCK_FILE })
    return { store: await openLevelStore(copy, { createIfMissing: false }), findings, notes, done }
  } catch (error) {
    await done()
    if (codeOf(error) === 'ERR_STORE_FAILED' && hindranceOf(error) === undefined) {
      return unreadable(error)
    }
    throw notChecked(directory, error)
  }
}

function notChecked(directory: string, error: unknown): PaychanError {
  const reason = hindranceOf(error) ?? messageOf(error)
  return new PaychanError(
    'ERR_NOT_CHECKED',
    `${directory} could not be checked: ${reason}. That says nothing about what is in it: change nothing, and put no copy in its place. Check as the user who owns it, and let TMPDIR name a directory with as much free space as it takes.`,
    { directory, reason },
    { cause: error }
  )
}

function unreadable(error: unknown): OpenedStore {
  return {
    store: undefined,
    findings: [
      broken(
        `${messageOf(error)} Nothing in it can be read: restore the newest backup of the data directory. Until then no channel of it is served.`
      )
    ],
    notes: [],
    done: async () => {}
  }
}

function lostWrites({ file, at }: LogDamage): Finding {
  return broken(
    `The newest writes are damaged (${file}, from byte ${at} on). What was written last is missing: payments, or all of a new channel. A node that is started on it goes on without; its peers bring back what they know, and those channels only close. A newer backup is better, an older one is not.`
  )
}
