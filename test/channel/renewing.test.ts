/** The renewal of a channel: both sides, the old channel and the new one (RENEW-1 to RENEW-7). */
import assert from 'node:assert/strict'
import { parseTransaction, makeTransaction } from '../../src/bitcoin/transaction.js'
import { errorMessage } from '../../src/channel/violation.js'
import { Transaction } from 'bitcoinjs-lib'
import type { RenewalRequest } from '../../protocols/paychan/1.0/index.js'
import { renewalSighash } from '../../src/bitcoin/renewal.js'
import { channelIdOf } from '../../src/bitcoin/scripts.js'
import { payerOutput } from '../../src/bitcoin/template.js'
import { initialBalance } from '../../src/channel/ledger.js'
import { refundTemplateOf } from '../../src/channel/opening-client.js'
import { publishable, stakeAt } from '../../src/channel/publishable.js'
import { isRenewalDue, notRenewed } from '../../src/channel/self-renewal.js'
import { lostTo } from '../../src/channel/renewing.js'
import { sharesByTurn, stakeOfPayee } from '../../src/channel/stakes.js'
import { fundingOutput } from '../../src/channel/terms.js'
import { hashFromTxid, txid } from '../../src/types/bytes.js'
import { blockDelta, blockHeight, feeRate, satoshi } from '../../src/types/units.js'
import { transition } from '../../src/channel/transition.js'
import { effectsOf, eventOf, forge, sentOf, take } from './asserts.js'
import { scriptOf } from './side.js'
import { originOf, payment, World, type WorldOptions } from './world.js'

/** Open, the client has paid 40,000 of 100,000 sat. */
function paidWorld(options: WorldOptions = {}): World {
  return new World(options).open().paid(40_000n)
}

/** A renewal up to the request of the client, which is on its way to the server. */
function requested(
  old = paidWorld(),
  topUp = 0n
): { old: World; renewal: World; request: RenewalRequest } {
  const renewal = new World({
    renews: { world: old, topUp },
    ...(old.step === undefined ? {} : { step: old.step })
  }).until('client', 'established')
  return { old, renewal, request: take(renewal, 'server', 'RenewalRequest') }
}

/** What the server says to a request of the client. */
function answer(renewal: World, request: RenewalRequest): Array<[rule: string, code: string]> {
  return sentOf(renewal.server.post(eventOf(request)), 'Error').map(({ rule, code }) => [
    rule,
    code
  ])
}

