import assert from 'node:assert/strict'
import { SIGHASH, toDer } from '../../src/bitcoin/ecdsa.js'
import { digestOfAll, fundingSpend, withSignatures } from '../../src/bitcoin/funding-spend.js'
import { p2wsh, payoutWitnessScript } from '../../src/bitcoin/scripts.js'
import type { FundingHistory } from '../../src/channel/events.js'
import { csvPayout } from '../../src/channel/onchain.js'
import type { Established } from '../../src/channel/state.js'
import { blockHeight, satoshi } from '../../src/types/units.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { effectsOf } from './asserts.js'
import { transition } from '../../src/channel/transition.js'
import { World } from './world.js'

const paid = (amount = 40_000n): World => new World().open().paid(amount)
const alarms = (world: World, role: 'client' | 'server'): string[] =>
  effectsOf(world[role].effects, 'alarm').map(({ code }) => code)

describe('channel / on the chain / T1', () => {
  it('is ready once it is as deep as the terms ask for, not one block before (FUND-4)', () => {
    const world = new World({ policy: { minDepth: 3 } }).offer().run().mine(2)
    assert.deepEqual(
      [
        world.client.established.ready.ours,
        world.client.info.confirmations,
        world.client.info.status
      ],
      [false, 2, 'confirming']
    )
    world.mine()
    assert.deepEqual(
      [world.client.established.ready, world.client.info.status],
      [{ ours: true, theirs: true }, 'open']
    )
  })

  it('confirmed too late for any payment: stops, and waits for the refund (FUND-4)', () => {
    const world = new World().offer().run()
    world.chain.lowestFeeRate = 1_000_000_000n
    world.mineTo(651)
    world.chain.lowestFeeRate = 0n
    world.mine()
    for (const role of ['client', 'server'] as const) {
      assert.equal(world[role].established.stopped?.code, 'ERR_FUNDED_TOO_LATE')
      assert.equal(world[role].established.ready.ours, false)
    }
  })

  it('taken back by a reorg with its close, which is told after the tip: both go out again at once, not with the next block (TIME-4)', () => {
    const world = new World().open().paid(40_000n)
    world.client.post({ type: 'close' })
    world.run().mine()
    assert.equal(world.client.info.spend?.height, world.chain.height)
    const none = { ...world.chain.history(world.client.established.outPoint), spends: [] }
    for (const side of [world.client, world.server]) {
      const undone = side.attempt({ type: 'history', history: none }).effects
      assert.deepEqual(
        effectsOf(undone, 'broadcast').map(({ purpose }) => purpose),
        side.role === 'server' ? ['close'] : [],
        'the asker does not have the other signature'
      )
      const gone = side.attempt({
        type: 'history',
        history: { funding: undefined, spends: [], strays: [] }
      }).effects
      assert.deepEqual(
        effectsOf(gone, 'broadcast').map(({ purpose }) => purpose),
        ['funding']
      )
    }
  })

  it('taken back by a reorg: alarms, and the same T1 goes out again with the next block (FUND-5)', () => {
    const world = paid()
    world.reorg(1, [world.client.established.outPoint.txid])
    assert.deepEqual(
      [alarms(world, 'client'), alarms(world, 'server')],
      [['ERR_FUNDING_REORGED'], ['ERR_FUNDING_REORGED']]
    )
    assert.equal(world.client.info.confirmations, 0)
    world.mine().paid(1n)
    assert.equal(world.server.info.ourBalance, 40_001n)
  })

  it('is not broadcast again once it is in a block', () => {
    const world = paid()
    assert.deepEqual(effectsOf(world.client.attempt({ type: 'tip' }).effects, 'broadcast'), [])
  })
})

