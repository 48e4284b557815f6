/**
 * A peer that hands back a channel with terms of its own making, and signs for them with its own
 * key: nothing falls over, and nothing is signed that it could not have had before.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { decode, encode, type ChannelRecord } from '../../protocols/paychan/1.0/index.js'
import { otherRole, type Role } from '../../src/bitcoin/keys.js'
import { p2wsh, payoutWitnessScript } from '../../src/bitcoin/scripts.js'
import { payerSighash } from '../../src/bitcoin/template.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { refundTemplateOf } from '../../src/channel/opening-client.js'
import { termsOf } from '../../src/channel/opening-terms.js'
import { adoptRecord, recordOf } from '../../src/channel/restoring.js'
import { payerOf } from '../../src/channel/schedule.js'
import { stateDigest } from '../../src/channel/signing.js'
import { NEW_LEDGER } from '../../src/channel/ledger.js'
import type { Established } from '../../src/channel/state.js'
import { summarise } from '../../src/channel/summary.js'
import { transition } from '../../src/channel/transition.js'
import { Violation } from '../../src/channel/violation.js'
import { sameBytes, toHex } from '../../src/types/bytes.js'
import { PaychanError } from '../../src/types/errors.js'
import { blockHeight, satoshi } from '../../src/types/units.js'
import { effectsOf } from './asserts.js'
import { World } from './world.js'

const height = fc.oneof(
  fc.integer({ min: 0, max: 2_000 }),
  fc.constantFrom(0, 1, 13, 700, 499_999_999)
)
const amount = fc.oneof(
  fc.bigInt({ min: 0n, max: 100_000n }),
  fc.constantFrom(0n, 329n, 330n, 99_999n, 100_000n, 100_001n)
)
const anyState = fc.record({
  sequence: fc.oneof(fc.nat(20), fc.constant(4_294_967_295)),
  payerBalance: amount,
  isSigned: fc.boolean()
})
/**
 * A state that the peer has signed is what a server can publish: such ones come often enough with
 * any seed.
 */
const paidOnce = anyState.map((state) => [{ ...state, isSigned: true }])
const lies = fc.record({
  refundHeight: height,
  settleHeight: height,
  lastPaymentHeight: height,
  mode: fc.constantFrom('one-way' as const, 'two-way' as const),
  step: fc.oneof(fc.nat(300), fc.constantFrom(0, 1, 65_535)),
  minDepth: fc.constantFrom(0, 1, 65_535),
  serverBalance: fc.option(amount, { nil: undefined }),
  states: fc.oneof(
    fc.array(anyState, { maxLength: 0 }),
    fc.array(anyState, { maxLength: 6 }),
    paidOnce
  ),
  fits: fc.constantFrom(true, true, true, false)
})
type Lies = typeof lies extends fc.Arbitrary<infer T> ? T : never

/** What the peer of `victim` says, with every signature that it can make: its own. */
function lie(
  world: World,
  victim: Role,
  {
    refundHeight,
    settleHeight,
    lastPaymentHeight,
    mode,
    step,
    minDepth,
    serverBalance,
    states,
    fits
  }: Lies
): ChannelRecord {
  const peer = world[otherRole(victim)]
  const truth = recordOf(peer.channel, peer.env())
  assert.ok(truth)
  const L = victim === 'server' ? truth.open.refundHeight : refundHeight
  const settle = fits ? Math.max(0, L - (mode === 'two-way' ? step : 36)) : settleHeight
  const open = {
    ...truth.open,
    refundHeight: L,
    mode,
    step: fits && mode === 'one-way' ? 0 : step,
    ...(serverBalance === undefined
      ? {}
      : { renews: { channelId: new Uint8Array(32), turn: 0, sequence: 0, serverBalance } })
  }
  const accept = {
    ...truth.accept,
    settleHeight: settle,
    lastPaymentHeight: fits ? Math.max(0, settle - 12) : lastPaymentHeight,
    minDepth
  }
  const terms = termsOf(open, accept)
  const { outPoint } = peer.established
  const signed = (make: () => Uint8Array): Uint8Array => {
    try {
      return peer.channelKey.sign(make())
    } catch (error) {
      assert.ok(error instanceof PaychanError)
      return new Uint8Array(64).fill(1)
    }
  }
  const refundSignature =
    victim === 'client'
      ? signed(() => payerSighash(refundTemplateOf(terms, outPoint)))
      : truth.refundSignature
  return {
    ...truth,
    ...{ open, accept, refundSignature },
    states: states.map(({ sequence, payerBalance, isSigned }, turn) => ({
      sequence,
      payerBalance,
      signature: !isSigned
        ? new Uint8Array(0)
        : payerOf(turn) === victim
          ? (truth.states[turn]?.signature ?? new Uint8Array(0))
          : signed(() =>
              stateDigest({ terms, outPoint, ledger: NEW_LEDGER }, satoshi(payerBalance), turn)
            )
    }))
  }
}

