/** The store on disk, and its lock against a second process. */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mock } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ClassicLevel } from 'classic-level'
import fc from 'fast-check'
import { GroupCommit } from '../../src/store/group-commit.js'
import { damagedLogs, firstDamage, onStoreFailure, openLevelStore } from '../../src/store/level.js'
import { openSimStore } from '../../src/testing/disk.js'
import { crc32c } from '../../src/types/bytes.js'
import { codeOf, PaychanError } from '../../src/types/errors.js'
import { bytes, storeContract } from '../contracts/store.js'

async function temporary(): Promise<string> {
  return await mkdtemp(join(tmpdir(), 'paychan-store-'))
}

storeContract('classic-level', async () => {
  const directory = await temporary()
  return {
    open: async () => await openLevelStore(directory),
    remove: async () => {
      await rm(directory, { recursive: true, force: true })
    }
  }
})

describe('store on disk', () => {
  let directory: string

  beforeEach(async () => {
    directory = await temporary()
  })
  afterEach(async () => {
    await rm(directory, { recursive: true, force: true })
  })

  it('makes the directory, for its owner only', async () => {
    const path = join(directory, 'a', 'b')
    const store = await openLevelStore(path)
    await store.close()
    if (process.platform !== 'win32') assert.equal((await stat(path)).mode & 0o777, 0o700)
  })

  it('says what to do when the path is a file', async () => {
    const path = join(directory, 'file')
    await writeFile(path, 'not a directory')
    await assert.rejects(openLevelStore(path), {
      code: 'ERR_STORE_FAILED',
      message: /Check the directory/
    })
  })

  it('says so when the files are damaged', async () => {
    const store = await openLevelStore(directory)
    await store.commit([{ key: 'a', value: bytes(1) }])
    await store.close()
    await writeFile(join(directory, 'CURRENT'), 'garbage')
    await assert.rejects(openLevelStore(directory), { code: 'ERR_STORE_FAILED' })
    await chmod(directory, 0o700)
  })

  describe('lock', () => {
    let child: ChildProcess | undefined

    afterEach(async () => {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
      const exit = once(child, 'exit')
      child.kill('SIGKILL')
      await exit
    })

    async function otherProcess(): Promise<ChildProcess> {
      const path = fileURLToPath(new URL('./lock-holder.js', import.meta.url))
      child = fork(path, [directory], { stdio: 'ignore' })
      assert.deepEqual(await once(child, 'message'), ['open', undefined])
      return child
    }

    it('refuses a directory that another process has, and says what to do', async () => {
      await otherProcess()
      await assert.rejects(openLevelStore(directory), (error) => {
        assert.ok(error instanceof PaychanError)
        assert.equal(error.code, 'ERR_STORE_LOCKED')
        assert.equal(error.facts['directory'], directory)
        assert.match(error.message, /paychan stop/)
        return true
      })
    })

    it('refuses a second opening in the same process', async () => {
      const store = await openLevelStore(directory)
      await assert.rejects(openLevelStore(directory), { code: 'ERR_STORE_LOCKED' })
      await store.close()
    })

    it('is gone with the process that held it, and what that process was told is durable is there', async () => {
      const holder = await otherProcess()
      const committed = once(holder, 'message')
      holder.send('commit')
      assert.deepEqual(await committed, ['committed', undefined])
      const exit = once(holder, 'exit')
      holder.kill('SIGKILL')
      await exit
      const store = await openLevelStore(directory)
      assert.deepEqual([...((await store.get('from/child')) ?? [])], [4, 2])
      await store.close()
    })
  })
})

describe('store on disk / durability', () => {
  it('asks LevelDB to fsync every batch before anybody is told', async () => {
    const directory = await temporary()
    const store = await openLevelStore(directory)
    const options: unknown[] = []
    const batch = mock.method(ClassicLevel.prototype, 'batch')
    try {
      await store.commit([{ key: 'a', value: bytes(1) }])
      await store.commit([{ key: 'a', value: undefined }])
      for (const { arguments: given } of batch.mock.calls) options.push([...given].at(1))
    } finally {
      batch.mock.restore()
      await store.close()
      await rm(directory, { recursive: true, force: true })
    }
    assert.deepEqual(options, [{ sync: true }, { sync: true }])
  })
})

