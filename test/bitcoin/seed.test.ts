/** The words, and the file that keeps them. */
import assert from 'node:assert/strict'
import { chmod, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toHex } from '../../src/types/bytes.js'
import { codeOf, toErrorRecord } from '../../src/types/errors.js'
import fc from 'fast-check'
import {
  channelRoot,
  channelSecret,
  createSeed,
  masterKey,
  normalizeWords,
  rootFromWords,
  secretOf
} from '../../src/bitcoin/seed.js'
import { readSeedFile, writeSeedFile } from '../../src/wallet/seed-file.js'
import { seededRandom } from '../wallet/fixtures.js'

const ABOUT = `${'abandon '.repeat(11)}about`

/** No word of the seed may appear in what people paste into a bug report. */
function refusesSecretly(words: string): (error: unknown) => true {
  return (error) => {
    assert.equal(codeOf(error), 'ERR_SEED_UNREADABLE')
    const shown =
      JSON.stringify(toErrorRecord(error)) + String(error instanceof Error ? error.stack : '')
    for (const word of words.split(/\s+/).filter((word) => word.length > 4)) {
      assert.ok(!shown.includes(word), `the error shows '${word}'`)
    }
    return true
  }
}

describe('seed', () => {
  describe('createSeed', () => {
    it('makes 24 words, or 12', () => {
      assert.equal(createSeed(seededRandom('a')).split(' ').length, 24)
      assert.equal(createSeed(seededRandom('a'), 12).split(' ').length, 12)
      assert.notEqual(createSeed(seededRandom('a')), createSeed(seededRandom('b')))
    })

    it('makes words that can be read again', () => {
      const words = createSeed(seededRandom('a'))
      assert.equal(normalizeWords(words), words)
    })

    it('makes the words of BIP39 for the entropy of zeros', () => {
      assert.equal(createSeed({ bytes: (length) => new Uint8Array(length) }, 12), ABOUT)
    })
  })

  describe('rootFromWords', () => {
    it('gives the master key that BIP39 and BIP32 give', () => {
      // Test vectors of BIP84 (zpub and zprv are serializations of the same keys) and of BIP39
      // (passphrase TREZOR).
      assert.equal(
        rootFromWords(ABOUT).privateExtendedKey,
        'xprv9s21ZrQH143K3GJpoapnV8SFfukcVBSfeCficPSGfubmSFDxo1kuHnLisriDvSnRRuL2Qrg5ggqHKNVpxR86QEC8w35uxmGoggxtQTPvfUu'
      )
      assert.equal(
        rootFromWords(ABOUT, 'TREZOR').privateExtendedKey,
        'xprv9s21ZrQH143K3h3fDYiay8mocZ3afhfULfb5GX8kCBdno77K4HiA15Tg23wpbeF1pLfs1c5SPmYHrEpTuuRhxMwvKDwqdKiGJS9XFKzUsAF'
      )
    })

    it('takes words as people type them', () => {
      const untidy = `  ${ABOUT.toUpperCase().replaceAll(' ', '\n ')}\t`
      assert.equal(
        toHex(rootFromWords(untidy).privateKey ?? assert.fail()),
        toHex(rootFromWords(ABOUT).privateKey ?? assert.fail())
      )
    })

    it('refuses a wrong number of words, an unknown word, a wrong checksum, and shows none of them', () => {
      const wrong = [
        ABOUT.replace('abandon ', ''),
        ABOUT.replace('about', 'abandonn'),
        ABOUT.replace('about', 'abandon'),
        ABOUT.replace('about', 'zebra'),
        'correct horse battery staple',
        ''
      ]
      for (const words of wrong) assert.throws(() => rootFromWords(words), refusesSecretly(words))
    })

    it('refuses 15, 18 or 21 words, which BIP39 knows: no wallet of ours has them', () => {
      for (const [count, last] of [
        [15, 'address'],
        [18, 'agent'],
        [21, 'admit']
      ] as const) {
        const words = [...Array<string>(count - 1).fill('abandon'), last].join(' ')
        assert.throws(() => normalizeWords(words), { facts: { words: count } })
      }
    })
  })
})

