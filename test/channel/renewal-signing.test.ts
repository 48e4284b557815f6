/** When the old channels of a renewal sign T1, and when they do not (RENEW-3, RENEW-5, RENEW-6). */
import type { ChannelEvent } from '../../src/channel/events.js'
import assert from 'node:assert/strict'
import { lockTimeOf, parseTransaction, type Transaction } from '../../src/bitcoin/transaction.js'
import { onCompleteRenewal, planRenewal } from '../../src/channel/renewed.js'
import { askedAgain, onRenewalRequest, onRenewalSigned } from '../../src/channel/renewing.js'
import type { ClientChannel } from '../../src/channel/state.js'
import { fundingOutput } from '../../src/channel/terms.js'
import { codeOf } from '../../src/types/errors.js'
import { blockHeight, feeRate, satoshi } from '../../src/types/units.js'
import type { RenewalRequest } from '../../protocols/paychan/1.0/index.js'
import { assertAbandoned, effectsOf, eventOf, sentOf, take } from './asserts.js'
import type { Side } from './side.js'
import { World } from './world.js'

/** Open, the client has paid 40,000 of 100,000 sat. */
const paidWorld = (): World => new World().open().paid(40_000n)

/** The client knows T1; what follows is on its way. */
function begun(): { old: World; renewal: World } {
  const old = paidWorld()
  return { old, renewal: new World({ renews: { world: old } }).until('client', 'refund-requested') }
}

/** Both have signed but the server, which is asked to. */
function requested(
  old = paidWorld(),
  terms: { readonly step?: number; readonly blocks?: number } = {}
): {
  old: World
  renewal: World
  request: RenewalRequest
  /** What the old channel is asked to complete. */
  draft: Extract<ChannelEvent, { type: 'complete-renewal' }>['draft']
} {
  const renewal = new World({ renews: { world: old }, ...terms }).until('client', 'established')
  const request = take(renewal, 'server', 'RenewalRequest')
  const draft = {
    by: renewal.server.channel.id,
    fundingTx: parseTransaction(request.fundingTx),
    previous: request.previous,
    fee: satoshi(0n),
    turn: 0,
    sequence: 1,
    serverBalance: satoshi(40_000n)
  }
  return { old, renewal, request, draft }
}

const OLD_CHANNEL = paidWorld().client.established
const OLD = fundingOutput(OLD_CHANNEL.terms, OLD_CHANNEL.outPoint)

const told = (side: Side, event: Parameters<Side['attempt']>[0]): unknown[] =>
  effectsOf(side.attempt(event).effects, 'tell').map(({ event }) => event)

