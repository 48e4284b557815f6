/** A payee waits for what comes in, and prints it; an invoice is paid once, however often it is asked for. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createNode, satoshi, type NodeApi, type PaymentInfo } from 'paychan'
import { startDevnet } from 'paychan/devnet'

const devnet = await startDevnet({ autoMine: true })
const home = await mkdtemp(join(tmpdir(), 'payee-'))
const start = async (name: string): Promise<NodeApi> =>
  await createNode({
    network: 'regtest',
    electrum: devnet.url,
    dataDir: join(home, name),
    create: true
  })

/** Resolves with the first payment for an invoice. */
async function untilPaid(node: NodeApi, invoice: string): Promise<PaymentInfo> {
  return await new Promise((resolve) => {
    const stop = node.events.on((event) => {
      if (event.type !== 'payment' || event.payment.memo !== invoice) return
      stop()
      resolve(event.payment)
    })
  })
}

const [payee, payer] = [await start('payee'), await start('payer')]
await devnet.fund(await payer.wallet.address(), 1_000_000n)
await payer.chain.untilHeight(devnet.height)
const { peerId, multiaddrs } = await payee.info()
await payer.channels.open({ peer: multiaddrs[0] ?? '', amount: satoshi(500_000n) })

const paid = untilPaid(payee, 'invoice 17')
const request = { to: peerId, amount: satoshi(21_000n), memo: 'invoice 17', id: 'invoice 17' }
await payer.pay(request)
const { amount, memo, status } = await paid
console.log(`the payee has ${amount} sat for ${memo}, ${status}`)

const { already } = await payer.pay(request)
console.log(`asked for again, it was ${already ? 'paid already' : 'paid twice'}`)
console.log(`payments in all: ${(await payee.payments.list()).length}`)

await Promise.all([payee.stop(), payer.stop()])
await devnet.stop()
await rm(home, { recursive: true })
