/**
 * The stories of the README, told by two real processes: what the JSON says is checked against the
 * raw transactions.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { z } from 'zod'
import { parseTransaction, type Transaction } from '../../src/bitcoin/transaction.js'
import { fromHex } from '../../src/types/bytes.js'

const sat = z.int().nonnegative()
const hex = z.string().regex(/^([0-9a-f]{2})+$/)
const race = z.array(
  z.strictObject({
    height: sat,
    ours: sat.nullable(),
    theirs: sat.nullable(),
    confirmed: z.enum(['ours', 'theirs']).nullable()
  })
)
const report = z.strictObject({
  scenario: z.string(),
  ok: z.boolean(),
  steps: z.array(
    z.strictObject({
      step: z.union([z.int().min(1).max(9), z.enum(['close', 'settlement', 'refund'])]),
      what: z.string().min(1),
      height: sat,
      txid: z.string().length(64).optional()
    })
  ),
  channel: z.strictObject({
    capacity: sat,
    funding: z.strictObject({ txid: z.string().length(64), vout: sat }),
    refundHeight: sat
  }),
  payments: z.strictObject({ acknowledged: sat, totalSat: sat }),
  kills: z
    .array(
      z.strictObject({
        killed: z.enum(['payer', 'payee', 'both']),
        height: sat,
        acknowledged: sat,
        askedAgain: sat
      })
    )
    .optional(),
  turns: z
    .array(z.strictObject({ turn: sat, payer: z.enum(['client', 'server']), lock: sat }))
    .optional(),
  race: race.optional(),
  auction: race.optional(),
  worst: race.optional(),
  transactions: z.strictObject({
    T1: hex,
    T2: hex.optional(),
    T3: hex.optional(),
    close: hex.optional()
  }),
  onchain: z.strictObject({
    client: z.strictObject({ before: sat, after: sat }),
    server: z.strictObject({ before: sat, after: sat }),
    feesSat: sat
  })
})
type Report = z.infer<typeof report>

interface Run {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function demo(...args: string[]): Promise<Run> {
  return new Promise((resolve) => {
    // What is piped is plain, whatever CI sets.
    const env = { ...process.env, CI: 'true', FORCE_COLOR: '1' }
    execFile(
      process.execPath,
      ['dist/src/demo/main.js', ...args],
      { env },
      (error, stdout, stderr) => {
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr })
      }
    )
  })
}

/** Runs a scenario, and checks what holds for each. */
async function told(scenario: string): Promise<Report> {
  const { code, stdout, stderr } = await demo(scenario, '--json')
  assert.equal(code, 0, stdout + stderr)
  const result = report.parse(JSON.parse(stdout))
  assert.deepEqual([result.scenario, result.ok], [scenario, true])
  const { client, server, feesSat } = result.onchain
  assert.equal(
    client.before + server.before,
    client.after + server.after + feesSat,
    'not a satoshi is missing'
  )
  const told = result.steps
    .filter(
      ({ step, what, txid }) =>
        step !== 'close' && txid !== undefined && / is in (?:the mempool|block \d+)$/.test(what)
    )
    .map(({ what, txid = '' }) => [txid, what.split(':')[0]] as const)
  for (const [txid, who] of told) {
    assert.ok(
      told.every(([other, whose]) => other !== txid || whose === who),
      `${txid} is told of both sides`
    )
  }
  const numbered = result.steps.map(({ step }) => step).filter((step) => typeof step === 'number')
  assert.deepEqual([...new Set(numbered)].sort(), [1, 2, 3, 4, 5, 6, 7, 8, 9])
  const T1 = parse(result.transactions.T1)
  assert.deepEqual([T1.txid, T1.version], [result.channel.funding.txid, 3])
  assert.equal(Number(T1.outputs[result.channel.funding.vout]?.value), result.channel.capacity)
  return result
}

function parse(raw: string): Transaction {
  return parseTransaction(fromHex(raw))
}

/** The transaction that ended the channel; it spends nothing else. */
function ending(result: Report, name: 'T2' | 'T3' | 'close'): Transaction {
  assert.deepEqual(Object.keys(result.transactions).sort(), ['T1', name].sort())
  const transaction = parse(result.transactions[name] ?? '')
  assert.deepEqual(
    transaction.inputs.map(({ outPoint }) => outPoint),
    [result.channel.funding]
  )
  assert.equal(transaction.version, 3)
  return transaction
}

function values(transaction: Transaction): number[] {
  return transaction.outputs.map(({ value }) => Number(value))
}

/** The height at which a step was first told. */
function heightOf(result: Report, step: Report['steps'][number]['step']): number {
  const found = result.steps.find((one) => one.step === step)
  assert.ok(found)
  return found.height
}

