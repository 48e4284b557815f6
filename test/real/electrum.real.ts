/**
 * Debian's Electrum, a wallet that we have not written, on our own Electrum server: an independent
 * check of what that says.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { startDevnet, type Devnet } from '../../src/devnet/index.js'
import { alice } from '../devnet/support.js'
import { Bitcoind } from './bitcoind.js'

/** Set by `run.sh` where Electrum can be had. */
const [program = '', ...args] = (process.env['PAYCHAN_TEST_ELECTRUM'] ?? '').split(' ')

for (const backend of program === '' ? [] : (['embedded', 'bitcoind'] as const)) {
  describe(`Electrum on our Electrum server / ${backend}`, () => {
    let devnet: Devnet
    let bitcoind: Bitcoind | undefined
    let directory: string

    const electrum = async (...command: string[]): Promise<string> =>
      (
        await promisify(execFile)(program, [...args, ...command, '--regtest', '-D', directory])
      ).stdout.trim()

    /** Until a command says what it should. */
    async function until<T>(
      shape: z.ZodType<T>,
      command: string[],
      holds: (answer: T) => boolean
    ): Promise<void> {
      while (!holds(shape.parse(JSON.parse(await electrum(...command)))));
    }

    before(async () => {
      directory = await mkdtemp(join(tmpdir(), 'paychan-electrum-'))
      bitcoind = backend === 'bitcoind' ? await Bitcoind.start() : undefined
      devnet = await startDevnet(
        bitcoind === undefined ? { seed: 'electrum' } : { bitcoind: bitcoind.url }
      )
      await electrum('create', '--offline')
      await electrum('daemon', '-d', '-s', `127.0.0.1:${devnet.port}:t`, '--oneserver')
      await electrum('load_wallet')
    })

    after(async () => {
      await electrum('stop')
      await devnet.stop()
      await bitcoind?.stop()
      await rm(directory, { recursive: true, force: true })
    })

    it('follows the chain', async () => {
      await until(
        z.object({
          connected: z.boolean(),
          server_height: z.number(),
          blockchain_height: z.number()
        }),
        ['getinfo'],
        (info) =>
          info.connected &&
          info.blockchain_height === devnet.height &&
          info.server_height === devnet.height
      )
    })

    it('is paid, pays, and has what is left; after a reorganisation as well', async () => {
      const balance = z.object({ confirmed: z.string(), unconfirmed: z.string().optional() })
      await devnet.fund(await electrum('getunusedaddress'), 1_000_000n)
      await until(balance, ['getbalance'], ({ unconfirmed }) => unconfirmed === '0.01')
      await devnet.mine(1)
      await until(balance, ['getbalance'], ({ confirmed }) => confirmed === '0.01')
      const raw = await electrum('payto', alice.address, '0.004', '-f', '0.0001')
      const txid = await electrum('broadcast', raw)
      const history = z.object({
        transactions: z.array(z.object({ txid: z.string(), confirmations: z.number() }))
      })
      const confirmed = async (times: number): Promise<void> => {
        await until(history, ['onchain_history'], ({ transactions }) =>
          transactions.some((each) => each.txid === txid && each.confirmations === times)
        )
      }
      await devnet.mine(1)
      await confirmed(1)
      await until(balance, ['getbalance'], ({ confirmed }) => confirmed === '0.0059')
      assert.deepEqual(
        (await devnet.utxos(alice.script)).map(({ value }) => value),
        [400_000n]
      )
      await devnet.reorg(1)
      await confirmed(0)
      await devnet.mine(2)
      await confirmed(2)
    })
  })
}
