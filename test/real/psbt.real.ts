/** The wallet of a real bitcoind funds a channel: it makes the PSBT, and signs it. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { startDevnet, type Devnet } from '../../src/devnet/index.js'
import { createNode } from '../../src/node/create-node.js'
import type { ChannelInfo, NodeApi } from '../../src/node/api.js'
import { Bitcoind } from './bitcoind.js'
import { satoshi } from '../../src/types/units.js'

const CAPACITY = satoshi(500_000n)

describe('a channel that the wallet of bitcoind funds', () => {
  let bitcoind: Bitcoind
  let devnet: Devnet
  let directory: string
  let alice: NodeApi
  let bob: NodeApi

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'paychan-psbt-'))
    bitcoind = await Bitcoind.start()
    devnet = await startDevnet({ bitcoind: bitcoind.url })
    await bitcoind.call(z.unknown(), 'createwallet', 'outside')
    const node = async (name: string): Promise<NodeApi> =>
      await createNode({
        network: 'regtest',
        electrum: devnet.url,
        dataDir: join(directory, name),
        create: true
      })
    bob = await node('bob')
    alice = await node('alice')
    await until(alice, async () => (await alice.info()).chain.height === devnet.height)
    await until(bob, async () => (await bob.info()).chain.height === devnet.height)
  })

  after(async () => {
    await alice.stop()
    await bob.stop()
    await devnet.stop()
    await bitcoind.stop()
    await rm(directory, { recursive: true, force: true })
  })

  /** Waits for events of a node until a condition holds. */
  async function until(node: NodeApi, condition: () => Promise<boolean>): Promise<void> {
    for (;;) {
      let stop = (): void => {}
      const next = new Promise<void>((resolve) => {
        stop = node.events.on(() => {
          resolve()
        })
      })
      if (await condition()) return stop()
      await next
      stop()
    }
  }

  const wallet = async <T>(shape: z.ZodType<T>, method: string, ...params: unknown[]): Promise<T> =>
    await bitcoind.call(shape, method, ...params)

  async function asked(): Promise<ChannelInfo> {
    const [address] = (await bob.info()).multiaddrs
    return await alice.channels.open({
      peer: address ?? assert.fail(),
      amount: CAPACITY,
      blocks: 300,
      psbt: true
    })
  }

  for (const [type, form] of [
    ['bech32', 'a PSBT'],
    ['bech32m', 'a PSBT'],
    ['bech32', 'the transaction'],
    ['bech32m', 'its own broadcast']
  ] as const) {
    it(`from ${type} coins, handed over as ${form}`, async () => {
      const from = await wallet(z.string(), 'getnewaddress', '', type)
      await devnet.fund(from, 2_000_000n)
      await devnet.mine(1)
      const coins = await wallet(
        z.array(z.object({ txid: z.string(), vout: z.number() })),
        'listunspent',
        1,
        9_999_999,
        [from]
      )
      const opened = await asked()
      const { psbt } = await wallet(
        z.object({ psbt: z.string() }),
        'walletcreatefundedpsbt',
        coins,
        [{ [opened.outside?.address ?? '']: '0.005' }],
        0,
        { lockUnspents: true, add_inputs: false }
      )
      const { channel, warnings } = await alice.channels.fundingPsbt(opened.id, psbt)
      assert.deepEqual([channel.outside?.needs, warnings], ['signatures', []])
      const signed = await wallet(
        z.object({ psbt: z.string(), complete: z.boolean(), hex: z.string().optional() }),
        'walletprocesspsbt',
        psbt
      )
      assert.equal(signed.complete, true)
      const { hex } = await wallet(z.object({ hex: z.string() }), 'finalizepsbt', signed.psbt)
      if (form === 'its own broadcast') await wallet(z.string(), 'sendrawtransaction', hex)
      else {
        await alice.channels.fundingPsbt(opened.id, form === 'a PSBT' ? signed.psbt : hex, {
          wait: 'broadcast'
        })
      }
      const status = async (): Promise<string | undefined> =>
        (await alice.channels.list()).find(({ id }) => id === opened.id)?.status
      await until(alice, async () => (await status()) === 'confirming')
      await devnet.mine(1)
      await until(alice, async () => (await status()) === 'open')
      await alice.pay({ to: opened.id, amount: satoshi(1_000n) })
      await alice.channels.close(opened.id)
      await devnet.mine(1)
      await until(alice, async () => (await status()) === 'closed')
    })
  }

  it('from P2SH-wrapped coins is refused: their signature would change the txid (FUND-2)', async () => {
    const coins = await wallet(
      z.array(z.object({ txid: z.string(), vout: z.number() })),
      'listunspent'
    )
    await wallet(z.boolean(), 'lockunspent', false, coins)
    await devnet.fund(await wallet(z.string(), 'getnewaddress', '', 'p2sh-segwit'), 2_000_000n)
    await devnet.mine(1)
    const opened = await asked()
    const { psbt } = await wallet(
      z.object({ psbt: z.string() }),
      'walletcreatefundedpsbt',
      [],
      [{ [opened.outside?.address ?? '']: '0.005' }]
    )
    await assert.rejects(alice.channels.fundingPsbt(opened.id, psbt), {
      code: 'ERR_PSBT_NOT_SEGWIT'
    })
    await alice.channels.close(opened.id)
  })
})
