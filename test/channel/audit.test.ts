import assert from 'node:assert/strict'
import { auditChannel, sumLog, type Finding } from '../../src/channel/audit.js'
import type { Established } from '../../src/channel/state.js'
import { satoshi } from '../../src/types/units.js'
import type { Role } from '../../src/bitcoin/keys.js'
import { ecdsa, type EstablishedBy, keyPair, type Side } from './side.js'
import { payment, World } from './world.js'

const paid = (): World => new World().open().paid(10_000n).paid(500n)

/** What is found about a side's channel, with changes. */
function audit<R extends Role>(
  side: Side<R>,
  changes: Partial<EstablishedBy[R]> = {},
  count = 2
): Finding[] {
  const channel: Established = { ...side.established, ...changes }
  return auditChannel(channel, {
    verify: ecdsa.verify,
    publicKey: ({ use }) =>
      use === 'channel' ? side.channelKey.publicKey : side.payoutKey.publicKey,
    logged: sumLog(side.log.slice(0, count), channel.ledger.held?.sequence ?? 0)
  })
}

function broken(findings: readonly Finding[], like: RegExp): void {
  assert.equal(findings.length, 1, JSON.stringify(findings))
  assert.equal(findings[0]?.severity, 'broken')
  assert.match(findings[0]?.text ?? '', like)
}

describe('channel / audit', () => {
  it('finds nothing in a channel that is well, on either side, also with payments in flight', () => {
    const world = paid()
    world.pay(7n)
    assert.deepEqual([audit(world.client), audit(world.server)], [[], []])
  })

  it('finds nothing in a two-way channel after some turns; and a signature of a turn that is over, when it is missing or wrong (TURN-6)', () => {
    const world = new World({ step: 20 })
      .open()
      .paidBy('client', 40_000n)
      .paidBy('server', 5_000n)
      .paidBy('client', 1_000n)
    assert.deepEqual([audit(world.client, {}, 3), audit(world.server, {}, 3)], [[], []])
    const { ended } = world.client.established
    for (const signature of [undefined, new Uint8Array(64).fill(1)]) {
      broken(
        audit(
          world.client,
          { ended: ended.map((turn) => (turn.turn === 1 ? { ...turn, signature } : turn)) },
          3
        ),
        /turn 1 is missing or wrong/
      )
    }
    world.server.post({ type: 'ask-turn', payments: [payment(2_000n)] })
    world.run()
    assert.deepEqual(
      [audit(world.client, {}, 3), audit(world.server, {}, 3)],
      [[], []],
      'nothing is paid in turn 3 yet'
    )
  })

  it('finds nothing in what has no keys yet, or no channel any more', () => {
    const nothing = {
      verify: ecdsa.verify,
      publicKey: () => new Uint8Array(33),
      logged: { count: 0, amount: satoshi(0n) }
    }
    const world = new World().offer()
    const { channel } = world.client
    assert.equal(channel.stage, 'offered')
    world.client.post({ type: 'cancel' })
    assert.equal(world.client.channel.stage, 'abandoned')
    assert.deepEqual(
      [channel, world.client.channel].map((each) => auditChannel(each, nothing)),
      [[], []]
    )
  })

  it('finds nothing in a renewal whose T1 only we have signed; another input of it has to be signed', () => {
    const old = new World().open().paid(40_000n)
    const { client } = new World({ renews: { world: old } }).until('client', 'established')
    assert.ok(client.established.renewal !== undefined)
    assert.deepEqual(audit(client, {}, 0), [])
    broken(audit(client, { renewal: undefined }, 0), /funding transaction/)
  })

  it('finds keys of another seed', () => {
    const { client } = paid()
    const { terms } = client.established
    const foreign = {
      ...terms,
      client: { ...terms.client, payoutKey: keyPair('somebody').publicKey }
    }
    broken(audit(client, { terms: foreign }), /payout key does not derive/)
    const findings = auditChannel(client.established, {
      verify: ecdsa.verify,
      publicKey: () => keyPair('somebody').publicKey,
      logged: { count: 2, amount: satoshi(10_500n) }
    })
    assert.equal(findings.length, 2)
  })

  it('finds an id that is not that of K1 (ID-1)', () => {
    const { client, server } = paid()
    broken(
      audit(client, { id: server.established.outPoint.txid as string as Established['id'] }),
      /ID-1/
    )
  })

  it('finds a funding transaction that is another one (FUND-1)', () => {
    const { server } = paid()
    const fundingTx = Uint8Array.from(server.established.fundingTx)
    fundingTx[10] = (fundingTx[10] ?? 0) ^ 1
    broken(audit(server, { fundingTx }), /funding transaction/)
  })

  it('finds a refund signature that is wrong (REF-7)', () => {
    const { client } = paid()
    broken(audit(client, { refundSignature: new Uint8Array(64).fill(1) }), /REF-7/)
  })

  it('finds a signature of the newest state that is missing or wrong (UPD-4)', () => {
    const { server } = paid()
    const { ledger } = server.established
    assert.ok(ledger.held)
    broken(
      audit(server, { ledger: { ...ledger, held: { ...ledger.held, signature: undefined } } }),
      /missing/
    )
    broken(
      audit(server, {
        ledger: { ...ledger, held: { ...ledger.held, signature: new Uint8Array(64).fill(1) } }
      }),
      /UPD-4/
    )
  })

  it('finds a balance that grows (UPD-18)', () => {
    const world = paid()
    world.pay(7n)
    const { ledger } = world.client.established
    assert.equal(ledger.inFlight.length, 1)
    const findings = audit(world.client, {
      ledger: {
        ...ledger,
        inFlight: ledger.inFlight.map((update) => ({ ...update, payerBalance: satoshi(90_000n) }))
      }
    })
    assert.ok(
      findings.some(({ severity, text }) => severity === 'broken' && text.includes('UPD-18')),
      JSON.stringify(findings)
    )
  })

  it('tells a payment log that is not complete from a channel that is broken', () => {
    const { server } = paid()
    const findings = audit(server, {}, 1)
    assert.deepEqual(
      findings.map(({ severity }) => severity),
      ['incomplete']
    )
  })

  it('tells of a payment log with another sum, or another number of payments, than there were', () => {
    const { server } = paid()
    const severities = (changes: Partial<{ amount: bigint; count: number }>): string[] =>
      auditChannel(server.established, {
        verify: ecdsa.verify,
        publicKey: ({ use }) =>
          use === 'channel' ? server.channelKey.publicKey : server.payoutKey.publicKey,
        logged: { amount: satoshi(changes.amount ?? 10_500n), count: changes.count ?? 2 }
      }).map(({ severity }) => severity)
    assert.deepEqual(severities({}), [])
    assert.deepEqual(severities({ count: 3 }), ['incomplete'])
    assert.deepEqual(severities({ amount: 10_499n }), ['incomplete'])
  })
})
