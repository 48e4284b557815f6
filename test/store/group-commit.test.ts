/** Who shares a write with whom, and who is told when. */
import assert from 'node:assert/strict'
import { GroupCommit } from '../../src/store/group-commit.js'
import { codeOf } from '../../src/types/errors.js'
import { bytes } from '../contracts/store.js'

/** A disk whose writes end when the test says so. */
class Disk {
  readonly writes: string[][] = []
  private readonly pending: Array<{ resolve: () => void; reject: (error: Error) => void }> = []
  private arrival: (() => void) | undefined
  readonly group = new GroupCommit(async (changes) => {
    this.writes.push(changes.map(({ key }) => key))
    await new Promise<void>((resolve, reject) => {
      this.pending.push({ resolve, reject })
      this.arrival?.()
    })
  })

  commit(key: string): Promise<void> {
    return this.group.commit([{ key, value: bytes(1) }])
  }

  async arrived(): Promise<void> {
    if (this.pending.length === 0) {
      await new Promise<void>((resolve) => {
        this.arrival = resolve
      })
    }
  }

  succeed(): void {
    this.pending.shift()?.resolve()
  }
  fail(): void {
    this.pending.shift()?.reject(new Error('fsync failed'))
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
