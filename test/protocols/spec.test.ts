import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as limits from '../../protocols/paychan/1.0/limits.js'

const FOLDER = join('protocols', 'paychan', '1.0')
const spec = readFileSync(join(FOLDER, 'spec.md'), 'utf8')
const proto = readFileSync(join(FOLDER, 'paychan.proto'), 'utf8')

/** An id where it is defined: bold, at the beginning of an item. */
const defined = [...spec.matchAll(/^- \*\*([A-Z]+-[0-9]+)\*\* /gm)].map(([, id]) => id)
const families = [...new Set(defined.map((id) => id?.split('-')[0]))].join('|')
const mention = new RegExp(`\\b(?:${families})-[0-9]+\\b`, 'g')

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(folder, file))
}

describe('spec.md', () => {
  it('defines every id once, and numbers each family without gaps', () => {
    assert.equal(new Set(defined).size, defined.length)
    for (const family of families.split('|')) {
      const numbers = defined
        .filter((id) => id?.startsWith(`${family}-`))
        .map((id) => Number(id?.split('-')[1]))
      assert.deepEqual(
        numbers,
        numbers.map((_, index) => index + 1),
        family
      )
    }
  })

  it('defines every id that it mentions', () => {
    for (const [id] of spec.matchAll(mention)) assert.ok(defined.includes(id), id)
  })

  it('defines every id that the code, the tests and the vectors name', () => {
    const vectors = readdirSync(join(FOLDER, 'vectors')).map((file) =>
      join(FOLDER, 'vectors', file)
    )
    for (const file of [
      ...sources('src'),
      ...sources('protocols'),
      ...sources('test'),
      ...vectors,
      join(FOLDER, 'paychan.proto')
    ]) {
      for (const [id] of readFileSync(file, 'utf8').matchAll(mention)) {
        assert.ok(defined.includes(id), `${id} in ${file}`)
      }
    }
  })

  it('has no rule that the code or the tests do not name', () => {
    const named = (files: string[]): Set<string> =>
      new Set(
        files.flatMap((file) => [...readFileSync(file, 'utf8').matchAll(mention)].map(([id]) => id))
      )
    const inCode = named([...sources('src'), ...sources('protocols')])
    const inTests = named(sources('test'))
    assert.deepEqual(
      defined.filter((id) => id !== undefined && !inCode.has(id)),
      [],
      'in the code'
    )
    assert.deepEqual(
      defined.filter((id) => id !== undefined && !inTests.has(id)),
      [],
      'in the tests'
    )
  })

  it('speaks of every message of paychan.proto', () => {
    for (const [, name] of proto.matchAll(/^message (\w+) /gm)) {
      if (name === 'Limits' || name === 'Payment') continue
      assert.match(spec, new RegExp(`\\b${name}\\b`))
    }
  })

  it('gives the limits of limits.ts', () => {
    const written = (value: number): string => value.toLocaleString('en-US')
    for (const value of [
      limits.MAX_MESSAGE_BYTES,
      limits.MAX_PAYMENTS_PER_UPDATE,
      limits.MAX_MEMO_BYTES,
      limits.MAX_TRANSACTION_BYTES,
      limits.MAX_SCRIPT_BYTES,
      limits.MAX_ERROR_TEXT_BYTES,
      limits.MAX_ERROR_CODE_BYTES,
      limits.MAX_PREVIOUS_BYTES,
      limits.MAX_RECORDED_STATES
    ]) {
      assert.ok(spec.includes(` ${written(value)}`), written(value))
    }
    assert.ok(spec.includes(limits.PROTOCOL))
  })
})
