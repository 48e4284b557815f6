/** An application's own test in virtual time: no sockets, no clock, and the same on every run. */
import assert from 'node:assert/strict'
import { World, type WorldNode } from 'paychan/testing'

const DAY_MS = 86_400_000
const RENT = 700n

/** The application: a landlord who lets nobody in that has not paid for the day. */
class Landlord {
  #paid = 0n

  constructor(node: WorldNode) {
    node.onEvent((event) => {
      if (event.type === 'payment' && event.payment.direction === 'received') {
        this.#paid += event.payment.amount
      }
    })
  }

  letsIn(day: number): boolean {
    return this.#paid >= RENT * BigInt(day)
  }
}

const network = {
  latency: { kind: 'uniform', least: 20, most: 80 },
  loss: 0,
  partitions: []
} as const
const world = new World({ seed: 7, network })
const house = await world.node('house')
const tenant = await world.node('tenant', { coins: [1_000_000n] })
const landlord = new Landlord(house)

const opening = tenant.openTo('house', 100_000n)
await world.pass(2_000)
await world.mine()
await world.until(opening)

for (let day = 1; day <= 30; day++) {
  await world.until(tenant.payTo('house', RENT, `day ${day}`))
  assert.ok(landlord.letsIn(day))
  await world.pass(DAY_MS)
}
assert.ok(!landlord.letsIn(31), 'nobody has paid for that day')

const owed = house.channels[0]?.ourBalance
await house.restart()
assert.equal(house.channels[0]?.ourBalance, owed, 'what it has acknowledged is on its disk')
console.log(`30 days and a crash went by in virtual time; the rent is ${owed} sat`)
