import assert from 'node:assert/strict'
import {
  printBooks,
  printingNarrator,
  type Narrator,
  type PlainStep,
  type Report
} from '../../src/demo/report.js'

const ID = 'ab'.repeat(32)

function teller({
  verbose = false,
  isTTY = false,
  columns
}: { verbose?: boolean; isTTY?: boolean; columns?: number } = {}): {
  narrator: Narrator
  lines: () => string[]
  raw: () => string
} {
  let text = ''
  const narrator = printingNarrator(
    {
      stdout: {
        isTTY,
        columns,
        write: (more) => {
          text += typeof more === 'string' ? more : Buffer.from(more).toString()
        }
      },
      env: { CI: 'true', FORCE_COLOR: '1' }
    },
    verbose
  )
  return {
    narrator,
    lines: () =>
      text
        .trimEnd()
        .split('\n')
        .map((line) => line.trim()),
    raw: () => text
  }
}

const report: Report = {
  scenario: 'x',
  ok: true,
  steps: [],
  channel: { capacity: 5, funding: { txid: ID, vout: 0 }, refundHeight: 9 },
  payments: { acknowledged: 1, totalSat: 1 },
  transactions: { T1: '' },
  onchain: { client: { before: 10, after: 4 }, server: { before: 0, after: 5 }, feesSat: 1 }
}

describe('demo / what people are told', () => {
  /** The opening, and how it ends. */
  function story(narrator: Narrator): void {
    const steps: ReadonlyArray<
      readonly [Parameters<Narrator['step']>[0], string, string, PlainStep?]
    > = [
      [
        1,
        'client',
        'asked for a channel of 5 sat until height 9',
        { kind: 'offer-sent', what: 'asking' }
      ],
      [1, 'server', 'accepted a channel', { kind: 'offer-taken', what: 'a peer opens it' }],
      [1, 'client', 'the server named its key K2', { kind: 'terms-taken', what: 'accepted' }],
      [
        2,
        'client',
        `T1 ${ID} is signed and held back`,
        { kind: 'funding-built', what: 'funding prepared' }
      ],
      [
        5,
        'client',
        'the signature of T2 is right',
        { kind: 'refund-secured', what: 'refund secured' }
      ],
      [6, 'server', `got T1 ${ID}`, { kind: 'funding-received', what: 'funding received' }],
      [8, 'server', 'stored the initial T3', { kind: 'first-state-stored', what: 'stored' }],
      [8, 'client', 'the server stored it', { kind: 'first-state-acknowledged', what: 'ready' }],
      [9, 'client', 'paid 3 times 1 sat'],
      [
        'settlement',
        'server',
        `the settlement T3 ${ID} is in block 7`,
        { kind: 'spend-mined', what: `the settlement ${ID} is in block 7` }
      ],
      [
        'settlement',
        'server',
        `the settlement T3 ${ID} is in block 7`,
        { kind: 'spend-mined', what: `the settlement ${ID} is in block 7` }
      ]
    ]
    for (const [step, who, what, plain] of steps) narrator.step(step, who, what, 121, plain)
  }

  it('the opening in three lines, then the story, each thing once; the protocol with --verbose', () => {
    const short = teller()
    story(short.narrator)
    assert.deepEqual(short.lines(), [
      'height 121  opening     client  asked for a channel of 5 sat until height 9',
      'height 121  opening     client  has its refund: signed by the server before any coin moves',
      'height 121  opening     client  has funded the channel, and both sides have stored the first balances',
      'height 121  payments    client  paid 3 times 1 sat',
      'height 121  settlement  server  the settlement abababab is in block 7'
    ])
    const verbose = teller({ verbose: true })
    story(verbose.narrator)
    assert.equal(verbose.lines().length, 11)
    assert.ok(
      verbose.lines().includes(`height 121  step 2      client  T1 ${ID} is signed and held back`)
    )
  })

  it('a table in one piece', () => {
    const { narrator, lines } = teller()
    narrator.table(true)
    narrator.say('row 1')
    narrator.step('settlement', 'client', `published T3 ${ID}`, 122, {
      kind: 'published',
      what: 'published the settlement'
    })
    narrator.say('row 2')
    narrator.table(false)
    narrator.step('settlement', 'client', `the settlement T3 ${ID} is in block 123`, 123, {
      kind: 'spend-mined',
      what: `the settlement ${ID} is in block 123`
    })
    assert.deepEqual(lines(), [
      'row 1',
      'row 2',
      'height 123  settlement  client  the settlement abababab is in block 123'
    ])
  })

  it('who has lost what, beside books that balance', () => {
    const [peace, loss] = [teller(), teller()]
    printBooks(report, peace.narrator)
    printBooks(report, loss.narrator, 'the client has LOST 3 sat.')
    assert.equal(
      peace.lines().at(-1),
      'not a satoshi is missing: what there was before is what there is now, and the fees'
    )
    assert.deepEqual(loss.lines().slice(-2), [
      'the books balance: what there was before is what there is now, and the fees',
      'but the client has LOST 3 sat.'
    ])
  })

  it('progress that leaves nothing behind on a narrow terminal', () => {
    const { narrator, raw } = teller({ isTTY: true, columns: 20 })
    narrator.progress('1,000 of 1,000 payments acknowledged')
    assert.equal(raw(), '\r\u001b[K  1,000 of 1,000 p…')
  })
})
