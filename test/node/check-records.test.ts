/** What `paychan check` finds in the records of a store. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { paymentKey } from '../../src/engine/payments.js'
import { RECORD_VERSION, recordChange, sealRecord } from '../../src/types/records.js'
import { checkStore } from '../../src/node/check.js'
import { openSimStore, type Snapshot } from '../../src/testing/disk.js'
import { channelId, txid } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import { abandonedChange } from '../../src/wallet/funding.js'
import { labelChange, madeChange } from '../../src/wallet/notes.js'
import { branchChange, claimChange, reservationChange } from '../../src/wallet/records.js'
import { quiet, twoNodes, World } from '../engine/world.js'

type Checked = Awaited<ReturnType<typeof checkStore>>

const OUT_POINT = { txid: txid('ab'.repeat(32)), vout: 1 }

const WALLET = [
  branchChange('receive', 7),
  reservationChange({
    channel: channelId('cd'.repeat(32)),
    inputs: [OUT_POINT],
    funding: OUT_POINT.txid
  }),
  abandonedChange({ inputs: [OUT_POINT], funding: OUT_POINT.txid }),
  claimChange({
    output: {
      outPoint: OUT_POINT,
      value: satoshi(5_000n),
      scriptPubKey: new Uint8Array(34),
      key: { role: 'client', high: 1, low: 2, use: 'payout' }
    },
    sweep: undefined
  }),
  labelChange('rent', 'of May'),
  madeChange(OUT_POINT.txid, { kind: 'send', fee: satoshi(200n) })
]

/** Two nodes that have paid, with and without an id; one payment of alice's is in flight. */
async function story(): Promise<{ alice: Snapshot; bob: Snapshot; id: string }> {
  const { world, alice, bob } = await twoNodes()
  const { id } = await world.open(alice, bob)
  for (const amount of [1_000n, 500n]) await alice.pay(amount)
  await alice.engine.payOnce({
    id: 'rent',
    peer: 'bob',
    amount: satoshi(300n),
    memo: '',
    plan: (rest) => [{ channel: id, amount: rest }]
  })
  bob.life.holdDisk()
  void alice.pay(250n).catch(() => {})
  await quiet()
  const withWallet = openSimStore(alice.store.snapshot())
  await withWallet.commit(WALLET)
  return { alice: withWallet.snapshot(), bob: bob.store.snapshot(), id }
}

async function check(disk: Snapshot, seed?: string): Promise<Checked> {
  const store = openSimStore(disk)
  const found = await checkStore(store, seed === undefined ? undefined : new World().signerOf(seed))
  assert.equal(store.batches, 0, 'a check writes nothing')
  return found
}

function changed(disk: Snapshot, key: string, value: Uint8Array | undefined): Snapshot {
  const copy = new Map(disk)
  if (value === undefined) copy.delete(key)
  else copy.set(key, value)
  return copy
}

function findings({ store, channels, payments, wallet }: Checked): string[] {
  return [...store, ...channels.flatMap((channel) => channel.findings), ...payments, ...wallet].map(
    ({ severity, text }) => `${severity}: ${text}`
  )
}