describe('channel / renewal', () => {
  it('begins with the balances of the old channel, less the fee of T1 (RENEW-2)', () => {
    const old = paidWorld()
    const renewal = new World({ renews: { world: old } }).open()
    // (51 + 43) x 4 + 222 bytes / 4 = 150 vB at 2.2 sat/vB, a tenth above the estimate
    assert.deepEqual(
      [renewal.client.info.ourBalance, renewal.server.info.ourBalance],
      [60_000n - 330n, 40_000n]
    )
    assert.deepEqual([old.client.info.status, old.server.info.status], ['closed', 'closed'])
    assert.equal(old.client.info.spend?.txid, renewal.client.info.funding?.txid)
    assert.deepEqual(
      [old.client.info.renewedAs, renewal.client.info.renews],
      [renewal.client.channel.id, old.client.channel.id]
    )
    const renewed = `renewed as channel ${renewal.client.channel.id.slice(0, 8)}`
    assert.deepEqual([old.client.info.reason, old.server.info.reason], [renewed, renewed])
  })

  it('signs T1 only once both hold what protects them in the new channel (RENEW-3)', () => {
    const old = paidWorld()
    const renewal = new World({ renews: { world: old } })
    renewal.until('client', 'refund-requested')
    assert.deepEqual([old.client.established.closes, old.server.established.closes], [[], []])
    renewal.deliver('server') // RefundRequest
    renewal.deliver('client') // RefundSignature
    assert.deepEqual(
      old.client.established.closes,
      [],
      'signed before the server holds the first state'
    )
    take(renewal, 'server', 'Update')
    const { channel } = renewal.client
    assert.ok(channel.stage === 'refund-requested' && channel.secured?.acknowledged === false)
  })

  it('answers the first state with an acknowledgement once it is stored, and nothing else with one (UPD-9, UPD-4)', () => {
    const renewal = new World({ renews: { world: paidWorld() } }).until(
      'client',
      'refund-requested'
    )
    renewal.deliver('server')
    renewal.deliver('client')
    const update = take(renewal, 'server', 'Update')
    assert.equal(
      update.payerBalance,
      initialBalance({ capacity: satoshi(renewal.capacity), serverBalance: satoshi(40_000n) })
    )
    for (const [bad, code] of [
      [{ ...update, payerBalance: satoshi(renewal.capacity) }, 'ERR_BAD_INITIAL_STATE'],
      [{ ...update, signature: new Uint8Array(64).fill(1) }, 'ERR_BAD_SIGNATURE']
    ] as const) {
      const { state, effects } = renewal.server.attempt(eventOf(bad))
      assert.deepEqual(
        [state.stage, sentOf(effects, 'Error')[0]?.code, sentOf(effects, 'UpdateAck').length],
        ['abandoned', code, 0]
      )
    }
    assert.deepEqual(sentOf(renewal.server.post(eventOf(update)), 'UpdateAck'), [
      { type: 'UpdateAck', turn: 0, sequence: 0 }
    ])
    const { channel } = renewal.server
    assert.ok(channel.stage === 'refund-signed' && channel.initial?.signature !== undefined)
  })

  it('gives the server its output in T2, by SINGLE; below dust by NONE (RENEW-2)', () => {
    const { terms, outPoint } = new World({ renews: { world: paidWorld() } }).open().client
      .established
    assert.equal(payerOutput(refundTemplateOf(terms, outPoint))?.value, 40_000n)
    assert.equal(
      payerOutput(refundTemplateOf({ ...terms, serverBalance: satoshi(329n) }, outPoint)),
      undefined
    )
  })

  it('counts what T2 leaves the server: only what it is paid on top is at stake (UPD-11)', () => {
    const renewal = new World({ renews: { world: paidWorld() } }).open().paid(5_000n)
    assert.deepEqual(sharesByTurn(renewal.server.established), [40_000n, 45_000n])
    assert.deepEqual(sharesByTurn(renewal.client.established), [59_670n, 54_670n])
    assert.equal(stakeOfPayee(renewal.server.established, satoshi(54_670n)), 5_000n)
    const ours = publishable(renewal.server.established) ?? assert.fail()
    assert.equal(
      stakeAt(
        renewal.server.established,
        ours,
        renewal.server.established.terms.settleHeight,
        feeRate(2_000n)
      ),
      5_000n
    )
  })

  describe('server / on RenewalRequest', () => {
    it('completes T1, and is frozen in the old channel (RENEW-5, CLOSE-6)', () => {
      const { old, renewal, request } = requested()
      assert.deepEqual(answer(renewal, request), [])
      assert.equal(old.server.established.closes[0]?.renewedAs, renewal.server.channel.id)
      assert.equal(
        renewal.server.established.outPoint.txid,
        renewal.client.established.outPoint.txid
      )
      assert.deepEqual(
        effectsOf(renewal.server.effects, 'broadcast').map(({ purpose }) => purpose),
        ['funding']
      )
      renewal.run()
      assert.ok(renewal.client.established.fundingAcknowledged)
      old.pay(1_000n)
      assert.deepEqual(
        effectsOf(old.client.effects, 'payment-refused').map(({ error }) => error.code),
        ['ERR_CHANNEL_CLOSED']
      )
    })

    it('takes the same one again for the same, as after a break (RENEW-6)', () => {
      const { old, renewal, request } = requested()
      renewal.server.post(eventOf(request))
      const again = renewal.server.post(eventOf(request))
      assert.equal(old.server.established.closes.length, 1)
      assert.deepEqual(sentOf(again, 'FundingBroadcast').length, 1)
    })

    it('refuses a T1 that is another one, or funds something else (FUND-1), and signs nothing', () => {
      for (const change of [
        (tx: Transaction) => {
          tx.locktime += 1
        },
        (tx: Transaction) => {
          for (const output of tx.outs) output.value -= 1n
        },
        (tx: Transaction) => {
          tx.version = 2
        }
      ]) {
        const { old, renewal, request } = requested()
        const tx = Transaction.fromBuffer(Uint8Array.from(request.fundingTx))
        change(tx)
        assert.deepEqual(answer(renewal, { ...request, fundingTx: tx.toBuffer() }), [
          ['FUND-1', 'ERR_FUNDING_TXID']
        ])
        assert.deepEqual(old.server.established.closes, [])
      }
    })

    it("refuses a signature that is not the client's, and the renewal is over (RENEW-5)", () => {
      const { old, renewal, request } = requested()
      assert.deepEqual(
        answer(renewal, {
          ...request,
          signature: renewal.server.channelKey.sign(new Uint8Array(32))
        }),
        [['RENEW-5', 'ERR_BAD_SIGNATURE']]
      )
      assert.equal(renewal.server.channel.stage, 'abandoned')
      assert.deepEqual(old.server.established.closes, [])
      assert.equal(old.server.info.status, 'open')
    })

    it('refuses once the old channel has gone on (RENEW-5): a forger that pays after its signature', () => {
      const { old, renewal, request } = requested()
      // The client is frozen; one that is not honest signs on.
      old.server.post({ type: 'updates', updates: [forge(old)] })
      assert.deepEqual(answer(renewal, request), [['RENEW-5', 'ERR_LATER_UPDATES']])
      assert.equal(renewal.server.channel.stage, 'abandoned')
      assert.deepEqual(old.server.established.closes, [])
    })

    it('is not moved by the clock, the peer or its user while the old channel is asked to sign', () => {
      const { old, renewal, request } = requested()
      // The old channel does not answer yet.
      const { state } = renewal.server.attempt(eventOf(request))
      renewal.server.channel = state
      for (const [event, effects] of [
        [{ type: 'timeout' as const }, []],
        [{ type: 'cancel' as const }, ['ERR_CANCEL_TOO_LATE']],
        [{ type: 'close' as const }, ['ERR_CANCEL_TOO_LATE']],
        [{ type: 'tip' as const }, ['send', 'hang-up']],
        [{ type: 'disconnected' as const, reason: '' }, []],
        [
          {
            type: 'message' as const,
            message: { type: 'Error' as const, code: 'ERR_X', rule: '', text: '', fatal: true }
          },
          ['hang-up']
        ],
        [
          {
            type: 'message' as const,
            message: { type: 'CloseDone' as const, txid: new Uint8Array(32) }
          },
          ['send', 'hang-up']
        ]
      ] as const) {
        const after = renewal.server.attempt(event, { height: blockHeight(5_000) })
        assert.deepEqual(
          [
            after.state.stage,
            after.effects.map((effect) =>
              effect.type === 'close-refused' ? effect.error.code : effect.type
            )
          ],
          ['refund-signed', effects],
          event.type
        )
      }
      assert.deepEqual(old.server.established.closes, [])
    })

    it('waits while it does not see the chain, and the client asks again', () => {
      const { renewal, request } = requested()
      renewal.server.blind = true
      assert.deepEqual(answer(renewal, request), [['', 'ERR_NOT_READY']])
      renewal.server.blind = false
      renewal.run().connect().run()
      assert.equal(renewal.server.channel.stage, 'established')
    })
  })

  describe('a top-up', () => {
    it('adds coins of the wallet, whose transactions the server is shown (FUND-2)', () => {
      const old = paidWorld()
      const renewal = new World({ renews: { world: old, topUp: 50_000n } }).open()
      assert.deepEqual(
        [renewal.client.info.ourBalance, renewal.server.info.ourBalance],
        [110_000n, 40_000n]
      )
    })

    it('is refused with a coin that is not SegWit, or not shown: its txid could change (FUND-2, RENEW-4)', () => {
      const legacy = Uint8Array.from([0x76, 0xa9, 20, ...new Uint8Array(20), 0x88, 0xac])
      const shown = requested(paidWorld(), 50_000n)
      for (const previous of [
        [],
        [originOf(legacy).toBuffer()],
        [originOf(scriptOf('another')).toBuffer()]
      ]) {
        const { renewal, request, old } = requested(paidWorld(), 50_000n)
        answer(renewal, { ...request, previous })
        assert.ok(renewal.server.channel.stage === 'abandoned')
        assert.equal(renewal.server.channel.code, 'ERR_FUNDING_NOT_SEGWIT')
        assert.deepEqual(old.server.established.closes, [])
      }
      assert.deepEqual(answer(shown.renewal, shown.request), [])
    })
  })

  describe('a T1 that a client has made by hand, and signed (RENEW-4)', () => {
    /** What the old channel of the side says to a top-up by 50,000 sat. */
    function judged(
      side: 'client' | 'server',
      made: {
        coin?: Uint8Array
        outputs?: number
        fee?: bigint
        lock?: number
        sequence?: number
      } = {},
      old = paidWorld()
    ): string {
      const {
        coin = scriptOf('coin'),
        outputs = 2,
        fee = 1_000n,
        lock = 500,
        sequence = 0xfffffffd
      } = made
      const origin = originOf(coin)
      const tx = new Transaction()
      tx.version = 3
      tx.locktime = lock
      tx.addInput(hashFromTxid(old.funding.outPoint.txid), old.funding.outPoint.vout, sequence)
      tx.addInput(origin.getHash(), 0, 0xfffffffd)
      tx.addOutput(old.fundingScript, 150_000n)
      for (let i = 2; i < outputs; i++) tx.addOutput(scriptOf(`own ${i}`), 1_000n)
      tx.addOutput(scriptOf('change'), 10_000_000n - 50_000n - 1_000n * BigInt(outputs - 2) - fee)
      tx.setWitness(1, [new Uint8Array(71).fill(1), new Uint8Array(33).fill(2)])
      const draft = {
        by: channelIdOf(scriptOf('new')),
        fundingTx: parseTransaction(tx.toBuffer()),
        previous: [origin.toBuffer()],
        fee: satoshi(0n),
        turn: 0,
        sequence: 1,
        serverBalance: satoshi(40_000n)
      }
      const signed = {
        type: 'complete-renewal' as const,
        draft,
        signature: old.client.channelKey.sign(renewalSighash(draft.fundingTx, old.funding))
      }
      const told = effectsOf(
        old[side].post(side === 'client' ? { type: 'sign-renewal', draft } : signed),
        'tell'
      )[0]?.event
      assert.equal(old[side].established.closes.length, told?.type === 'renewal-refused' ? 0 : 1)
      return told?.type === 'renewal-refused' ? told.error.code : (told?.type ?? 'nothing')
    }

    it('is signed when it holds to every bound', () => {
      assert.deepEqual(
        [judged('server'), judged('client')],
        ['renewal-completed', 'renewal-signed']
      )
    })

    for (const [name, made, code] of [
      [
        'with a coin of a legacy script: a witness on it proves nothing (FUND-2)',
        { coin: Uint8Array.from([0x76, 0xa9, 20, ...new Uint8Array(20), 0x88, 0xac]) },
        'ERR_FUNDING_NOT_SEGWIT'
      ],
      [
        'with a coin of P2WSH, whose witness may grow',
        { coin: Uint8Array.from([0, 32, ...new Uint8Array(32)]) },
        'ERR_RENEWAL_INPUT'
      ],
      [
        'with a coin of P2TR, whose witness may grow',
        { coin: Uint8Array.from([0x51, 32, ...new Uint8Array(32)]) },
        'ERR_RENEWAL_INPUT'
      ],
      [
        'with a coin of a future version, which anybody may spend',
        { coin: Uint8Array.from([0x52, 32, ...new Uint8Array(32)]) },
        'ERR_RENEWAL_INPUT'
      ],
      ['with a relative lock', { sequence: 10 }, 'ERR_RENEWAL_INPUT'],
      ['that is not to be replaced', { sequence: 0xffffffff }, 'ERR_RENEWAL_INPUT'],
      ['with a lock above the tip', { lock: 10_000 }, 'ERR_RENEWAL_FORM'],
      [
        'with 308 outputs, 10,000 vB, which pins every state of the old channel',
        { outputs: 308, fee: 57_000n },
        'ERR_RENEWAL_FORM'
      ],
      ['with a fee below half of the estimate', { fee: 248n }, 'ERR_RENEWAL_FEE'],
      [
        'with a fee that a state of the old channel would have to outbid',
        { fee: 12_001n },
        'ERR_RENEWAL_FEE'
      ]
    ] as const) {
      it(`is signed by neither side ${name}`, () => {
        assert.deepEqual([judged('server', made), judged('client', made)], [code, code])
      })
    }

    it('is refused without a rule by a channel that closes: nobody has broken one', () => {
      const old = paidWorld()
      old.client.post({ type: 'close' })
      old.run()
      for (const side of ['client', 'server'] as const) {
        const draft = {
          by: channelIdOf(scriptOf('new')),
          fundingTx: makeTransaction({ version: 3, inputs: [], outputs: [] }),
          previous: [],
          fee: satoshi(0n),
          turn: 0,
          sequence: 1,
          serverBalance: satoshi(40_000n)
        }
        const told = effectsOf(
          old[side].post(
            side === 'client'
              ? { type: 'sign-renewal', draft }
              : { type: 'complete-renewal', draft, signature: new Uint8Array(64) }
          ),
          'tell'
        )[0]?.event
        assert.ok(told?.type === 'renewal-refused')
        assert.equal(errorMessage(told.error, true).rule, '')
        assert.equal(told.error.code, 'ERR_CHANNEL_CLOSED')
      }
    })

    it('does not keep the server from settling the old channel with a normal bid', () => {
      const old = paidWorld()
      judged('server', { outputs: 308, fee: 57_000n }, old)
      old.kill('client')
      old.mine(old.server.established.terms.settleHeight - old.chain.height + 2)
      assert.equal(old.server.info.spend?.kind, 'settlement')
      assert.ok(old.payouts().fee < 1_000n, `the bid was ${old.payouts().fee} sat`)
    })
  })

  describe('client', () => {
    it('does not sign with payments in flight, nor in another state; the old channel goes on (RENEW-5)', () => {
      const { client } = paidWorld()
      const draft = {
        by: client.channel.id,
        fundingTx: makeTransaction({ version: 3, inputs: [], outputs: [] }),
        previous: [],
        fee: satoshi(0n),
        turn: 0,
        sequence: 1,
        serverBalance: satoshi(40_000n)
      }
      client.post({ type: 'pay', payments: [payment(1n)] })
      for (const changes of [
        {},
        { sequence: 2 },
        { turn: 1 },
        { serverBalance: satoshi(39_999n) }
      ]) {
        const { state, effects } = client.attempt({
          type: 'sign-renewal',
          draft: { ...draft, ...changes }
        })
        assert.equal(state, client.channel)
        const [told] = effectsOf(effects, 'tell')
        assert.equal(told?.event.type, 'renewal-refused')
      }
    })

    it('takes the refusal of its own old channel for the end of the opening', () => {
      const old = paidWorld()
      const fresh = new World({ renews: { world: old } })
      fresh.until('client', 'refund-requested')
      old.client.post({ type: 'close' })
      fresh.run()
      assert.ok(fresh.client.channel.stage === 'abandoned')
      assert.equal(fresh.client.channel.code, 'ERR_CHANNEL_CLOSED')
      assert.equal(fresh.server.channel.stage, 'abandoned')
    })

    it('signs the same again when it is asked again, as after a crash', () => {
      const { old, renewal } = requested()
      const close = old.client.established.closes[0]
      assert.ok(close !== undefined)
      const draft = {
        by: renewal.client.channel.id,
        fundingTx: parseTransaction(renewal.client.established.fundingTx),
        previous: [],
        fee: close.fee,
        turn: 0,
        sequence: 1,
        serverBalance: satoshi(40_000n)
      }
      const { state, effects } = old.client.attempt({ type: 'sign-renewal', draft })
      assert.equal(state, old.client.channel)
      assert.deepEqual(
        effectsOf(effects, 'tell').map(({ event }) => event),
        [
          {
            type: 'renewal-signed',
            signature: close.signature,
            old: fundingOutput(old.client.established.terms, old.client.established.outPoint)
          }
        ]
      )
    })

    it('asks for no close of the new channel before the server has T1 (RENEW-6)', () => {
      const { renewal, request } = requested()
      const asks = (): unknown =>
        renewal.client
          .attempt({ type: 'close' })
          .effects.flatMap((effect) =>
            effect.type === 'close-refused'
              ? [effect.error.code]
              : effect.type === 'send'
                ? [effect.message.type]
                : []
          )
      assert.deepEqual(asks(), ['ERR_CHANNEL_NOT_OPEN'])
      answer(renewal, request)
      renewal.run()
      assert.deepEqual(asks(), ['CloseRequest'])
    })

    it('may still close in peace when the server does not complete it, at a higher fee (CLOSE-7)', () => {
      const { old } = requested()
      old.client.post({ type: 'close' })
      old.run().mine()
      assert.deepEqual([old.client.info.status, old.client.info.spend?.kind], ['closed', 'close'])
      assert.equal(old.client.info.renewedAs, undefined)
      assert.deepEqual(
        [old.payouts().server, old.payouts().client + old.payouts().fee],
        [40_000n, 60_000n]
      )
    })

    it('hands T1 over again behind a Reestablish, until the server has answered (RENEW-6, REEST-2)', () => {
      const { renewal } = requested()
      renewal.disconnect().connect()
      renewal.deliver('server')
      renewal.deliver('client')
      assert.equal(take(renewal, 'server', 'RenewalRequest').type, 'RenewalRequest')
      renewal.disconnect().connect().run()
      assert.ok(
        renewal.server.established.fundingAccepted && renewal.client.established.fundingAcknowledged
      )
      renewal.disconnect().connect()
      renewal.deliver('server')
      renewal.deliver('client')
      assert.equal(
        renewal.queues.server.some(
          (message) => message !== 'end' && message.type === 'RenewalRequest'
        ),
        false
      )
    })
  })

  it('postpones nothing while it is unconfirmed (CLOSE-8): the server settles at its height', () => {
    const { old, renewal, request } = requested()
    old.chain.lowestFeeRate = 1_000_000n
    answer(renewal, request)
    old.mine(old.server.established.terms.settleHeight - old.chain.height)
    assert.equal(old.server.info.status, 'settling')
  })

  it('is given up by its client alone when a coin of T1 is spent in its place, and while no block has T1 (FUND-6, RENEW-7)', () => {
    const by = txid('ab'.repeat(32))
    const { old, renewal, request } = requested()
    const before = renewal.client.established
    const lost = transition(before, { type: 'coin-lost', by }, renewal.client.env())
    assert.ok(lost.state.stage === 'abandoned')
    assert.deepEqual([lost.state.code, lost.state.facts], ['ERR_FUNDING_LOST', { txid: by }])
    assert.equal(effectsOf(lost.effects, 'release-funding').length, 1)
    assert.match(lost.state.reason, new RegExp(`close ${old.client.channel.id.slice(0, 8)}`))
    // What renews it in turn learns it of a channel that was given up like that.
    const next = { ...before, terms: { ...before.terms, renews: before.terms.renews } }
    assert.equal(lostTo(next, lost.state, { height: blockHeight(900) }), by)
    answer(renewal, request)
    renewal.mine(1)
    for (const { channel } of [renewal.client, renewal.server, old.client, old.server]) {
      const { state } = transition(channel, { type: 'coin-lost', by }, renewal.client.env())
      assert.equal(state, channel)
    }
  })

  it('is given up with the channel that it renews (RENEW-7)', () => {
    const { old, renewal } = requested()
    old.client.post({ type: 'close' })
    old.run().mine()
    const by = old.client.info.spend?.txid ?? assert.fail()
    const { client } = renewal
    const before = client.established
    const next = { ...before, id: old.client.channel.id }
    const signed = { asker: 'client' as const, fee: satoshi(0n), txid: by, raw: undefined }
    const close = { ...signed, signature: new Uint8Array(64), renewedAs: next.id }
    client.channel = { ...before, closes: [{ ...close, renewedAs: undefined }, close] }
    const { state, effects } = client.attempt({ type: 'funding-lost', by })
    assert.deepEqual(effectsOf(effects, 'tell'), [
      { type: 'tell', channel: next.id, event: { type: 'funding-lost', by } }
    ])
    // Stopped before it was told: the next block finds out.
    const height = blockHeight(old.chain.height)
    assert.equal(lostTo(next, state, { height }), by)
    assert.ok(state.stage === 'abandoned')
    const cancelled = { ...state, code: 'ERR_CANCELLED' }
    assert.equal(lostTo(next, cancelled, { height }), undefined)
  })

  it('is given up once another spend of the old channel is buried, and not before (RENEW-7)', () => {
    const { old, renewal } = requested()
    old.client.post({ type: 'close' })
    old.run().mine()
    const at = (depth: number): unknown =>
      lostTo(renewal.client.channel, old.client.channel, {
        height: blockHeight(old.chain.height + depth - 1)
      })
    assert.equal(at(5), undefined)
    assert.equal(at(6), old.client.info.spend?.txid)
    // Nobody can tell where the old channel, or the tip, is not known.
    const { client } = renewal
    assert.equal(lostTo(client.channel, undefined, { height: blockHeight(900) }), undefined)
    assert.equal(lostTo(client.channel, old.client.channel, { height: undefined }), undefined)
    const lost = renewal.client.post({
      type: 'funding-lost',
      by: old.client.info.spend?.txid ?? assert.fail()
    })
    assert.equal(renewal.client.channel.stage, 'abandoned')
    assert.equal(effectsOf(lost, 'release-funding').length, 1)
    // A channel that renews none loses nothing by it, nor one whose offer is not answered.
    const by = old.client.info.spend?.txid ?? assert.fail()
    for (const { channel } of [old.client, new World().offer().client]) {
      assert.equal(lostTo(channel, old.client.channel, { height: blockHeight(900) }), undefined)
      assert.deepEqual(transition(channel, { type: 'funding-lost', by }, client.env()), {
        state: channel,
        log: [],
        effects: []
      })
    }
    // T1 itself is no such spend.
    const good = requested()
    answer(good.renewal, good.request)
    good.renewal.mine(10)
    good.old.lookAtChain()
    assert.equal(
      lostTo(good.renewal.client.channel, good.old.client.channel, {
        height: good.old.chain.height
      }),
      undefined
    )
  })

  it('is due by itself six blocks before the last payment, for a client that wants it (TIME-5)', () => {
    const old = paidWorld()
    const { lastPaymentHeight } = old.client.established.terms
    const wanted = { ...old.client.established, renewFor: blockDelta(200) }
    assert.equal(isRenewalDue(wanted, { height: blockHeight(lastPaymentHeight - 7) }), false)
    assert.equal(isRenewalDue(wanted, { height: blockHeight(lastPaymentHeight - 6) }), true)
    assert.equal(
      isRenewalDue(old.client.established, { height: blockHeight(lastPaymentHeight) }),
      false
    )
    assert.equal(isRenewalDue(wanted, { height: undefined }), false)
  })

  it('that has not come in time is told to a person, and a close before that time is not (RENEW-12)', () => {
    const old = paidWorld()
    const { lastPaymentHeight } = old.client.established.terms
    const wanted = { ...old.client.established, renewFor: blockDelta(200) }
    const told = (height: number): number =>
      notRenewed(wanted, { height: blockHeight(height) }).length
    assert.deepEqual([told(lastPaymentHeight - 7), told(lastPaymentHeight - 6)], [0, 1])
    assert.deepEqual(notRenewed(old.client.established, { height: lastPaymentHeight }), [])
  })

  it('goes over in a later turn of a two-way channel as well', () => {
    const old = new World({ step: 20, blocks: 300 })
      .open()
      .paidBy('client', 40_000n)
      .paidBy('server', 10_000n)
    const renewal = new World({ renews: { world: old }, step: 20, blocks: 300 }).open()
    assert.deepEqual(
      [renewal.client.info.ourBalance, renewal.server.info.ourBalance],
      [69_670n, 30_000n]
    )
    renewal.paidBy('server', 5_000n)
    assert.deepEqual(
      [renewal.client.info.ourBalance, renewal.server.info.ourBalance],
      [74_670n, 25_000n]
    )
  })
})
