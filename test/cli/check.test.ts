/** `paychan check`: what it says, and its exit code. */
import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLevelStore } from '../../src/store/level.js'
import { recordChange } from '../../src/types/records.js'
import { branchChange, branchKey } from '../../src/wallet/records.js'
import { testWorld, type TestWorld, type WorldOptions } from './world.js'

const PASSPHRASE = 'correct horse battery'

describe('cli / check', () => {
  let dir: string

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'paychan-cli-'))
  })
  afterEach(async () => {
    await rm(dir, { recursive: true, force: true })
  })

  async function run(
    argv: readonly string[],
    options: WorldOptions = {}
  ): Promise<{ code: number; world: TestWorld }> {
    const world = testWorld(options)
    return { code: await world.run(...argv, '--data', dir), world }
  }

  async function store(
    ...changes: Parameters<Awaited<ReturnType<typeof openLevelStore>>['commit']>[0]
  ): Promise<void> {
    const opened = await openLevelStore(join(dir, 'db'))
    await opened.commit(changes)
    await opened.close()
  }

  it('says that all is well, and ends with 0', async () => {
    await run(['init'])
    await store(branchChange('receive', 3))
    const { code, world } = await run(['check'])
    assert.equal(code, 0)
    assert.match(world.out(), /nothing is broken in 1 records of 0 channels and the wallet/)
  })

  it('says what is damaged, and ends with 1; with --json as one object', async () => {
    await run(['init'])
    await store({ key: branchKey('receive'), value: new Uint8Array(9) })
    const { code, world } = await run(['check'])
    assert.equal(code, 1)
    assert.match(world.out(), /BROKEN {2}wallet\n.*wallet\/branch\/receive/)
    const json = await run(['check', '--json'])
    assert.equal(json.code, 1)
    const report = JSON.parse(json.world.out()) as {
      ok: boolean
      channels: unknown[]
      wallet: { ok: boolean; findings: unknown[] }
    }
    assert.deepEqual(
      [report.ok, report.channels, report.wallet.ok, report.wallet.findings.length],
      [false, [], false, 1]
    )
  })

  it('finds newest writes that LevelDB would pass over, and leaves them as they are', async () => {
    await run(['init'])
    await store(branchChange('receive', 3))
    const log = join(
      dir,
      'db',
      (await readdir(join(dir, 'db'))).find((name) => name.endsWith('.log')) ?? assert.fail()
    )
    const bytes = await readFile(log)
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
    await writeFile(log, bytes)
    for (let n = 0; n < 2; n++) {
      const { code, world } = await run(['check'])
      assert.equal(code, 1)
      assert.match(world.out(), /BROKEN {2}store\n.*newest writes are damaged/)
    }
    assert.deepEqual(await readFile(log), bytes)
  })

  it('says so when there is a seed and no store: channels may have been in it', async () => {
    await run(['init'])
    const { code, world } = await run(['check', '--json'])
    const { ok, store } = JSON.parse(world.out()) as {
      ok: boolean
      store: { findings: Array<{ severity: string; text: string }> }
    }
    assert.deepEqual(
      [code, ok, store.findings.map(({ severity }) => severity)],
      [0, true, ['incomplete']]
    )
    assert.match(store.findings[0]?.text ?? '', /no store/)
  })

  it('refuses a directory without data, and makes nothing in it', async () => {
    const { code, world } = await run(['check', '--json'])
    assert.equal(code, 1)
    assert.match(world.out(), /ERR_NO_DATA/)
    assert.deepEqual(await readdir(dir), [])
  })

  it('refuses the directory of a node that runs (ERR_STORE_LOCKED)', async () => {
    await run(['init'])
    const running = await openLevelStore(join(dir, 'db'))
    const { code, world } = await run(['check', '--json'])
    await running.close()
    assert.equal(code, 1)
    assert.match(world.out(), /ERR_STORE_LOCKED/)
  })

  describe('in surroundings that are at fault', () => {
    /**
     * As on a disk that is full or read-only, or with files of another user: LevelDB cannot lock
     * it.
     */
    async function unlockable(): Promise<void> {
      await rm(join(dir, 'db', 'LOCK'))
      await mkdir(join(dir, 'db', 'LOCK'))
    }

    it('reads a store that cannot be locked from a copy, and says so; nothing of it is touched', async () => {
      await run(['init'])
      await store(branchChange('receive', 3))
      await unlockable()
      const records = async (): Promise<string[]> =>
        (await readdir(join(dir, 'db'))).filter((name) => !name.startsWith('LOG')).sort()
      const files = await records()
      const { code, world } = await run(['check'])
      assert.equal(code, 0, world.out())
      assert.match(
        world.out(),
        /not checked {2}Whether a node is running on it[^]*nothing is broken in 1 records/
      )
      assert.deepEqual(await records(), files)
    })

    it('finds damage in the copy all the same', async () => {
      await run(['init'])
      await store({ key: branchKey('receive'), value: new Uint8Array(9) })
      await unlockable()
      assert.match((await run(['check'])).world.out(), /BROKEN {2}wallet/)
    })

    it('says that it could not be checked when there is no room for a copy, and advises no backup (ERR_NOT_CHECKED)', async () => {
      await run(['init'])
      await store(branchChange('receive', 3))
      await unlockable()
      const before = process.env['TMPDIR']
      process.env['TMPDIR'] = join(dir, 'seed') // no directory: nothing can be made in it
      const { code, world } = await run(['check']).finally(() => {
        if (before === undefined) delete process.env['TMPDIR']
        else process.env['TMPDIR'] = before
      })
      assert.equal(code, 1)
      assert.match(
        world.err(),
        /could not be checked: .*That says nothing about what is in it.*\(ERR_NOT_CHECKED\)/
      )
      assert.doesNotMatch(world.out() + world.err(), /BROKEN|restore the newest backup/i)
    })

    it('says of a seed that the system does not give, or that others can read, that it was not checked', async () => {
      await run(['init'])
      await store(branchChange('receive', 3))
      await chmod(join(dir, 'seed'), 0o644)
      const readable = await run(['check'])
      assert.equal(readable.code, 0)
      assert.match(readable.world.out(), /not checked {2}Whether the keys .*`chmod 600/)
      await rm(join(dir, 'seed'))
      await symlink('seed', join(dir, 'seed')) // a loop: the system refuses to open it
      const refused = await run(['check'])
      assert.equal(refused.code, 0)
      assert.match(refused.world.out(), /not checked {2}Whether the keys .*ELOOP/)
    })

    it('refuses a directory of a version before the first release, and says how to go on', async () => {
      await run(['init'])
      await store({ key: 'chain/network', value: new TextEncoder().encode('regtest') })
      const { code, world } = await run(['check'])
      assert.notEqual(code, 0)
      assert.match(world.err(), /before the first release, .*Close its channels with the version/s)
      assert.match(world.err(), /ERR_STORE_VERSION/)
    })

    it('takes the network of the directory, whatever the configuration says or leaves out', async () => {
      await run(['init'])
      await store(recordChange('chain/network', 'signet'))
      // With signet the servers have to be named, which whoever starts the node may do.
      for (const env of [{}, { PAYCHAN_NETWORK: 'signet' }, { PAYCHAN_NETWORK: 'regtest' }]) {
        const { code, world } = await run(['check', '--json'], { env })
        const { network, config } = JSON.parse(world.out()) as {
          network: string
          config: { ok: boolean }
        }
        assert.deepEqual([code, network, config.ok], [0, 'signet', true])
      }
    })
  })

  it('without the passphrase checks the rest, and says what it could not', async () => {
    await run(['init', '--encrypt'], { env: { PAYCHAN_PASSPHRASE: PASSPHRASE } })
    await store(branchChange('receive', 3))
    const without = await run(['check'])
    assert.equal(without.code, 0)
    assert.match(
      without.world.out(),
      /not checked {2}Whether the keys of the channels derive from the seed/
    )
    const given = await run(['check'], { env: { PAYCHAN_PASSPHRASE: PASSPHRASE } })
    assert.doesNotMatch(given.world.out(), /not checked/)
  })

  it('finds a seed that is gone, a store that cannot be opened, and a wrong configuration', async () => {
    await store(branchChange('receive', 3))
    assert.match((await run(['check'])).world.out(), /BROKEN {2}seed/)
    await run(['init'])
    await writeFile(join(dir, 'config.json'), '{"elektrum":1}')
    const config = await run(['check'])
    assert.equal(config.code, 1)
    assert.match(config.world.out(), /BROKEN {2}configuration/)
    await rm(join(dir, 'db', 'CURRENT'))
    assert.match((await run(['check'])).world.out(), /BROKEN {2}store/)
  })
})
