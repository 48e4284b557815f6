/** DESIGN.md section 5: what has been said is on disk. A held disk shows what waits for it. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Message } from '../../protocols/paychan/1.0/index.js'
import { readEntry, readName, readPaid } from '../../src/engine/payments.js'
import { decodeRecord, encodeRecord, RECORD_VERSION, sealRecord } from '../../src/types/records.js'
import { compact, readTerms } from '../../src/engine/stored-channel.js'
import { satoshi } from '../../src/types/units.js'
import {
  BLOCKS,
  CAPACITY,
  codeFrom,
  type Node,
  quiet,
  soon,
  twoNodes,
  type World
} from './world.js'

/** While the disk is held nothing of this type leaves; once it is released it does. */
async function waitsForTheDisk(world: World, node: Node, type: Message['type']): Promise<void> {
  const before = world.said(node, type).length
  await quiet()
  assert.ok(node.life.waitingCommits > 0, `${node.name} wants to write nothing`)
  assert.equal(
    world.said(node, type).length,
    before,
    `${type} left ${node.name} before the disk had it`
  )
  node.life.releaseDisk()
  await quiet()
  assert.equal(world.said(node, type).length, before + 1)
}

describe('engine / commit before effects', () => {
  const offer = async (alice: Node): Promise<unknown> =>
    await alice.engine.open({ peer: 'bob', capacity: CAPACITY, blocks: BLOCKS, wait: 'broadcast' })

  it('OpenChannel: the bits of K1 are on disk before K1 is sent', async () => {
    const { world, alice } = await twoNodes()
    alice.life.holdDisk()
    const opening = offer(alice)
    await waitsForTheDisk(world, alice, 'OpenChannel')
    await opening
  })

  it('AcceptChannel: the bits of K2 are on disk before K2 is sent (KEY-2)', async () => {
    const { world, alice, bob } = await twoNodes()
    bob.life.holdDisk()
    const opening = offer(alice)
    await waitsForTheDisk(world, bob, 'AcceptChannel')
    await opening
  })

  it('RefundSignature: the outpoint is on disk before T2 is signed away (REF-2)', async () => {
    const { world, alice, bob } = await twoNodes()
    const opening = offer(alice)
    await soon(
      () => world.said(alice, 'RefundRequest').length !== 0,
      () => {
        bob.life.holdDisk()
      }
    )
    await waitsForTheDisk(world, bob, 'RefundSignature')
    await opening
  })

  it('T1: T2 is on disk before T1 leaves, to the peer or to the chain (REF-7)', async () => {
    const { world, alice, bob } = await twoNodes()
    const opening = offer(alice)
    await soon(
      () => world.said(bob, 'RefundSignature').length !== 0,
      () => {
        alice.life.holdDisk()
      }
    )
    await quiet()
    assert.deepEqual(world.broadcasts(alice), [])
    assert.deepEqual(world.chain.mempool, [])
    await waitsForTheDisk(world, alice, 'Funding')
    assert.equal(world.chain.mempool.length, 1)
    await opening
  })

  it("Update: what is signed is on the payer's disk before it is sent", async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    alice.life.holdDisk()
    const paying = alice.pay(1_000n)
    await waitsForTheDisk(world, alice, 'Update')
    await paying
  })

  it("UpdateAck: what is acknowledged is on the payee's disk", async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    bob.life.holdDisk()
    const paying = alice.pay(1_000n)
    await waitsForTheDisk(world, bob, 'UpdateAck')
    await paying
    await bob.restart()
    assert.equal(bob.channel.ourBalance, 1_000n)
  })

  it('pay: is told as soon as the payee has it; the payer writes the ack with what comes next, or soon after', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(1_000n)
    const { commits } = alice
    await alice.pay(500n)
    assert.equal(alice.commits, commits + 1)
    await world.pass(20)
    assert.equal(alice.commits, commits + 2)
    await world.pass(1_000)
    assert.equal(alice.commits, commits + 2, 'nothing is left to write')
  })

  it('pay: a payer that dies before the ack is written hears of it again', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(1_000n)
    await alice.restart()
    await world.pass(1_000)
    assert.deepEqual(
      (await alice.payments()).map(({ status }) => status),
      ['acknowledged']
    )
    assert.deepEqual(
      [alice.channel.ourBalance, alice.channel.inFlight, bob.channel.ourBalance],
      [CAPACITY - 1_000n, 0n, 1_000n]
    )
    assert.deepEqual((await bob.payments()).length, 1)
  })

  it('CloseRequest: the asker is frozen on disk before its signature is sent (CLOSE-6)', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    alice.life.holdDisk()
    const closing = alice.close()
    await waitsForTheDisk(world, alice, 'CloseRequest')
    await closing
  })

  it('close: the other side is frozen on disk before it broadcasts (CLOSE-6)', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    bob.life.holdDisk()
    const closing = alice.close()
    await quiet()
    const before = world.broadcasts(bob).length
    assert.ok(bob.life.waitingCommits > 0)
    assert.deepEqual(world.chain.mempool, [])
    bob.life.releaseDisk()
    await closing
    assert.equal(world.broadcasts(bob).length, before + 1)
    assert.equal(world.chain.mempool.length, 1)
  })

  it('T3: a publication is on disk before it is broadcast', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(10_000n)
    bob.life.holdDisk()
    const closing = bob.close(true)
    await quiet()
    assert.ok(bob.life.waitingCommits > 0)
    assert.deepEqual(world.chain.mempool, [])
    bob.life.releaseDisk()
    assert.equal((await closing).kind, 'settlement')
    assert.equal(world.chain.mempool.length, 1)
  })
})

