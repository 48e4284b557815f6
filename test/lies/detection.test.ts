/**
 * What each lie looks like to us: with an honest server beside the liar, and with the liar alone.
 * docs/servers-that-lie.md is the table.
 */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { blockDelta } from '../../src/types/units.js'
import { codeOf } from '../../src/types/errors.js'
import { LIES, type Row } from './lies.js'
import { World } from './world.js'

const DOCS = new URL('../../../docs/servers-that-lie.md', import.meta.url)

describe('servers that lie / beside an honest one', () => {
  let world: World
  afterEach(async () => {
    await world.stop()
  })

  for (const { name, lie, dropped } of LIES) {
    it(`${name}: the truth is known${dropped === undefined ? '' : `, and the liar is dropped (${dropped})`}`, async () => {
      world = await World.create(lie(), true)
      await Promise.all([world.knowsTheTruth(), world.hasTheTip()])
      const rate = await world.chain.estimateFeeRate(blockDelta(6))
      assert.equal(rate, 1_000n)
      const payment = await world.payment()
      assert.equal(
        (await world.chain.broadcast(parseTransaction(payment.toBuffer()))).txid,
        payment.getId()
      )
      while (!(await world.isWaiting(payment))) {
        await new Promise((resolve) => {
          setImmediate(resolve)
        })
      }
      if (dropped === undefined) return
      const { code, text } = await world.reports.when(() => true)
      assert.equal(code, dropped, text)
      assert.match(text, /is not used any more\. The others go on\./)
      assert.deepEqual(
        world.chain.servers.map(({ state }) => state),
        ['dropped', 'used']
      )
    })
  }
})

describe('servers that lie / alone', () => {
  let world: World
  afterEach(async () => {
    await world.stop()
  })

  const outcomes: Record<Row['alone'], (name: string) => Promise<void>> = {
    truth: async () => {
      await Promise.all([world.knowsTheTruth(), world.hasTheTip()])
      assert.equal(await answered(), 1_000n)
    },
    ERR_CHAIN_LIED: async () => {
      const errors = await Promise.race(
        [...world.watchers.values()].map(async ({ errors }) => await errors.when(() => true))
      )
      assert.equal(codeOf(errors), 'ERR_CHAIN_LIED')
      for (const { histories } of world.watchers.values()) {
        for (const history of histories.all) {
          assert.ok(
            history.every(({ height }) => height === undefined || height <= world.devnet.height - 0)
          )
        }
      }
    },
    ERR_ELECTRUM_PROTOCOL: async () => {
      await downFor('ERR_ELECTRUM_PROTOCOL')
    },
    ERR_CHAIN_UNAVAILABLE: async () => {
      await downFor('ERR_CHAIN_UNAVAILABLE')
    },
    ERR_BROADCAST_REFUSED: async () => {
      const payment = await world.payment()
      await assert.rejects(world.chain.broadcast(parseTransaction(payment.toBuffer())), {
        code: 'ERR_BROADCAST_REFUSED'
      })
    },
    believed: async (name) => {
      await (BELIEVED[name] ?? assert.fail(`nothing is said of what is believed of '${name}'`))()
    }
  }

  /**
   * Which of its answers are lost depends on how many were asked for before; the caller asks again,
   * as the node does with the next block.
   */
  async function answered(): Promise<bigint> {
    for (;;) {
      try {
        return await world.chain.estimateFeeRate(blockDelta(6))
      } catch (error) {
        assert.equal(codeOf(error), 'ERR_CHAIN_UNAVAILABLE')
      }
    }
  }

  async function downFor(code: string): Promise<void> {
    while (world.chain.lastErrorCode !== code) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    assert.ok((world.chain.lastError ?? '').endsWith('.'))
  }

  /**
   * What cannot be known without another server. Everything here costs nothing while one of several
   * is honest.
   */
  const BELIEVED: Readonly<Record<string, () => Promise<void>>> = {
    'hides a transaction': async () => {
      for (const { histories } of world.watchers.values()) {
        assert.deepEqual(await histories.when(() => true), [])
      }
    },
    'hides the spend of the funding output': async () => {
      const [, channel] = [...world.watchers.values()]
      assert.deepEqual(
        (await channel?.histories.when(() => true))?.length,
        2,
        'what pays to it, not what spends it'
      )
    },
    'is stuck at an old block': async () => {
      await new Promise<void>((resolve) => {
        world.chain.onTip(() => {
          resolve()
        })
      })
      assert.equal(world.chain.tip?.height, world.devnet.height - 3)
    },
    'accepts a broadcast and does not relay it': async () => {
      const payment = await world.payment()
      assert.equal(
        (await world.chain.broadcast(parseTransaction(payment.toBuffer()))).txid,
        payment.getId()
      )
      assert.equal(await world.isWaiting(payment), false)
    },
    'says that fees are high': async () => {
      assert.equal(
        await world.chain.estimateFeeRate(blockDelta(6)),
        900_000n,
        'bounded by 1,000 sat/vB'
      )
    }
  }

  for (const { name, lie, alone } of LIES) {
    it(`${name}: ${alone}`, async () => {
      world = await World.create(lie(), false)
      await outcomes[alone](name)
    })
  }
})

describe('servers that lie / the table in the docs', () => {
  it('has every lie that is tested, once, with what is tested', async () => {
    const rows = (await readFile(DOCS, 'utf8'))
      .split('\n')
      .filter((line) => line.startsWith('| '))
      .slice(1)
      .map((line) => line.split('|').map((cell) => cell.trim()))
    assert.deepEqual(
      rows.map(([, name]) => name),
      LIES.map(({ name }) => name)
    )
    for (const [index, { dropped, alone }] of LIES.entries()) {
      const [, name, beside = '', only = ''] = rows[index] ?? []
      assert.ok(
        dropped === undefined
          ? !beside.includes('dropped')
          : beside.includes(`dropped (\`${dropped}\`)`),
        `${name}, beside an honest one: ${beside}`
      )
      assert.ok(
        alone === 'truth'
          ? only.startsWith('the truth')
          : alone === 'believed'
            ? only.startsWith('**not noticed**')
            : only.includes(`\`${alone}\``),
        `${name}, alone: ${only}`
      )
    }
  })
})
