/**
 * The sources of a seed's passphrase: the environment, a file descriptor, or a person who types it.
 * Never an argument, which others can see.
 */
import { PaychanError } from '../types/errors.js'
import type { Io } from './io.js'

interface Asking {
  readonly prompt?: string
  /**
   * Also reads a line that a program pipes in. Not for long-running commands: that line may never
   * come.
   */
  readonly fromInput?: true
}

/**
 * Asks for the passphrase of an encrypted seed, again after a wrong one is typed. Errors:
 * `ERR_PASSPHRASE_NEEDED`, `ERR_CANCELLED`.
 */
export async function askPassphrase(
  io: Io,
  attempt: number,
  { prompt = 'Passphrase of the seed: ', fromInput }: Asking = {}
): Promise<string | undefined> {
  const given = await givenPassphrase(io)
  if (given !== undefined) return attempt === 1 ? given : undefined
  if (!io.stdin.isTTY && (attempt > 1 || fromInput !== true)) {
    return attempt === 1 ? refuse() : undefined
  }
  return (
    (await io.stdin.readLine(attempt === 1 ? prompt : `That was a wrong one. ${prompt}`)) ??
    refuse()
  )
}

interface NewPassphrase {
  readonly what?: 'seed' | 'backup'
  /** False when the environment holds the old passphrase. */
  readonly fromEnvironment?: boolean
}

/** Asks for a passphrase to encrypt the seed or a backup with; a person types it twice. */
export async function newPassphrase(
  io: Io,
  { what = 'seed', fromEnvironment = true }: NewPassphrase = {}
): Promise<string> {
  const given = fromEnvironment ? await givenPassphrase(io) : undefined
  if (given !== undefined) return given
  const prompt = what === 'seed' ? 'New passphrase: ' : 'Passphrase for the backup: '
  const first = (await io.stdin.readLine(prompt)) ?? refuse()
  if (io.stdin.isTTY && (await io.stdin.readLine('The same once more: ')) !== first) {
    throw new PaychanError(
      'ERR_PASSPHRASE_MISMATCH',
      'The two are not the same. Try again; nothing was changed.'
    )
  }
  // Further lines would be dropped silently, and the passphrase differ from the intended one.
  if (!io.stdin.isTTY && (await io.stdin.readLine('')) !== undefined) {
    throw new PaychanError(
      'ERR_PASSPHRASE_MISMATCH',
      'A passphrase is one line, and more follows it in the input. Nothing was changed.'
    )
  }
  return first
}

/** The passphrase from the environment or a file descriptor; undefined when neither has one. */
export async function givenPassphrase({ env, readDescriptor }: Io): Promise<string | undefined> {
  const text = env['PAYCHAN_PASSPHRASE']
  if (text !== undefined && text !== '') return text
  const descriptor = env['PAYCHAN_PASSPHRASE_FD']
  if (descriptor === undefined || descriptor === '') return undefined
  if (!/^\d{1,4}$/.test(descriptor)) {
    throw new PaychanError(
      'ERR_CONFIG_INVALID',
      'PAYCHAN_PASSPHRASE_FD is the number of a file descriptor, such as 3.',
      { key: 'PAYCHAN_PASSPHRASE_FD' }
    )
  }
  return (await readDescriptor(Number(descriptor))).replace(/\r?\n[^]*$/, '')
}

function refuse(): never {
  throw new PaychanError(
    'ERR_PASSPHRASE_NEEDED',
    'A passphrase is needed, and nobody is there to ask. Give it in PAYCHAN_PASSPHRASE, or the number of a file descriptor to read it from in PAYCHAN_PASSPHRASE_FD.'
  )
}
