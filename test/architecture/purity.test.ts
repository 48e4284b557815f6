import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { lint, lintTyped } from './lint.js'

const PURE = ['protocols', 'src/types', 'src/bitcoin', 'src/channel']
const IMPURE = ['src/engine', 'src/chain']

/** What a pure room must do without: the rule that reports it, and a line that breaks the rule. */
const FORBIDDEN: ReadonlyArray<readonly [what: string, rule: string, code: string]> = [
  ['an async function', 'no-restricted-syntax', 'export async function wait () { return 1 }'],
  ['an async arrow', 'no-restricted-syntax', 'export const wait = async () => 1'],
  ['await', 'no-restricted-syntax', 'export const wait = async (x: unknown) => { await x }'],
  [
    'for await',
    'no-restricted-syntax',
    'export async function all (x: AsyncIterable<string>) { for await (const y of x) y.trim() }'
  ],
  ['a Promise as a value', 'no-restricted-globals', 'export const done = Promise.resolve(1)'],
  [
    'a Promise as a type',
    'no-restricted-syntax',
    'export interface Ask { answer: () => Promise<string> }'
  ],
  ['import()', 'no-restricted-syntax', "export const fs = import('./x.js')"],
  ['the clock', 'no-restricted-globals', 'export const now = Date.now()'],
  [
    'the clock, by way of globalThis',
    'no-restricted-globals',
    'export const now = globalThis.Date.now()'
  ],
  ['Math.random', 'no-restricted-properties', 'export const dice = Math.random()'],
  [
    'crypto randomness',
    'no-restricted-globals',
    'export const key = crypto.getRandomValues(new Uint8Array(32))'
  ],
  [
    'randomness of a package',
    'no-restricted-imports',
    "import { randomBytes } from '@noble/hashes/utils.js'\nexport const key = randomBytes(32)"
  ],
  ['a timer', 'no-restricted-globals', 'setTimeout(() => {}, 1)'],
  ['a microtask', 'no-restricted-globals', 'queueMicrotask(() => {})'],
  [
    'node:fs',
    'import-x/no-nodejs-modules',
    "import { readFileSync } from 'node:fs'\nexport const text = readFileSync('x')"
  ],
  [
    'fs without its prefix',
    'import-x/no-nodejs-modules',
    "import { readFileSync } from 'fs'\nexport const text = readFileSync('x')"
  ],
  [
    'libp2p',
    'no-restricted-imports',
    "import { createLibp2p } from 'libp2p'\nexport const make = createLibp2p"
  ],
  ['the console', 'no-restricted-globals', "console.log('x')"],
  ['the process', 'no-restricted-globals', 'export const home = process.env']
]

describe('the pure rooms', () => {
  for (const [what, rule, code] of FORBIDDEN) {
    it(`do without ${what}`, async () => {
      for (const room of PURE) {
        const complaints = await lint(join(room, 'snippet.ts'), code)
        assert.ok(
          complaints.some((complaint) => complaint.rule === rule),
          `${room}: ${JSON.stringify(complaints)}`
        )
      }
    })
  }

  it('are the only ones that do without them', async () => {
    for (const room of IMPURE) {
      const complaints = await lint(
        join(room, 'snippet.ts'),
        'export async function later (ms: number) { await new Promise(resolve => setTimeout(resolve, ms)) }'
      )
      assert.deepEqual(complaints, [])
    }
  })

  it('may compute', async () => {
    for (const room of PURE) {
      assert.deepEqual(
        await lint(
          join(room, 'snippet.ts'),
          "import { concat } from 'uint8arrays'\nexport const joined = concat([new Uint8Array(Math.max(1, 2))])"
        ),
        []
      )
    }
  })
})

