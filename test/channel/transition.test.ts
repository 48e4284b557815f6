/** Events one by one: which are refused, what breaks a channel; no spend is read twice. */
import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import type { Message, Update } from '../../protocols/paychan/1.0/index.js'
import type { Role } from '../../src/bitcoin/keys.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { attempt, Violation } from '../../src/channel/violation.js'
import { txid } from '../../src/types/bytes.js'
import { PaychanError } from '../../src/types/errors.js'
import { reestablishOf } from '../protocols/reestablish.js'
import { assertAbandoned, assertStopped, effectsOf, eventOf } from './asserts.js'
import { World } from './world.js'

/**
 * One message of every type but Error, with contents that nobody looks at before its place is
 * checked.
 */
function everyMessage(): Message[] {
  const world = new World().open().paid(1_000n)
  world.client.post({ type: 'close' })
  world.run()
  const key = world.client.channelKey.publicKey
  const signature = new Uint8Array(64).fill(1)
  const limits = {
    minFirstPayment: 1n,
    maxStake: 1n,
    minTurnAmount: 0n,
    maxInFlightUpdates: 1,
    maxInFlightValue: 1n,
    maxRisk: 100
  }
  const update: Update = {
    type: 'Update',
    turn: 0,
    sequence: 0,
    payerBalance: 1n,
    payments: [],
    signature
  }
  return [
    {
      type: 'OpenChannel',
      network: 'regtest',
      channelKey: key,
      payoutKey: key,
      closeScript: world.client.closeScript,
      capacity: 1n,
      refundHeight: 1,
      mode: 'one-way',
      step: 0,
      txVersion: 3,
      derivation: new Uint8Array(8)
    },
    {
      type: 'AcceptChannel',
      channelKey: key,
      derivation: new Uint8Array(8),
      payoutKey: key,
      closeScript: world.client.closeScript,
      minDepth: 1,
      limits,
      lastPaymentHeight: 1,
      settleHeight: 1
    },
    { type: 'RefundRequest', refundTx: Uint8Array.from([1]) },
    { type: 'RefundSignature', signature },
    { type: 'Funding', fundingTx: Uint8Array.from([1]) },
    { type: 'FundingBroadcast', txid: new Uint8Array(32) },
    update,
    { type: 'UpdateAck', turn: 0, sequence: 0 },
    { type: 'ChannelReady' },
    {
      type: 'CloseRequest',
      turn: 0,
      sequence: 0,
      clientBalance: 1n,
      serverBalance: 1n,
      clientScript: world.client.closeScript,
      serverScript: world.client.closeScript,
      fee: 1n,
      signature
    },
    { type: 'CloseDone', txid: new Uint8Array(32) },
    reestablishOf(),
    { type: 'RestoreRequest', after: new Uint8Array(0) },
    { type: 'RestoreDone' }
  ]
}

const stages: Array<[Role, string, Array<Message['type']>]> = [
  ['client', 'offered', ['AcceptChannel']],
  ['client', 'accepted', []],
  ['client', 'refund-requested', ['RefundSignature']],
  [
    'client',
    'established',
    [
      'FundingBroadcast',
      'Update',
      'UpdateAck',
      'ChannelReady',
      'CloseRequest',
      'CloseDone',
      'Reestablish'
    ]
  ],
  ['server', 'accepted', ['RefundRequest']],
  ['server', 'refund-signed', ['Funding', 'Reestablish']],
  [
    'server',
    'established',
    ['Funding', 'Update', 'UpdateAck', 'ChannelReady', 'CloseRequest', 'CloseDone', 'Reestablish']
  ]
]

describe('channel / transition / a message that has no place (ERR-2)', () => {
  for (const [role, stage, expected] of stages) {
    for (const message of everyMessage().filter(({ type }) => !expected.includes(type))) {
      it(`${role} / ${stage} / ${message.type}: ${stage === 'established' ? 'stops' : 'gives up'}`, () => {
        const world = new World()
        world.holdFunding = stage === 'accepted' && role === 'client'
        const side = world.until(role, stage)[role]
        const effects = side.post(eventOf(message))
        if (stage === 'established') assertStopped(side, effects, 'ERR-2', 'ERR_UNEXPECTED_MESSAGE')
        else assertAbandoned(side, effects, 'ERR-2', 'ERR_UNEXPECTED_MESSAGE')
      })
    }
  }

  it('abandoned: nothing is answered, nothing moves', () => {
    const world = new World().offer()
    world.client.post({ type: 'timeout' })
    const error: Message = {
      type: 'Error',
      code: 'ERR_ANY',
      rule: '',
      text: 'too late',
      fatal: true
    }
    for (const message of [...everyMessage(), error]) {
      const { state, effects } = world.client.attempt(eventOf(message))
      assert.ok(state === world.client.channel)
      assert.deepEqual(effects, [])
    }
  })
})