describe('channel / on the chain / what spends it', () => {
  it('a close that both have signed', () => {
    const world = paid()
    world.client.post({ type: 'close' })
    world.run().mine()
    assert.deepEqual(
      [world.client.info.spend?.kind, world.server.info.spend?.kind],
      ['close', 'close']
    )
    assert.deepEqual([...alarms(world, 'client'), ...alarms(world, 'server')], [])
  })

  it('a settlement: the client hands its output 0 to the wallet, which can sweep it one block later', () => {
    const world = paid()
    world.server.post({ type: 'settle' })
    assert.deepEqual(effectsOf(world.client.effects, 'claim'), [], 'not while it is in the mempool')
    world.mine()
    const txid = world.client.info.spend?.txid
    const scriptPubKey = p2wsh(payoutWitnessScript(world.client.payoutKey.publicKey))
    assert.deepEqual(
      effectsOf(world.client.effects, 'claim').map(({ payout }) => payout),
      [{ outPoint: { txid, vout: 0 }, value: 60_000n, scriptPubKey }]
    )
    assert.deepEqual(effectsOf(world.server.effects, 'claim'), [])
    // The wallet may not have been able to write it: it is handed over for six blocks more.
    world.mine(20)
    assert.equal(effectsOf(world.client.effects, 'claim').length, 7)
  })

  it('a settlement that leaves the client nothing: there is nothing to claim', () => {
    const world = paid(99_700n)
    world.server.post({ type: 'settle' })
    world.mine()
    assert.deepEqual(effectsOf(world.client.effects, 'claim'), [])
    assert.equal(world.client.established.onChain.spend?.clientBalance, 0n)
  })

  it('a spend that cannot be read, from a record, pays nobody', () => {
    const { established } = new World({ capacity: 1_000_000n }).open().paid(300_000n).client
    const spend = {
      txid: established.outPoint.txid,
      raw: Uint8Array.of(1, 2, 3),
      kind: 'unknown',
      state: undefined,
      clientBalance: undefined,
      height: blockHeight(1_000)
    } as const
    assert.equal(
      csvPayout({ ...established, onChain: { ...established.onChain, spend } }),
      undefined
    )
  })

  it('a refund while the server held more: it loses, and says how much, loudly', () => {
    const world = paid().kill('server').mineTo(701)
    world.server.dead = false
    world.lookAtChain()
    assert.deepEqual(alarms(world, 'server'), ['ERR_OLDER_STATE_CONFIRMED'])
    assert.match(effectsOf(world.server.effects, 'alarm')[0]?.text ?? '', /costs us 40,000 sat/)
    assert.deepEqual(alarms(world, 'client'), [])
  })

  it('a refund when nothing was paid costs the server nothing, and is no alarm', () => {
    const world = new World().open().kill('server').mineTo(701)
    world.server.dead = false
    world.lookAtChain()
    assert.deepEqual([world.server.info.spend?.kind, alarms(world, 'server')], ['refund', []])
  })

  describe('in no block yet (TIME-8)', () => {
    /** A spend with a lock that no state has, signed by these. */
    const spendOf = (
      world: World,
      lock: number,
      ...signers: Array<'client' | 'server'>
    ): FundingHistory['spends'][number] => {
      const { outPoint, terms } = world.server.established
      const output = {
        outPoint,
        value: terms.capacity,
        clientKey: terms.client.channelKey,
        serverKey: terms.server.channelKey
      }
      const tx = fundingSpend(output, 3, lock, [
        { script: world.client.closeScript, value: satoshi(99_000n) }
      ])
      const sign = (role: 'client' | 'server'): Uint8Array =>
        toDer(
          world[signers.includes(role) ? role : (signers[0] ?? 'client')].channelKey.sign(
            digestOfAll(tx, output)
          ),
          SIGHASH.ALL
        )
      const transaction =
        signers.length === 0 ? tx : withSignatures(tx, output, sign('client'), sign('server'))
      return { transaction, height: undefined }
    }
    const shown = (
      world: World,
      ...spends: FundingHistory['spends']
    ): ReturnType<typeof world.server.attempt> =>
      world.server.attempt({
        type: 'history',
        history: {
          funding: {
            transaction: parseTransaction(world.server.established.fundingTx),
            height: blockHeight(501)
          },
          spends,
          strays: []
        }
      })
    const codes = ({ effects }: ReturnType<typeof shown>): string[] =>
      effectsOf(effects, 'alarm').map(({ code }) => code)

    it('signed by both, so by us, on a copy that we do not have any more: alarm, and T3 waits for its height (TIME-10)', () => {
      const world = paid()
      const after = shown(world, spendOf(world, 77, 'client', 'server'))
      assert.deepEqual(codes(after), ['ERR_UNKNOWN_SPEND'])
      assert.ok(after.state.stage === 'established')
      assert.equal(after.state.publication, undefined)
      const height = after.state.terms.settleHeight
      const due = transition(
        after.state,
        { type: 'tip' },
        world.server.env({ height: blockHeight(height) })
      )
      assert.ok(due.state.stage === 'established')
      assert.equal(due.state.publication?.kind, 'settlement')
    })

    for (const [who, ...signers] of [
      ['nobody'],
      ['the client alone', 'client'],
      ['the server alone', 'server']
    ] as const) {
      it(`signed by ${who}: made up, and ignored, whatever state it pretends to be`, () => {
        const world = paid()
        for (const lock of [77, 0, world.server.established.terms.refundHeight]) {
          const after = shown(world, spendOf(world, lock, ...signers))
          assert.deepEqual(codes(after), ['ERR_FORGED_SPEND'])
          assert.deepEqual(
            after.state.stage === 'established' && [
              after.state.onChain.spend,
              after.state.onChain.shown
            ],
            [undefined, []]
          )
        }
      })
    }

    it('beside a real one: does not hide it', () => {
      const world = paid()
      const real = spendOf(world, 77, 'client', 'server')
      for (const spends of [
        [real, spendOf(world, 0)],
        [spendOf(world, 0), real]
      ]) {
        const after = shown(world, ...spends)
        assert.deepEqual(codes(after), ['ERR_FORGED_SPEND', 'ERR_UNKNOWN_SPEND'])
        assert.equal(
          after.state.stage === 'established' && after.state.onChain.shown[0]?.txid,
          real.transaction.txid
        )
      }
    })

    it('beside our own bid: the rival is what counts', () => {
      const world = paid()
      world.server.post({ type: 'settle' })
      const { publication } = world.server.established
      assert.ok(publication)
      const ours = { transaction: parseTransaction(publication.raw), height: undefined }
      const rival = spendOf(world, 77, 'client', 'server')
      for (const spends of [
        [ours, rival],
        [rival, ours]
      ]) {
        const after = shown(world, ...spends)
        assert.equal(
          after.state.stage === 'established' && after.state.onChain.shown[0]?.txid,
          rival.transaction.txid
        )
      }
    })
  })
})