describe('the demo', function () {
  // The longest takes half a minute, and on a busy machine several.
  this.timeout(600_000)

  it('pay: 1,000 payments, and a cooperative close without a lock', async () => {
    const result = await told('pay')
    assert.deepEqual(result.payments, { acknowledged: 1_000, totalSat: 500_000 })
    const close = ending(result, 'close')
    assert.equal(close.lockTime, 0)
    const [client, server] = values(close)
    assert.equal(server, result.payments.totalSat)
    assert.ok(
      client !== undefined && client < result.channel.capacity - result.payments.totalSat,
      'the asker pays the fee'
    )
    assert.equal(result.onchain.server.after, result.payments.totalSat)
  })

  it('refund: T2 is locked until L, and gives everything back to the client', async () => {
    const result = await told('refund')
    const T2 = ending(result, 'T2')
    assert.equal(T2.lockTime, result.channel.refundHeight)
    assert.equal(T2.outputs.length, 1)
    assert.ok(heightOf(result, 'refund') >= result.channel.refundHeight)
    assert.deepEqual(result.onchain.server, { before: 0, after: 0 })
    assert.equal(result.onchain.client.after, result.onchain.client.before - result.onchain.feesSat)
  })

  it('refund, as people are told it: the opening in three lines, ids by their first digits, and that the server loses', async () => {
    const { code, stdout } = await demo('refund')
    assert.equal(code, 0)
    assert.equal(stdout.split('\n').filter((line) => / opening {2}/.test(line)).length, 3)
    assert.doesNotMatch(stdout, /[0-9a-f]{64}|\bT[123]\b/)
    assert.match(
      stdout,
      /\n {2}the books balance: .*\n {2}but the server has lost the 5,000 sat that it was paid: /
    )
    assert.doesNotMatch(stdout, /not a satoshi is missing/)
  })

  it('settle: T3 pays the server before L, out of its own share', async () => {
    const result = await told('settle')
    const T3 = ending(result, 'T3')
    assert.equal(T3.lockTime, 0)
    assert.equal(heightOf(result, 'settlement'), result.channel.refundHeight - 36)
    const [client, server] = values(T3)
    assert.equal(client, result.channel.capacity - result.payments.totalSat)
    assert.equal(server, result.onchain.server.after)
    const fee = result.channel.capacity - values(T3).reduce((a, b) => a + b, 0)
    assert.equal(server, result.payments.totalSat - fee)
  })

  it('two-way: both pay, 200 times in five turns, each of which matures 12 blocks before the one before; a cooperative close', async () => {
    const result = await told('two-way')
    const L = result.channel.refundHeight
    assert.deepEqual(
      result.turns,
      [0, 1, 2, 3, 4].map((turn) => ({
        turn,
        payer: turn % 2 === 0 ? 'client' : 'server',
        lock: L - 12 * (turn + 1)
      }))
    )
    assert.deepEqual(result.payments, { acknowledged: 200, totalSat: 220_000 })
    const close = ending(result, 'close')
    assert.deepEqual(
      [close.lockTime, values(close)[1], result.onchain.server.after],
      [0, 80_000, 80_000]
    )
  })

  it('stale: an old state is too late; and where it is first in the mempool, the newest outbids it', async () => {
    const result = await told('stale')
    const [first, second] = result.turns ?? []
    const T3 = ending(result, 'T3')
    assert.deepEqual([T3.lockTime, first?.lock], [second?.lock, (second?.lock ?? 0) + 12])
    assert.equal(values(T3)[0], 80_000, 'the server has what the newest state leaves it')
    const [cheat, outbid, won] = result.race ?? []
    assert.deepEqual([cheat?.theirs, cheat?.ours, won?.confirmed], [2_500, null, 'ours'])
    assert.ok(
      (outbid?.ours ?? 0) > 2_500 && (outbid?.ours ?? 0) <= 3_620,
      'at most 20 sat/vB before a block has passed'
    )
    const published = result.steps
      .filter(({ what }) => what.startsWith('client: published'))
      .map(({ txid }) => txid)
    for (const { what, txid } of result.steps) {
      assert.ok(
        !/^client: the settlement .* is in /.test(what) || published.includes(txid),
        `told of the client, and not its own: ${what}`
      )
    }
  })

  it('congestion: the fee rises until the newest state is in, before the old one may be sent; the newest wins an auction; with turns a block apart it can lose', async () => {
    const result = await told('congestion')
    const won = result.race?.at(-1)
    const bids = result.race?.map(({ ours }) => ours ?? 0) ?? []
    assert.deepEqual(
      bids,
      [...bids].sort((a, b) => a - b),
      'never lower than before'
    )
    assert.ok(
      won?.confirmed === 'ours' &&
        (won.ours ?? 0) < 120_000 &&
        won.height < result.channel.refundHeight - 12,
      JSON.stringify(won)
    )
    assert.equal(values(ending(result, 'T3'))[0], 80_000)
    const [last, ...before] = [...(result.auction ?? [])].reverse()
    assert.deepEqual(
      [last?.confirmed, before.some(({ theirs }) => (theirs ?? 0) > 0)],
      ['ours', true]
    )
    assert.deepEqual(result.worst?.at(-1), {
      height: result.channel.refundHeight,
      ours: null,
      theirs: 119_900,
      confirmed: 'theirs'
    })
  })

  it('restart: payer, payee and both are killed with SIGKILL, twice each; every payment is made once', async () => {
    const result = await told('restart')
    assert.deepEqual(result.payments, { acknowledged: 280, totalSat: 140_000 })
    assert.deepEqual(
      result.kills?.map(({ killed }) => killed),
      ['payer', 'payee', 'both', 'payer', 'payee', 'both']
    )
    for (const kill of result.kills ?? []) {
      assert.ok(kill.askedAgain > 0, `nobody noticed the death of ${kill.killed}`)
    }
    const [client, server] = values(ending(result, 'close'))
    assert.equal(server, result.payments.totalSat)
    assert.ok(client !== undefined && client < result.channel.capacity - result.payments.totalSat)
    assert.equal(result.onchain.server.after, result.payments.totalSat)
  })

  it('tells people which demos there are when asked for another one', async () => {
    const { code, stdout, stderr } = await demo('lunch')
    assert.deepEqual([code, stdout], [2, ''])
    assert.match(
      stderr,
      /no demo 'lunch'[\s\S]*pay[\s\S]*refund[\s\S]*settle[\s\S]*restart[\s\S]*two-way[\s\S]*stale[\s\S]*congestion/
    )
  })
})
