import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { codeOf } from '../../src/types/errors.js'
import { removeLeftovers } from '../../src/wallet/private-file.js'
import {
  isSeedEncrypted,
  readSeedFile,
  rewriteSeedFile,
  writeSeedFile
} from '../../src/wallet/seed-file.js'
import { itInAll } from '../size.js'

/* A seed under a passphrase. */

const WORDS =
  'abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about'
const PASSPHRASE = 'correct horse battery'

describe('wallet / encrypted seed', () => {
  let directory: string
  let path: string

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'paychan-seed-'))
    path = join(directory, 'seed')
  })
  afterEach(async () => {
    await rm(directory, { recursive: true, force: true })
  })

  const asking = (passphrase: string) => async (): Promise<string> =>
    await Promise.resolve(passphrase)
  const rejects = async (work: Promise<unknown>, code: string): Promise<void> => {
    await assert.rejects(work, (error) => {
      assert.equal(codeOf(error), code)
      assert.equal(/abandon|horse/.test(String(error)), false, 'no secret is in the error')
      return true
    })
  }

  it('opens with its passphrase only, and holds no word', async () => {
    await writeSeedFile(path, WORDS, PASSPHRASE)
    assert.equal(/abandon|about/.test(await readFile(path, 'utf8')), false)
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    assert.equal(await readSeedFile(path, asking(PASSPHRASE)), WORDS)
    await rejects(readSeedFile(path, asking('correct horse batterx')), 'ERR_WRONG_PASSPHRASE')
    await rejects(readSeedFile(path), 'ERR_PASSPHRASE_NEEDED')
  })

  it('never asks for an open one', async () => {
    await writeSeedFile(path, WORDS)
    assert.equal(await isSeedEncrypted(path), false)
    assert.equal(
      await readSeedFile(path, async () => await Promise.reject(new Error('asked'))),
      WORDS
    )
  })

  itInAll('is another file each time', async () => {
    await writeSeedFile(path, WORDS, PASSPHRASE)
    await writeSeedFile(`${path}2`, WORDS, PASSPHRASE)
    assert.notEqual(await readFile(path, 'utf8'), await readFile(`${path}2`, 'utf8'))
  })

  itInAll(
    'asks again after a wrong passphrase, three times at the most, or until nobody answers',
    async () => {
      await writeSeedFile(path, WORDS, PASSPHRASE)
      const typing =
        (...answers: string[]) =>
        async (attempt: number): Promise<string | undefined> =>
          await Promise.resolve(answers[attempt - 1])
      assert.equal(
        await readSeedFile(path, typing('correct horse', 'batterystaple', PASSPHRASE)),
        WORDS
      )
      await rejects(
        readSeedFile(path, typing('one try', 'another try', 'a third try', PASSPHRASE)),
        'ERR_WRONG_PASSPHRASE'
      )
      await rejects(readSeedFile(path, typing('one try')), 'ERR_WRONG_PASSPHRASE')
    }
  )

  it('loses what a process that died left beside it, and nothing else', async () => {
    await writeSeedFile(path, WORDS)
    await writeFile(`${path}.0d3f.tmp`, WORDS)
    await writeFile(`${path}.bak`, WORDS)
    await removeLeftovers(path)
    assert.deepEqual(
      (await readdir(dirname(path))).filter((name) => name.startsWith(basename(path))).sort(),
      [basename(path), `${basename(path)}.bak`]
    )
  })

  itInAll(
    'can be encrypted, given another passphrase, and opened again; no other file is left',
    async () => {
      await writeSeedFile(path, WORDS)
      await rewriteSeedFile(path, asking(''), asking(PASSPHRASE))
      assert.equal(await isSeedEncrypted(path), true)
      await rejects(
        rewriteSeedFile(path, asking('not this one'), asking('another one')),
        'ERR_WRONG_PASSPHRASE'
      )
      await rewriteSeedFile(path, asking(PASSPHRASE), asking('another one'))
      assert.equal(await readSeedFile(path, asking('another one')), WORDS)
      await rewriteSeedFile(path, asking('another one'))
      assert.equal(await readSeedFile(path), WORDS)
      assert.deepEqual(await readdir(directory), ['seed'])
    }
  )

  it('is refused with a short passphrase, and nothing is written', async () => {
    await rejects(writeSeedFile(path, WORDS, '1234567'), 'ERR_PASSPHRASE_TOO_SHORT')
    assert.deepEqual(await readdir(directory), [])
  })

  itInAll(
    'is refused when any part of it was changed, when it asks for too much memory, and when it is newer',
    async () => {
      await writeSeedFile(path, WORDS, PASSPHRASE)
      const good = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
      const flipped = (hex: unknown): string =>
        String(hex).replace(/^./, (digit) => (digit === '0' ? '1' : '0'))
      const cases: Array<readonly [object, string]> = [
        [{ data: flipped(good['data']) }, 'ERR_WRONG_PASSPHRASE'],
        [{ tag: flipped(good['tag']) }, 'ERR_WRONG_PASSPHRASE'],
        [{ nonce: flipped(good['nonce']) }, 'ERR_WRONG_PASSPHRASE'],
        [{ N: 65_536 }, 'ERR_WRONG_PASSPHRASE'],
        [{ N: 4_194_304, r: 32 }, 'ERR_SEED_UNREADABLE'],
        [{ N: 1_000 }, 'ERR_SEED_UNREADABLE'],
        [{ cipher: 'none' }, 'ERR_SEED_UNREADABLE'],
        [{ more: 1 }, 'ERR_SEED_UNREADABLE'],
        [{ v: 2 }, 'ERR_STORE_VERSION']
      ]
      for (const [change, code] of cases) {
        await writeFile(path, JSON.stringify({ ...good, ...change }))
        await rejects(readSeedFile(path, asking(PASSPHRASE)), code)
      }
      await writeFile(path, '{"paychan":"seed"')
      await rejects(readSeedFile(path, asking(PASSPHRASE)), 'ERR_SEED_UNREADABLE')
    }
  )

  itInAll('half written by a crash before it had its name, does not stand in the way', async () => {
    await writeFile(`${path}.0.tmp`, 'abandon aban')
    await writeSeedFile(path, WORDS, PASSPHRASE)
    assert.equal(await readSeedFile(path, asking(PASSPHRASE)), WORDS)
  })
})