describe('channel / renewal / neither side signs before it holds what protects it (RENEW-3)', () => {
  it('client: nothing is asked of the old channel before T2 is signed and the server holds the first state', () => {
    const { old, renewal } = begun()
    const asked = (): string[] => {
      const { channel } = renewal.client
      assert.ok(channel.stage === 'refund-requested')
      return askedAgain(channel).map(({ type }) => type)
    }
    assert.deepEqual(asked(), [], 'T2 is not signed')
    renewal.deliver('server')
    renewal.deliver('client')
    assert.deepEqual(asked(), [], 'the server has no first state')
    renewal.deliver('server')
    const before = renewal.client.channel
    const { state } = renewal.client.attempt(eventOf(take(renewal, 'client', 'UpdateAck')))
    assert.ok(state !== before && state.stage === 'refund-requested')
    assert.deepEqual(
      askedAgain(state).map(({ type }) => type),
      ['tell']
    )
    assert.deepEqual(old.client.established.closes, [])
  })

  it('an opening that renews nothing asks no other channel, also after a restart', () => {
    const opening = new World()
    for (const role of ['client', 'server'] as const) {
      const { channel } = opening.until(
        role,
        role === 'client' ? 'refund-requested' : 'refund-signed'
      )[role]
      assert.ok(channel.stage === 'refund-requested' || channel.stage === 'refund-signed')
      assert.deepEqual(askedAgain(channel), [])
    }
  })

  it('client: what the old channel has signed goes to the server at once, or with the next stream (RENEW-6)', () => {
    const { renewal } = begun()
    for (const to of ['server', 'client', 'server'] as const) renewal.deliver(to)
    const { state } = renewal.client.attempt(eventOf(take(renewal, 'client', 'UpdateAck')))
    assert.ok(state.stage === 'refund-requested')
    assert.ok(state.secured !== undefined)
    const { secured } = state
    const sent = (isConnected: boolean): number =>
      sentOf(
        onRenewalSigned({ ...state, secured: { ...secured, isConnected } }, new Uint8Array(64), OLD)
          .effects,
        'RenewalRequest'
      ).length
    assert.deepEqual([sent(true), sent(false)], [1, 0])
  })

  it('client: a signature of the old channel that comes before that of T2 is not taken', () => {
    const { renewal } = begun()
    const { state, effects } = renewal.client.attempt({
      type: 'renewal-signed',
      signature: new Uint8Array(64),
      old: OLD
    })
    assert.equal(state, renewal.client.channel)
    assert.deepEqual(effects, [])
  })

  it('server: a RenewalRequest before the first state has no place, and nothing is signed (ERR-2)', () => {
    const { request } = requested()
    const { old, renewal } = begun()
    renewal.deliver('server')
    const { channel } = renewal.server
    assert.ok(channel.stage === 'refund-signed' && channel.initial === undefined)
    assert.deepEqual(askedAgain(channel), [])
    assertAbandoned(
      renewal.server,
      renewal.server.post(eventOf(request)),
      'ERR-2',
      'ERR_UNEXPECTED_MESSAGE'
    )
    assert.deepEqual(old.server.established.closes, [])
  })

  it('server: nor does the step itself go on without the first state, or without a renewal (RENEW-3)', () => {
    const { renewal, request } = requested()
    const { channel } = renewal.server
    assert.ok(channel.stage === 'refund-signed' && channel.initial !== undefined)
    const asked = (state: typeof channel): string[] =>
      onRenewalRequest(state, request, renewal.server.env()).effects.map((effect) =>
        effect.type === 'send' && effect.message.type === 'Error'
          ? effect.message.rule
          : effect.type
      )
    assert.deepEqual(asked(channel), ['tell'])
    for (const state of [
      { ...channel, initial: undefined },
      { ...channel, terms: { ...channel.terms, renews: undefined } }
    ]) {
      assert.deepEqual(asked(state).slice(0, 2), ['ERR-2', 'hang-up'])
    }
  })

  it('server: nor has one in the opening of a channel that renews none (ERR-2)', () => {
    const { request } = requested()
    const world = new World().until('client', 'refund-requested')
    world.deliver('server')
    assert.equal(world.server.channel.stage, 'refund-signed')
    assertAbandoned(
      world.server,
      world.server.post(eventOf(request)),
      'ERR-2',
      'ERR_UNEXPECTED_MESSAGE'
    )
  })
})

