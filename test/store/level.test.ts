/** The store on disk, and its lock against a second process. */
import assert from 'node:assert/strict'
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mock } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ClassicLevel } from 'classic-level'
import { openLevelStore } from '../../src/store/level.js'
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
    await assert.rejects(openLevelStore(path), (error) => {
      assert.ok(error instanceof PaychanError)
      assert.equal(error.code, 'ERR_STORE_FAILED')
      assert.match(error.message, /Check the directory/)
      return true
    })
  })

  it('says so when the files are damaged', async () => {
    const store = await openLevelStore(directory)
    await store.commit([{ key: 'a', value: bytes(1) }])
    await store.close()
    await writeFile(join(directory, 'CURRENT'), 'garbage')
    await assert.rejects(openLevelStore(directory), (error) => codeOf(error) === 'ERR_STORE_FAILED')
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
      await assert.rejects(
        openLevelStore(directory),
        (error) => codeOf(error) === 'ERR_STORE_LOCKED'
      )
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