/** The channel, or undefined when it is refused as a record should be. */
function taken(world: World, victim: Role, record: ChannelRecord): Established | undefined {
  const message = decode(encode(record))
  assert.ok(message.type === 'ChannelRecord')
  const env = world[victim].env({ isKnownKey: () => false, isKnownOutPoint: () => false })
  try {
    return adoptRecord(
      message,
      {
        role: victim,
        keys: { high: 1, low: 2 },
        peer: 'peer',
        address: 'peer',
        network: 'regtest'
      },
      env
    ).state
  } catch (error) {
    assert.ok(error instanceof Violation, String(error))
    return undefined
  }
}

/**
 * What it publishes pays to itself, and to the payout script that the state is signed for: a client
 * pays there no more than it has ever signed.
 */
function assertOurs(
  world: World,
  victim: Role,
  broadcasts: ReadonlyArray<{ readonly purpose: string; readonly raw: Uint8Array }>
): void {
  const theirs = p2wsh(payoutWitnessScript(world[otherRole(victim)].payoutKey.publicKey))
  const scripts = [world[victim].closeScript, theirs]
  for (const { raw } of broadcasts.filter(({ purpose }) => purpose === 'publication')) {
    published += 1
    for (const { script, value } of parseTransaction(raw).outputs) {
      if (victim === 'client' && sameBytes(script, theirs)) {
        assert.ok(value <= mostSigned(world), `${value} sat to the server`)
      }
      assert.ok(
        scripts.some((one) => sameBytes(one, script)),
        toHex(script)
      )
    }
  }
}
let published = 0

/** The most that the client has signed to its server: in turn 0. */
function mostSigned({ client }: World): bigint {
  const { ended, ledger, terms } = client.established
  return terms.capacity - (ended[0]?.payerBalance ?? ledger.held?.payerBalance ?? terms.capacity)
}

describe('channel / restoring / terms that the peer has made up', () => {
  for (const victim of ['client', 'server'] as const) {
    const worlds = [
      new World().open().paid(20_000n),
      new World({ step: 20 }).open().paidBy('client', 40_000n).paidBy('server', 15_000n)
    ]

    it(`are refused by the ${victim}, or make a channel that lives to its end: no height, message or question makes it fall over`, () => {
      let count = 0
      published = 0
      fc.assert(
        fc.property(fc.constantFrom(...worlds), lies, (world, made) => {
          const state = taken(world, victim, lie(world, victim, made))
          if (state === undefined) return
          count += 1
          const history = {
            funding: {
              transaction: parseTransaction(state.fundingTx),
              height: blockHeight(501)
            },
            spends: [],
            strays: []
          }
          for (const at of [501, 600, 699, 700, 2_000, 499_999_999]) {
            const env = world[victim].env({ height: blockHeight(at) })
            let { state: next } = transition(state, { type: 'history', history }, env)
            for (const event of [
              { type: 'tip' },
              { type: 'connected', address: undefined },
              { type: 'close' },
              { type: 'settle' },
              { type: 'tip' }
            ] as const) {
              const after = transition(next, event, env)
              next = after.state
              assertOurs(world, victim, effectsOf(after.effects, 'broadcast'))
            }
            assert.ok(next.stage === 'established')
            assert.equal(next.stopped !== undefined, true)
            summarise(next, env)
            recordOf(next, env)
          }
        }),
        { numRuns: 400 }
      )
      assert.ok(
        count > 10 && published > 10,
        `${count} were taken, ${published} times something was published`
      )
    })
  }

  it('that make a one-way channel one of turns, a block before T2: the server takes what it is given, and is there when it matures (RESTORE-6)', () => {
    const world = new World().open().paid(20_000n)
    const L = world.server.established.terms.refundHeight
    const told = {
      refundHeight: L,
      settleHeight: 0,
      lastPaymentHeight: 0,
      mode: 'two-way',
      step: 1,
      minDepth: 1,
      serverBalance: undefined,
      fits: true
    } as const
    const isPublished = (states: Lies['states'], at: number): boolean => {
      const state = taken(world, 'server', lie(world, 'server', { ...told, states }))
      assert.ok(state !== undefined, 'refused')
      const history = {
        funding: {
          transaction: parseTransaction(state.fundingTx),
          height: blockHeight(501)
        },
        spends: [],
        strays: []
      }
      const seen = transition(
        state,
        { type: 'history', history },
        world.server.env({ height: blockHeight(at) })
      )
      const after = transition(
        seen.state,
        { type: 'tip' },
        world.server.env({ height: blockHeight(at) })
      )
      return (
        effectsOf([...seen.effects, ...after.effects], 'broadcast').filter(
          ({ purpose }) => purpose === 'publication'
        ).length > 0
      )
    }
    const paid = [{ sequence: 1, payerBalance: 80_000n, isSigned: true }]
    assert.deepEqual([isPublished(paid, L - 2), isPublished(paid, L - 1)], [false, true])
    assert.equal(isPublished([], L - 1), false, 'a peer that names no state leaves less')
  })
})