/** Everything that states are made of. */
const { state } = fc.letrec<{ state: unknown; leaf: unknown }>((tie) => ({
  leaf: fc.oneof(
    fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
    fc.uint8Array({ maxLength: 80 }),
    fc.string({ unit: 'binary' }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null)
  ),
  state: fc.oneof(
    { maxDepth: 4 },
    tie('leaf'),
    fc.array(tie('state'), { maxLength: 5 }),
    fc.dictionary(
      fc
        .string({ minLength: 1, maxLength: 10 })
        .filter((key) => !key.startsWith('$') && key !== '__proto__'),
      fc.oneof(tie('state'), fc.constant(undefined)),
      { maxKeys: 5 }
    )
  )
}))

/** What is undefined is not there. */
function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, part]) => part !== undefined)
      .map(([key, part]) => [key, withoutUndefined(part)])
  )
}

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, plain(part)]))
}

describe('engine / records', () => {
  it('come back as they were: amounts, bytes, texts, and what is undefined', () => {
    fc.assert(
      fc.property(state, (value) => {
        assert.deepEqual(
          plain(decodeRecord('key', encodeRecord('key', value))),
          withoutUndefined(value)
        )
      })
    )
  })

  it('keep bytes that come as a Buffer', () => {
    const value = decodeRecord<{ bytes: Uint8Array }>(
      'key',
      encodeRecord('key', { bytes: Buffer.from('00ff', 'hex') })
    )
    assert.deepEqual(value.bytes, Uint8Array.of(0, 255))
  })

  it('that lie under the key of another are refused', () => {
    fc.assert(
      fc.property(
        state,
        fc.string({ unit: 'grapheme-ascii' }),
        fc.string({ unit: 'grapheme-ascii' }),
        (value, key, other) => {
          fc.pre(key !== other)
          assert.equal(
            codeOf(() => decodeRecord(other, encodeRecord(key, value))),
            'ERR_STORE_CORRUPT'
          )
        }
      )
    )
  })

  it('are small: a field costs its name and its value', () => {
    assert.equal(
      encodeRecord('key', { amount: 5n, key: Uint8Array.of(1, 2) }).length,
      5 + 2 + (1 + 6 + 3) + (1 + 3 + 4)
    )
  })

  it('of any bytes are refused with a code, and the key', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        assert.throws(
          () => decodeRecord('channel/1', bytes),
          (error: Error) =>
            'code' in error &&
            error.code === 'ERR_STORE_CORRUPT' &&
            error.message.includes('channel/1')
        )
      })
    )
  })

  it('are refused when any one of their bytes is another one', () => {
    fc.assert(
      fc.property(state, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, at, difference) => {
        const bad = encodeRecord('key', value)
        bad[at % bad.length] = (bad[at % bad.length] ?? 0) ^ difference
        assert.equal(
          codeOf(() => decodeRecord('key', bad)),
          'ERR_STORE_CORRUPT'
        )
      }),
      { numRuns: 1_000 }
    )
  })

  it('are refused when they are cut short, or when something follows', () => {
    const good = encodeRecord('key', { amount: 5n, list: [1, 2], text: 'abc' })
    for (let length = 0; length < good.length; length++) {
      assert.equal(
        codeOf(() => decodeRecord('key', good.slice(0, length))),
        'ERR_STORE_CORRUPT'
      )
    }
    assert.equal(
      codeOf(() => decodeRecord('key', Uint8Array.of(...good, 0))),
      'ERR_STORE_CORRUPT'
    )
  })

  it('of a later release are told from damage', () => {
    const later = sealRecord('key', Uint8Array.of(1, 2, 3), RECORD_VERSION + 1)
    assert.equal(
      codeOf(() => decodeRecord('key', later)),
      'ERR_STORE_VERSION'
    )
    later[later.length - 1] = 0
    assert.equal(
      codeOf(() => decodeRecord('key', later)),
      'ERR_STORE_CORRUPT'
    )
  })

  it('whose checksum is right and whose value is none are refused all the same', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (value) => {
        const code = codeOf(() => decodeRecord('key', sealRecord('key', value, RECORD_VERSION)))
        assert.ok(code === undefined || code === 'ERR_STORE_CORRUPT', String(code))
      }),
      { numRuns: 1_000 }
    )
    assert.equal(
      codeOf(() =>
        decodeRecord('key', sealRecord('key', new Uint8Array(100_000).fill(9), RECORD_VERSION))
      ),
      'ERR_STORE_CORRUPT'
    )
  })

  it('of one kind under the key of another, with a checksum that fits, are damage', () => {
    for (const [key, read] of [
      ['payment/ab/1', readEntry],
      ['paid/ab', readPaid],
      ['paid-name/ab', readName],
      ['channel/ab', readTerms]
    ] as const) {
      assert.throws(() => read(key, encodeRecord(key, null)), {
        code: 'ERR_STORE_CORRUPT',
        facts: { key }
      })
    }
  })

  it('of versions before the first release are refused, with what to do', () => {
    assert.throws(() => decodeRecord('key', sealRecord('key', Uint8Array.of(1), 2)), {
      code: 'ERR_STORE_VERSION',
      message: /before the first release.*Close its channels with the version that wrote it/
    })
  })
})

