import assert from 'node:assert/strict'
import { printBooks, printingNarrator, type Narrator, type Report } from '../../src/demo/report.js'

const ID = 'ab'.repeat(32)

function teller (telling: { verbose?: boolean, isTTY?: boolean, columns?: number } = {}): { narrator: Narrator, lines: () => string[], raw: () => string } {
  let text = ''
  const narrator = printingNarrator({ verbose: false, isTTY: false, ...telling, write: (more) => { text += more } })
  return { narrator, lines: () => text.trimEnd().split('\n').map((line) => line.trim()), raw: () => text }
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
  function story (narrator: Narrator): void {
    for (const [step, who, what] of [
      [1, 'client', 'asked for a channel of 5 sat until height 9'], [1, 'server', 'accepted a channel'], [1, 'client', 'the server named its key K2'], [2, 'client', `T1 ${ID} is signed and held back`],
      [3, 'client', 'sent T2 unsigned'], [4, 'server', 'signed T2'], [5, 'client', 'the signature of T2 is right'], [6, 'client', `T1 ${ID} is handed over`], [6, 'server', `got T1 ${ID}`], [7, 'client', 'signed the initial T3'],
      [8, 'server', 'stored the initial T3'], [8, 'client', 'the server stored it'], [9, 'client', 'paid 3 times 1 sat'], ['settlement', 'server', `the settlement T3 ${ID} is in block 7`], ['settlement', 'server', `the settlement T3 ${ID} is in block 7`]
    ] as const) narrator.step(step, who, what, 121)
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
    assert.equal(verbose.lines().length, 15)
    assert.ok(verbose.lines().includes(`height 121  step 2      client  T1 ${ID} is signed and held back`))
  })

  it('a table in one piece', () => {
    const { narrator, lines } = teller()
    narrator.table(true)
    narrator.say('row 1')
    narrator.step('settlement', 'client', `published T3 ${ID}`, 122)
    narrator.say('row 2')
    narrator.table(false)
    narrator.step('settlement', 'client', `the settlement T3 ${ID} is in block 123`, 123)
    assert.deepEqual(lines(), ['row 1', 'row 2', 'height 123  settlement  client  the settlement abababab is in block 123'])
  })

  it('who has lost what, beside books that balance', () => {
    const [peace, loss] = [teller(), teller()]
    printBooks(report, peace.narrator)
    printBooks(report, loss.narrator, 'the client has LOST 3 sat.')
    assert.equal(peace.lines().at(-1), 'not a satoshi is missing: what there was before is what there is now, and the fees')
    assert.deepEqual(loss.lines().slice(-2), ['the books balance: what there was before is what there is now, and the fees', 'but the client has LOST 3 sat.'])
  })

  it('progress that leaves nothing behind on a narrow terminal', () => {
    const { narrator, raw } = teller({ isTTY: true, columns: 20 })
    narrator.progress('1,000 of 1,000 payments acknowledged')
    assert.equal(raw(), '\r\u001b[K  1,000 of 1,000 p…')
  })
})
