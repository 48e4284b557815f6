/** `payments` with filters, `payment`, and lists as CSV. */
import assert from 'node:assert/strict'
import { channel, payment, PEER, startApi, type ApiFixture } from '../daemon/fake-node.js'
import { testWorld, type TestWorld } from './world.js'

describe('cli / payments', () => {
  let api: ApiFixture

  beforeEach(async () => {
    api = await startApi()
  })
  afterEach(async () => {
    await api.stop()
  })

  async function run(...argv: string[]): Promise<{ code: number; world: TestWorld }> {
    const world = testWorld({ env: { PAYCHAN_DATA: api.dir } })
    return { code: await world.run(...argv), world }
  }
  const asked = (verb: string): unknown =>
    api.node.calls.find((call) => call.verb === verb)?.args[0]

  it('hands every filter to the node, which counts after it', async () => {
    const { code } = await run(
      ...['payments', '--peer', 'bakery', '--channel', '1a2b3c4d', '--direction', 'sent'],
      ...['--status', 'unknown', '--memo', 'tea', '--limit', '5'],
      ...['--since', '2026-11-01', '--until', '2026-11-30']
    )
    assert.equal(code, 0)
    assert.deepEqual(asked('payments'), {
      channel: '1a2b3c4d',
      peer: 'bakery',
      since: Date.parse('2026-11-01T00:00:00Z'),
      until: Date.parse('2026-12-01T00:00:00Z'),
      direction: 'sent',
      status: 'unknown',
      memo: 'tea',
      limit: 6
    })
  })

  it('refuses filters that nobody can mean', async () => {
    for (const line of [
      ['--direction', 'back'],
      ['--status', 'maybe'],
      ['--since', 'yesterday']
    ]) {
      const { code, world } = await run('payments', ...line)
      assert.equal(code, 2)
      assert.match(world.err(), /ERR_USAGE/)
    }
  })

  it('shows one payment with what its status means, and the parts of one that was split', async () => {
    const { world } = await run('payment', payment.id.slice(0, 8))
    assert.match(world.out(), new RegExp(`payment +${payment.id}`))
    assert.match(world.out(), /acknowledged: the payee has it on its disk/)
    assert.match(world.out(), new RegExp(`channel +${payment.channel}`))
    assert.equal(asked('payment'), payment.id.slice(0, 8))
    api.node.answers.payment = async () =>
      await Promise.resolve({
        ...{ ...payment, status: 'unknown', name: 'invoice 17' },
        parts: [payment, { ...payment, id: 'ee'.repeat(16), status: 'unknown' }]
      })
    const split = await run('payment', 'invoice 17')
    assert.match(split.world.out(), /name +invoice 17/)
    assert.match(
      split.world.out(),
      /unknown: signed and sent, and not acknowledged: do not pay again/
    )
    assert.match(split.world.out(), /DIRECTION/)
  })

  it('as CSV has all of them, unless a limit is given, with units in the names of columns', async () => {
    api.node.answers.payments = async () =>
      await Promise.resolve([{ ...payment, memo: '=cmd|"/C calc"!A0', time: 1_700_000_000_000 }])
    const { world } = await run('payments', '--csv')
    assert.deepEqual(asked('payments'), {})
    assert.equal(
      world.out(),
      'time_utc,id,channel,peer_id,direction,amount_sat,status,memo\r\n' +
        `2023-11-14T22:13:20.000Z,${payment.id},${payment.channel},${payment.peerId},${payment.direction},${payment.amount},${payment.status},"'=cmd|""/C calc""!A0"\r\n`
    )
    api.node.calls.length = 0
    await run('payments', '--csv', '--limit', '3')
    assert.deepEqual(asked('payments'), { limit: 3 })
  })

  it('transactions and channels as CSV: amounts bare, what is unknown empty', async () => {
    const [header = '', first = ''] = (await run('transactions', '--csv')).world.out().split('\r\n')
    assert.match(header, /^txid,kind,amount_sat,fee_sat,block_height,/)
    assert.equal(first.split(',').length, header.split(',').length)
    assert.doesNotMatch(first, / sat/)
    api.node.answers.channels = async () =>
      await Promise.resolve([channel, { ...channel, id: channel.id, status: 'closed' }])
    const rows = (await run('channels', '--csv')).world.out().split('\r\n')
    assert.match(rows[0] ?? '', /capacity_sat,our_balance_sat,their_balance_sat/)
    assert.match(rows[1] ?? '', new RegExp(`^${channel.id},${PEER},client,`))
    assert.equal(rows.length, 3, 'a closed one is left out, as in the table')
    assert.equal((await run('channels', '--all', '--csv')).world.out().split('\r\n').length, 4)
  })

  for (const verb of ['payments', 'transactions', 'channels']) {
    it(`${verb} has one form: --csv and --json are refused together`, async () => {
      const { code, world } = await run(verb, '--csv', '--json')
      assert.equal(code, 2)
      assert.match(world.out(), /ERR_USAGE/)
    })
  }
})