/** The code that an action throws; undefined when it does not. */
function codeOf(action: () => unknown): unknown {
  try {
    action()
    return undefined
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error
  }
}

/** What a state is made of, and names of fields that mean something to JavaScript or to JSON. */
const values = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(null, undefined, true, false),
    fc.double(),
    fc.bigInt(),
    fc.string(),
    fc.uint8Array(),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(
      fc.oneof(fc.string(), fc.constantFrom('constructor', '"', '1', 'toString')),
      tie('value'),
      { noNullPrototype: true, maxKeys: 30 }
    )
  )
})).value

describe('compact values', () => {
  it('are what they were', () => {
    fc.assert(
      fc.property(values, (value) => {
        assert.deepStrictEqual(compact(value), value)
      })
    )
  })

  it('hold the very same long byte strings, which others may keep as well, and leave what they were made of as it was', () => {
    const raw = new Uint8Array(65)
    const key = new Uint8Array(33)
    const before = { list: [{ raw, key }], none: undefined }
    const [held] = compact(before).list
    assert.equal(held?.raw, raw)
    assert.notEqual(held.key, key)
    assert.deepEqual(before, { list: [{ raw, key }], none: undefined })
  })

  it('have their short byte strings in one buffer, which is no longer than they are, and each is its own part', () => {
    const { a, b, c } = compact({
      a: new Uint8Array(33).fill(1),
      b: new Uint8Array(0),
      c: [new Uint8Array(64).fill(2)]
    })
    assert.equal(a.buffer, c[0]?.buffer)
    assert.equal(a.buffer.byteLength, 97)
    a.fill(9)
    assert.deepEqual([b, c], [new Uint8Array(0), [new Uint8Array(64).fill(2)]])
  })

  it('hold once what is the same in one after another, and empty lists', () => {
    const value = (id: number): object => ({ id, limits: { most: 5n, text: 'a' }, list: [] })
    const [one, other] = [compact(value(1)), compact(value(2))].map((each): unknown[] =>
      Object.values(each)
    )
    assert.deepEqual([one?.[0], other?.[0]], [1, 2])
    assert.equal(one?.[1], other?.[1])
    assert.equal(one?.[2], other?.[2])
  })

  it('of which each is an object of its own', () => {
    const [one, other] = [compact({ a: { b: 1 } }), compact({ a: { b: 2 } })]
    assert.deepEqual([one, other], [{ a: { b: 1 } }, { a: { b: 2 } }])
  })
})

/*
 * A disk that fails: the engine halts as a whole, nothing is said any more, and a restart has all
 * that was acknowledged.
 */

