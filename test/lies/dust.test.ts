/**
 * A stranger sends more unconfirmed dust to a channel's script than a node keeps: honest servers
 * show it, and are not dropped for it.
 */
import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import { z } from 'zod'
import { scriptHashOf } from '../../src/chain/electrum/session.js'
import { Pair } from '../reorgs/pair.js'
import { itInAll } from '../size.js'
import { Liar, type Lie } from './liar.js'

const rows = z.array(z.object({ tx_hash: z.string(), height: z.number() }))

/**
 * As an honest server whose mempool has 21 MB of payments to the funding script, and shows them
 * first.
 */
class Dust {
  readonly #made = new Map<string, string>()
  #target: string | undefined
  shown = 0

  readonly lie: Lie = {
    answer: async ({ method, params: [asked] }, honest, line) => {
      if (method === 'blockchain.transaction.get') {
        return { result: this.#made.get(String(asked)) ?? (await honest()) }
      }
      if (method !== 'blockchain.scripthash.get_history') return { result: await honest() }
      const history = rows.parse(await honest())
      const [first] = history
      if (first !== undefined) {
        this.#make(
          Transaction.fromHex(String(await line.ask('blockchain.transaction.get', first.tx_hash))),
          String(asked)
        )
      }
      if (asked !== this.#target) return { result: history }
      this.shown++
      return {
        result: [
          ...history.filter(({ height }) => height > 0),
          ...[...this.#made.keys()].map((id) => ({ tx_hash: id, height: 0 })),
          ...history.filter(({ height }) => height <= 0)
        ]
      }
    }
  }

  /** Only the funding script is a P2WSH that is paid before anything else of this kind. */
  #make(funding: Transaction, scriptHash: string): void {
    const script = funding.outs.find(
      (output) => output.script.length === 34 && scriptHashOf(output.script) === scriptHash
    )?.script
    if (script === undefined || this.#target !== undefined) return
    this.#target = scriptHash
    for (let n = 0; n < 21; n++) {
      const payment = new Transaction()
      payment.addInput(new Uint8Array(32).fill(n + 1), n)
      payment.addOutput(script, 330n)
      payment.addOutput(new Uint8Array(1_000_000), 0n)
      this.#made.set(payment.getId(), payment.toHex())
    }
  }
}

describe('servers that do not lie / but show what strangers send', function () {
  // A busy machine loses both servers over 21 MB, and waits up to a minute for each (EVID-6).
  this.timeout(600_000)
  let pair: Pair | undefined

  afterEach('says where a failed story stands', async function () {
    if (this.currentTest?.state === 'failed') process.stderr.write(`${await pair?.describe()}\n`)
    await pair?.end()
  })

  itInAll('more dust than is kept costs no server its place, and nobody money', async () => {
    const dust = new Dust()
    const servers: Liar[] = []
    pair = await Pair.create(async ({ devnet }) => {
      servers.push(await Liar.start(devnet, dust.lie), await Liar.start(devnet, dust.lie))
      return { electrum: servers.map(({ url }) => url) }
    })
    try {
      await pair.payAndSettle(30_000n)
      await pair.paidOut({ server: 30_000n })
      assert.ok(dust.shown > 0)
      // A server of a busy machine may fall behind the other one for a minute.
      const reports = pair.reports.filter((code) => code !== 'ERR_CHAIN_BEHIND')
      assert.deepEqual([...new Set(reports)], ['ERR_HISTORY_TOO_LARGE'])
      // One for each node and server.
      assert.ok(reports.length <= 4)
    } finally {
      await Promise.all(
        servers.map(async (server) => {
          await server.stop()
        })
      )
    }
  })
})
