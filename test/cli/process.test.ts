import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { PassThrough } from 'node:stream'
import { stdinLines } from '../../src/cli/io.js'
import { VERSION } from '../../src/node/system.js'

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

/**
 * What CI sets, and libraries take for a wish to see colours in a pipe: results are plain there.
 */
const INSISTENT = { CI: 'true', FORCE_COLOR: '1' }

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

describe('the paychan process', () => {
  let dir: string
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'paychan-process-'))
  })
  afterEach(async () => {
    await rm(dir, { recursive: true, force: true })
  })

  async function paychan(...argv: string[]): Promise<Ended> {
    return await new Promise((resolve) => {
      const child = execFile(
        process.execPath,
        [MAIN, ...argv],
        { env: { PATH: process.env['PATH'], PAYCHAN_DATA: dir, ...INSISTENT } },
        (_error, stdout, stderr) => {
          resolve({ code: child.exitCode ?? -1, stdout, stderr })
        }
      )
    })
  }

  it('shows its version', async () => {
    assert.deepEqual(await paychan('--version'), { code: 0, stdout: `${VERSION}\n`, stderr: '' })
  })

  it('shows help for every command, with an example and the exit codes', async () => {
    const { code, stdout } = await paychan('--help')
    assert.equal(code, 0)
    assert.match(stdout, /Exit codes:/)
    for (const name of [
      'init',
      'start',
      'info',
      'address',
      'balance',
      'send',
      'bumpfee',
      'transactions',
      'label',
      'connect',
      'peers',
      'recover',
      'open',
      'pay',
      'channels',
      'payments',
      'close',
      'stop',
      'devnet',
      'simulate'
    ]) {
      assert.match(stdout, new RegExp(`^ {2}${name} `, 'm'))
    }
    assert.match((await paychan('help', 'pay')).stdout, /Example/)
  })

  it('ends with 2 for wrong usage, and with 2 and its help for none', async () => {
    const wrong = await paychan('pay', 'somebody', 'much')
    assert.equal(wrong.code, 2)
    assert.equal(wrong.stdout, '')
    assert.match(wrong.stderr, /^error: 'much' is not an amount\. .*\(ERR_INVALID_AMOUNT\)\n$/)
    const none = await paychan()
    assert.equal(none.code, 2)
    assert.match(none.stderr, /Usage: paychan/)
  })

  it('ends with 3 and a way out when the node is not running', async () => {
    const plain = await paychan('balance')
    assert.equal(plain.code, 3)
    assert.match(plain.stderr, /start it with `paychan start --data /)
    const json = await paychan('balance', '--json')
    assert.equal(json.code, 3)
    assert.equal(json.stderr, '')
    assert.equal(
      (JSON.parse(json.stdout) as { error: { code: string } }).error.code,
      'ERR_NODE_NOT_RUNNING'
    )
  })

  it('ends with 1 when its result cannot be written, and says so', async function () {
    if (process.platform !== 'linux') this.skip() // which alone has /dev/full
    const full = await open('/dev/full', 'w')
    const child = spawn(process.execPath, [MAIN, 'init'], {
      env: { PATH: process.env['PATH'], PAYCHAN_DATA: dir },
      stdio: ['ignore', full.fd, 'pipe']
    })
    const [stderr, code] = await Promise.all([
      text(child.stderr ?? assert.fail()),
      new Promise<number | null>((resolve) => {
        child.once('exit', resolve)
      })
    ])
    await full.close()
    assert.equal(code, 1)
    assert.match(stderr, /could not be written \(.*ENOSPC.*\(ERR_OUTPUT_LOST\)/)
  })

  it('answers a program that names no command with one object', async () => {
    const { code, stdout, stderr } = await paychan('--json')
    assert.deepEqual(
      [code, stderr, (JSON.parse(stdout) as { error: { code: string } }).error.code],
      [2, '', 'ERR_USAGE']
    )
  })

  it('does not start without a seed, and says how to make one', async () => {
    const { code, stderr } = await paychan('start')
    assert.equal(code, 1)
    assert.match(stderr, /paychan init/)
  })
})

/* What a person pastes at a terminal. */

describe('cli / a terminal', () => {
  it('gives every line that is pasted, one for each question, and what is typed behind them', async () => {
    const typed = Object.assign(new PassThrough(), { isTTY: true })
    const shown = new PassThrough()
    const lines = stdinLines(typed, shown)
    const first = lines.readLine('words: ')
    typed.write('one two\nthree four\nfi')
    assert.deepEqual([await first, await lines.readLine('more: ')], ['one two', 'three four'])
    const last = lines.readLine('passphrase: ')
    typed.write('ve\n')
    assert.equal(await last, 'five')
    assert.equal(String(shown.read()), 'words: \nmore: \npassphrase: \n', 'nothing of it is shown')
  })
})
