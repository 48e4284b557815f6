/** `open --psbt` and `psbt`: what a person, and a script, is told and asked for. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serveApi, type ApiServer } from '../../src/daemon/server.js'
import { bytesOfText } from '../../src/bitcoin/psbt.js'
import type { ChannelInfo } from '../../src/node/api.js'
import { toHex } from '../../src/types/bytes.js'
import { PaychanError } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import { CHANNEL, channel, FakeNode, PEER } from '../daemon/fake-node.js'
import { base64, OutsideWallet } from '../outside-wallet.js'
import { testWorld } from './world.js'

const wallet = new OutsideWallet()
const PSBT = base64(
  wallet.fund(
    [{ txid: 'c0'.repeat(32), vout: 0, value: 2_000_000n }],
    [{ script: wallet.script, amount: 1_000_000n }]
  )
)
const SHORT = CHANNEL.slice(0, 8)

const asking = (needs: 'inputs' | 'signatures'): ChannelInfo => ({
  ...channel,
  status: 'opening',
  outside: { needs, address: 'bcrt1qchannel', amount: satoshi(1_000_000n), psbt: PSBT }
})

describe('cli / funding from an outside wallet', () => {
  let dir: string
  let node: FakeNode
  let server: ApiServer

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'paychan-cli-'))
    node = new FakeNode()
    node.answers.open = async () => asking('inputs')
    server = await serveApi(node, join(dir, 'api.sock'))
  })

  afterEach(async () => {
    await server.close()
    await rm(dir, { recursive: true, force: true })
  })

  const world = (lines: readonly string[] = [], isTTY = false): ReturnType<typeof testWorld> =>
    testWorld({ env: { PAYCHAN_DATA: dir }, lines, isTTY })
  const given = (): unknown[] =>
    node.calls.filter(({ verb }) => verb === 'fundingPsbt').map(({ args }) => args)

  it('a script is told the address, the exact amount, the PSBT, and what comes next', async () => {
    const { run, out } = world()
    assert.equal(await run('open', PEER, '1000000', '--psbt'), 0)
    for (const part of [
      '0.01000000 BTC (1,000,000 sat)',
      'bcrt1qchannel',
      PSBT,
      'Do NOT sign',
      `paychan psbt ${SHORT} FILE`,
      'walletcreatefundedpsbt'
    ]) {
      assert.ok(out().includes(part), part)
    }
    assert.deepEqual(node.calls.find(({ verb }) => verb === 'open')?.args, [
      { peer: PEER, amount: 1_000_000n, psbt: true, wait: 'ready' }
    ])
    const json = world()
    await json.run('open', PEER, '1000000', '--psbt', '--json')
    assert.deepEqual((JSON.parse(json.out()) as ChannelInfo).outside, {
      needs: 'inputs',
      address: 'bcrt1qchannel',
      amount: 1_000_000,
      psbt: PSBT
    })
  })

  it('a person at a terminal is asked for both PSBTs, and again for one that is refused', async () => {
    let times = 0
    node.answers.fundingPsbt = async () => {
      times += 1
      if (times === 1) {
        throw new PaychanError('ERR_PSBT_OUTPUT', 'No output pays to the address of the channel.')
      }
      return times === 2
        ? { channel: asking('signatures'), warnings: ['It is signed already.'] }
        : { channel, warnings: [] }
    }
    const { run, out, err } = world([PSBT, PSBT, PSBT], true)
    assert.equal(await run('open', PEER, '1000000', '--psbt'), 0)
    assert.match(err(), /No output pays .*ERR_PSBT_OUTPUT\) Try again/)
    assert.match(err(), /Note: It is signed already/)
    assert.match(
      out(),
      /The refund is signed by the peer and stored[^]*Now sign this PSBT[^]*Never replace[^]*Pay with: paychan pay/
    )
    assert.equal(given().length, 3)
  })

  it('a PSBT is taken from the line, a file (binary or text), and standard input', async () => {
    await writeFile(join(dir, 'binary.psbt'), bytesOfText(PSBT))
    await writeFile(join(dir, 'text.psbt'), `${PSBT.slice(0, 60)}\n${PSBT.slice(60)}\n`)
    const hex = toHex(bytesOfText(PSBT))
    for (const argument of [PSBT, hex, join(dir, 'binary.psbt'), join(dir, 'text.psbt')]) {
      assert.equal(await world().run('psbt', SHORT, argument), 0)
    }
    assert.equal(await world([PSBT.slice(0, 76), PSBT.slice(76)]).run('psbt', SHORT, '-'), 0)
    assert.equal(await world([PSBT]).run('psbt', SHORT, '--no-wait'), 0)
    const ready = [SHORT, PSBT, { wait: 'ready' }]
    assert.deepEqual(given(), [
      ready,
      ready,
      ready,
      ready,
      ready,
      [SHORT, PSBT, { wait: 'broadcast' }]
    ])
  })

  it('a signed transaction in hex is passed on as it is', async () => {
    const { hex } = wallet.sign(bytesOfText(PSBT))
    await world().run('psbt', SHORT, hex, '--json')
    assert.deepEqual(given(), [[SHORT, hex, { wait: 'ready' }]])
  })

  for (const [what, argv, code] of [
    ['a file that is not there', ['nowhere.psbt'], 'ERR_PSBT_UNREADABLE'],
    ['garbage', ['!'.repeat(100)], 'ERR_PSBT_UNREADABLE'],
    ['nothing', ['-'], 'ERR_PSBT_MALFORMED'],
    ['a PSBT and --cancel', [PSBT, '--cancel'], 'ERR_USAGE']
  ] as const) {
    it(`refuses ${what} before the node hears of it, with exit code 2`, async () => {
      const { run, err } = world()
      assert.equal(await run('psbt', SHORT, ...argv), 2)
      assert.match(err(), new RegExp(code))
      assert.deepEqual(given(), [])
    })
  }

  it('a PSBT that the node refuses is wrong usage, too', async () => {
    node.answers.fundingPsbt = async () => {
      throw new PaychanError(
        'ERR_PSBT_FEE',
        'The fee would be 290,000 sat: is the change missing?',
        { fee: 290_000n }
      )
    }
    const { run, out } = world()
    assert.equal(await run('psbt', SHORT, PSBT, '--json'), 2)
    assert.equal((JSON.parse(out()) as { error: { code: string } }).error.code, 'ERR_PSBT_FEE')
  })

  it('--cancel gives up an opening, and closes no channel that is funded', async () => {
    const funded = world()
    assert.equal(await funded.run('psbt', SHORT, '--cancel'), 2)
    assert.match(funded.err(), /ERR_PSBT_NOT_EXPECTED/)
    node.answers.channels = async () => [asking('signatures')]
    node.answers.close = async () => ({ channel: CHANNEL, kind: 'abandoned', txid: undefined })
    const { run, out } = world()
    assert.equal(await run('psbt', SHORT, '--cancel'), 0)
    assert.match(out(), /is abandoned/)
  })
})
