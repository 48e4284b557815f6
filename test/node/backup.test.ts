/** Backups of a data directory, and what comes of it when one is put back. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DROPPED_KEY, EVENT_PREFIX, EventLog } from '../../src/engine/event-log.js'
import type { Change, Store } from '../../src/engine/ports.js'
import { COPIED_KEY, RESTORED_KEY } from '../../src/engine/restores.js'
import type { ChannelInfo } from '../../src/node/api.js'
import {
  backupData,
  BACKUPS_KEY,
  type BackupSource,
  makeBackup,
  restoreBackup,
  type RestoredBackup
} from '../../src/node/backup.js'
import { SPENT_PREFIX, TOKEN_PREFIX } from '../../src/node/access.js'
import { ANSWER_PREFIX } from '../../src/node/kept-answers.js'
import { WEBHOOK_PREFIX } from '../../src/node/webhooks.js'
import { NETWORK_KEY } from '../../src/node/chain.js'
import { PEER_KEY } from '../../src/node/identity.js'
import { CONFIG_FILE, SEED_FILE, STORE_DIRECTORY } from '../../src/node/system.js'
import { openLevelStore } from '../../src/store/level.js'
import { encodeRecord, recordChange } from '../../src/types/records.js'
import { codeOf } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import { replacePrivately } from '../../src/wallet/private-file.js'
import { GAP_KEY, gapChange, readGap } from '../../src/wallet/records.js'
import { writeSeedFile } from '../../src/wallet/seed-file.js'
import { codeOfRejection, Fixture, type TestNode } from './fixture.js'

const WORDS =
  'abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about'
const PASSPHRASE = 'correct horse battery'
const OTHER = 'another passphrase'
const GAP = 100
/** Most tests open many. */
const QUICK = { cost: { N: 1_024, r: 8, p: 1 } }

