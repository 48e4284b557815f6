/** `init --encrypt`, `restore`, `encrypt`, `decrypt`, and the passphrase that `start` needs. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { STORE_DIRECTORY } from '../../src/node/system.js'
import { openLevelStore } from '../../src/store/level.js'
import { codeOf } from '../../src/types/errors.js'
import { isSeedEncrypted, readSeedFile } from '../../src/wallet/seed-file.js'
import { BRANCHES, branchKey, readBranch } from '../../src/wallet/records.js'
import { itInAll } from '../size.js'
import { testWorld, type TestWorld, type WorldOptions } from './world.js'

const WORDS =
  'abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about'
const PASSPHRASE = 'correct horse battery'

describe('cli / seed', () => {
  let dir: string
  let seed: string

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'paychan-cli-'))
    seed = join(dir, 'seed')
  })
  afterEach(async () => {
    await rm(dir, { recursive: true, force: true })
  })

  async function run(
    options: WorldOptions,
    ...argv: string[]
  ): Promise<{ code: number; world: TestWorld }> {
    const world = testWorld({ ...options, env: { PAYCHAN_DATA: dir, ...options.env } })
    return { code: await world.run(...argv), world }
  }
  const opened = async (passphrase: string): Promise<string> =>
    await readSeedFile(seed, async () => await Promise.resolve(passphrase))

  it('restore takes the words from standard input, and says what they bring back and what not', async () => {
    const { code, world } = await run({ lines: [` ${WORDS.toUpperCase()} `] }, 'restore')
    assert.equal(code, 0)
    assert.equal(await readSeedFile(seed), WORDS)
    assert.match(world.out(), /only through the peers/)
    assert.equal(world.out().includes('abandon') || world.err().includes('abandon'), false)
  })

  it('restore --used begins the search behind the addresses that were written down beside the words', async () => {
    assert.equal((await run({ lines: [WORDS] }, 'restore', '--used', '500')).code, 0)
    const store = await openLevelStore(join(dir, STORE_DIRECTORY))
    const next = await Promise.all(
      BRANCHES.map(async (branch) =>
        readBranch(branch, (await store.get(branchKey(branch))) ?? new Uint8Array())
      )
    )
    await store.close()
    assert.deepEqual(next, [500, 500, 500])
  })

  it('restore refuses wrong words, no words, words as arguments, and a directory that has a seed', async () => {
    assert.equal((await run({ lines: ['abandon about'] }, 'restore')).code, 1)
    assert.equal((await run({}, 'restore')).code, 1)
    assert.equal((await run({ lines: [WORDS] }, 'restore', ...WORDS.split(' '))).code, 2)
    assert.equal((await run({ lines: [WORDS] }, 'restore')).code, 0)
    const again = await run({ lines: [WORDS] }, 'restore', '--json')
    assert.match(again.world.out(), /ERR_SEED_EXISTS/)
  })

  itInAll('restore --encrypt reads the passphrase from the second line', async () => {
    assert.equal((await run({ lines: [WORDS, PASSPHRASE] }, 'restore', '--encrypt')).code, 0)
    assert.equal(await opened(PASSPHRASE), WORDS)
  })

  describe('words on more than one line', () => {
    const LONG =
      'zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo vote'
    // The first twelve of these 24 are a wallet of their own.
    const TWICE =
      'abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon almost'
    const halves = (words: string): string[] => [
      words.split(' ').slice(0, 12).join(' '),
      words.split(' ').slice(12).join(' ')
    ]

    it('are one seed', async () => {
      assert.equal((await run({ lines: [...halves(LONG), ''] }, 'restore')).code, 0)
      assert.equal(await readSeedFile(seed), LONG)
    })

    it('of which the first is a wallet of its own: all of the input counts', async () => {
      assert.equal((await run({ lines: halves(TWICE) }, 'restore')).code, 0)
      assert.equal(await readSeedFile(seed), TWICE)
    })

    it('are refused when something follows them', async () => {
      const { code } = await run({ lines: [WORDS, 'and a remark'] }, 'restore')
      assert.equal(code, 1)
      await assert.rejects(readSeedFile(seed))
    })

    it('with --encrypt: the last line is the passphrase, and never the second half of the words', async () => {
      const { code, world } = await run({ lines: halves(TWICE) }, 'restore', '--encrypt', '--json')
      assert.equal(code, 1)
      assert.match(world.out(), /ERR_SEED_UNREADABLE.*PAYCHAN_PASSPHRASE/)
      assert.equal(
        (await run({ lines: [...halves(LONG), PASSPHRASE] }, 'restore', '--encrypt')).code,
        0
      )
      assert.equal(await opened(PASSPHRASE), LONG)
    })

    itInAll('with --encrypt and a passphrase from outside: all lines are words', async () => {
      assert.equal(
        (
          await run(
            { lines: halves(LONG), env: { PAYCHAN_PASSPHRASE: PASSPHRASE } },
            'restore',
            '--encrypt'
          )
        ).code,
        0
      )
      assert.equal(await opened(PASSPHRASE), LONG)
    })

    it('are asked for at a terminal until they are 24, or Enter says that 12 are all', async () => {
      assert.equal(
        (
          await run(
            { isTTY: true, lines: [...halves(LONG), PASSPHRASE, PASSPHRASE] },
            'restore',
            '--encrypt'
          )
        ).code,
        0
      )
      assert.equal(await opened(PASSPHRASE), LONG)
      await rm(dir, { recursive: true })
      assert.equal((await run({ isTTY: true, lines: [WORDS, ''] }, 'restore')).code, 0)
      assert.equal(await readSeedFile(seed), WORDS)
    })
  })

  it('a new passphrase is one line of the input: what follows is not dropped, but refused', async () => {
    const { code, world } = await run(
      { lines: [PASSPHRASE, 'a second line'] },
      'init',
      '--encrypt',
      '--json'
    )
    assert.equal(code, 1)
    assert.match(world.out(), /ERR_PASSPHRASE_MISMATCH/)
    await assert.rejects(readSeedFile(seed))
  })

  it('init --encrypt asks twice on a terminal, and refuses two that differ', async () => {
    const { code, world } = await run(
      { isTTY: true, lines: [PASSPHRASE, 'something else'] },
      'init',
      '--encrypt',
      '--json'
    )
    assert.equal(code, 1)
    assert.match(world.out(), /ERR_PASSPHRASE_MISMATCH/)
    assert.equal(
      (await run({ isTTY: true, lines: [PASSPHRASE, PASSPHRASE] }, 'init', '--encrypt')).code,
      0
    )
    assert.equal((await opened(PASSPHRASE)).split(' ').length, 24)
  })

  itInAll(
    'takes a passphrase from the environment or a file descriptor, for services',
    async () => {
      assert.equal(
        (await run({ env: { PAYCHAN_PASSPHRASE: PASSPHRASE } }, 'init', '--encrypt')).code,
        0
      )
      assert.equal(await isSeedEncrypted(seed), true)
      assert.equal(
        (
          await run(
            { env: { PAYCHAN_PASSPHRASE_FD: '3' }, descriptors: { 3: `${PASSPHRASE}\n` } },
            'decrypt'
          )
        ).code,
        0
      )
      assert.equal(await isSeedEncrypted(seed), false)
      assert.equal((await run({ env: { PAYCHAN_PASSPHRASE_FD: 'three' } }, 'encrypt')).code, 2)
    }
  )

  it('encrypt on an encrypted seed changes the passphrase, and a wrong one changes nothing', async () => {
    await run({ lines: [WORDS] }, 'restore')
    assert.equal((await run({ lines: [PASSPHRASE] }, 'encrypt')).code, 0)
    const before = await readFile(seed, 'utf8')
    const wrong = await run(
      { env: { PAYCHAN_PASSPHRASE: 'wrong horse' }, lines: ['another one'] },
      'encrypt',
      '--json'
    )
    assert.match(wrong.world.out(), /ERR_WRONG_PASSPHRASE/)
    assert.equal(await readFile(seed, 'utf8'), before)
    assert.equal(
      (await run({ isTTY: true, lines: [PASSPHRASE, 'another one', 'another one'] }, 'encrypt'))
        .code,
      0
    )
    assert.equal(await opened('another one'), WORDS)
  })

  itInAll(
    'decrypt, encrypt and check take a passphrase from the input, as init --encrypt does',
    async () => {
      assert.equal((await run({ lines: [PASSPHRASE] }, 'init', '--encrypt')).code, 0)
      assert.match((await run({ lines: [PASSPHRASE] }, 'check')).world.out(), /ok +seed/)
      assert.equal((await run({ lines: [PASSPHRASE, 'another one'] }, 'encrypt')).code, 0)
      const wrong = await run({ lines: [PASSPHRASE] }, 'decrypt', '--json')
      assert.deepEqual(
        [wrong.code, /ERR_WRONG_PASSPHRASE/.test(wrong.world.out()), await isSeedEncrypted(seed)],
        [1, true, true]
      )
      assert.match((await run({}, 'decrypt', '--json')).world.out(), /ERR_PASSPHRASE_NEEDED/)
      assert.equal((await run({ lines: ['another one'] }, 'decrypt')).code, 0)
      assert.equal(await isSeedEncrypted(seed), false)
    }
  )

  it('start asks for the passphrase on a terminal, and says what to do where nobody is there', async () => {
    const heard: unknown[] = []
    const createNode: WorldOptions['createNode'] = async (_config, passphrase) => {
      heard.push(await passphrase(1).catch(codeOf))
      throw new Error('this test starts no node')
    }
    await run({ isTTY: true, lines: [PASSPHRASE], createNode }, 'start')
    await run({ env: { PAYCHAN_PASSPHRASE: 'from outside' }, createNode }, 'start')
    // A service has an input that nobody ever writes to: it does not wait for it.
    await run({ createNode, lines: [PASSPHRASE] }, 'start')
    assert.deepEqual(heard, [PASSPHRASE, 'from outside', 'ERR_PASSPHRASE_NEEDED'])
  })
})
