/** Damage in LevelDB's log of its newest writes, which LevelDB itself passes over. */
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { damagedLogs, firstDamage, openLevelStore } from '../../src/store/level.js'
import { crc32c } from '../../src/types/bytes.js'

describe('store on disk / the log of newest writes', () => {
  let directory: string
  let file: string
  let log: Uint8Array

  /** A store with 60 batches of 1,000 bytes: two blocks. */
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'paychan-log-'))
    const store = await openLevelStore(directory)
    for (let n = 0; n < 60; n++) {
      await store.commit([{ key: `key/${n}`, value: new Uint8Array(1_000).fill(n + 1) }])
    }
    await store.close()
    const name =
      (await readdir(directory)).find((each) => each.endsWith('.log')) ??
      assert.fail('there is no log')
    file = join(directory, name)
    log = await readFile(file)
  })
  after(async () => {
    await rm(directory, { recursive: true, force: true })
  })

  it('computes CRC-32C as LevelDB does', () => {
    assert.equal(crc32c(new TextEncoder().encode('123456789')), 0xe3069283)
  })

  it('is whole as it was written, and when its last write was not finished', () => {
    assert.ok(log.length > 60_000)
    assert.equal(firstDamage(log), undefined)
    for (const cut of [1, 5, 500, 1_015]) {
      assert.equal(firstDamage(log.subarray(0, log.length - cut)), undefined, `${cut} bytes less`)
    }
    assert.equal(firstDamage(new Uint8Array(0)), undefined)
  })

  it('shows any flipped byte but those of a length that could be that of an unfinished write', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: log.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        (at, flip) => {
          const damaged = Uint8Array.from(log)
          damaged[at] = (damaged[at] ?? 0) ^ flip
          const found = firstDamage(damaged)
          // Records of one length: 7 bytes, then what a batch of one key takes.
          if (found === undefined) assert.ok(isInLength(at), `byte ${at}`)
          else assert.ok(found <= at)
        }
      )
    )
  })

  it('is kept when the store is opened, and told; LevelDB goes on without', async () => {
    const damaged = Uint8Array.from(log)
    damaged[30_000] = (damaged[30_000] ?? 0) ^ 1
    await writeFile(file, damaged)
    assert.deepEqual(
      (await damagedLogs(directory)).map((each) => each.file),
      [file]
    )
    const told: string[] = []
    const store = await openLevelStore(directory, {
      onDamage: (sentence) => {
        told.push(sentence)
      }
    })
    assert.ok((await store.get('key/0')) !== undefined)
    assert.equal(await store.get('key/31'), undefined)
    await store.close()
    assert.equal(told.length, 1)
    assert.deepEqual(Uint8Array.from(await readFile(`${file}.damaged`)), damaged)
    assert.deepEqual(await damagedLogs(directory), [], 'it is told once')
  })

  it('of a store that is not there is none', async () => {
    assert.deepEqual(await damagedLogs(join(directory, 'nothing')), [])
  })

  /** Whether a byte is of the length of a record, which begins where the one before ends. */
  function isInLength(at: number): boolean {
    const view = new DataView(log.buffer, log.byteOffset, log.byteLength)
    for (let start = 0; start + 7 <= log.length;) {
      const left = 32_768 - (start % 32_768)
      if (left < 7) {
        start += left
        continue
      }
      if (at >= start + 4 && at < start + 6) return true
      start += 7 + view.getUint16(start + 4, true)
    }
    return false
  }
})
