/** The sources of a PSBT: the argument itself, a file, or standard input. */
import { readFile } from 'node:fs/promises'
import { bytesOfText, isPsbt, psbtText } from '../bitcoin/psbt.js'
import { messageOf, PaychanError } from '../types/errors.js'
import type { Io } from './io.js'

/** A shorter text is a file name: no transaction has so few bytes. */
const SHORTEST_TEXT = 80

/**
 * A PSBT or a transaction, in base64 or hex. `given` is one of these, the name of a file that holds
 * one (binary, base64 or hex), or `-` for standard input; a person is asked with `prompt` when it
 * is left out.
 *
 * @throws PaychanError `ERR_PSBT_UNREADABLE`, `ERR_PSBT_MALFORMED`, `ERR_CANCELLED`
 */
export async function readPsbt(io: Io, given: string | undefined, prompt: string): Promise<string> {
  if (given === undefined && io.stdin.isTTY) {
    return await readPsbt(io, (await io.stdin.readLine(prompt))?.trim() ?? '', prompt)
  }
  if (given === undefined || given === '-') return checked(await everything(io))
  if (given.length >= SHORTEST_TEXT && /^[A-Za-z0-9+/=]+$/.test(given)) return checked(given)
  if (given === '') {
    throw new PaychanError(
      'ERR_PSBT_UNREADABLE',
      'Nothing was given. Paste the PSBT in base64, or the name of a file that holds it.'
    )
  }
  const bytes = await readFile(given).catch((cause: unknown) => {
    throw new PaychanError(
      'ERR_PSBT_UNREADABLE',
      `'${given}' is neither a PSBT nor a file that can be read (${messageOf(cause)}).`,
      { given },
      { cause }
    )
  })
  return isPsbt(bytes) ? psbtText(bytes) : checked(bytes.toString('latin1'))
}

/** Reads all lines that a program pipes in. */
async function everything(io: Io): Promise<string> {
  const lines: string[] = []
  for (
    let line = await io.stdin.readLine('');
    line !== undefined;
    line = await io.stdin.readLine('')
  ) {
    lines.push(line)
  }
  return lines.join('')
}

/** Turns the hex of a PSBT into base64, which is shorter. */
function checked(text: string): string {
  const bytes = bytesOfText(text)
  return isPsbt(bytes) ? psbtText(bytes) : text.replace(/\s+/g, '')
}
