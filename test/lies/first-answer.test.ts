/**
 * A node comes back in the window of its settlement, and the server that lies is the first of the
 * two to answer: until the honest one is heard, nothing that the liar says of fees or of blocks may
 * decide what is bid.
 */
import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import { Fixture, type TestNode } from '../node/fixture.js'
import { sameBytes, hashFromTxid, txid } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import { Liar, type Line } from './liar.js'
import { itInAll } from '../size.js'

const CAPACITY = satoshi(1_000_000n)
const PAID = satoshi(900_000n)
/** Twice a normal bid, 181 vB at 1.25 sat/vB, at four times the price. */
const MOST_PAID = 8n * 227n
/** How long the honest server takes to answer a fresh connection: it loads, or is far away. */
const SLOW_MS = 1_500

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) {
    await new Promise((resolve) => {
      setTimeout(resolve, 20)
    })
  }
}

describe('servers that lie / and are the first to answer (EVID-6)', () => {
  let fixture: Fixture
  let liar: Liar
  let honest: Liar
  let terms: { settleHeight: number; refundHeight: number; funding: string }
  let listen: string

  beforeEach(async () => {
    fixture = await Fixture.create({ autoMine: false })
    liar = await Liar.start(fixture.devnet)
    honest = await Liar.start(fixture.devnet)
    fixture.onEnd(async () => {
      await liar.stop()
      await honest.stop()
    })
  })
  afterEach(async () => {
    await fixture.end()
  })

  /** The server was paid, stops, and is away until so many blocks before L; its client is gone. */
  async function away(left: number, how: 'stopped' | 'cut off' = 'stopped'): Promise<TestNode> {
    const alice = await fixture.node('alice', { electrum: [fixture.devnet.url] })
    const bob = await fixture.node('bob', { electrum: [liar.url, honest.url] })
    listen = (await bob.address()).replace(/\/p2p\/.*$/, '')
    await fixture.devnet.fund(await alice.api.wallet.address(), satoshi(3_000_000n))
    await fixture.devnet.mine(1)
    await alice.sees(async () => (await alice.api.wallet.balance()).confirmed >= 3_000_000n)
    const channel = await alice.api.channels.open({
      peer: await bob.address(),
      amount: CAPACITY,
      blocks: 144,
      wait: 'broadcast'
    })
    await fixture.devnet.mine(2)
    for (const node of [alice, bob]) {
      await node.sees(async () =>
        (await node.api.channels.list()).some(({ status }) => status === 'open')
      )
    }
    await alice.api.pay({ to: channel.id, amount: PAID })
    const [own] = await bob.api.channels.list()
    terms = {
      settleHeight: own?.settleHeight ?? assert.fail(),
      refundHeight: own?.refundHeight ?? assert.fail(),
      funding: own?.funding?.txid ?? assert.fail()
    }
    await alice.api.stop()
    if (how === 'stopped') await bob.api.stop()
    else {
      for (const server of [liar, honest]) {
        server.lie = {
          onConnection: (line) => {
            line.close()
          }
        }
        server.drop()
      }
      await until(async () =>
        (await bob.api.info()).chain.servers.every(({ state }) => state === 'down')
      )
    }
    await fixture.devnet.mine(terms.refundHeight - left - fixture.devnet.height)
    return bob
  }

  /** The honest server answers a fresh connection late. */
  function slow(): void {
    honest.lie = {
      answer: async ({ method }, said) => {
        if (method === 'server.version') {
          await new Promise((resolve) => setTimeout(resolve, SLOW_MS))
        }
        return { result: await said() }
      }
    }
  }

  /** The liar tells the blocks from the settlement height on, one after the other. */
  function feeding(): () => Promise<void> {
    let told = terms.settleHeight
    let header: (height: number) => Promise<string> = async () => ''
    const lines = new Set<Line>()
    liar.lie = {
      onConnection: (line) => {
        lines.add(line)
        header = async (height) => String(await line.ask('blockchain.block.header', height))
      },
      answer: async ({ method }, said, line) => {
        if (method === 'blockchain.headers.subscribe') {
          return { result: { height: told, hex: await line.ask('blockchain.block.header', told) } }
        }
        return { result: await said() }
      }
    }
    return async () => {
      await new Promise((resolve) => setTimeout(resolve, 300))
      while (told < fixture.devnet.height) {
        told++
        const hex = await header(told)
        for (const line of lines) {
          line.notify('blockchain.headers.subscribe', [{ height: told, hex }])
        }
        await new Promise((resolve) => setTimeout(resolve, 25))
      }
    }
  }

  /** What the server pays in the end, when the next blocks take all that waits. */
  async function paysInTheEnd(bob: TestNode): Promise<bigint> {
    await until(async () =>
      (await bob.api.info()).chain.servers.every(({ state }) => state === 'used')
    )
    await bob.synced()
    for (let n = 0; n < 2; n++) {
      await new Promise((resolve) => setTimeout(resolve, 500))
      await fixture.devnet.mine(1)
      await bob.synced()
    }
    await bob.sees(async () => (await bob.api.channels.list())[0]?.status === 'closed')
    const [channel] = await bob.api.channels.list()
    const spend = await fixture.devnet.transaction(channel?.spend?.txid ?? assert.fail())
    const tx = Transaction.fromBuffer(Uint8Array.from(spend?.raw ?? assert.fail()))
    assert.ok(tx.ins.some(({ hash }) => sameBytes(hash, hashFromTxid(txid(terms.funding)))))
    return CAPACITY - tx.outs.reduce((sum, { value }) => sum + value, 0n)
  }

  it('its word about fees is not the only one', async () => {
    await away(4)
    slow()
    liar.lie = {
      answer: async ({ method }, said) =>
        method === 'blockchain.estimatefee' ? { result: 0.01 } : { result: await said() }
    }
    const bob = await fixture.node('bob', { electrum: [liar.url, honest.url], listen: [listen] })
    const fee = await paysInTheEnd(bob)
    assert.ok(fee <= MOST_PAID, `paid ${fee} of ${PAID}`)
  })

  it('blocks that it tells one after the other have passed over nothing', async () => {
    await away(4)
    slow()
    const feed = feeding()
    const starting = fixture.node('bob', { electrum: [liar.url, honest.url], listen: [listen] })
    await feed()
    const bob = await starting
    const fee = await paysInTheEnd(bob)
    assert.ok(fee <= MOST_PAID, `paid ${fee} of ${PAID}`)
  })

  itInAll('nor those that it tells to a node that was cut off meanwhile', async () => {
    const bob = await away(4, 'cut off')
    const feed = feeding()
    await until(async () => (await bob.api.info()).chain.servers[0]?.state === 'used')
    await feed()
    slow()
    const fee = await paysInTheEnd(bob)
    assert.ok(fee <= MOST_PAID, `paid ${fee} of ${PAID}`)
  })
})