describe('channel / transition / events that come too late', () => {
  it('what the chain says before T1 is out changes nothing', () => {
    const world = new World().offer()
    const late = [
      { type: 'tip' },
      { type: 'history', history: { funding: undefined, spends: [], strays: [] } },
      {
        type: 'broadcast-failed',
        purpose: 'funding',
        txid: txid('00'.repeat(32)),
        kind: 'other',
        reason: ''
      },
      { type: 'connected' }
    ] as const
    for (const event of late) {
      const { state, effects } = world.client.attempt(event)
      assert.deepEqual([state === world.client.channel, effects], [true, []])
    }
  })

  it('the end of the time for the opening is nothing to a channel that is set up', () => {
    const world = new World().open()
    for (const event of [
      { type: 'timeout' },
      { type: 'funding-failed', code: 'ERR_ANY', reason: '' }
    ] as const) {
      const { state, effects } = world.client.attempt(event)
      assert.deepEqual([state === world.client.channel, effects], [true, []])
    }
  })

  it('nor does a broadcast, whatever came of it, before T1 is handed over', () => {
    const world = new World().until('server', 'refund-signed')
    const about = { purpose: 'funding', txid: txid('00'.repeat(32)) } as const
    for (const event of [
      { type: 'broadcast-done', ...about, isRefused: false, refusedForFee: false },
      { type: 'broadcast-failed', ...about, kind: 'other', reason: 'no' }
    ] as const) {
      const { state, effects } = world.server.attempt(event)
      assert.deepEqual([state === world.server.channel, effects], [true, []])
    }
  })

  it('why a transaction was refused is a code, and the words of servers stand beside it', () => {
    const { client, server } = new World().open().paid(40_000n)
    server.post({ type: 'settle' })
    const failed = { type: 'broadcast-failed', reason: 'electrum.example: no' } as const
    const { txid: publication } = server.established.publication ?? assert.fail()
    for (const [side, purpose, id, kind] of [
      [client, 'close', txid('00'.repeat(32)), 'missing-inputs'],
      [server, 'publication', publication, 'insufficient-fee'],
      [server, 'funding', server.established.outPoint.txid, 'fee-too-low']
    ] as const) {
      const { effects } = side.attempt({ ...failed, purpose, txid: id, kind })
      assert.deepEqual(
        effectsOf(effects, 'notify').flatMap(({ news }) =>
          'reason' in news ? [[news.kind, news.code, news.reason]] : []
        ),
        [[`${purpose}-refused`, kind, failed.reason]]
      )
    }
  })

  it('a close that no mempool took is told, and rests (COST-5)', () => {
    const world = new World().open()
    const { channel } = world.client
    const { state, effects } = world.client.attempt({
      type: 'broadcast-failed',
      purpose: 'close',
      txid: txid('00'.repeat(32)),
      kind: 'other',
      reason: 'no'
    })
    const unwanted = { txid: txid('00'.repeat(32)), refusals: 1, height: world.client.env().height }
    assert.deepEqual(state, { ...channel, unwanted })
    assert.equal(effectsOf(effects, 'notify').length, 1)
  })
})

describe('channel / transition / a violation after a violation', () => {
  it('is answered, and the first reason stays (UPD-16)', () => {
    const world = new World().open()
    world.client.post({ type: 'message', message: { type: 'UpdateAck', turn: 0, sequence: 5 } })
    const before = world.client.established.stopped
    world.client.post({ type: 'message', message: { type: 'UpdateAck', turn: 4, sequence: 9 } })
    assert.equal(world.client.established.stopped, before)
  })
})

describe('channel / violation', () => {
  const thrown = (error: Error): unknown =>
    attempt(
      (code) => `${code} of`,
      () => {
        throw error
      }
    )

  it('is what a check throws, or what the refusal of a helper comes to; a bug is no fault of the peer and is thrown on', () => {
    const violation = new Violation('UPD-4', 'ERR_BAD_SIGNATURE', 'The signature is wrong.')
    assert.equal(thrown(violation), violation)
    const refused = thrown(new PaychanError('ERR_INVALID_AMOUNT', 'Too much.', { asked: 1 }))
    assert.ok(refused instanceof Violation)
    assert.deepEqual(
      [refused.rule, refused.code, refused.message, refused.facts['asked']],
      ['ERR_INVALID_AMOUNT of', 'ERR_INVALID_AMOUNT', 'Too much.', 1]
    )
    const bug = new TypeError('undefined is not a function')
    assert.throws(() => thrown(bug), bug)
    assert.equal(
      attempt('UPD-4', () => 7),
      7
    )
  })
})

describe('channel / a spend that the chain shows', () => {
  const { fromBuffer } = Transaction
  afterEach(() => {
    Transaction.fromBuffer = fromBuffer
  })

  it('is judged and recognised without being read again', () => {
    const world = new World({ capacity: 1_000_000n }).open().paid(40_000n)
    world.server.post({ type: 'settle' })
    const { publication } = world.server.established
    assert.ok(publication)
    const history = {
      funding: {
        transaction: parseTransaction(world.client.established.fundingTx),
        height: world.client.established.onChain.fundingHeight
      },
      spends: [{ transaction: parseTransaction(publication.raw), height: undefined }],
      strays: []
    }
    let reads = 0
    Transaction.fromBuffer = (bytes, isLenient) => {
      reads++
      return fromBuffer(bytes, isLenient)
    }
    const { state } = world.client.attempt({ type: 'history', history })
    assert.ok(state.stage === 'established')
    assert.deepEqual([state.onChain.shown[0]?.kind, reads], ['settlement', 0])
  })
})
