import assert from 'node:assert/strict'
import { stripVTControlCharacters } from 'node:util'
import pc from 'picocolors'
import { createOutput } from '../../src/cli/output.js'
import { printable, renderFields, renderTable } from '../../src/cli/table.js'
import { testWorld } from './world.js'

const plain = pc.createColors(false)
const colored = pc.createColors(true)

describe('tables', () => {
  it('align columns two spaces apart, without trailing spaces', () => {
    const table = renderTable(
      [{ title: 'NAME' }, { title: 'AMOUNT', align: 'right' }, { title: 'NOTE' }],
      [
        ['a', '1 sat', ''],
        ['longer', '1,000 sat', 'x']
      ],
      plain
    )
    assert.equal(
      table,
      ['NAME       AMOUNT  NOTE', 'a           1 sat', 'longer  1,000 sat  x'].join('\n')
    )
  })

  it('measure a cell before it is coloured', () => {
    const rows = (colors: typeof plain): string =>
      renderTable(
        [{ title: 'S' }, { title: 'T' }],
        [
          [{ text: 'open', style: colors.green }, 'x'],
          ['closing', 'y']
        ],
        colors
      )
    assert.notEqual(rows(colored), rows(plain))
    assert.equal(stripVTControlCharacters(rows(colored)), rows(plain))
  })

  it('count letters, not bytes', () => {
    assert.equal(
      renderTable(
        [{ title: 'A' }, { title: 'B' }],
        [
          ['…é𝄞', '|'],
          ['abc', '|']
        ],
        plain
      ),
      'A    B\n…é𝄞  |\nabc  |'
    )
  })

  it('show control characters of strangers as what they are not', () => {
    assert.equal(
      renderTable([{ title: 'MEMO' }], [['\u001b[2Jgone\nnew line\u202e']], plain),
      'MEMO\n\ufffd[2Jgone\ufffdnew line\ufffd'
    )
    const { io, err } = testWorld()
    const output = createOutput(io, false)
    output.progress('the peer says: \u202eno\u001b[2J')
    output.note('Note: the server says \u009b2J')
    assert.equal(err(), 'the peer says: \ufffdno\ufffd[2J\nNote: the server says \ufffd2J\n')
    assert.equal(printable('tab\tbell\u0007 straße ₿'), 'tab\ufffdbell\ufffd straße ₿')
  })

  it('align the names of fields', () => {
    assert.equal(
      renderFields(
        [
          ['a', '1'],
          ['long', '']
        ],
        plain
      ),
      'a     1\nlong'
    )
  })
})
