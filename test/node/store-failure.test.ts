/**
 * A disk that fills up under a running node: it stops as a whole, and comes back with all that was
 * acknowledged.
 */
import assert from 'node:assert/strict'
import { mock } from 'node:test'
import { ClassicLevel } from 'classic-level'
import { createNode } from '../../src/node/create-node.js'
import { codeOfRejection, Fixture } from './fixture.js'

/** Lets every write below a directory fail, as on a full disk. */
function fillDisk(directory: string): () => void {
  const original = Reflect.get(ClassicLevel.prototype, 'batch') as (
    this: ClassicLevel,
    ...args: unknown[]
  ) => unknown
  const full = mock.method(
    ClassicLevel.prototype,
    'batch',
    function (this: ClassicLevel, ...args: unknown[]) {
      if (!this.location.startsWith(directory)) return original.apply(this, args)
      throw Object.assign(new Error('IO error: No space left on device'), {
        code: 'LEVEL_IO_ERROR'
      })
    }
  )
  return () => {
    full.mock.restore()
  }
}

describe('node / a disk that is full', () => {
  let fixture: Fixture
  let makeRoom = (): void => {}

  beforeEach(async () => {
    fixture = await Fixture.create()
  })
  afterEach(async () => {
    makeRoom()
    await fixture.end()
  })

  it('under a payment: the payee stops by itself, the payment is unknown, and is made once there is room', async () => {
    const bob = await fixture.node('bob')
    const alice = await fixture.rich('alice')
    const address = await bob.address()
    const { id } = await alice.api.open({ peer: address, amount: 500_000n })
    await alice.api.pay({ to: id, amount: 1_000n })
    makeRoom = fillDisk(fixture.path('bob'))
    const alarm = bob.events.when((event) => event.type === 'alarm')
    assert.equal(
      await codeOfRejection(alice.api.pay({ to: id, amount: 500n })),
      'ERR_PAYMENT_UNKNOWN'
    )
    const told = await alarm
    assert.equal(told.type === 'alarm' && told.code, 'ERR_STORE_FAILED')
    assert.equal(await codeOfRejection(bob.api.balance()), 'ERR_STORE_FAILED')
    await bob.api.stop()
    makeRoom()
    const again = await fixture.node('bob', { listen: [address.replace(/\/p2p\/.*/, '')] })
    await again.sees(async () => (await again.api.payments()).length === 2)
    assert.equal((await again.api.channels())[0]?.ourBalance, 1_500n)
  })

  it('under the wallet: an address is refused, and the node stops as well', async () => {
    const bob = await fixture.node('bob')
    makeRoom = fillDisk(fixture.path('bob'))
    const alarm = bob.events.when(
      (event) => event.type === 'alarm' && event.code === 'ERR_STORE_FAILED'
    )
    assert.equal(await codeOfRejection(bob.api.address()), 'ERR_STORE_FAILED')
    await alarm
    assert.equal(await codeOfRejection(bob.api.info()), 'ERR_STORE_FAILED')
  })

  it('as it starts: it does not start', async () => {
    const bob = await fixture.node('bob')
    await bob.api.stop()
    const store = mock.method(ClassicLevel.prototype, 'open', async () => {
      throw Object.assign(new Error('IO error: No space left on device'), {
        code: 'LEVEL_IO_ERROR'
      })
    })
    makeRoom = () => {
      store.mock.restore()
    }
    assert.equal(
      await codeOfRejection(
        createNode({ network: 'regtest', electrum: fixture.electrum, dataDir: fixture.path('bob') })
      ),
      'ERR_STORE_FAILED'
    )
  })
})
