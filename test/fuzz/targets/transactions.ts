/** Transactions of channels, which inputs begin with. */
import { World } from '../../channel/world.js'
import type { Side } from '../../channel/side.js'

let worlds: { readonly oneWay: World; readonly twoWay: World; readonly renewed: World } | undefined

/** Channels in the middle of their lives, opened once. */
export function channels(): NonNullable<typeof worlds> {
  if (worlds !== undefined) return worlds
  const oneWay = new World({ capacity: 10_000n }).open().paid(5_000n)
  const twoWay = new World({ step: 20 })
    .open()
    .paidBy('client', 40_000n)
    .paidBy('server', 15_000n)
    .paidBy('client', 1_000n)
  const old = new World().open().paid(20_000n)
  const renewed = new World({ renews: { world: old } }).open()
  worlds = { oneWay, twoWay, renewed }
  return worlds
}

/** Every side of every channel. */
export function sides(): readonly [Side, ...Side[]] {
  const { oneWay, twoWay, renewed } = channels()
  return [
    oneWay.client,
    oneWay.server,
    twoWay.client,
    twoWay.server,
    renewed.client,
    renewed.server
  ]
}

let published: readonly Uint8Array[] | undefined

/** T1, T2, T3 and a close, signed. */
export function transactions(): readonly Uint8Array[] {
  published ??= ends()
  return published
}

function ends(): readonly Uint8Array[] {
  const settled = new World().open().paid(20_000n)
  settled.server.post({ type: 'settle' })
  const refunded = new World({ blocks: 120 }).open().paid(20_000n)
  refunded.kill('server')
  while (refunded.chain.height <= refunded.client.established.terms.refundHeight) refunded.mine()
  const closed = new World().open().paid(20_000n)
  closed.client.post({ type: 'close' })
  closed.run()
  return [settled, refunded, closed].flatMap(({ client, server }) =>
    [client, server].flatMap(({ effects }) =>
      effects.flatMap((effect) => (effect.type === 'broadcast' ? [effect.raw] : []))
    )
  )
}