describe('node / backup', () => {
  let dir: string
  let file: string
  const stores: Store[] = []

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'paychan-backup-'))
    file = join(dir, 'node.backup')
  })
  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close()
    await rm(dir, { recursive: true, force: true })
  })

  /** The data of a node without channels. */
  async function source(
    name: string,
    changes: readonly Change[] = [],
    { peerId = '12D3KooWAlice', network = 'regtest' as const } = {}
  ): Promise<BackupSource> {
    const dataDir = join(dir, name)
    await mkdir(dataDir, { recursive: true })
    await writeSeedFile(join(dataDir, SEED_FILE), WORDS)
    return await opened(dataDir, [
      recordChange(NETWORK_KEY, network),
      recordChange(PEER_KEY, peerId),
      ...changes
    ])
  }

  async function opened(dataDir: string, changes: readonly Change[] = []): Promise<BackupSource> {
    const store = await openLevelStore(join(dataDir, STORE_DIRECTORY))
    stores.push(store)
    if (changes.length > 0) await store.commit(changes)
    return { dataDir, store, network: 'regtest', peerId: '12D3KooWAlice' }
  }

  const backup = async (of: BackupSource, to = file): Promise<string> =>
    (await makeBackup(of, { file: to, passphrase: PASSPHRASE }, QUICK)).id

  async function restore(
    name: string,
    options: Partial<Parameters<typeof restoreBackup>[1]> = {}
  ): Promise<RestoredBackup> {
    return await restoreBackup(join(dir, name), {
      file,
      gap: GAP,
      passphrase: async () => await Promise.resolve(PASSPHRASE),
      ...options
    })
  }

  async function contents(store: Store): Promise<Map<string, string>> {
    const found = new Map<string, string>()
    for await (const [key, value] of store.entries('')) {
      found.set(key, Buffer.from(value).toString('hex'))
    }
    return found
  }

  /** Records of 0 to `most` bytes, over many chunks, and one of many chunks. */
  const filler = (count: number, most: number): Change[] => [
    ...Array.from({ length: count }, (_, i) => ({
      key: `payment/${String(i).padStart(6, '0')}`,
      value: new Uint8Array((i * 7_919) % most).fill(i)
    })),
    { key: 'payment/z', value: new Uint8Array(200_000).fill(7) }
  ]

  it('brings everything back, byte for byte, beside the marks of an old copy', async () => {
    const alice = await source('alice', filler(400, 3_000))
    await writeFile(join(alice.dataDir, CONFIG_FILE), '{"network":"regtest"}')
    const { id, records } = await makeBackup(alice, { file, passphrase: PASSPHRASE }, QUICK)
    const before = await contents(alice.store)
    const restored = await restore('bob')
    assert.deepEqual(
      [restored.id, restored.records, records, restored.hasSeed],
      [id, before.size, before.size, true]
    )
    const { store } = await opened(join(dir, 'bob'))
    const after = await contents(store)
    for (const key of [RESTORED_KEY, COPIED_KEY, GAP_KEY]) assert.equal(after.delete(key), true)
    assert.deepEqual(after, before)
    for (const [name, mode] of [
      [SEED_FILE, 0o600],
      [CONFIG_FILE, 0o600]
    ] as const) {
      const path = join(dir, 'bob', name)
      assert.equal((await stat(path)).mode & 0o777, mode)
      assert.deepEqual(await readFile(path), await readFile(join(alice.dataDir, name)))
    }
    assert.deepEqual(
      (await readdir(join(dir, 'bob'))).sort(),
      [CONFIG_FILE, STORE_DIRECTORY, SEED_FILE].sort()
    )
  })

  it('brings no token back that may be revoked, no number of an event that may be given out, and no webhook', async () => {
    const alice = await source('alice', [
      recordChange(`${TOKEN_PREFIX}5f0c9a13`, { any: 'thing' }),
      recordChange(`${SPENT_PREFIX}5f0c9a13/1`, { any: 'thing' }),
      recordChange(`${ANSWER_PREFIX}5f0c9a13/key`, { any: 'thing' }),
      recordChange(`${WEBHOOK_PREFIX}5f0c9a13`, { any: 'thing' }),
      recordChange(`${EVENT_PREFIX}000000000000017`, {
        at: 0,
        event: { type: 'request', id: '1' }
      }),
      recordChange(DROPPED_KEY, { number: 12 })
    ])
    await backup(alice)
    await restore('bob')
    const { store } = await opened(join(dir, 'bob'))
    const keys = [...(await contents(store)).keys()]
    assert.deepEqual(
      keys.filter((key) => /^(?:access|event\/|webhook)/.test(key)),
      []
    )
    const log = new EventLog(store, { now: () => 1 }, { openFor: () => undefined })
    await log.load()
    assert.deepEqual([log.newest, log.dropped], [1_000_000_017, 1_000_000_017])
  })

  it('is for its owner only, leaves nothing beside it, and shows nothing of the seed or the records', async () => {
    const alice = await source('alice', [recordChange('payment/1', { memo: 'two coffees' })])
    await backup(alice)
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    assert.deepEqual((await readdir(dir)).sort(), ['alice', 'node.backup'])
    const text = (await readFile(file)).toString('latin1')
    for (const secret of ['abandon', 'coffees', 'payment/']) {
      assert.equal(text.includes(secret), false)
    }
  })

  it('is of one moment: what is committed together is in it together, or not at all', async () => {
    const alice = await source('alice', filler(300, 2_000))
    let number = 0
    const both = async (): Promise<void> => {
      number += 1
      await alice.store.commit([
        recordChange('channel-part', number),
        recordChange('wallet/part', number)
      ])
    }
    await both()
    await makeBackup(
      alice,
      { file, passphrase: PASSPHRASE },
      {
        ...QUICK,
        replace: async (path, write, still) => {
          await replacePrivately(
            path,
            async (target) => {
              // Between any two pieces of the file the node goes on.
              const busy = {
                writeFile: async (data: Uint8Array) => {
                  await both()
                  await target.writeFile(data)
                }
              }
              await write(busy as never)
            },
            still
          )
        }
      }
    )
    assert.ok(number > 5, `${number} commits under way`)
    await restore('bob')
    const { store } = await opened(join(dir, 'bob'))
    const parts = await Promise.all(['channel-part', 'wallet/part'].map((key) => store.get(key)))
    const written = Array.from({ length: number }, (_, i) => i + 1).find(
      (n) => Buffer.compare(parts[0] ?? new Uint8Array(), encodeRecord('channel-part', n)) === 0
    )
    assert.ok(written !== undefined && written < number)
    assert.equal(
      Buffer.compare(parts[1] ?? new Uint8Array(), encodeRecord('wallet/part', written)),
      0
    )
  })

  describe('takes the place of', () => {
    const refused = async (of: BackupSource, pattern: RegExp): Promise<void> => {
      const before = await readFile(file)
      await assert.rejects(
        backup(of),
        ({ code, message }: Error & { code?: string }) =>
          code === 'ERR_BACKUP_EXISTS' && pattern.test(message) && /another name/.test(message)
      )
      assert.deepEqual(await readFile(file), before)
    }

    it('an earlier backup of the same data, however often', async () => {
      const alice = await source('alice')
      const ids = [await backup(alice), await backup(alice), await backup(alice)]
      assert.equal(new Set(ids).size, 3)
      assert.equal((await restore('bob')).id, ids[2])
    })

    it('the backup that the data were restored from', async () => {
      const first = await backup(await source('alice'))
      await restore('bob')
      const second = await backup(await opened(join(dir, 'bob')))
      assert.notEqual(second, first)
      assert.equal((await restore('carol')).id, second)
    })

    it('no newer backup of the same node, when an older one was put back, whatever the clock says', async () => {
      const alice = await source('alice')
      await backup(alice, join(dir, 'monday'))
      await alice.store.commit([recordChange('payment/1', 'since')])
      await backup(alice)
      await restore('bob', { file: join(dir, 'monday') })
      await refused(await opened(join(dir, 'bob')), /have not gone through/)
    })

    it('no backup of the same node, when that was made anew from its words and is empty', async () => {
      await backup(await source('alice', filler(10, 100)))
      await refused(await source('anew'), /have not gone through/)
    })

    it('no backup of another node', async () => {
      await backup(await source('alice'))
      const bob = await source('bob', [], { peerId: '12D3KooWBob' })
      await refused({ ...bob, peerId: '12D3KooWBob' }, /another node \(regtest, 12D3KooWAlice\)/)
    })

    it('no file that is no backup, and no directory', async () => {
      const alice = await source('alice')
      await writeFile(file, 'the only copy of a thesis\n')
      await refused(alice, /is not a backup/)
      assert.equal(await codeOfRejection(backup(alice, alice.dataDir)), 'ERR_BACKUP_EXISTS')
    })

    it('no file that came under its name while it was written', async () => {
      const alice = await source('alice')
      const made = makeBackup(
        alice,
        { file, passphrase: PASSPHRASE },
        {
          ...QUICK,
          replace: async (path, write, still) => {
            await replacePrivately(
              path,
              async (target) => {
                await write(target)
                await writeFile(path, 'another program was faster')
              },
              still
            )
          }
        }
      )
      assert.equal(await codeOfRejection(made), 'ERR_BACKUP_EXISTS')
      assert.equal(await readFile(file, 'utf8'), 'another program was faster')
      assert.deepEqual((await readdir(dir)).sort(), ['alice', 'node.backup'])
    })
  })

  it('on a full disk the backup before it stays, nothing is left beside it, and the store goes on', async () => {
    const alice = await source('alice', filler(200, 2_000))
    const first = await backup(alice)
    const full = makeBackup(
      alice,
      { file, passphrase: PASSPHRASE },
      {
        ...QUICK,
        replace: async (path, write, still) => {
          let pieces = 0
          await replacePrivately(
            path,
            async (target) => {
              const small = {
                writeFile: async (data: Uint8Array) => {
                  pieces += 1
                  if (pieces > 2) {
                    throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' })
                  }
                  await target.writeFile(data)
                }
              }
              await write(small as never)
            },
            still
          )
        }
      }
    )
    await assert.rejects(full, /ENOSPC.*still there/)
    assert.deepEqual((await readdir(dir)).sort(), ['alice', 'node.backup'])
    await alice.store.commit([recordChange('payment/1', 'goes on')])
    assert.equal((await restore('bob')).id, first)
    assert.notEqual(await backup(alice), first)
  })

  it('never fills the disk of its node, which would stop', async () => {
    const alice = await source('alice', [
      ...filler(10, 100),
      { key: 'payment/zz', value: new Uint8Array(40_000_000) }
    ])
    const asked: number[] = []
    const free = [100_000_000, 100_000_000, 60_000_000]
    const room = async (): Promise<number> => {
      asked.push(asked.length)
      return await Promise.resolve(free[asked.length - 1] ?? 0)
    }
    const made = makeBackup(alice, { file, passphrase: PASSPHRASE }, { ...QUICK, room })
    await assert.rejects(made, /would fill the disk of the node, which has 57 MiB left/)
    assert.deepEqual([asked.length, await readdir(dir)], [3, ['alice']])
  })

  it('a directory that is not there is not made: it may be a disk that is not mounted', async () => {
    const alice = await source('alice')
    const missing = join(dir, 'usb', 'node.backup')
    assert.equal(await codeOfRejection(backup(alice, missing)), 'ERR_BACKUP_UNWRITABLE')
    assert.deepEqual(await readdir(dir), ['alice'])
  })

  it('of a stopped node is made by its directory; a running one, and an empty directory, are refused', async () => {
    const { dataDir, store } = await source('alice')
    const request = { file, passphrase: PASSPHRASE }
    assert.equal(await codeOfRejection(backupData(dataDir, request)), 'ERR_STORE_LOCKED')
    await store.close()
    const { peerId, network } = await backupData(dataDir, request)
    assert.deepEqual([peerId, network], ['12D3KooWAlice', 'regtest'])
    assert.equal(await codeOfRejection(backupData(join(dir, 'nobody'), request)), 'ERR_NO_DATA')
    await mkdir(join(dir, 'new'))
    await writeSeedFile(join(dir, 'new', SEED_FILE), WORDS)
    assert.equal(
      await codeOfRejection(backupData(join(dir, 'new'), { ...request, file: `${file}2` })),
      'ERR_NO_DATA'
    )
    assert.deepEqual(await readdir(join(dir, 'new')), [SEED_FILE])
    assert.equal(
      await codeOfRejection(backupData(dataDir, { file, passphrase: 'short' })),
      'ERR_PASSPHRASE_TOO_SHORT'
    )
  })

  describe('that is put back', () => {
    const untouched = async (name: string): Promise<void> => {
      assert.deepEqual(await readdir(join(dir, name)).catch(() => []), [])
    }

    it('asks for the passphrase again after a wrong one, three times', async () => {
      await backup(await source('alice'))
      const asked: number[] = []
      const passphrase = async (attempt: number): Promise<string> => {
        asked.push(attempt)
        return await Promise.resolve(attempt === 3 ? PASSPHRASE : OTHER)
      }
      await restore('bob', { passphrase })
      assert.deepEqual(asked, [1, 2, 3])
      const never = { passphrase: async () => await Promise.resolve(OTHER) }
      assert.equal(await codeOfRejection(restore('carol', never)), 'ERR_WRONG_PASSPHRASE')
      await untouched('carol')
    })

    it('is refused whole when it is cut anywhere, or a byte of it is changed', async () => {
      await backup(await source('alice', filler(60, 3_000)))
      const whole = await readFile(file)
      const line = whole.indexOf(0x0a) + 1
      const chunk = 65_536 + 16
      for (const length of [
        0,
        5,
        line - 1,
        line,
        line + 10,
        line + chunk,
        line + chunk + 1,
        whole.length - 1
      ]) {
        await writeFile(file, whole.subarray(0, length))
        assert.equal(
          await codeOfRejection(restore('bob')),
          'ERR_BACKUP_UNREADABLE',
          `${length} bytes`
        )
        await untouched('bob')
      }
      await writeFile(file, Buffer.concat([whole, Buffer.from([0])]))
      assert.equal(await codeOfRejection(restore('bob')), 'ERR_BACKUP_UNREADABLE', 'a byte more')
      for (const at of [line, line + chunk - 1, line + chunk + 3, whole.length - 1]) {
        const changed = Buffer.from(whole)
        changed[at] = (changed[at] ?? 0) ^ 1
        await writeFile(file, changed)
        assert.equal(await codeOfRejection(restore('bob')), 'ERR_BACKUP_UNREADABLE', `byte ${at}`)
        await untouched('bob')
      }
      // Two chunks in each other's place, and one left out.
      const [first, second] = [
        whole.subarray(line, line + chunk),
        whole.subarray(line + chunk, line + 2 * chunk)
      ]
      for (const parts of [
        [second, first, whole.subarray(line + 2 * chunk)],
        [first, whole.subarray(line + 2 * chunk)]
      ]) {
        await writeFile(file, Buffer.concat([whole.subarray(0, line), ...parts]))
        assert.equal(await codeOfRejection(restore('bob')), 'ERR_BACKUP_UNREADABLE')
        await untouched('bob')
      }
    })

    it('says so when its first line was changed: nothing in it is believed', async () => {
      await backup(await source('alice'))
      const text = (await readFile(file)).toString('latin1')
      const changes: ReadonlyArray<readonly [RegExp, string, string]> = [
        [/"network":"regtest"/, '"network":"signet"', 'ERR_WRONG_PASSPHRASE'],
        [/"peerId":"12D3KooWAlice"/, '"peerId":"12D3KooWMallo"', 'ERR_WRONG_PASSPHRASE'],
        [/"N":1024/, '"N":2048', 'ERR_WRONG_PASSPHRASE'],
        [/"r":8/, '"r":32,"N":4194304', 'ERR_BACKUP_UNREADABLE'],
        [/"v":1/, '"v":2', 'ERR_STORE_VERSION'],
        [/"layout":3/, '"layout":4', 'ERR_STORE_VERSION'],
        [/"paychan":"backup"/, '"paychan":"seed"', 'ERR_BACKUP_UNREADABLE'],
        [/"id":/, '"more":1,"id":', 'ERR_BACKUP_UNREADABLE']
      ]
      for (const [pattern, by, code] of changes) {
        await writeFile(file, Buffer.from(text.replace(pattern, by), 'latin1'))
        assert.equal(await codeOfRejection(restore('bob')), code, by)
        await untouched('bob')
      }
    })

    it('is refused for another network, a directory with a node, and a gap out of range', async () => {
      const alice = await source('alice')
      await backup(alice)
      assert.equal(
        await codeOfRejection(restore('bob', { network: 'signet' })),
        'ERR_WRONG_NETWORK'
      )
      assert.equal(await codeOfRejection(restore('bob', { gap: 0 })), 'ERR_INVALID_GAP')
      await untouched('bob')
      assert.equal(await codeOfRejection(restore('alice')), 'ERR_DATA_EXISTS')
      await mkdir(join(dir, 'seeded'))
      await writeSeedFile(join(dir, 'seeded', SEED_FILE), WORDS)
      assert.equal(await codeOfRejection(restore('seeded')), 'ERR_DATA_EXISTS')
      assert.deepEqual(await readdir(join(dir, 'seeded')), [SEED_FILE])
    })

    it('is refused when it is not there, is something else, or the directory cannot be made', async () => {
      assert.equal(await codeOfRejection(restore('bob')), 'ERR_BACKUP_UNREADABLE')
      await writeFile(file, WORDS)
      assert.equal(await codeOfRejection(restore('bob')), 'ERR_BACKUP_UNREADABLE')
      assert.equal(await codeOfRejection(restore('bob', { file: dir })), 'ERR_RESTORE_FAILED')
      await rm(file)
      await backup(await source('alice'))
      await writeFile(join(dir, 'wall'), '')
      assert.equal(await codeOfRejection(restore('wall/bob')), 'ERR_RESTORE_FAILED')
    })

    it('keeps settings that are there already, and watches as many addresses as was asked for once', async () => {
      const alice = await source('alice', [gapChange(500)])
      await writeFile(
        join(alice.dataDir, CONFIG_FILE),
        '{"network":"regtest","electrum":["tcp://a:1"]}'
      )
      await backup(alice)
      await mkdir(join(dir, 'bob'))
      await writeFile(join(dir, 'bob', CONFIG_FILE), '{}')
      await restore('bob')
      assert.equal(await readFile(join(dir, 'bob', CONFIG_FILE), 'utf8'), '{}')
      const { store } = await opened(join(dir, 'bob'))
      assert.equal(readGap((await store.get(GAP_KEY)) ?? new Uint8Array()), 500)
      assert.notEqual(await store.get(BACKUPS_KEY), undefined)
    })
  })
})