describe('seed / keys', () => {
  it('of channels are those that a library of BIP32 derives, whatever seed and path', () => {
    const index = fc.integer({ min: 0, max: 2 ** 31 - 1 })
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 16, maxLength: 64 }),
        index,
        index,
        (seed, high, low) => {
          const root = masterKey(seed)
          for (const [role, r] of [
            ['client', 0],
            ['server', 1]
          ] as const) {
            for (const [use, u] of [
              ['channel', 0],
              ['payout', 1]
            ] as const) {
              assert.deepEqual(
                channelSecret(channelRoot(root, 'regtest'), { role, high, low, use }),
                root.derive(`m/7364985'/1'/${r}'/${high}'/${low}'/${u}'`).privateKey
              )
            }
          }
        }
      ),
      { numRuns: 10 }
    )
  })

  it('an extended public key has no secret to give', () => {
    const root = rootFromWords(ABOUT)
    const neutered = root.wipePrivateData()
    assert.throws(() => secretOf(neutered), {
      code: 'ERR_SEED_UNREADABLE',
      message: /not an extended public key/
    })
  })
})

describe('seed file', () => {
  let directory: string
  let path: string

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'paychan-seed-'))
    path = join(directory, 'seed')
  })

  afterEach(async () => {
    await rm(directory, { recursive: true, force: true })
  })

  it('is read as it was written', async () => {
    await writeSeedFile(path, ABOUT)
    assert.equal(await readSeedFile(path), ABOUT)
  })

  it('is for its owner only', async function () {
    if (process.platform === 'win32') return
    await writeSeedFile(join(directory, 'new', 'seed'), ABOUT)
    assert.equal((await stat(join(directory, 'new', 'seed'))).mode & 0o777, 0o600)
  })

  it('is never overwritten', async () => {
    await writeSeedFile(path, ABOUT)
    await assert.rejects(writeSeedFile(path, createSeed(seededRandom('other'))), {
      code: 'ERR_SEED_EXISTS'
    })
    assert.equal(await readSeedFile(path), ABOUT)
  })

  it('is not written through a link to nowhere', async function () {
    if (process.platform === 'win32') return
    await symlink(join(directory, 'elsewhere'), path)
    await assert.rejects(writeSeedFile(path, ABOUT), { code: 'ERR_SEED_EXISTS' })
  })

  it('is not written with words that are none', async () => {
    const words = `${ABOUT} zebra`
    await assert.rejects(writeSeedFile(path, words), refusesSecretly(words))
    await assert.rejects(stat(path))
  })

  it('says what to do when it is missing', async () => {
    await assert.rejects(readSeedFile(path), {
      code: 'ERR_SEED_UNREADABLE',
      message: /paychan init/
    })
  })

  it('is refused when others can reach it, and the sentence says chmod 600', async function () {
    if (process.platform === 'win32') return
    await writeSeedFile(path, ABOUT)
    for (const mode of [0o640, 0o604, 0o610, 0o620, 0o666]) {
      await chmod(path, mode)
      await assert.rejects(readSeedFile(path), (error) => {
        assert.match(String(error), /chmod 600/)
        return refusesSecretly(ABOUT)(error)
      })
    }
    await chmod(path, 0o400)
    assert.equal(await readSeedFile(path), ABOUT)
  })

  it('is refused when its content is damaged, and none of it is shown', async () => {
    await writeSeedFile(path, ABOUT)
    const damaged = [
      '',
      'abandon abandon',
      ABOUT.replace('about', 'zebra'),
      'x'.repeat(10_000),
      '\u0000\u0001'
    ]
    for (const content of damaged) {
      await writeFile(path, content)
      await assert.rejects(readSeedFile(path), refusesSecretly(content))
    }
  })

  it('is refused when it is a directory', async () => {
    await assert.rejects(
      readSeedFile(directory),
      (error) =>
        codeOf(error) === 'ERR_SEED_UNREADABLE' &&
        error instanceof Error &&
        /this is a directory/.test(error.message)
    )
  })

  it('ends with a newline, as text files do', async () => {
    await writeSeedFile(path, ABOUT)
    assert.equal(await readFile(path, 'utf8'), `${ABOUT}\n`)
  })
})
