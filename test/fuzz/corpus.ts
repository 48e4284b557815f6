/**
 * Found cases, kept: `corpus/<target>/<the first 16 hex digits of their SHA-256>`. Each was a fault
 * once, and never may be again.
 */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** In the sources, wherever this file was compiled to. */
const CORPUS = join(import.meta.dirname, '..', '..', '..', 'test', 'fuzz', 'corpus')

export async function readCorpus(
  target: string
): Promise<Array<{ readonly name: string; readonly input: Uint8Array }>> {
  const names = await readdir(join(CORPUS, target)).catch(() => [])
  return await Promise.all(
    names.sort().map(async (name) => ({
      name,
      input: new Uint8Array(await readFile(join(CORPUS, target, name)))
    }))
  )
}

/** @returns where it is, from the root of the project */
export async function keepCase(target: string, input: Uint8Array): Promise<string> {
  const name = createHash('sha256').update(input).digest('hex').slice(0, 16)
  await mkdir(join(CORPUS, target), { recursive: true })
  await writeFile(join(CORPUS, target, name), input)
  return join('test', 'fuzz', 'corpus', target, name)
}
