/** Nothing is wider than the terminal: every table with the largest of what there can really be. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pc from 'picocolors'
import { renderResults, renderSweepTable } from '../../src/cli/render-simulation.js'
import type { ChannelInfo, CoinInfo, PaymentInfo, WalletTransaction } from '../../src/node/api.js'
import { serveApi, type ApiServer } from '../../src/daemon/server.js'
import type { Results, Sweep } from '../../src/sim/results.js'
import { channelId } from '../../src/types/bytes.js'
import { blockDelta, blockHeight, satoshi } from '../../src/types/units.js'
import {
  channel,
  coin,
  FakeNode,
  FUNDING,
  info,
  PEER,
  payment,
  transaction
} from '../daemon/fake-node.js'
import { emptyResults } from '../sim/fixture.js'
import { testWorld } from './world.js'

const WIDTH = 80
const plain = pc.createColors(false)
const colored = pc.createColors(true)

/** A hundredth of all the bitcoin that there can be. */
const LARGE = satoshi(20_999_999_999_999n)
const TEXT = '20,999,999,999,999 sat'
const HEIGHT = blockHeight(1_234_567)
/** 128 characters, as many as a label may have, and none to break a line at. */
const LABEL = 'https://shop.example/'.padEnd(128, '0123456789')
/** Of Taproot: the longest kind that there is. */
const ADDRESS = `bcrt1p${'q'.repeat(58)}`
const MULTIADDR = `/dns4/a-name-that-somebody-has-given-to-a-server.in-a-domain.example.org/tcp/49152/p2p/${PEER}`

const COIN: CoinInfo = {
  ...coin,
  outPoint: `${FUNDING}:65535`,
  amount: LARGE,
  confirmations: 999_999,
  address: ADDRESS,
  label: LABEL,
  state: 'reserved',
  channel: channel.id,
  locked: true
}
const TRANSACTION: WalletTransaction = {
  ...transaction,
  kind: 'settlement',
  amount: -20_999_999_999_999n,
  fee: satoshi(99_999_999n),
  height: HEIGHT,
  confirmations: 999_999,
  label: LABEL
}
const PAYMENT: PaymentInfo = {
  ...payment,
  direction: 'received',
  amount: LARGE,
  memo: LABEL
}
const CHANNEL: ChannelInfo = {
  ...channel,
  id: channelId('ff'.repeat(32)),
  status: 'confirming',
  reason: LABEL,
  capacity: LARGE,
  ourBalance: LARGE,
  theirBalance: LARGE,
  spendable: LARGE,
  refundHeight: HEIGHT,
  renewFor: blockDelta(65_535),
  watched: false
}

function isAtMost(width: number, text: string): void {
  for (const line of text.split('\n')) {
    assert.ok([...line].length <= width, `${[...line].length}: ${line}`)
  }
}

/** The same text with its lines joined: what was broken to fit. */
function joined(text: string): string {
  return text.replaceAll(/\n {4}(?=\S)/g, '')
}

