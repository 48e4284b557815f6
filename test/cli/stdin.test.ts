/** What a person pastes at a terminal. */
import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { stdinLines } from '../../src/cli/io.js'

describe('cli / a terminal', () => {
  it('gives every line that is pasted, one for each question, and what is typed behind them', async () => {
    const typed = Object.assign(new PassThrough(), { isTTY: true })
    const shown = new PassThrough()
    const lines = stdinLines(typed as unknown as NodeJS.ReadStream, shown)
    const first = lines.readLine('words: ')
    typed.write('one two\nthree four\nfi')
    assert.deepEqual([await first, await lines.readLine('more: ')], ['one two', 'three four'])
    const last = lines.readLine('passphrase: ')
    typed.write('ve\n')
    assert.equal(await last, 'five')
    assert.equal(String(shown.read()), 'words: \nmore: \npassphrase: \n', 'nothing of it is shown')
  })
})
