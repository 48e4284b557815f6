/** One alarm a cause, told again at growing intervals. */
import assert from 'node:assert/strict'
import { FORGOTTEN_UNFUNDED } from '../../src/channel/linking.js'
import { type Alarm, Alarms } from '../../src/node/events.js'
import { channelId } from '../../src/types/bytes.js'
import { FakeClock } from '../chain/helpers.js'

const channelOf = (n: number): ReturnType<typeof channelId> =>
  channelId(n.toString(16).padStart(64, '0'))
const refused = (n: number): Alarm => ({
  type: 'alarm',
  code: 'ERR_WATCH_FAILED',
  text: 'The channel could not be watched: excessive resource usage.',
  facts: {},
  channel: channelOf(n)
})

describe('alarms', () => {
  let clock: FakeClock
  let told: Alarm[]
  let alarms: Alarms

  beforeEach(() => {
    clock = new FakeClock()
    told = []
    alarms = new Alarms(clock, (alarm) => {
      told.push(alarm)
    })
  })

  it('of one cause are one, at once, and then one that says how many and what they are about', () => {
    for (let n = 1; n <= 80; n++) alarms.raise(refused(n))
    assert.deepEqual(told, [refused(1)])
    clock.advance(10_000)
    assert.equal(told.length, 2)
    const [, again] = told
    assert.deepEqual([again?.count, again?.channels?.length, again?.channel], [79, 79, undefined])
    assert.match(
      again?.text ?? '',
      /^The channel could not be watched: excessive resource usage\. \(79 times more in the last 10 s, about 79 channels: 00000000, .*, \.\.\.\.\)$/
    )
  })

  it('that go on are told less and less often, up to once an hour', () => {
    const times: number[] = []
    const begun = clock.now()
    alarms = new Alarms(clock, () => {
      times.push(Math.round((clock.now() - begun) / 1_000))
    })
    for (let second = 0; second < 24 * 3_600; second++) {
      alarms.raise(refused(1))
      clock.advance(1_000)
    }
    assert.deepEqual(times.slice(0, 6), [0, 10, 30, 70, 150, 310])
    const last = times.slice(-3)
    assert.deepEqual(
      [(last[1] ?? 0) - (last[0] ?? 0), (last[2] ?? 0) - (last[1] ?? 0)],
      [3_600, 3_600]
    )
  })

  it('that come with each block grow rarer as well', () => {
    for (let block = 0; block < 144; block++) {
      alarms.raise(refused(1))
      clock.advance(600_000)
    }
    assert.ok(told.length < 40, `${told.length} of a day`)
    assert.deepEqual([told.at(-1)?.channel, told.at(-1)?.count], [channelOf(1), 6])
  })

  it('of another cause, and of one that was quiet for an hour, are news', () => {
    alarms.raise(refused(1))
    alarms.raise({
      type: 'alarm',
      code: 'ERR_WALLET',
      text: 'Something else.',
      facts: {},
      channel: undefined
    })
    assert.equal(told.length, 2)
    clock.advance(3_700_000)
    alarms.raise(refused(2))
    alarms.raise(refused(3))
    assert.deepEqual(told.slice(2), [refused(2)])
    clock.advance(10_000)
    assert.equal(told.at(-1)?.count, 1)
    assert.match(
      told.at(-1)?.text ?? '',
      /\(Once more in the last 10 s, about channel 00000000\.\)$/
    )
  })

  const unswept = (facts: Alarm['facts']): Alarm => ({
    type: 'alarm',
    code: 'ERR_WALLET',
    text: `The payout of ${String(facts['amount'])} sat could not be swept yet.`,
    facts,
    channel: undefined
  })

  it('that differ in a transaction, an address or a number have the same cause', () => {
    alarms.raise(unswept({ txid: 'ab'.repeat(32), amount: 1_000n, cause: 'ERR_DUST' }))
    alarms.raise(unswept({ txid: 'cd'.repeat(32), amount: 20n, cause: 'ERR_DUST' }))
    assert.equal(told.length, 1)
    clock.advance(10_000)
    assert.match(
      told.at(-1)?.text ?? '',
      /^The payout of 20 sat could .* \(Once more in the last 10 s\.\)$/
    )
    assert.equal(told.at(-1)?.facts['amount'], 20n)
  })

  it('of one code are two when their facts name another cause, or another rule', () => {
    alarms.raise(unswept({ amount: 1_000n, cause: 'ERR_DUST' }))
    alarms.raise(unswept({ amount: 1_000n, cause: 'ERR_CHAIN_UNREACHABLE' }))
    alarms.raise({ ...refused(1), facts: { rule: 'UPD-1' } })
    alarms.raise({ ...refused(1), facts: { rule: 'UPD-2' } })
    assert.equal(told.length, 4)
  })

  it('of what a peer says are of one cause, whatever code and rule it names (ERR-6)', () => {
    const says = (n: number, peer: string, cause?: string): void => {
      const facts = {
        rule: `A-${n}`,
        peer,
        peerCode: `ERR_${n}`,
        ...(cause === undefined ? {} : { cause })
      }
      alarms.raise({ ...refused(n), code: n % 2 === 1 ? 'ERR_BAD_ACK' : 'ERR_PEER_STOPPED', facts })
    }
    for (let n = 0; n < 40; n++) says(n, 'mallory')
    assert.equal(told.length, 1)
    says(0, 'bob')
    assert.equal(told.length, 2, 'one peer hides no other')
    for (let n = 0; n < 40; n++) says(n, `stranger ${n}`, FORGOTTEN_UNFUNDED)
    assert.equal(told.length, 3, 'whoever has no coin is one with all others')
  })

  it('leave no timer behind, however many causes there are', () => {
    for (let n = 0; n < 1_500; n++) {
      alarms.raise({
        type: 'alarm',
        code: `ERR_${'A'.repeat(n + 1)}`,
        text: 'x',
        facts: {},
        channel: undefined
      })
    }
    assert.equal(told.length, 1_500)
    assert.equal(clock.pending, 1_000)
    alarms.stop()
    assert.equal(clock.pending, 0)
  })
})
