/** `send`, `bumpfee`, `transactions`, `label`: what they ask the node, and what they show. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesOfText } from '../../src/bitcoin/psbt.js'
import { renderSent } from '../../src/cli/render.js'
import { type ApiServer, serveApi } from '../../src/daemon/server.js'
import type { ChannelInfo } from '../../src/node/api.js'
import { toHex } from '../../src/types/bytes.js'
import { PaychanError } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import {
  CHANNEL,
  channel,
  coin,
  FakeNode,
  FUNDING,
  PEER,
  sent,
  transaction
} from '../daemon/fake-node.js'
import { base64, OutsideWallet } from '../outside-wallet.js'
import { testWorld, type TestWorld } from './world.js'

describe('cli / wallet', () => {
  let dir: string
  let node: FakeNode
  let server: ApiServer
  let world: TestWorld

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'paychan-cli-'))
    node = new FakeNode()
    server = await serveApi(node, join(dir, 'api.sock'))
    world = testWorld({ env: { PAYCHAN_DATA: dir }, columns: 200 })
  })
  afterEach(async () => {
    await server.close()
    await rm(dir, { recursive: true, force: true })
  })

  it('sends what was asked for, with units in what it shows', async () => {
    assert.equal(
      await world.run('send', 'bcrt1qaddress', '0.0003btc', '--feerate', '2.5', '--label', 'rent'),
      0
    )
    assert.deepEqual(node.calls, [
      {
        verb: 'send',
        args: [{ to: 'bcrt1qaddress', amount: 30_000n, satPerVByte: 2.5, label: 'rent' }]
      }
    ])
    assert.equal(
      world.out(),
      `Sent 30,000 sat to bcrt1qaddress.\nThe fee is 141 sat (1 sat/vB, 141 vB); 69,859 sat come back as change.\nTransaction ${FUNDING}\n`
    )
  })

  it('sends all, or only says what that would cost', async () => {
    assert.equal(await world.run('send', 'bcrt1qaddress', 'all', '--dry-run', '--json'), 0)
    assert.deepEqual(node.calls[0]?.args, [{ to: 'bcrt1qaddress', amount: 'all', dryRun: true }])
    assert.deepEqual(JSON.parse(world.out()), {
      txid: null,
      to: 'bcrt1qaddress',
      amount: 30_000,
      fee: 141,
      satPerVByte: 1,
      vsize: 141,
      change: 69_859,
      message: null,
      broadcast: true
    })
    assert.match(renderSent({ ...sent, txid: undefined }), /Nothing was sent/)
    assert.match(
      renderSent({ ...sent, broadcast: false }),
      /it is on disk, and goes out as soon as one answers/
    )
  })

  it('sends to a bitcoin: URI, whose amount it leaves to the node, and shows the message of the payee without its tricks', async () => {
    node.answers.send = async () => ({ ...sent, message: 'Order 17\u001b[31m' })
    assert.equal(await world.run('send', 'bitcoin:bcrt1qaddress?amount=0.0003'), 0)
    assert.deepEqual(node.calls, [
      { verb: 'send', args: [{ to: 'bitcoin:bcrt1qaddress?amount=0.0003' }] }
    ])
    assert.match(world.out(), /The payee says: Order 17\ufffd\[31m\n/)
  })

  it('takes a target and coins for every verb that makes a transaction', async () => {
    const other = `${'AB'.repeat(32)}:1`
    const run = async (...argv: string[]): Promise<void> => {
      assert.equal(await testWorld({ env: { PAYCHAN_DATA: dir } }).run(...argv), 0, argv.join(' '))
    }
    await run(
      'send',
      'bcrt1qaddress',
      'all',
      '--target',
      '36',
      '--coin',
      coin.outPoint,
      '--coin',
      other
    )
    await run('open', PEER, '100000', '--feerate', '2', '--coin', coin.outPoint)
    await run('topup', CHANNEL, '100000', '--target', '3', '--coin', coin.outPoint)
    await run('renew', CHANNEL, '--feerate', '3')
    await run('bumpfee', FUNDING, '--target', '1')
    const coins = [coin.outPoint]
    assert.deepEqual(
      node.calls.filter(({ verb }) => verb !== 'info').map(({ args }) => args),
      [
        [
          {
            to: 'bcrt1qaddress',
            amount: 'all',
            target: 36,
            coins: [coin.outPoint, other.toLowerCase()]
          }
        ],
        [{ peer: PEER, amount: 100_000n, satPerVByte: 2, coins, wait: 'ready' }],
        [CHANNEL, { amount: 100_000n, target: 3, coins, wait: 'ready' }],
        [CHANNEL, { satPerVByte: 3, wait: 'ready' }],
        [FUNDING, { target: 1 }]
      ]
    )
  })

  it('shows the estimates and the least that is relayed', async () => {
    assert.equal(await world.run('fees'), 0)
    assert.equal(
      world.out(),
      'WITHIN         ESTIMATE\n1 block     12.5 sat/vB\n144 blocks     1 sat/vB\nThe server takes nothing below 1 sat/vB.\n'
    )
    const json = testWorld({ env: { PAYCHAN_DATA: dir } })
    await json.run('fees', '--json')
    assert.deepEqual(JSON.parse(json.out()), {
      leastSatPerVByte: 1,
      estimates: [
        { blocks: 1, satPerVByte: 12.5 },
        { blocks: 144, satPerVByte: 1 }
      ]
    })
  })

  it('says the feerate in one unit: what `fees` prints, `--feerate` takes', async () => {
    const fees = testWorld({ env: { PAYCHAN_DATA: dir } })
    await fees.run('fees', '--json')
    const { estimates } = JSON.parse(fees.out()) as { estimates: Array<{ satPerVByte: number }> }
    await world.run('send', 'bcrt1qaddress', '1000', '--feerate', String(estimates[0]?.satPerVByte))
    assert.deepEqual(node.calls.at(-1)?.args, [
      { to: 'bcrt1qaddress', amount: 1_000n, satPerVByte: 12.5 }
    ])
  })

  it('tells the node with --yes that a high fee is meant', async () => {
    for (const argv of [
      ['send', 'bcrt1qaddress', '1000'],
      ['open', PEER, '100000'],
      ['topup', CHANNEL, '100000'],
      ['renew', CHANNEL],
      ['bumpfee', FUNDING]
    ]) {
      await testWorld({ env: { PAYCHAN_DATA: dir } }).run(...argv, '--yes')
      assert.equal(
        (node.calls.at(-1)?.args.at(-1) as { highFee?: true }).highFee,
        true,
        argv.join(' ')
      )
    }
  })

  it('lists coins with what each is for', async () => {
    node.answers.coins = async () => [
      coin,
      { ...coin, state: 'reserved', channel: CHANNEL, locked: true, label: undefined },
      { ...coin, state: 'reserved', spentBy: FUNDING },
      { ...coin, state: 'locked', locked: true }
    ]
    assert.equal(await world.run('coins'), 0)
    const rows = world.out().split('\n').slice(1)
    assert.match(rows[0] ?? '', /^f0f0.*:0 {2}100,000 sat +3 {2}free +bcrt1qaddress {2}salary$/)
    assert.match(rows[1] ?? '', /reserved for channel 1a2b3c4d, locked/)
    assert.match(rows[2] ?? '', /reserved for send f0f0f0f0/)
    assert.match(rows[3] ?? '', / {2}locked +bcrt1q/)
    node.answers.coins = async () => []
    const none = testWorld({ env: { PAYCHAN_DATA: dir } })
    await none.run('coins')
    assert.match(none.out(), /No coins/)
  })

  it('locks and unlocks coins', async () => {
    assert.equal(await world.run('coins', 'lock', coin.outPoint, `${'ab'.repeat(32)}:7`), 0)
    assert.equal(world.out(), 'Locked 2 coins.\n')
    await world.run('coins', 'unlock', coin.outPoint)
    assert.deepEqual(node.calls, [
      { verb: 'lockCoins', args: [[coin.outPoint, `${'ab'.repeat(32)}:7`]] },
      { verb: 'unlockCoins', args: [[coin.outPoint]] }
    ])
  })

  it('prints an address, or a URI when something is asked for, and labels the address', async () => {
    const run = async (...argv: string[]): Promise<string> => {
      const each = testWorld({ env: { PAYCHAN_DATA: dir } })
      assert.equal(await each.run('address', ...argv), 0, argv.join(' '))
      return each.out().trim()
    }
    assert.equal(await run(), 'bcrt1qaddress')
    assert.equal(await run('--uri'), 'bitcoin:bcrt1qaddress')
    assert.equal(
      await run('0.001btc', '--message', 'Order 17'),
      'bitcoin:bcrt1qaddress?amount=0.001&message=Order%2017'
    )
    assert.equal(await run('--label', 'The bakery'), 'bitcoin:bcrt1qaddress?label=The%20bakery')
    assert.deepEqual(JSON.parse(await run('1000', '--json')), {
      address: 'bcrt1qaddress',
      uri: 'bitcoin:bcrt1qaddress?amount=0.00001'
    })
    assert.deepEqual(
      node.calls.filter(({ verb }) => verb === 'label').map(({ args }) => args),
      [['bcrt1qaddress', 'The bakery']]
    )
  })

  it('raises a fee', async () => {
    assert.equal(await world.run('bumpfee', FUNDING, '--feerate', '5'), 0)
    assert.deepEqual(node.calls, [{ verb: 'bumpFee', args: [FUNDING, { satPerVByte: 5 }] }])
    assert.match(world.out(), /replaces .* its fee is 705 sat \(5 sat\/vB, 141 vB\)/)
  })

  it('lists transactions, and says when there are more', async () => {
    node.answers.transactions = async () => [
      transaction,
      {
        ...transaction,
        kind: 'receive',
        amount: 1_500_000n,
        fee: undefined,
        label: undefined,
        status: 'mempool',
        height: undefined,
        confirmations: 0
      }
    ]
    assert.equal(await world.run('transactions', '--limit', '1'), 0)
    assert.match(world.out(), /118 +3 {2}funding {2}-1,000,153 sat {2}153 sat {2}f0f0.* {2}to bob/)
    assert.match(world.err(), /--limit/)
    const all = testWorld({ env: { PAYCHAN_DATA: dir } })
    await all.run('transactions')
    assert.match(all.out(), /mempool +0 {2}receive {2}\+1,500,000 sat/)
  })

  it('labels, and takes labels away', async () => {
    await world.run('label', FUNDING, 'rent')
    await world.run('label', FUNDING)
    assert.deepEqual(
      node.calls.map(({ args }) => args),
      [
        [FUNDING, 'rent'],
        [FUNDING, '']
      ]
    )
  })

  it('refuses wrong arguments with exit code 2, and asks nothing', async () => {
    for (const argv of [
      ['send'],
      ['send', 'x', '1.5'],
      ['send', 'x', '1', '--feerate', '2', '--target', '3'],
      ['bumpfee', FUNDING, '--feerate', '2', '--target', '3'],
      ['send', 'x', '1', '--target', '0'],
      ['send', 'x', '1', '--target', '1009'],
      ['send', 'x', '1', '--target', 'soon'],
      ['send', 'x', '1', '--coin', 'x'],
      ['open', PEER, '1000', '--coin', `${FUNDING}:4294967296`],
      ['coins', 'lock'],
      ['coins', 'lock', 'x'],
      ['coins', 'unlock', FUNDING],
      ['address', 'x'],
      ['address', '--label', 'two\nlines'],
      ['send', 'x', '1', '--feerate', '1.2345'],
      ['send', 'x', '1', '--feerate', '-1'],
      ['bumpfee'],
      ['transactions', '--limit', '0']
    ]) {
      assert.equal(await testWorld({ env: { PAYCHAN_DATA: dir } }).run(...argv), 2, argv.join(' '))
    }
    assert.deepEqual(node.calls, [])
  })
})

/* `open --psbt` and `psbt`: what a person, and a script, is told and asked for. */

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
