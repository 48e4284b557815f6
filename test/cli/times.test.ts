import assert from 'node:assert/strict'
import { momentBy, parseDuration } from '../../src/cli/times.js'

const NOW = Date.parse('2026-11-30T08:15:00Z')
const since = momentBy(() => NOW, false)
const until = momentBy(() => NOW, true)
const at = (iso: string): number => Date.parse(iso)

describe('cli / times', () => {
  for (const [text, moment] of [
    ['2026-11-01', '2026-11-01T00:00:00Z'],
    ['2026-11-01 07:30', '2026-11-01T07:30:00Z'],
    ['2026-11-01T07:30:15', '2026-11-01T07:30:15Z'],
    ['2026-11-01T07:30+01:00', '2026-11-01T06:30:00Z'],
    ['2026-11-01 07:30:00Z', '2026-11-01T07:30:00Z'],
    ['7d', '2026-11-23T08:15:00Z'],
    ['90s', '2026-11-30T08:13:30Z']
  ] as const) {
    it(`reads ${text}`, () => {
      assert.equal(since(text), at(moment))
    })
  }

  it('a day counts to its end where an end is asked for, a time of a day does not', () => {
    assert.equal(until('2026-11-30'), at('2026-12-01T00:00:00Z'))
    assert.equal(until('2026-11-30 00:00'), at('2026-11-30T00:00:00Z'))
    assert.equal(until('1h'), at('2026-11-30T07:15:00Z'))
  })

  for (const text of [
    '',
    'yesterday',
    '2026-11-31',
    '2026-13-01',
    '30.11.2026',
    '0d',
    '5',
    '5y',
    '2w',
    '1764489600000',
    '2026-11-30T25:00'
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => since(text), /It must be a time such as/)
      assert.equal(parseDuration(text), undefined)
    })
  }
})
