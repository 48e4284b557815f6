/**
 * The words of a seed, as people have written them down: on one line or on several. The whole input
 * counts as words, and nothing of it is dropped.
 */
import { PaychanError } from '../types/errors.js'
import { normalizeWords } from '../bitcoin/seed.js'
import type { Io } from './io.js'
import { givenPassphrase, newPassphrase } from './passphrase.js'

const [FEWEST, MOST] = [12, 24]

/**
 * Reads the words, and with `encrypt` the passphrase to lock them with.
 *
 * @throws PaychanError `ERR_SEED_UNREADABLE`, and those of `newPassphrase`
 */
export async function readWords(
  io: Io,
  encrypt: boolean
): Promise<{ readonly words: string; readonly passphrase: string | undefined }> {
  if (io.stdin.isTTY) {
    const words = normalizeWords(await typedWords(io))
    return { words, passphrase: encrypt ? await newPassphrase(io) : undefined }
  }
  const lines = await pipedLines(io)
  const given = encrypt ? await givenPassphrase(io) : undefined
  if (!encrypt || given !== undefined) {
    return { words: normalizeWords(lines.join(' ')), passphrase: given }
  }
  const [passphrase, words] = [lines.at(-1) ?? '', lines.slice(0, -1).join(' ')]
  const total = countOf(lines.join(' '))
  // The second half of 24 words would pass for the passphrase of the first, which may be a wallet
  // of its own.
  if (words === '' || total === FEWEST || total === MOST) {
    throw new PaychanError(
      'ERR_SEED_UNREADABLE',
      `The input is ${total} words, and where the passphrase is cannot be told. Give the passphrase in PAYCHAN_PASSPHRASE, and the words alone in the input.`,
      { words: total }
    )
  }
  return { words: normalizeWords(words), passphrase }
}

/** A person who pastes them on several lines gives one line after the other. */
async function typedWords(io: Io): Promise<string> {
  let words = ''
  while (countOf(words) < MOST) {
    const count = countOf(words)
    const prompt =
      count === 0
        ? 'The words, separated by spaces (they are not shown): '
        : count === FEWEST
          ? '12 words so far. The others, or Enter if these are all: '
          : `${count} words so far. The others: `
    const line = await io.stdin.readLine(prompt)
    if (line === undefined || line.trim() === '') break
    words = `${words} ${line}`.trim()
  }
  return words === '' ? nothing() : words
}

async function pipedLines(io: Io): Promise<string[]> {
  const lines: string[] = []
  for (
    let line = await io.stdin.readLine('');
    line !== undefined;
    line = await io.stdin.readLine('')
  ) {
    if (line.trim() !== '') lines.push(line)
  }
  return lines.length === 0 ? nothing() : lines
}

function nothing(): never {
  throw new PaychanError(
    'ERR_SEED_UNREADABLE',
    'No words were given. Type them, or pipe them in: paychan restore < words.txt'
  )
}

function countOf(words: string): number {
  return words.trim() === '' ? 0 : words.trim().split(/\s+/).length
}
