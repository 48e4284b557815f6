/** A payer and a payee with a channel, on which the payer has paid already. */
import { satoshi } from '../../src/types/units.js'
import { Fixture, type TestNode } from '../node/fixture.js'

export interface Traders {
  readonly fixture: Fixture
  readonly payer: TestNode
  readonly payee: TestNode
  /** The PeerId of the payee. */
  readonly seller: string
}

export async function startTraders(): Promise<Traders> {
  const fixture = await Fixture.create()
  const payer = await fixture.rich('payer')
  const payee = await fixture.node('payee')
  const seller = (await payee.api.info()).peerId
  await payer.api.channels.open({ peer: await payee.address(), amount: satoshi(500_000n) })
  // Whatever is paid later needs not be a first payment.
  await payer.api.pay({ to: seller, amount: satoshi(10_000n) })
  return { fixture, payer, payee, seller }
}