describe('node / check / the records', () => {
  let alice: Snapshot
  let bob: Snapshot
  let id: string

  before(async () => {
    ;({ alice, bob, id } = await story())
  })

  it('of both sides are whole after payments, with one in flight', async () => {
    for (const [disk, name] of [
      [alice, 'alice'],
      [bob, 'bob']
    ] as const) {
      const found = await check(disk, name)
      assert.deepEqual(findings(found), [])
      assert.deepEqual(
        found.channels.map((channel) => [channel.id, channel.ok, channel.advice]),
        [[id, true, undefined]]
      )
    }
  })

  it('with any one byte changed are found', async () => {
    for (const disk of [alice, bob]) {
      const entries = [...disk]
      await fc.assert(
        fc.asyncProperty(
          fc.nat(entries.length - 1),
          fc.nat(),
          fc.integer({ min: 1, max: 255 }),
          async (index, at, difference) => {
            const [key, value] = entries[index] ?? ['', new Uint8Array(1)]
            const bad = value.slice()
            bad[at % bad.length] = (bad[at % bad.length] ?? 0) ^ difference
            assert.notDeepEqual(findings(await check(changed(disk, key, bad))), [], key)
          }
        ),
        { numRuns: 300 }
      )
    }
  })

  it('that are gone are found: of a channel, of a ledger, of the payment log', async () => {
    for (const key of [`channel/${id}`, `ledger/${id}`]) {
      const found = await check(changed(bob, key, undefined))
      assert.equal(found.channels[0]?.ok, false)
      assert.match(found.channels[0].advice ?? '', /restore the newest backup/i)
    }
    const both = changed(changed(bob, `channel/${id}`, undefined), `ledger/${id}`, undefined)
    assert.match(
      findings(await check(both)).join(),
      /broken: The payment log has 3 updates of channel/
    )
    const log = await check(changed(bob, paymentKey(channelId(id), 2), undefined))
    assert.match(
      findings(log).join(),
      /^incomplete: The payment log adds up to 1,300 sat in 2 payments/
    )
    assert.equal(log.channels[0]?.ok, true, 'the balances are right')
  })

  it('of a payment with an id point to the log', async () => {
    const found = findings(await check(changed(alice, paymentKey(channelId(id), 3), undefined)))
    assert.equal(
      found.filter((text) =>
        /incomplete: The payment paid\/[0-9a-f]{32} of 300 sat is not in the payment log, at update 3/.test(
          text
        )
      ).length,
      1
    )
  })

  it('of a payment with an id whose place a peer has taken with a payment of its own are found (UPD-21)', async () => {
    const world = new World()
    const [payer, payee] = [await world.node('alice'), await world.node('bob')]
    const back = await world.open(payee, payer)
    const received = await payee.engine.pay(back.id, satoshi(1_000n), '')
    const store = openSimStore(payer.store.snapshot())
    const record = { channel: back.id, sequence: 1, amount: satoshi(1_000n), time: 0 }
    await store.commit([recordChange(`paid/${received.id}`, record)])
    const found = findings(await check(store.snapshot()))
    assert.match(
      found.join(),
      /^broken: The payment paid\/[0-9a-f]{32} names update 1 of .*by which this node was paid 1,000 sat/
    )
  })

  it('say what the damage means: to a client the refund and its height, to a server what it may lose', async () => {
    const [ofClient] = (await check(changed(alice, `ledger/${id}`, new Uint8Array(9)))).channels
    assert.match(ofClient?.advice ?? '', /refund T2 from block \d+ on/)
    const [ofServer] = (await check(changed(bob, `ledger/${id}`, new Uint8Array(9)))).channels
    assert.match(
      ofServer?.advice ?? '',
      /up to 500,000 sat, is lost unless T3 is in a block before/
    )
  })

  it('of a later release are told from damage (ERR_STORE_VERSION)', async () => {
    const key = `channel/${id}`
    const found = findings(
      await check(changed(bob, key, sealRecord(key, Uint8Array.of(0), RECORD_VERSION + 1)))
    )
    assert.match(found.join(), /layout 4; this release reads up to 3/)
  })

  it('of another seed are found', async () => {
    assert.match(findings(await check(bob, 'mallory')).join(), /does not derive from this seed/)
  })

  it('of the node around the channels are known: network, chain, peer id, certificates', async () => {
    const keys = ['chain/network', 'chain/anchor', 'node/peer', 'chain/certificate/HOST:50002']
    assert.deepEqual(
      findings(await check(new Map(keys.map((key) => [key, new Uint8Array(1)])))),
      []
    )
  })

  it('that nobody knows are named', async () => {
    assert.deepEqual(findings(await check(changed(bob, 'chanel/5', new Uint8Array(1)))), [
      'incomplete: This release knows no record "chanel/5"; it is not used.'
    ])
  })
})
