/**
 * Rooms in which no file depends on itself by way of others, types included: each can be read from
 * the bottom up. (The linter refuses circles of values everywhere.)
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const ROOMS = [
  'types',
  'bitcoin',
  'channel',
  'chain',
  'store',
  'p2p',
  'wallet',
  'words',
  'cli',
  'testing'
]

function filesIn(room: string): string[] {
  return readdirSync(join('src', room), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join('src', room, file))
}

/** The files of the same room that a file imports, or exports again. */
function importsOf(text: string, file: string): string[] {
  return [...text.matchAll(/ from '(\.[^']+)\.js'/g)].map(([, path = '']) =>
    join(dirname(file), `${path}.ts`)
  )
}

/** A way from a file back to itself; undefined when there is none. */
function circleOf(imports: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>()
  function walk(file: string, path: readonly string[]): string[] | undefined {
    const at = path.indexOf(file)
    if (at >= 0) return [...path.slice(at), file]
    if (done.has(file)) return undefined
    for (const next of imports.get(file) ?? []) {
      const found = walk(next, [...path, file])
      if (found !== undefined) return found
    }
    done.add(file)
    return undefined
  }
  for (const file of imports.keys()) {
    const found = walk(file, [])
    if (found !== undefined) return found
  }
  return undefined
}

describe('architecture / circles', () => {
  for (const room of ROOMS) {
    it(`there is none in src/${room}`, () => {
      const imports = new Map(
        filesIn(room).map((file) => [file, importsOf(readFileSync(file, 'utf8'), file)])
      )
      assert.equal(circleOf(imports), undefined)
    })
  }

  it('would be found, also of three files', () => {
    const imports = new Map([
      ['a', ['b']],
      ['b', ['c', 'd']],
      ['c', []],
      ['d', ['a']]
    ])
    assert.deepEqual(circleOf(imports), ['a', 'b', 'd', 'a'])
  })
})