describe('engine / a disk that fails', () => {
  it('of the payee: nothing is acknowledged, there is one alarm, and a restart has all that was acknowledged before', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    await alice.pay(1_000n)
    const acks = world.said(bob, 'UpdateAck').length
    bob.store.failNext()
    assert.equal(await codeFrom(alice.pay(500n)), 'ERR_PAYMENT_UNKNOWN')
    assert.equal(world.said(bob, 'UpdateAck').length, acks)
    assert.deepEqual(bob.alarms, ['ERR_STORE_FAILED'])
    await bob.restart()
    assert.equal(bob.channel.ourBalance, 1_000n)
    await world.pass(2_000)
    assert.equal(bob.channel.ourBalance, 1_500n, 'the payment is made after all, once')
    assert.equal(alice.channel.ourBalance, CAPACITY - 1_500n)
  })

  it('of the payer: nothing is sent; what is signed may be on the disk all the same, so it is unknown', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    const updates = world.said(alice, 'Update').length
    alice.store.failNext()
    assert.equal(await codeFrom(alice.pay(1_000n)), 'ERR_PAYMENT_UNKNOWN')
    assert.equal(world.said(alice, 'Update').length, updates)
    assert.deepEqual(alice.alarms, ['ERR_STORE_FAILED'])
    assert.equal(bob.channel.ourBalance, 0n)
    await alice.restart()
    await world.pass(2_000)
    assert.deepEqual([bob.channel.ourBalance, alice.channel.ourBalance], [0n, CAPACITY])
  })

  it('of the payer as the acknowledgement arrives: the payment is done, since the payee has it, and the node stops', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    const acks = world.said(bob, 'UpdateAck').length
    const paying = alice.pay(1_000n)
    await soon(
      () => world.said(bob, 'UpdateAck').length > acks,
      () => {
        alice.store.failNext()
      }
    )
    assert.equal((await paying).status, 'acknowledged')
    await world.pass(20)
    assert.deepEqual(alice.alarms, ['ERR_STORE_FAILED'])
    await alice.restart()
    await world.pass(2_000)
    assert.deepEqual(
      (await alice.payments()).map(({ status }) => status),
      ['acknowledged']
    )
  })

  it('under one channel ends the others too: none of them says a word, what is in flight is unknown, what is not signed is refused', async () => {
    const { world, alice, bob } = await twoNodes({ coin: 2_000_000n })
    const first = await world.open(alice, bob)
    const second = await world.open(alice, bob)
    bob.life.holdDisk()
    const inFlight = codeFrom(alice.engine.pay(second.id, satoshi(1_000n), ''))
    await quiet()
    alice.store.failNext()
    const failing = codeFrom(alice.engine.pay(first.id, satoshi(1_000n), ''))
    assert.deepEqual(
      [await failing, await inFlight],
      ['ERR_PAYMENT_UNKNOWN', 'ERR_PAYMENT_UNKNOWN']
    )
    const said = world.said(alice).length
    bob.life.releaseDisk()
    await world.mine(2)
    await world.pass(120_000)
    assert.equal(
      await codeFrom(alice.engine.pay(second.id, satoshi(1_000n), '')),
      'ERR_STORE_FAILED'
    )
    assert.equal(await codeFrom(alice.engine.close(second.id, false)), 'ERR_STORE_FAILED')
    assert.equal(
      await codeFrom(
        alice.engine.open({ peer: 'bob', capacity: CAPACITY, blocks: BLOCKS, wait: 'ready' })
      ),
      'ERR_STORE_FAILED'
    )
    assert.equal(world.said(alice).length, said)
    assert.deepEqual(alice.alarms, ['ERR_STORE_FAILED'])
    assert.equal(alice.life.watching, 0)
  })

  it('takes no streams any more', async () => {
    const { world, alice, bob } = await twoNodes()
    await world.open(alice, bob)
    bob.store.failNext()
    await codeFrom(alice.pay(1_000n))
    const said = world.said(bob).length
    await world.pass(120_000)
    assert.equal(world.said(bob).length, said)
    assert.equal(alice.channel.status, 'offline')
  })

  it('of the client while a channel opens: T1 does not leave, and the opening is refused', async () => {
    const { world, alice, bob } = await twoNodes()
    const opening = codeFrom(
      alice.engine.open({ peer: 'bob', capacity: satoshi(100_000n), blocks: BLOCKS, wait: 'ready' })
    )
    await soon(
      () => world.said(bob, 'RefundSignature').length !== 0,
      () => {
        alice.store.failNext()
      }
    )
    assert.equal(await opening, 'ERR_STORE_FAILED')
    assert.deepEqual(world.broadcasts(alice), [])
    await alice.restart()
    assert.equal(alice.channel.status, 'abandoned')
    assert.deepEqual(alice.wallet.reservedFor, [])
  })
})