describe('channel / renewal / the old channel', () => {
  it('does not sign with a payment in flight, and goes on (RENEW-5)', () => {
    const { old, renewal } = begun()
    for (const to of ['server', 'client', 'server'] as const) renewal.deliver(to)
    const ack = take(renewal, 'client', 'UpdateAck')
    old.pay(1_000n)
    assertAbandoned(
      renewal.client,
      renewal.client.post(eventOf(ack)),
      'RENEW-5',
      'ERR_LATER_UPDATES'
    )
    assert.deepEqual(old.client.established.closes, [])
    assert.equal(old.run().paid(2_000n).server.info.ourBalance, 43_000n)
  })

  it('completes T1 with the same bytes when it is asked twice, whatever comes with the second (RENEW-6)', () => {
    const { old, renewal, request, draft } = requested()
    renewal.server.post(eventOf(request))
    const [close] = old.server.established.closes
    assert.ok(close?.raw !== undefined)
    for (const signature of [request.signature, new Uint8Array(64)]) {
      const event = { type: 'complete-renewal' as const, draft, signature }
      assert.equal(old.server.attempt(event).state, old.server.channel)
      assert.deepEqual(told(old.server, event), [{ type: 'renewal-completed', raw: close.raw }])
    }
  })

  it('completes T1 also when the turn was granted meanwhile, as long as nothing is paid or on its way in it (TURN-2)', () => {
    const old = new World({ step: 20, blocks: 300 }).open().paidBy('client', 40_000n)
    const { request, draft } = requested(old, { step: 20, blocks: 300 })
    const answer = (channel = old.server.established): string => {
      const [event] = effectsOf(
        onCompleteRenewal(channel, draft, request.signature, old.server.env()).effects,
        'tell'
      ).map(({ event }) => event)
      return event?.type === 'renewal-refused' ? event.error.code : (event?.type ?? 'nothing')
    }
    const { ledger, ended } = old.server.established
    const held = ledger.held ?? assert.fail()
    const granted = {
      ...old.server.established,
      ledger: {
        ...ledger,
        turn: 1,
        held: { ...held, payerBalance: satoshi(40_000n), signature: undefined }
      },
      ended: [...ended, { turn: 0, ...held }]
    }
    assert.deepEqual([answer(), answer(granted)], ['renewal-completed', 'renewal-completed'])
    const update = {
      sequence: 2,
      payerBalance: satoshi(39_000n),
      payments: [],
      signature: new Uint8Array(64)
    }
    assert.equal(
      answer({ ...granted, ledger: { ...granted.ledger, inFlight: [update] } }),
      'ERR_LATER_UPDATES',
      'on its way'
    )
    assert.equal(
      answer({
        ...granted,
        ledger: { ...granted.ledger, held: { ...granted.ledger.held, sequence: 2 } }
      }),
      'ERR_LATER_UPDATES',
      'paid'
    )
    assert.equal(
      answer({ ...granted, ended: [{ turn: 0, ...held, sequence: 0 }] }),
      'ERR_LATER_UPDATES',
      'the turn began with another state'
    )
    assert.equal(
      answer({ ...granted, ledger: { ...granted.ledger, turn: 2 } }),
      'ERR_LATER_UPDATES',
      'two turns later'
    )
  })

  it('does not refuse T1 of the new channel for what passes: T1 of the old one is out of its block, or nobody watches it (RENEW-6)', () => {
    const { old, request, draft } = requested()
    const event = { type: 'complete-renewal' as const, draft, signature: request.signature }
    const { channel, established } = old.server
    assert.deepEqual(old.server.attempt(event, { isWatched: false }).effects, [])
    const onChain = { ...established.onChain, fundingHeight: undefined }
    old.server.channel = { ...established, onChain }
    assert.deepEqual(old.server.attempt(event).effects, [])
    old.server.channel = channel
    assert.deepEqual(
      effectsOf(old.server.attempt(event).effects, 'tell').map((tell) => tell.event.type),
      ['renewal-completed']
    )
  })

  it('of a server on a copy of its data waits, and the client is asked to come again: what was paid since is not signed away (RESTORE-10)', () => {
    const { old, renewal, request, draft } = requested()
    const event = { type: 'complete-renewal' as const, draft, signature: request.signature }
    const copied = { dueSince: undefined }
    old.server.channel = { ...old.server.established, copied }
    const { state, effects } = old.server.attempt(event)
    assert.deepEqual(
      effects.map((effect) => (effect.type === 'tell' ? effect.event.type : effect.type)),
      ['renewal-waits']
    )
    assert.equal(state.stage === 'established' && state.closes.length, 0, 'nothing is signed')
    const waits = renewal.server.attempt({ type: 'renewal-waits' })
    assert.deepEqual(
      sentOf(waits.effects, 'Error').map(({ code, fatal }) => `${code} ${fatal}`),
      ['ERR_NOT_READY false']
    )
    assert.equal(waits.state.stage, 'refund-signed', 'the opening is not given up for it')
  })

  it('answers with a refusal when it has never been funded', () => {
    const { renewal, request } = requested()
    const world = new World().until('server', 'accepted')
    for (const side of [world.client, world.server]) {
      side.post({ type: 'timeout' })
      assert.equal(side.channel.stage, 'abandoned')
      const draft = {
        by: renewal.client.channel.id,
        fundingTx: parseTransaction(request.fundingTx),
        previous: request.previous,
        fee: satoshi(0n),
        turn: 0,
        sequence: 1,
        serverBalance: satoshi(40_000n)
      }
      const event =
        side.role === 'client'
          ? { type: 'sign-renewal' as const, draft }
          : { type: 'complete-renewal' as const, draft, signature: request.signature }
      const [refusal] = effectsOf(side.attempt(event).effects, 'tell').map(({ event }) => event)
      assert.equal(
        refusal?.type === 'renewal-refused' ? refusal.error.code : refusal?.type,
        'ERR_CHANNEL_NOT_OPEN'
      )
    }
  })
})

