/** CSV as RFC 4180 has it, and what spreadsheets make of it. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type CsvCell, type CsvColumn, renderCsv } from '../../src/cli/table.js'

const columns = (count: number): Array<CsvColumn<readonly CsvCell[]>> =>
  Array.from({ length: count }, (_, i) => ({ name: `column_${i}`, cell: (row) => row[i] }))

/** A reader of RFC 4180, section 2. */
function read(text: string): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  for (let at = 0; at < text.length;) {
    let field = ''
    if (text[at] === '"') {
      for (at += 1; text[at] !== '"' || text[at + 1] === '"'; at++) {
        if (text[at] === '"') at += 1
        field += text[at] ?? assert.fail('a quote is not closed')
      }
      at += 1
    } else {
      for (; at < text.length && !',\r\n'.includes(text[at] ?? ''); at++) field += text[at]
      assert.equal(field.includes('"'), false)
    }
    row.push(field)
    if (text[at] === ',') at += 1
    else {
      assert.equal(text.slice(at, at + 2), '\r\n')
      at += 2
      rows.push(row)
      row = []
    }
  }
  assert.deepEqual(row, [])
  return rows
}

describe('cli / csv', () => {
  it('has a line of names, CR LF behind every line, and quotes where they are needed', () => {
    const rows = [
      ['plain', 'a "quoted" word', 'one, two', 'two\nlines'],
      [1_000n, -5, true, undefined]
    ]
    assert.equal(
      renderCsv(columns(4), rows),
      'column_0,column_1,column_2,column_3\r\n' +
        'plain,"a ""quoted"" word","one, two","two\nlines"\r\n' +
        '1000,-5,true,\r\n'
    )
  })

  for (const text of ['=1+1', '+1', '-2+3', '@SUM(A1)', '\t=1', '\r=1', '=HYPERLINK("http://x")']) {
    it(`makes a text of ${JSON.stringify(text)}, not a formula`, () => {
      const field = renderCsv(columns(1), [[text]])
        .split('\r\n')
        .slice(1, -1)
        .join('\r\n')
      assert.equal(field, `"'${text.replaceAll('"', '""')}"`)
    })
  }

  it('leaves numbers with a sign alone, and texts with such a letter inside', () => {
    const [, row] = read(renderCsv(columns(4), [[-362n, -5, 'a=1', 'me@home']]))
    assert.deepEqual(row, ['-362', '-5', 'a=1', 'me@home'])
  })

  it('is read back as it was, whatever the words', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.string({ unit: 'binary' }), { minLength: 3, maxLength: 3 })),
        (rows) => {
          const defused = rows.map((row) =>
            row.map((text) => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text))
          )
          assert.deepEqual(read(renderCsv(columns(3), rows)).slice(1), defused)
        }
      )
    )
  })
})
