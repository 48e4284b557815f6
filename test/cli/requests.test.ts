/**
 * The commands about payment requests, receipts and names, against a node that answers from a
 * script.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeQR } from 'qr/decode.js'
import { type ApiServer, serveApi } from '../../src/daemon/server.js'
import { PaychanError } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import {
  type ApiFixture,
  channel,
  FakeNode,
  payment,
  PEER,
  receipt,
  requested,
  startApi,
  terms
} from '../daemon/fake-node.js'
import { REQUEST_VECTORS } from '../protocols/request-vectors.js'
import { testWorld, type TestWorld, type WorldOptions } from './world.js'

interface Vectors {
  readonly accept: ReadonlyArray<{ readonly text: string }>
  readonly refuse: ReadonlyArray<{ readonly text: string }>
}

function vectors(file: string): Vectors {
  return JSON.parse(readFileSync(join(REQUEST_VECTORS, file), 'utf8')) as Vectors
}

const REQUEST = requested.text

describe('commands about payment requests', () => {
  let dir: string
  let node: FakeNode
  let server: ApiServer

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'paychan-cli-'))
    node = new FakeNode()
    server = await serveApi(node, join(dir, 'api.sock'))
  })
  afterEach(async () => {
    await server.close()
    await rm(dir, { recursive: true, force: true })
  })

  async function run(
    argv: readonly string[],
    options: WorldOptions = {}
  ): Promise<TestWorld & { code: number }> {
    const world = testWorld({ env: { PAYCHAN_DATA: dir, NO_COLOR: '1' }, ...options })
    return { ...world, code: await world.run(...argv) }
  }

  /** The arguments of the calls of a verb. */
  function calls(verb: string): unknown[] {
    return node.calls.filter((call) => call.verb === verb).map(({ args }) => args[0])
  }

  describe('request', () => {
    it('prints the text alone for programs, and lives for a day', async () => {
      const { out, err, code } = await run(['request', '3000', '--memo', 'two coffees'])
      assert.deepEqual([code, out()], [0, `${REQUEST}\n`])
      assert.match(err(), /Only payers on this machine/)
      assert.deepEqual(calls('makeRequest'), [{ amount: 3_000n, memo: 'two coffees' }])
    })

    it('shows a person what was made, and a QR code that says the same', async () => {
      const { out } = await run(['request', '3000'], { isTTY: true, columns: 100 })
      assert.match(
        out(),
        /^Request 1f2e3d4c5b6a7988: 3,000 sat for "two coffees". It may be paid until/
      )
      assert.ok(out().trimEnd().endsWith(REQUEST))
      assert.equal(readQr(out()), REQUEST.toUpperCase())
      assert.ok(
        out()
          .split('\n')
          .slice(0, -2)
          .every((line) => [...line].length <= 100)
      )
    })

    for (const [why, argv, columns] of [
      ['when it does not fit', [], 30],
      ['when nobody wants one', ['--no-qr'], 100]
    ] as const) {
      it(`draws no QR code ${why}`, async () => {
        const { out } = await run(['request', '3000', ...argv], { isTTY: true, columns })
        assert.doesNotMatch(out(), /█/)
        assert.ok(out().includes(REQUEST))
      })
    }

    it('takes times as people say them, and no others', async () => {
      for (const [text, seconds] of [
        ['90s', 90],
        ['15m', 900],
        ['1h', 3_600],
        ['7d', 604_800],
        ['never', 'never']
      ] as const) {
        await run(['request', '--expires', text])
        assert.deepEqual(calls('makeRequest').at(-1), { expiresIn: seconds }, text)
      }
      for (const text of ['0h', '1', 'h', '1w', '-1h', '1.5h']) {
        const { code, err } = await run(['request', '--expires', text])
        assert.deepEqual([code, /a time such as 15m, 1h or 7d/.test(err())], [2, true], text)
      }
    })

    it('that says no time gets that of the node, also when it is reusable', async () => {
      await run(['request', '--reusable', '--memo', 'tips'])
      assert.deepEqual(calls('makeRequest'), [{ memo: 'tips', reusable: true }])
      const { out } = await run(['request', '--help'])
      assert.match(out(), /\(default:\s+1d\)/)
    })
  })

  describe('requests', () => {
    it('lists what was asked for, and what came', async () => {
      node.answers.requests = async () => [
        { ...requested, state: 'paid', received: satoshi(3_000n), payments: 2, paidBy: PEER },
        { ...requested, amount: undefined, reusable: true, expires: undefined },
        { ...requested, state: 'partly', received: satoshi(1_000n) }
      ]
      const { out } = await run(['requests'])
      assert.match(out(), /MADE +REQUEST +STATE +ASKED +RECEIVED/)
      assert.match(out(), /paid +3,000 sat +3,000 sat \(2\)/)
      assert.match(out(), /reusable +any +0 sat/)
      assert.match(out(), /partly +3,000 sat +1,000 sat/)
      assert.ok(
        out()
          .split('\n')
          .every((line) => [...line].length <= 80)
      )
    })

    it('says how to make one when there is none, and that there are more', async () => {
      node.answers.requests = async () => []
      assert.match((await run(['requests'])).out(), /No requests. Make one with: paychan request/)
      node.answers.requests = async () => [requested, requested]
      assert.match((await run(['requests', '--limit', '1'])).err(), /the newest 1; show more/)
    })
  })

  describe('pay', () => {
    it('pays a request only when somebody agrees to its amount', async () => {
      const refused = await run(['pay', REQUEST])
      assert.deepEqual([refused.code, calls('payRequest')], [1, []])
      assert.match(
        refused.err(),
        /Request for 3,000 sat, from 12D3KooW\w+ on regtest[^\n]*\nThe payee says: two coffees\n/
      )
      assert.match(refused.err(), /Nothing was paid. Say --yes.*ERR_NOT_CONFIRMED/)

      for (const answer of ['', 'n', 'no', 'yess']) {
        const { code } = await run(['pay', REQUEST], { isTTY: true, lines: [answer] })
        assert.deepEqual([code, calls('payRequest')], [1, []], answer)
      }
      const agreed = await run(['pay', REQUEST], { isTTY: true, lines: ['y'] })
      assert.equal(agreed.code, 0)
      assert.match(agreed.err(), /Pay 3,000 sat to …vnc6iDEp\? \[y\/N\]/)
      const yes = await run(['pay', REQUEST, '--yes'])
      assert.ok(yes.out().endsWith(`${receipt.text}\n`))
      assert.deepEqual(calls('payRequest'), [{ request: REQUEST }, { request: REQUEST }])
    })

    it('takes a URI, another amount and a name', async () => {
      await run(['pay', requested.uri, '5000', '--yes', '--id', 'rent'])
      assert.deepEqual(calls('payRequest'), [
        { request: requested.uri, amount: 5_000n, id: 'rent' }
      ])
      assert.deepEqual(calls('readRequest'), [requested.uri])
    })

    it('says what a request asks for, and pays nothing', async () => {
      const { out, code } = await run(['pay', REQUEST, '--show'])
      assert.deepEqual([code, calls('payRequest')], [0, []])
      assert.match(out(), /Request for 3,000 sat, from 12D3KooW\w+ on regtest/)
    })

    it('that has no receipt is paid all the same, and says how to get one', async () => {
      const usual = node.usual.payRequest
      node.answers.payRequest = async (options) => ({
        ...(await usual(options)),
        receipt: undefined,
        receiptProblem: 'The payee gives no receipt.'
      })
      const { code, out, err } = await run(['pay', REQUEST, '--yes'])
      assert.equal(code, 0)
      assert.match(out(), /^Paid 3,000 sat/)
      assert.match(err(), /no receipt yet \(The payee gives no receipt.\) The payment is made/)
    })

    describe('without a channel', () => {
      beforeEach(() => {
        const usual = node.usual.payRequest
        node.answers.payRequest = async (options) => {
          if (calls('open').length > 0) return await usual(options)
          throw new PaychanError('ERR_NO_CHANNEL', 'There is no channel.', { payee: PEER })
        }
        node.answers.open = async ({ amount }) => ({ ...channel, capacity: amount })
      })

      it('opens one when it is told to, of the usual size or another one', async () => {
        assert.equal((await run(['pay', REQUEST, '--yes', '--open'])).code, 0)
        node.calls.length = 0
        assert.equal((await run(['pay', REQUEST, '--yes', '--open', '123000'])).code, 0)
        assert.deepEqual(calls('open'), [{ peer: PEER, amount: 123_000n, wait: 'ready' }])
        node.calls.length = 0
        node.answers.readRequest = async () => ({ ...terms, amount: satoshi(20_000n) })
        await run(['pay', REQUEST, '--yes', '--open'])
        assert.deepEqual(calls('open'), [{ peer: PEER, amount: 200_000n, wait: 'ready' }])
      })

      it('asks a person, and opens none that nobody has agreed to', async () => {
        for (const options of [{}, { isTTY: true, lines: ['n'] }]) {
          const { code, err } = await run(['pay', REQUEST, '--yes'], options)
          assert.deepEqual([code, calls('open')], [1, []])
          assert.match(err(), /ERR_NO_CHANNEL/)
        }
        const { code, err } = await run(['pay', REQUEST, '--yes'], { isTTY: true, lines: ['y'] })
        assert.equal(code, 0)
        assert.match(err(), /Open one with 50,000 sat, for this payment and later ones\?/)
      })

      it('opens none for less than the payee takes at first (REQ-10)', async () => {
        node.answers.readRequest = async () => ({ ...terms, leastFirstPayment: satoshi(3_001n) })
        const { code } = await run(['pay', REQUEST, '--yes', '--open'])
        assert.deepEqual([code, calls('open')], [1, []])
      })
    })

    for (const argv of [
      ['pay', PEER],
      ['pay', PEER, '1000', '--open'],
      ['pay', PEER, '1000', '--yes'],
      ['pay', PEER, '1000', '--show'],
      ['pay', REQUEST, '--memo', 'mine', '--yes']
    ]) {
      it(`refuses ${argv.join(' ').replace(REQUEST, 'REQUEST')}`, async () => {
        assert.equal((await run(argv)).code, 2)
        assert.deepEqual([calls('pay'), calls('payRequest')], [[], []])
      })
    }
  })

  describe('receipt', () => {
    it('get prints the text alone for programs, and what it says for people', async () => {
      assert.equal((await run(['receipt', 'get', requested.id])).out(), `${receipt.text}\n`)
      const { out } = await run(['receipt', 'get', requested.id], { isTTY: true })
      assert.match(out(), /Valid: 3,000 sat were paid on regtest at .*\n(.*\n)+ +memo +two coffees/)
    })

    it('verify needs no node', async () => {
      await server.close()
      const [first] = vectors('receipts.json').accept
      const { out, code } = await run(['receipt', 'verify', first?.text ?? ''])
      assert.equal(code, 0)
      assert.match(out(), /payee +12D3KooW\w+ \(signed this\)/)
      for (const { text } of vectors('receipts.json').refuse) {
        const refused = await run(['receipt', 'verify', text])
        assert.deepEqual([refused.code, refused.out()], [2, ''])
        assert.match(refused.err(), /ERR_INVALID_RECEIPT/)
      }
    })

    it('verify --request compares it with what was asked for', async () => {
      const [of, other] = vectors('requests.json').accept
      const [first] = vectors('receipts.json').accept
      const verify = async (request: string | undefined): Promise<number> =>
        (await run(['receipt', 'verify', first?.text ?? '', '--request', request ?? ''])).code
      assert.equal(await verify(of?.text), 0)
      assert.equal(await verify(`bitcoin:?paychan=${of?.text ?? ''}`), 0)
      const [, , ...rest] = vectors('requests.json').accept
      assert.equal(await verify(other?.text), 0, 'the same id, and any amount')
      assert.equal(await verify(rest[1]?.text), 2, 'for more than was paid')
    })
  })

  describe('alias', () => {
    it('gives, lists and takes away names', async () => {
      assert.match((await run(['alias', PEER, 'bakery'])).out(), /is 'bakery' from now on/)
      assert.match((await run(['alias'])).out(), /bakery +12D3KooW/)
      assert.match((await run(['alias', '--remove', 'bakery'])).out(), /is free again/)
      assert.equal((await run(['alias', PEER])).code, 2)
      node.answers.aliases = async () => []
      assert.match((await run(['alias'])).out(), /No peer has a name/)
      node.answers.peers = async () => [
        { peerId: PEER, connected: true, multiaddrs: [], paychan: true, alias: 'bakery' }
      ]
      assert.match((await run(['peers'])).out(), /PEER +NAME +CONNECTED/)
    })
  })
})

/** Reads the QR code in a text, drawn with half blocks: what is drawn is light. */
function readQr(text: string): string {
  const lines = text.split('\n').filter((line) => /^[█▀▄ ]+$/.test(line) && line !== '')
  const rows = lines.flatMap((line) => [
    [...line].map((letter) => letter === '█' || letter === '▀'),
    [...line].map((letter) => letter === '█' || letter === '▄')
  ])
  const scale = 4
  const width = (rows[0]?.length ?? 0) * scale
  // A frame of light, as around a screen.
  const height = rows.length * scale
  const data = new Uint8Array(width * height * 4).fill(255)
  rows.forEach((row, y) => {
    row.forEach((isLight, x) => {
      for (let dy = 0; dy < scale; dy++) {
        for (let dx = 0; dx < scale; dx++) {
          const at = 4 * ((y * scale + dy) * width + x * scale + dx)
          data.fill(isLight ? 255 : 0, at, at + 3)
        }
      }
    })
  })
  return decodeQR({ width, height, data })
}

/* `payments` with filters, `payment`, and lists as CSV. */

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
