/**
 * The mutants of the money rooms, each with a name that outlives changes elsewhere in its module.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { SourceMap, type SourceMapPayload } from 'node:module'
import { fileURLToPath } from 'node:url'
import { EQUIVALENT, type Equivalent } from './equivalent.js'
import { mutated, mutationsOf, type Mutation } from './mutations.js'

/** Where a fault costs money: whole rooms, and what `src/chain` believes of servers. */
const SOURCES: Record<string, readonly string[] | undefined> = {
  channel: undefined,
  bitcoin: undefined,
  chain: ['pooled-script', 'headers', 'history', 'header', 'pool', 'broadcasting']
}

export const ROOMS = Object.keys(SOURCES)

const SOURCE_URL = new URL('../../src/', import.meta.url)
/** Says which modules there are: what was compiled once may have no source any more. */
const TYPESCRIPT_URL = new URL('../../../src/', import.meta.url)

export interface Mutant extends Mutation {
  /** As `channel/ledger`. */
  readonly module: string
  readonly url: string
  /** In the TypeScript source. */
  readonly line: number
  /** The lines that are changed, as compiled, in one; and what becomes of them. */
  readonly from: string
  readonly to: string
  /** The line before them. */
  readonly behind: string
  /** Text of the module that stands in it once, with the change in it. */
  readonly context: { readonly text: string; readonly by: string }
  /** Why it changes nothing that anybody could see; undefined unless somebody has judged so. */
  readonly equivalent: string | undefined
}

/** Of one room, or of all. */
export function allMutants(rooms: readonly string[] = ROOMS): Mutant[] {
  return rooms.flatMap((room) =>
    (SOURCES[room] ?? modulesOf(room)).flatMap((name) => mutantsOf(`${room}/${name}`))
  )
}

function modulesOf(room: string): string[] {
  return readdirSync(new URL(`${room}/`, TYPESCRIPT_URL))
    .filter((name) => name.endsWith('.ts'))
    .map((name) => name.slice(0, -'.ts'.length))
    .sort()
}

function mutantsOf(module: string): Mutant[] {
  const url = new URL(`${module}.js`, SOURCE_URL)
  const source = readFileSync(url, 'utf8')
  const map = new SourceMap(
    JSON.parse(readFileSync(`${fileURLToPath(url)}.map`, 'utf8')) as SourceMapPayload
  )
  return mutationsOf(source).map((mutation) => {
    const change = { module, ...changedLines(source, mutation) }
    const equivalent = EQUIVALENT.find((each) => isOf(each, change))?.reason
    return {
      ...mutation,
      ...change,
      url: url.href,
      line: lineOf(source, map, mutation.at),
      context: contextOf(source, mutation),
      equivalent
    }
  })
}

/** Whether a judgement is of this change. */
export function isOf(
  judged: Equivalent,
  { module, behind, from, to }: Pick<Mutant, 'module' | 'behind' | 'from' | 'to'>
): boolean {
  return (
    judged.module === module &&
    judged.from === from &&
    judged.to === to &&
    (judged.behind === undefined || judged.behind === behind)
  )
}

function lineOf(source: string, map: SourceMap, at: number): number {
  const before = source.slice(0, at).split('\n')
  const entry = map.findEntry(before.length - 1, before.at(-1)?.length ?? 0)
  return 'originalLine' in entry ? entry.originalLine + 1 : before.length
}

const inOneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').trim()

function changedLines(
  source: string,
  { at, text, by }: Mutation
): Pick<Mutant, 'behind' | 'from' | 'to'> {
  const begin = source.lastIndexOf('\n', at) + 1
  const end = source.indexOf('\n', at + text.length)
  const [before, after] = [
    source.slice(begin, at),
    source.slice(at + text.length, end < 0 ? undefined : end)
  ]
  const behind =
    source
      .slice(0, Math.max(0, begin - 1))
      .split('\n')
      .at(-1) ?? ''
  return {
    behind: inOneLine(behind),
    from: inOneLine(before + text + after),
    to: inOneLine(before + by + after)
  }
}

/** As much around a change as makes its text the only one of its kind. */
function contextOf(source: string, mutation: Mutation): Mutant['context'] {
  for (let around = 0; ; around += 20) {
    const begin = Math.max(0, mutation.at - around)
    const text = source.slice(begin, mutation.at + mutation.text.length + around)
    if (source.indexOf(text) === source.lastIndexOf(text)) {
      return { text, by: mutated(text, { ...mutation, at: mutation.at - begin }) }
    }
  }
}
