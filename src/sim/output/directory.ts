/** The directory that a simulation leaves its results in. */
import { existsSync } from 'node:fs'
import { mkdir, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, messageOf, PaychanError } from '../../types/errors.js'

/**
 * Makes the directory, and refuses one that has results in it already.
 *
 * @throws PaychanError `ERR_OUTPUT_EXISTS` (facts: path), `ERR_OUTPUT_UNWRITABLE`
 */
export async function prepareDirectory(
  path: string,
  names: readonly string[],
  force: boolean
): Promise<void> {
  const existing = names.find((name) => existsSync(join(path, name)))
  if (existing !== undefined && !force) {
    throw new PaychanError(
      'ERR_OUTPUT_EXISTS',
      `${join(path, existing)} is there already. Name another directory, or add --force to overwrite it.`,
      { path }
    )
  }
  await attempt(path, async () => {
    await mkdir(path, { recursive: true })
  })
}

/** A file, whole or piece by piece. @throws PaychanError `ERR_OUTPUT_UNWRITABLE` */
export async function writeOutput(
  directory: string,
  name: string,
  content: string | Iterable<string>
): Promise<string> {
  const path = join(directory, name)
  await attempt(path, async () => {
    if (typeof content === 'string') {
      await writeFile(path, content)
      return
    }
    const file = await open(path, 'w')
    try {
      for (const piece of content) await file.write(piece)
    } finally {
      await file.close()
    }
  })
  return path
}

async function attempt(path: string, write: () => Promise<void>): Promise<void> {
  try {
    await write()
  } catch (cause) {
    throw new PaychanError(
      'ERR_OUTPUT_UNWRITABLE',
      `${path} cannot be written (${codeOf(cause) === 'ERR_INTERNAL' ? messageOf(cause) : codeOf(cause)}). Name another directory with --out.`,
      { path },
      { cause }
    )
  }
}