describe('node / a backup that was put back', () => {
  let fixture: Fixture
  beforeEach(async () => {
    fixture = await Fixture.create()
    fixture.mayLackPayments()
  })
  afterEach(async () => {
    await fixture.end()
  })

  const file = (): string => `${fixture.directory}.backup`
  afterEach(async () => {
    await rm(file(), { force: true })
  })

  async function putBack(
    name: string,
    options: Parameters<Fixture['node']>[1] = {}
  ): Promise<TestNode> {
    await restoreBackup(fixture.path(name), {
      file: file(),
      gap: GAP,
      passphrase: async () => await Promise.resolve(PASSPHRASE)
    })
    return await fixture.node(name, { create: false, ...options })
  }

  const first = async ({ api }: TestNode): Promise<ChannelInfo> => {
    const [channel] = await api.channels.list()
    assert.ok(channel)
    return channel
  }

  /** Alice has paid Bob 100,000 sat, then he has made a backup, while he ran. */
  async function story(): Promise<{ alice: TestNode; bob: TestNode; port: number }> {
    const bob = await fixture.node('bob', { listen: ['/ip4/127.0.0.1/tcp/0'] })
    const alice = await fixture.rich('alice')
    const { id } = await alice.api.channels.open({
      ...{ peer: await bob.address(), amount: satoshi(500_000n), blocks: 120 }
    })
    await alice.api.pay({ to: id, amount: satoshi(100_000n) })
    const { channels } = await bob.api.backup({ file: file(), passphrase: PASSPHRASE })
    assert.equal(channels, 1)
    const port = Number(/tcp\/(\d+)/.exec(await bob.address())?.[1])
    return { alice, bob, port }
  }

  it('of a server: due before its client is back, it waits, is handed the newest state, and settles that', async () => {
    const { alice, bob, port } = await story()
    await alice.api.pay({ to: (await first(alice)).id, amount: satoshi(200_000n) })
    await alice.api.stop()
    await bob.api.stop()
    const again = await putBack('again', { listen: [`/ip4/127.0.0.1/tcp/${port}`] })
    const { id, settleHeight = 0, ourBalance } = await first(again)
    assert.equal(ourBalance, 100_000n)
    const settling = again.api.channels.close(id, { force: true })
    assert.equal(await codeOfRejection(settling), 'ERR_BACKUP_MAY_BE_OLD')
    await fixture.devnet.mine(settleHeight + 1 - fixture.devnet.height)
    await again.synced()
    const waiting = await first(again)
    assert.deepEqual([waiting.status, waiting.spend], ['stopped', undefined])
    assert.match(waiting.reason ?? '', /put back from a backup/)
    await fixture.node('alice', { create: false })
    await again.sees(async () => (await first(again)).status === 'closed')
    const { spend, ourBalance: newest } = await first(again)
    assert.deepEqual([spend?.kind, newest], ['settlement', 300_000n])
    await again.sees(async () => (await again.api.wallet.balance()).confirmed > 290_000n)
  })

  it('of a server to which nothing was paid since: its channel only closes, for the same amount', async () => {
    const { alice, bob, port } = await story()
    await bob.api.stop()
    const again = await putBack('again', { listen: [`/ip4/127.0.0.1/tcp/${port}`] })
    await again.sees(async () => (await first(again)).status === 'stopped')
    await alice.sees(async () => (await first(alice)).status === 'stopped')
    const { id, ourBalance } = await first(again)
    assert.equal(ourBalance, 100_000n)
    await alice.api.channels.close(id)
    await again.sees(async () => (await first(again)).status === 'closed')
  })

  it('of a client: what it paid since is not paid twice, and a channel that it opened since comes back', async () => {
    const { alice, bob } = await story()
    await alice.api.backup({ file: `${file()}-alice`, passphrase: PASSPHRASE })
    const { peerId } = await bob.api.info()
    const invoice = { to: peerId, amount: satoshi(30_000n), id: 'invoice 17' }
    await alice.api.pay(invoice)
    const later = await alice.api.channels.open({
      ...{ peer: await bob.address(), amount: satoshi(400_000n), blocks: 120 }
    })
    await alice.api.pay({ to: later.id, amount: satoshi(20_000n) })
    await alice.api.stop()
    await restoreBackup(fixture.path('again'), {
      file: `${file()}-alice`,
      gap: GAP,
      passphrase: async () => await Promise.resolve(PASSPHRASE)
    })
    await rm(`${file()}-alice`)
    const again = await fixture.node('again', { create: false })
    await again.sees(async () =>
      (await again.api.channels.list()).some(
        ({ id, status, ourBalance }) =>
          id === later.id && status === 'stopped' && ourBalance === 380_000n
      )
    )
    await again.events.when(
      (event) => event.type === 'alarm' && event.code === 'ERR_CHANNELS_FORGOTTEN'
    )
    const outcome = await again.api.pay(invoice).then(
      ({ already }) => already,
      (error: unknown) => codeOf(error)
    )
    assert.ok(outcome === true || outcome === 'ERR_PAYMENTS_FORGOTTEN', String(outcome))
    assert.equal((await bob.api.payments.list()).length, 3)
  })
})