describe('the file that owns hashing', () => {
  const code = (name: string): string =>
    `import { ${name} } from 'node:crypto'\nexport const it = ${name}`

  it('has the hash of Node.js, and no other file of a pure room has it', async () => {
    for (const name of ['hash', 'createHmac']) {
      assert.deepEqual(await lint('src/bitcoin/hashes.ts', code(name)), [])
    }
    assert.notDeepEqual(await lint('src/bitcoin/snippet.ts', code('hash')), [])
  })

  it('has nothing else of that module, and no other module', async () => {
    for (const text of [
      code('randomBytes'),
      code('createSign'),
      "import * as all from 'node:crypto'\nexport const it = all",
      "import { readFileSync } from 'node:fs'\nexport const it = readFileSync"
    ]) {
      assert.notDeepEqual(await lint('src/bitcoin/hashes.ts', text), [], text)
    }
  })
})

describe('the rules for every file', () => {
  /** What eslint says, with types, of a text in the place of a file that exists. */
  async function rulesBrokenBy(code: string): Promise<string[]> {
    return (await lintTyped('src/types/errors.ts', code)).map(({ rule }) => rule)
  }

  it('report a promise that nobody waits for', async () => {
    const code = 'declare function send (): Promise<void>\nexport function go (): void { send() }'
    assert.ok((await rulesBrokenBy(code)).includes('@typescript-eslint/no-floating-promises'))
  })

  it('report one that is thrown away in a room of a running node: what it throws would end the node', async () => {
    const code =
      'declare function send (): Promise<void>\nexport function go (): void { void send() }'
    for (const file of ['src/engine/engine.ts', 'src/chain/pool.ts', 'src/p2p/peers.ts']) {
      assert.ok(
        (await lint(file, code)).some(({ rule }) => rule === 'no-void'),
        file
      )
    }
  })

  it('report a promise that is taken for a truth', async () => {
    const code =
      'declare function check (): Promise<boolean>\nexport function go (): number { return check() ? 1 : 2 }'
    assert.ok((await rulesBrokenBy(code)).includes('@typescript-eslint/no-misused-promises'))
  })

  it('report a switch that forgets a case', async () => {
    const code =
      "export function sign (side: 'client' | 'server'): number {\n  switch (side) { case 'client': return 1 }\n  return 2\n}"
    assert.ok(
      (await rulesBrokenBy(code)).includes('@typescript-eslint/switch-exhaustiveness-check')
    )
  })

  it('report any, the non-null assertion, and a type imported as a value', async () => {
    assert.ok(
      (await rulesBrokenBy('export const x: any = 1')).includes(
        '@typescript-eslint/no-explicit-any'
      )
    )
    assert.ok(
      (await rulesBrokenBy('export const f = (x?: string): string => x!')).includes(
        '@typescript-eslint/no-non-null-assertion'
      )
    )
    assert.ok(
      (
        await rulesBrokenBy("import { Satoshi } from './units.js'\nexport type Money = Satoshi")
      ).includes('@typescript-eslint/consistent-type-imports')
    )
  })

  it('report a file of more than 550 lines of code, comments and blank lines not counted', async () => {
    const lines = (count: number): string =>
      Array.from({ length: count }, (_, i) => `export const v${i} = ${i}\n// about it\n`).join('\n')
    assert.deepEqual(await lint('src/engine/snippet.ts', lines(550).trimEnd()), [])
    assert.deepEqual(
      (await lint('src/engine/snippet.ts', lines(551).trimEnd())).map(({ rule }) => rule),
      ['max-lines']
    )
  })

  it('cannot be switched off from inside a file', async () => {
    const broken = await lint(
      'src/channel/snippet.ts',
      '/* eslint-disable */\nexport const now = Date.now()'
    )
    assert.ok(broken.some(({ rule }) => rule === 'no-restricted-globals'))
  })

  it('report two files that import each other', async () => {
    // errors.ts is imported by units.ts: the snippet closes the circle.
    assert.ok(readFileSync('src/types/units.ts', 'utf8').includes("from './errors.js'"))
    const broken = await lint(
      'src/types/errors.ts',
      "import { satoshi } from './units.js'\nexport const zero = satoshi(0n)"
    )
    assert.ok(broken.some(({ rule }) => rule === 'import-x/no-cycle'))
  })
})