describe('channel / renewal / server / on RenewalRequest', () => {
  it('while the chain is not seen, or not up to the lock of T1, the client is asked to come again (RENEW-4)', () => {
    const { renewal, request } = requested()
    const lock = lockTimeOf(request.fundingTx)
    const answers = [undefined, lock - 1, lock].map((height) => {
      const { state, effects } = renewal.server.attempt(eventOf(request), {
        height: height === undefined ? undefined : blockHeight(height)
      })
      return [
        state.stage === 'refund-signed' && state.link,
        ...sentOf(effects, 'Error').map(({ code, fatal }) => `${code} ${fatal}`),
        ...effects.map(({ type }) => type)
      ]
    })
    const later = ['down', 'ERR_NOT_READY false', 'send', 'hang-up']
    assert.deepEqual(answers.slice(0, 2), [later, later])
    assert.equal(answers[2]?.at(-1), 'tell')
  })
})

describe('channel / renewal / asked for by the user', () => {
  it('at a feerate that the server signs: from the estimate up to what 600 vB cost a quarter above it', () => {
    const { client } = new World({ capacity: 1_000_000n }).open().paid(40_000n)
    // One server of two has raised the second: it counts for bids only.
    const env = client.env({ feeRate: feeRate(20_000n), nextBlockRate: feeRate(80_000n) })
    const at = (amount: bigint, asked: bigint): unknown =>
      planRenewal(client.channel, satoshi(amount), env, { asked: feeRate(asked) })
    // 15,000 sat, of 150 vB or, with one coin and no change, of 218 vB.
    for (const [amount, most] of [
      [0n, 100_000n],
      [50_000n, 68_807n]
    ] as const) {
      for (const taken of [20_000n, most]) at(amount, taken)
      for (const asked of [19_999n, most + 1n]) {
        assert.throws(() => at(amount, asked), {
          code: 'ERR_RENEWAL_FEE',
          facts: { asked, least: 20_000n, most }
        })
      }
    }
  })

  const plan = (side: Side): unknown => planRenewal(side.channel, satoshi(0n), side.env())

  it('is for the client: the server opens a channel of its own', () => {
    const world = paidWorld()
    plan(world.client)
    assert.throws(() => plan(world.server), { code: 'ERR_NOT_THE_CLIENT' })
  })

  it('not with payments on their way, which the new channel would not know of', () => {
    const world = paidWorld()
    world.pay(1_000n)
    assert.throws(() => plan(world.client), { code: 'ERR_LATER_UPDATES' })
    world.run()
    plan(world.client)
  })

  it('not once the channel closes, publishes, is spent or only closes', () => {
    const { client } = paidWorld()
    const channel = client.established
    const closed = paidWorld()
    closed.client.post({ type: 'close' })
    const { closes } = closed.client.established
    const late = paidWorld().kill('server').mineTo(700).client.established
    const { shown } = late.onChain
    assert.ok(closes.length > 0 && shown.length > 0 && late.publication !== undefined)
    const refusal = (changes: Partial<ClientChannel>): string => {
      try {
        planRenewal({ ...channel, ...changes }, satoshi(0n), client.env())
        return 'planned'
      } catch (error) {
        return codeOf(error)
      }
    }
    assert.deepEqual(
      [
        {},
        { closes },
        { publication: late.publication },
        { onChain: { ...channel.onChain, shown } },
        { stopped: { code: 'ERR_PEER_FORGOT', reason: '', rule: 'REEST-4', settleNow: false } }
      ].map(refusal),
      [
        'planned',
        'ERR_CHANNEL_CLOSED',
        'ERR_CHANNEL_CLOSED',
        'ERR_CHANNEL_CLOSED',
        'ERR_CHANNEL_STOPPED'
      ]
    )
  })

  it('not without the peer', () => {
    const world = paidWorld().disconnect()
    assert.throws(() => plan(world.client), { code: 'ERR_PEER_UNREACHABLE' })
    world.connect().run()
    plan(world.client)
    assert.deepEqual(sentOf(world.client.effects, 'CloseRequest'), [])
  })
})

