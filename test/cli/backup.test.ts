/** `backup` and `restore --from`, as a person or a timer calls them. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { NETWORK_KEY } from '../../src/node/chain.js'
import { PEER_KEY } from '../../src/node/identity.js'
import { SEED_FILE, STORE_DIRECTORY } from '../../src/node/system.js'
import { openLevelStore } from '../../src/store/level.js'
import { recordChange } from '../../src/types/records.js'
import { writeSeedFile } from '../../src/wallet/seed-file.js'
import { startApi } from '../daemon/fake-node.js'
import { testWorld, type TestWorld, type WorldOptions } from './world.js'

const WORDS =
  'abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about'
const PASSPHRASE = 'correct horse battery'

describe('cli / backup', () => {
  let dir: string
  let file: string

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'paychan-cli-'))
    file = join(dir, 'alice.backup')
    const alice = join(dir, 'alice')
    await mkdir(alice)
    await writeSeedFile(join(alice, SEED_FILE), WORDS)
    const store = await openLevelStore(join(alice, STORE_DIRECTORY))
    await store.commit([
      recordChange(NETWORK_KEY, 'regtest'),
      recordChange(PEER_KEY, '12D3KooWAlice')
    ])
    await store.close()
  })
  afterEach(async () => {
    await rm(dir, { recursive: true, force: true })
  })

  async function run(
    options: WorldOptions,
    ...argv: string[]
  ): Promise<{ code: number; world: TestWorld; json: () => Record<string, unknown> }> {
    const world = testWorld(options)
    const code = await world.run(...argv)
    return { code, world, json: () => JSON.parse(world.out()) as Record<string, unknown> }
  }
  const at = (name: string): string[] => ['--data', join(dir, name)]
  const codeIn = ({ json }: { json: () => Record<string, unknown> }): unknown =>
    (json()['error'] as { code: string } | undefined)?.code

  it('of a stopped node is written and put back, with a passphrase from the input, and shows neither it nor words', async () => {
    const made = await run({ lines: [PASSPHRASE] }, 'backup', file, ...at('alice'))
    assert.equal(made.code, 0)
    assert.match(made.world.out(), /no channels|0 channels/)
    assert.match(made.world.out(), /It grows old with every payment/)
    const back = await run({ lines: [PASSPHRASE] }, 'restore', '--from', file, ...at('bob'))
    assert.equal(back.code, 0, back.world.err())
    assert.match(back.world.out(), /Put back the node 12D3KooWAlice on regtest/)
    assert.match(back.world.out(), /must not run anywhere else/)
    for (const { world } of [made, back]) {
      assert.doesNotMatch(world.out() + world.err(), /abandon|correct horse/)
    }
    assert.deepEqual((await readdir(join(dir, 'bob'))).sort(), [STORE_DIRECTORY, SEED_FILE].sort())
  })

  it('of a running node is written by the node, at the path as seen from here', async () => {
    const api = await startApi()
    try {
      const env = { PAYCHAN_PASSPHRASE: PASSPHRASE }
      const { code, json } = await run({ env }, 'backup', 'x.backup', '--data', api.dir, '--json')
      assert.equal(code, 0)
      assert.equal(json()['records'], 40)
      assert.deepEqual(api.node.calls, [
        { verb: 'backup', args: [{ file: resolve('x.backup'), passphrase: PASSPHRASE }] }
      ])
    } finally {
      await api.stop()
    }
  })

  it('a person types the passphrase twice, the same', async () => {
    const typed = { isTTY: true, lines: [PASSPHRASE, 'correct horse'] }
    const { code, world } = await run(typed, 'backup', file, ...at('alice'))
    assert.equal(code, 1)
    assert.match(world.err(), /ERR_PASSPHRASE_MISMATCH/)
    assert.deepEqual(await readdir(dir), ['alice'])
  })

  it('restore --from asks for the passphrase, and once more after a wrong one', async () => {
    await run({ lines: [PASSPHRASE] }, 'backup', file, ...at('alice'))
    const typed = { isTTY: true, lines: ['something else', PASSPHRASE] }
    const { code, world } = await run(typed, 'restore', '--from', file, ...at('bob'))
    assert.equal(code, 0)
    assert.match(world.err(), /Passphrase of the backup: .*That was a wrong one/s)
    const piped = await run(
      { lines: ['wrong one'] },
      'restore',
      '--from',
      file,
      ...at('carol'),
      '--json'
    )
    assert.equal(codeIn(piped), 'ERR_WRONG_PASSPHRASE')
  })

  it('restore --from refuses what belongs to words, a directory with a node, and another network', async () => {
    await run({ lines: [PASSPHRASE] }, 'backup', file, ...at('alice'))
    const restore = async (name: string, env: Record<string, string>, ...more: string[]) =>
      codeIn(
        await run(
          { lines: [PASSPHRASE], env },
          ...['restore', '--from', file, ...at(name), '--json', ...more]
        )
      )
    assert.equal(await restore('bob', {}, '--encrypt'), 'ERR_USAGE')
    assert.equal(await restore('bob', {}, '--used', '3'), 'ERR_USAGE')
    assert.equal(await restore('alice', {}), 'ERR_DATA_EXISTS')
    assert.equal(await restore('bob', { PAYCHAN_NETWORK: 'signet' }), 'ERR_WRONG_NETWORK')
    await mkdir(join(dir, 'configured'))
    await writeFile(join(dir, 'configured', 'config.json'), '{"network":"testnet4"}')
    assert.equal(await restore('configured', {}), 'ERR_WRONG_NETWORK')
    assert.deepEqual((await readdir(dir)).sort(), ['alice', 'alice.backup', 'configured'])
  })

  it('says when what was put back is damaged', async () => {
    const store = await openLevelStore(join(dir, 'alice', STORE_DIRECTORY))
    await store.commit([
      { key: 'wallet/branch/receive', value: new Uint8Array([3, 1, 2, 3, 4, 5]) }
    ])
    await store.close()
    await run({ lines: [PASSPHRASE] }, 'backup', file, ...at('alice'))
    const { code, world } = await run(
      { lines: [PASSPHRASE] },
      'restore',
      '--from',
      file,
      ...at('bob')
    )
    assert.equal(code, 0)
    assert.match(world.err(), /paychan check/)
  })
})
