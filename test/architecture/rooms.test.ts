import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { anyFileOf, lint } from './lint.js'

interface LintConfig {
  ROOMS: Record<string, string[]>
  PURE_ROOMS: string[]
}

/** `'../chain/x.js'`, as a file of `room` would write it. */
function specifier(room: string, file: string): string {
  const path = relative(room.endsWith('.ts') ? dirname(room) : room, file).replace(/\.ts$/, '.js')
  return path.startsWith('.') ? path : `./${path}`
}

/** Whether there is code in a room. */
function isBuilt(room: string): boolean {
  if (room.endsWith('.ts')) return existsSync(room)
  return (
    existsSync(room) &&
    readdirSync(room, { recursive: true, encoding: 'utf8' }).some((name) => name.endsWith('.ts'))
  )
}

describe('the rooms', () => {
  let config: LintConfig
  let built: string[]

  before(async () => {
    config = (await import(pathToFileURL('eslint.config.js').href)) as LintConfig
    built = Object.keys(config.ROOMS).filter(isBuilt)
  })

  async function complaintsAbout(from: string, to: string): Promise<string[]> {
    const file = from.endsWith('.ts') ? from : join(from, 'snippet.ts')
    const complaints = await lint(file, `import '${specifier(from, anyFileOf(to))}'`)
    return complaints
      .filter(({ rule }) => rule === 'import-x/no-restricted-paths')
      .map(({ message }) => message)
  }

  it('are all named in the lint configuration', () => {
    const found = readdirSync('src', { withFileTypes: true })
      .map((entry) => `src/${entry.name}`)
      .filter(isBuilt)
    assert.deepEqual(
      found.filter((room) => !(room in config.ROOMS)),
      []
    )
  })

  it('name each other in one direction only', () => {
    for (const [room, allowed] of Object.entries(config.ROOMS)) {
      for (const other of allowed) {
        assert.ok(
          !config.ROOMS[other]?.includes(room),
          `${room} and ${other} may import each other`
        )
      }
    }
  })

  it('may import what the configuration allows, and nothing else', async () => {
    for (const from of built) {
      for (const to of built) {
        if (from === to) continue
        const complaints = await complaintsAbout(from, to)
        const allowed = config.ROOMS[from]?.includes(to) ?? false
        assert.equal(
          complaints.length === 0,
          allowed,
          `${from} imports ${to}: ${complaints.join() || 'not reported'}`
        )
      }
    }
  })

  // Written out, so that a slip in the configuration's own table cannot pass unseen.
  for (const [from, to] of [
    ['src/types', 'src/bitcoin'],
    ['src/bitcoin', 'src/channel'],
    ['src/channel', 'src/engine'],
    ['src/engine', 'src/node'],
    ['src/wallet', 'src/engine'],
    ['protocols', 'src/types']
  ] as const) {
    const forbidden = from !== 'src/wallet'
    it(`${from} ${forbidden ? 'must not' : 'may'} import ${to}`, async () => {
      assert.equal((await complaintsAbout(from, to)).length, forbidden ? 1 : 0)
    })
  }

  for (const [from, to] of [
    ['src/p2p', 'src/store'],
    ['src/wallet', 'src/chain'],
    ['src/chain', 'src/p2p'],
    ['src/store', 'src/wallet'],
    ['src/devnet', 'src/engine'],
    ['src/devnet', 'src/node'],
    ['src/node', 'src/daemon'],
    ['src/daemon', 'src/cli'],
    ['src/node', 'src/devnet']
  ] as const) {
    it(`${from} must not import ${to}`, async () => {
      assert.equal((await complaintsAbout(from, to)).length, 1)
    })
  }

  it('import nothing from the tests', async () => {
    const complaints = await lint('src/engine/snippet.ts', "import '../../test/setup.js'")
    assert.ok(complaints.some(({ rule }) => rule === 'import-x/no-restricted-paths'))
  })

  it('import no package that an installation lacks', async () => {
    const complaints = await lint('src/engine/snippet.ts', "import 'fast-check'")
    assert.ok(complaints.some(({ rule }) => rule === 'import-x/no-extraneous-dependencies'))
  })

  const restricts = async (room: string, code: string): Promise<boolean> =>
    (await lint(`${room}/snippet.ts`, code)).some(({ rule }) => rule === 'no-restricted-imports')

  it('keep bitcore-lib in the devnet', async () => {
    const code = "import bitcore from 'bitcore-lib'\nexport const opcode = bitcore\n"
    for (const room of ['src/wallet', 'src/bitcoin', 'src/channel', 'bench']) {
      assert.ok(await restricts(room, code), room)
    }
    assert.ok(!(await restricts('src/devnet', code)))
  })

  it('keep Prometheus in the daemon', async () => {
    for (const name of ['prom-client', '@libp2p/prometheus-metrics']) {
      const code = `import * as counted from '${name}'\nexport const all = counted\n`
      for (const room of ['src/channel', 'src/engine', 'src/node', 'src/cli', 'bench']) {
        assert.ok(await restricts(room, code), `${name} in ${room}`)
      }
      assert.ok(!(await restricts('src/daemon', code)))
    }
  })

  for (const name of [
    'bitcoinjs-lib',
    'tiny-secp256k1',
    'secp256k1',
    '@scure/bip32',
    '@scure/bip39',
    '@scure/btc-signer/transaction.js',
    '@noble/hashes/sha2.js'
  ]) {
    it(`leave ${name} to src/bitcoin, and to the devnet, which judges it`, async () => {
      const code = `import { one } from '${name}'\nexport const found = one\n`
      for (const room of [
        'protocols',
        'src/types',
        'src/channel',
        'src/engine',
        'src/chain',
        'src/wallet',
        'src/node',
        'src/sim',
        'src/demo',
        'bench'
      ]) {
        assert.ok(await restricts(room, code), room)
      }
      for (const room of ['src/bitcoin', 'src/devnet']) {
        assert.ok(!(await restricts(room, code)), room)
      }
    })
  }
})