describe('channel / on the chain / payments in flight, once the spend is buried (TIME-4)', () => {
  /**
   * The client has signed 5,000 sat more; the server holds it, or does not. The ack never comes.
   */
  const inFlight = (arrived: boolean): World => {
    const world = paid()
    world.pay(5_000n)
    if (arrived) world.deliver('server')
    world.disconnect()
    world.server.post({ type: 'settle' })
    return world
  }
  const settled = (channel: Established): [number | undefined, number | undefined] => [
    channel.ledger.held?.sequence,
    channel.ledger.settledSequence
  ]

  it('included in the settlement: were received after all', () => {
    assert.deepEqual(settled(inFlight(true).mine(6).client.established), [1, 2])
  })

  it('not included: have failed', () => {
    assert.deepEqual(settled(inFlight(false).mine(6).client.established), [1, 1])
  })

  it('nobody knows while it is in the mempool, nor again after a reorg', () => {
    const world = inFlight(true)
    assert.deepEqual(settled(world.client.established), [1, undefined])
    world.mine(5)
    assert.deepEqual(
      settled(world.client.established),
      [1, undefined],
      'five blocks can be taken back'
    )
    world.mine()
    assert.deepEqual(settled(world.client.established), [1, 2])
    world.reorg(6)
    assert.deepEqual(settled(world.client.established), [1, undefined])
  })

  it('a refund: what was not acknowledged has failed', () => {
    const world = paid()
    world.pay(5_000n)
    world.kill('server').mineTo(706)
    assert.deepEqual(settled(world.client.established), [1, 1])
  })
})

describe('channel / on the chain / the same history again', () => {
  it('says nothing twice', () => {
    const world = paid()
    world.server.post({ type: 'settle' })
    world.mine()
    const { onChain } = world.client.established
    assert.ok(onChain.spend)
    const { effects } = world.client.attempt({
      type: 'history',
      history: {
        funding: {
          transaction: parseTransaction(world.client.established.fundingTx),
          height: onChain.fundingHeight
        },
        spends: [
          { transaction: parseTransaction(onChain.spend.raw), height: onChain.spend.height }
        ],
        strays: []
      }
    })
    assert.deepEqual(effects, [])
  })
})