describe('channel / renewal / what servers show of T1 (EVID-9)', () => {
  /** The client has signed T1, and so has the server, which sends it. */
  function shownT1(): { client: Side<'client'>; own: Transaction; complete: Transaction } {
    const { old, renewal, request, draft } = requested()
    const { effects } = old.server.attempt({
      type: 'complete-renewal',
      draft: { ...draft, by: renewal.server.channel.id },
      signature: request.signature
    })
    const [raw] = effectsOf(effects, 'tell').flatMap(({ event }) =>
      event.type === 'renewal-completed' ? [event.raw] : []
    )
    const { client } = renewal
    return {
      client,
      own: parseTransaction(client.established.fundingTx),
      complete: parseTransaction(raw ?? assert.fail())
    }
  }

  function show(client: Side<'client'>, transaction: Transaction): ClientChannel {
    const funding = { transaction, height: undefined }
    const history = { funding, spends: [], strays: [] }
    client.channel = client.attempt({ type: 'history', history }).state
    return client.established
  }

  it("its server's signature is taken of it, and nothing else", () => {
    const { client, complete } = shownT1()
    assert.equal(client.established.renewal === undefined, false)
    const { fundingTx, renewal } = show(client, complete)
    assert.deepEqual([fundingTx, renewal], [complete.raw, undefined])
  })

  it('it is found among several that servers show', () => {
    const { client, complete } = shownT1()
    const junk = complete.withWitnesses([[new Uint8Array(10)]])
    const funding = { transaction: junk, height: blockHeight(501) }
    const history = { funding, fundings: [junk, complete], spends: [], strays: [] }
    client.channel = client.attempt({ type: 'history', history }).state
    assert.deepEqual(client.established.fundingTx, complete.raw)
  })

  it('a record of an earlier version, which does not say what T1 spends, takes what a block has', () => {
    const { client, own, complete } = shownT1()
    const { renewal } = client.established
    assert.ok(renewal)
    const { signature, previous } = renewal
    client.channel = { ...client.established, renewal: { signature, previous } }
    assert.deepEqual(show(client, complete).fundingTx, own.raw)
    const funding = { transaction: complete, height: blockHeight(501) }
    const history = { funding, spends: [], strays: [] }
    client.channel = client.attempt({ type: 'history', history }).state
    assert.deepEqual(client.established.fundingTx, complete.raw)
  })

  it('a witness that the server has not signed is not: neither one of any size, nor our own signature in its place', () => {
    const { client, own, complete } = shownT1()
    const [empty, ours, theirs, script] = complete.inputs[0]?.witness ?? []
    assert.ok(empty && ours && theirs && script)
    for (const witness of [
      [new Uint8Array(100_000)],
      [empty, ours, ours, script],
      [empty, ours, theirs.subarray(1), script],
      []
    ]) {
      const { fundingTx, renewal, onChain } = show(client, complete.withWitnesses([witness]))
      assert.deepEqual(fundingTx, own.raw)
      assert.ok(renewal, 'the signature is still waited for')
      assert.equal(onChain.fundingSeen, false, 'no server could take it (RENEW-7)')
    }
    const padded = complete.withWitnesses([[empty, new Uint8Array(50_000), theirs, script]])
    const { fundingTx, onChain } = show(client, padded)
    assert.deepEqual([fundingTx, onChain.fundingSeen], [complete.raw, true])
  })
})
