/**
 * The codes of section 10 of spec.md, those of the code, of the vectors and of the tests: one set,
 * and with the same rules.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

const FOLDER = join('protocols', 'paychan', '1.0')
const VECTORS = join(FOLDER, 'vectors')

/** The rules that each code comes with. */
const table = new Map(
  [
    ...readFileSync(join(FOLDER, 'spec.md'), 'utf8').matchAll(/^\| `(ERR_\w+)` \| ([^|]+) \|/gm)
  ].map(([, code = '', rules = '']) => [code, rules === 'none' ? [] : rules.split(', ')])
)

function sources(folder: string): Array<readonly [file: string, text: string]> {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => [join(folder, file), readFileSync(join(folder, file), 'utf8')] as const)
}

function vector(file: string): string {
  return readFileSync(join(VECTORS, file), 'utf8')
}

const code = [...sources('src'), ...sources(FOLDER)]

/** Where a code stands that a peer is told: behind a rule, or in a refusal. */
const SAID = [
  /'(?<rule>[A-Z]+-[0-9]+)',\s*'(?<code>ERR_\w+)'/g,
  /\b(?:refuse|streamError)\((?:link, )?'(?<code>ERR_\w+)'(?:, '(?<rule>[A-Z]+-[0-9]+)')?/g
]

/** In a channel also an Error that is made by hand, and what a channel was stopped for. */
const SAID_BY_CHANNELS =
  /\{ code: '(?<code>ERR_\w+)', (?:rule: '(?<rule>[A-Z]+-[0-9]+)', )?(?:message|reason)/g

/**
 * Files whose every code becomes an `Error`: their refusals are raised as a `Violation`, or become
 * one.
 */
const ALL_SAID = [
  'channel/receiving.ts',
  'channel/reestablishing.ts',
  'channel/opening-terms.ts',
  'channel/renewal-terms.ts',
  'channel/restoring.ts',
  'bitcoin/refund.ts',
  'bitcoin/funding.ts',
  'bitcoin/renewal.ts'
].map((file) => join('src', file))

/** Codes with a rule that only the caller of `close` hears. */
const NOT_SAID = new Set(['ERR_CLOSE_FEE_TOO_HIGH'])

function said(): Array<{ file: string; code: string; rule: string | undefined }> {
  return code
    .flatMap(([file, text]) => [
      ...[...SAID, ...(file.startsWith(join('src', 'channel')) ? [SAID_BY_CHANNELS] : [])].flatMap(
        (pattern) =>
          [...text.matchAll(pattern)].map(({ groups }) => ({
            file,
            code: groups?.['code'] ?? '',
            rule: groups?.['rule']
          }))
      ),
      ...(ALL_SAID.includes(file)
        ? [...text.matchAll(/'(ERR_\w+)'/g)].map(([, each = '']) => ({
            file,
            code: each,
            rule: undefined
          }))
        : [])
    ])
    .filter((each) => !NOT_SAID.has(each.code))
}

describe('codes of spec.md', () => {
  it('are all that the code says to a peer, each with the rules that it comes with', () => {
    assert.ok(said().length > 150)
    for (const { file, code, rule } of said()) {
      assert.ok(table.has(code), `${code} in ${file} is not in section 10`)
      if (rule !== undefined) {
        assert.ok(
          table.get(code)?.includes(rule),
          `${code} in ${file} comes with ${rule}, which section 10 does not say`
        )
      }
    }
    for (const file of ALL_SAID) {
      assert.ok(
        code.some(([name]) => name === file),
        `${file} is no more`
      )
    }
  })

  it('are all in the code, and their rules are', () => {
    const text = code.map(([, each]) => each).join('\n')
    for (const [code, rules] of table) {
      assert.ok(text.includes(`'${code}'`), `no code says ${code}`)
      for (const rule of rules) {
        assert.match(text, new RegExp(`\\b${rule}\\b`), `${rule} of ${code}`)
      }
    }
  })

  it('are all in the tests', () => {
    const text = sources('test')
      .map(([, each]) => each)
      .join('\n')
    assert.deepEqual(
      [...table.keys()].filter((code) => !new RegExp(`\\b${code}\\b`).test(text)),
      []
    )
  })

  it('are those that the vectors say to a peer, with their rules', () => {
    const { cases } = z
      .object({
        cases: z.array(z.object({ code: z.string().nullable(), rule: z.string().nullable() }))
      })
      .parse(JSON.parse(vector('refusals.json')))
    for (const { code, rule } of cases) {
      if (code !== null) {
        assert.ok(
          rule === '' ? table.has(code) : table.get(code)?.includes(rule ?? ''),
          `${code} with ${rule}`
        )
      }
    }
    for (const file of ['reestablish.json', 'messages.json']) {
      for (const [, code = ''] of vector(file).matchAll(/"code": "(ERR_\w{2,})"/g)) {
        assert.ok(table.has(code), `${code} in ${file}`)
      }
    }
  })

  it('are in the code where a vector names what this implementation calls a fault', () => {
    const text = code.map(([, each]) => each).join('\n')
    for (const file of readdirSync(VECTORS).filter((name) => name.endsWith('.json'))) {
      for (const [, each = ''] of vector(file).matchAll(/"code": "(ERR_\w{2,})"/g)) {
        assert.ok(text.includes(each), `${each} in ${file}`)
      }
    }
  })
})