/* Who shares a write with whom, and who is told when. */

/** A disk whose writes end when the test says so. */
class Disk {
  readonly writes: string[][] = []
  readonly #pending: Array<{ resolve: () => void; reject: (error: Error) => void }> = []
  #arrival: (() => void) | undefined
  readonly group = new GroupCommit(async (changes) => {
    this.writes.push(changes.map(({ key }) => key))
    await new Promise<void>((resolve, reject) => {
      this.#pending.push({ resolve, reject })
      this.#arrival?.()
    })
  })

  commit(key: string): Promise<void> {
    return this.group.commit([{ key, value: bytes(1) }])
  }

  async arrived(): Promise<void> {
    if (this.#pending.length === 0) {
      await new Promise<void>((resolve) => {
        this.#arrival = resolve
      })
    }
  }

  succeed(): void {
    this.#pending.shift()?.resolve()
  }
  fail(): void {
    this.#pending.shift()?.reject(new Error('fsync failed'))
  }
}

describe('group commit', () => {
  it('puts all who call in one turn of the event loop into one write', async () => {
    const disk = new Disk()
    const all = Promise.all([disk.commit('a'), disk.commit('b'), disk.commit('c')])
    await disk.arrived()
    disk.succeed()
    await all
    assert.deepEqual(disk.writes, [['a', 'b', 'c']])
  })

  it('collects those who come during a write for the next one', async () => {
    const disk = new Disk()
    const first = disk.commit('a')
    await disk.arrived()
    const later = Promise.all([disk.commit('b'), disk.commit('c')])
    disk.succeed()
    await first
    await disk.arrived()
    disk.succeed()
    await later
    assert.deepEqual(disk.writes, [['a'], ['b', 'c']])
  })

  it('resolves nobody before the write with its changes is done', async () => {
    const disk = new Disk()
    const told: string[] = []
    const first = disk.commit('a').then(() => {
      told.push('a')
    })
    await disk.arrived()
    const second = disk.commit('b').then(() => {
      told.push('b')
    })
    disk.succeed()
    await first
    await disk.arrived()
    assert.deepEqual(told, ['a'])
    disk.succeed()
    await second
    assert.deepEqual(told, ['a', 'b'])
  })

  it('rejects the members of a failed write and those behind it, and writes nothing ever after', async () => {
    const disk = new Disk()
    const failing = [disk.commit('a'), disk.commit('b')]
    await disk.arrived()
    const behind = disk.commit('c')
    disk.fail()
    const results = await Promise.allSettled([...failing, behind, disk.commit('d')])
    assert.ok(
      results.every(
        (result) => result.status === 'rejected' && codeOf(result.reason) === 'ERR_STORE_FAILED'
      )
    )
    await assert.rejects(disk.commit('e'))
    assert.deepEqual(disk.writes, [['a', 'b']])
  })
})

const change = (key: string): [{ key: string; value: Uint8Array }] => [
  { key, value: Uint8Array.of(1) }
]

describe('store / failure', () => {
  it('is told once, whoever asked for the write, and every caller is refused', async () => {
    const inner = openSimStore()
    const failures: string[] = []
    const store = onStoreFailure(inner, (error) => {
      failures.push(codeOf(error))
    })
    await store.commit(change('a'))
    inner.failNext('ENOSPC: no space left on device')
    const outcomes = await Promise.allSettled([
      store.commit(change('b')),
      store.commit(change('c'))
    ])
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['rejected', 'rejected']
    )
    await assert.rejects(
      store.commit(change('d')),
      (error: Error) => /ENOSPC/.test(error.message) && /start the node again/.test(error.message)
    )
    assert.deepEqual(failures, ['ERR_STORE_FAILED'])
    assert.deepEqual([...inner.snapshot().keys()], ['a'])
  })

  it('is none when the store was closed, or when the caller was wrong', async () => {
    const failures: Error[] = []
    const store = onStoreFailure(openSimStore(), (error) => {
      failures.push(error)
    })
    await assert.rejects(store.commit(change('no spaces')), TypeError)
    await store.close()
    await assert.rejects(store.commit(change('a')))
    assert.deepEqual(failures, [])
  })
})

/* Damage in LevelDB's log of its newest writes, which LevelDB itself passes over. */

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