describe('cli / the width of the terminal', () => {
  let dir: string
  let node: FakeNode
  let server: ApiServer
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'paychan-width-'))
    node = new FakeNode()
    server = await serveApi(node, join(dir, 'api.sock'))
    node.answers = {
      coins: async () => [coin, COIN],
      transactions: async () => [transaction, TRANSACTION],
      payments: async () => [payment, PAYMENT],
      channels: async () => [channel, CHANNEL],
      peers: async () => [
        { peerId: PEER, connected: true, multiaddrs: [MULTIADDR], paychan: undefined }
      ],
      fees: async () => ({
        leastSatPerVByte: 12_345.678,
        estimates: [{ blocks: 144, satPerVByte: 12_345.678 }]
      }),
      info: async () => ({
        ...info,
        chain: { ...info.chain, status: 'down', lastError: LABEL.replaceAll('/', ' ') },
        multiaddrs: [MULTIADDR]
      })
    }
  })
  afterEach(async () => {
    await server.close()
    await rm(dir, { recursive: true, force: true })
  })

  async function shown(columns: number | undefined, ...argv: string[]): Promise<string> {
    const world = testWorld({
      env: { PAYCHAN_DATA: dir },
      ...(columns === undefined ? {} : { columns })
    })
    assert.equal(await world.run(...argv), 0, world.err())
    return world.out()
  }

  const TABLES: Readonly<Record<string, readonly string[]>> = {
    peers: [PEER],
    coins: [TEXT, '999999', `${FUNDING}:65535`, ADDRESS, LABEL],
    transactions: [`-${TEXT}`, '99,999,999 sat', String(HEIGHT), FUNDING, LABEL],
    payments: [TEXT, LABEL],
    channels: [TEXT, LABEL],
    fees: ['12345.678 sat/vB']
  }

  for (const [verb, whole] of Object.entries(TABLES)) {
    it(`${verb} fits ${WIDTH} columns, on a terminal and in a pipe, and has whole numbers, ids and texts`, async () => {
      for (const columns of [WIDTH, undefined]) {
        const text = await shown(columns, verb)
        isAtMost(WIDTH, text)
        for (const each of whole) assert.ok(joined(text).includes(each), `${each}\n${text}`)
      }
    })

    it(`${verb} in a wide terminal is a line each`, async () => {
      const text = await shown(400, verb)
      for (const each of whole) assert.ok(text.includes(each), `${each}\n${text}`)
    })
  }

  it('ids and texts that stand below are broken in a narrow terminal; numbers never are', async () => {
    const text = await shown(56, 'transactions')
    isAtMost(56, text)
    assert.ok(text.includes(`-${TEXT}`))
    assert.ok(joined(text).includes(FUNDING))
  })

  it('fields are broken between words; a word that is longer stays whole, to be copied', async () => {
    for (const argv of [['info'], ['channel', 'ffffffff'], ['balance']]) {
      for (const line of (await shown(WIDTH, ...argv)).trimEnd().split('\n')) {
        const value = line.replace(/^.*? {2,}/, '')
        assert.ok(line.length <= WIDTH || !value.includes(' '), line)
      }
    }
    assert.ok((await shown(WIDTH, 'info')).includes(MULTIADDR))
  })

  it('the figures of a simulation', () => {
    const empty = emptyResults({
      name: 'a-scenario',
      description: '',
      seed: 999_999_999,
      duration: 86_400,
      model: true
    })
    const results: Results = {
      ...empty,
      complete: false,
      payments: {
        ...empty.payments,
        asked: 1_234_567,
        made: 1_111_111,
        off: 99_999,
        unknown: 12_345,
        volume: Number(LARGE),
        failed: { ERR_PEER_UNREACHABLE: 12_345, ERR_BELOW_MIN_FIRST_PAYMENT: 12_345, ERR_BUSY: 1 }
      },
      broken: [
        { time: 1, rule: 'value conserved', text: 'what there was is not what there is now' }
      ]
    }
    const run = { seconds: 1_234, memoryMegabytes: 1_234, events: 999_999_999, eventsPerSecond: 1 }
    const text = renderResults(results, run, plain, WIDTH)
    isAtMost(WIDTH, text)
    assert.match(text, /99,999 off \(payer\s+or\s+payee\s+was\s+switched\s+off\)/)
    assert.equal(
      renderResults(results, run, colored, WIDTH).includes('\ufffd'),
      false,
      'what is red is not taken for what a stranger wrote'
    )
  })

  it('the table of a sweep: what is in sweep.json as well is left out', () => {
    const sweep: Sweep = {
      format: 'paychan-sweep',
      version: 1,
      scenario: 'bad-week',
      seeds: [1],
      axes: [
        { name: 'step', values: [144] },
        { name: 'stake', values: ['30,000 to 60,000 sat'] }
      ],
      points: [
        {
          values: { step: 144, stake: '30,000 to 60,000 sat' },
          runs: 10_000,
          publications: 1_234_567,
          tooLate: 123_456,
          lossProbability: 0.1,
          foretold: 0.123,
          lost: Number(LARGE),
          staked: 0,
          successRate: 0.999,
          feesPerPayment: 123_456
        }
      ]
    }
    const text = renderSweepTable(sweep, plain, WIDTH)
    isAtMost(WIDTH, text)
    assert.match(
      text,
      /^step +stake .*published +too late +part +lost\n.*1,234,567 +123,456 +10 % +20,999,999,999,999 sat$/
    )
    assert.match(renderSweepTable(sweep, plain, 200), /runs .*foretold .*made +fees a payment\n/)
  })
})
