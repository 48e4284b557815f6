/**
 * paychan as a service that a libp2p developer knows: logs, metrics, typed events, signals, types.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { ComponentLogger, Libp2p, Metrics } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { PROTOCOL } from '../../protocols/paychan/1.0/index.js'
import { REQUEST_PROTOCOL } from '../../protocols/request/1.0/index.js'
import { connectApi } from '../../src/daemon/client.js'
import { serveApi } from '../../src/daemon/server.js'
import type { NodeEvent } from '../../src/node/api.js'
import { paychan, type Paychan, type PaychanInit } from '../../src/node/service.js'
import { createHost, type HostServices } from '../../src/p2p/index.js'
import { codeOf, factsOf } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import { Recorder } from '../chain/helpers.js'
import { somePeerId, until } from '../p2p/hosts.js'
import { testRoot } from '../wallet/fixtures.js'
import { codeOfRejection, Fixture, seen, type TestNode } from './fixture.js'

const CAPACITY = satoshi(1_000_000n)

/** What a host logs, with the component that says so. */
class Log implements ComponentLogger {
  readonly lines: Array<readonly [component: string, line: unknown]> = []

  forComponent(name: string): ReturnType<ComponentLogger['forComponent']> {
    const write = (line: unknown): void => {
      this.lines.push([name, line])
    }
    return Object.assign(write, {
      error: write,
      trace: write,
      enabled: true,
      newScope: (scope: string) => this.forComponent(`${name}:${scope}`)
    })
  }

  has(component: string, part: string): boolean {
    return this.lines.some(([name, line]) => name === component && String(line).includes(part))
  }
}

/** The metrics of this service: counters add up, and what is calculated is asked for. */
class Counts {
  readonly counters = new Map<string, number>()
  readonly calculated = new Map<string, () => number>()

  /** The rest of a host's metrics has nothing to count with here. */
  get metrics(): Metrics {
    const group = (name: string) => ({
      increment: (values: Readonly<Record<string, number | true>> = {}): void => {
        for (const [label, value] of Object.entries(values)) {
          const key = `${name} ${label}`
          this.counters.set(key, (this.counters.get(key) ?? 0) + (value === true ? 1 : value))
        }
      },
      update: () => {},
      decrement: () => {},
      reset: () => {},
      observe: () => {},
      timer: () => () => {}
    })
    const register = (name: string, options?: { readonly calculate?: () => number }): object => {
      if (options?.calculate !== undefined) this.calculated.set(name, options.calculate)
      return group(name)
    }
    return new Proxy({} as Metrics, {
      get: (_metrics, name) => {
        if (typeof name !== 'string' || name === 'then') return undefined
        if (name === 'traceFunction') return (_trace: string, traced: unknown) => traced
        return name.startsWith('register') ? register : () => undefined
      }
    })
  }
}

describe('node / the service in a libp2p host', () => {
  let fixture: Fixture
  let bob: TestNode

  beforeEach(async () => {
    fixture = await Fixture.create()
    bob = await fixture.node('bob')
  })
  afterEach(async () => {
    await fixture.end()
  })

  async function start(
    init: Partial<PaychanInit> = {},
    measured: { readonly logger?: Log; readonly metrics?: () => Metrics } = {}
  ): Promise<Libp2p<HostServices & { paychan: Paychan }>> {
    const host = createHost({ privateKey: await generateKeyPair('Ed25519'), listen: [] })
    const app = await createLibp2p({
      ...host,
      ...measured,
      services: {
        ...host.services,
        paychan: paychan({
          network: 'regtest',
          electrum: fixture.electrum,
          dataDir: fixture.path('app'),
          root: testRoot('app'),
          ...init
        })
      }
    })
    fixture.onEnd(async () => {
      await app.stop()
    })
    return app
  }

  /** The service with coins, and what it tells. */
  async function rich(service: Paychan): Promise<Recorder<NodeEvent>> {
    const events = new Recorder<NodeEvent>()
    service.events.on((event) => {
      events.push(event)
    })
    await fixture.devnet.fund(await service.wallet.address(), satoshi(2_000_000n))
    await seen(events, async () => (await service.wallet.balance()).confirmed > 0n)
    return events
  }

  it('takes peers as libp2p has them, tells the news of an opening and a close, logs and counts', async () => {
    const [logger, counts] = [new Log(), new Counts()]
    const app = await start({}, { logger, metrics: () => counts.metrics })
    const service = app.services.paychan
    await rich(service)
    const opening: string[] = []
    const channel = await service.channels.open({
      peer: multiaddr(await bob.address()),
      amount: CAPACITY,
      onProgress: ({ type, detail }) => {
        opening.push(`${type} ${detail.news.kind}`)
      }
    })
    assert.equal(opening[0], 'paychan:channel offer-sent')
    assert.equal(opening.at(-1), 'paychan:channel open')
    const [connection] = app.getConnections()
    assert.ok(connection !== undefined)
    await service.pay({ to: connection.remotePeer, amount: satoshi(2_000n) })
    assert.equal((await service.peers.connect(multiaddr(await bob.address()))).connected, true)
    await service.peers.alias(connection.remotePeer, 'bob')
    assert.equal((await service.payments.list({ peer: connection.remotePeer })).length, 1)
    const closing: string[] = []
    await service.channels.close(channel.id, {
      onProgress: ({ detail }) => {
        closing.push(detail.channel.id)
      }
    })
    assert.deepEqual([...new Set(closing)], [channel.id])
    assert.equal(Object.prototype.toString.call(service), '[object paychan]')
    assert.deepEqual(
      [
        'paychan_payments_total sent',
        'paychan_paid_satoshis_total sent',
        'paychan_streams_total outbound',
        'paychan_dials_total made'
      ].map((name) => counts.counters.get(name)),
      [1, 2_000, 1, 2]
    )
    assert.ok((counts.calculated.get('paychan_streams')?.() ?? -1) >= 0)
    assert.ok(logger.has('paychan', 'channel %s: %s'))
    assert.ok(logger.has('paychan:streams', 'stream with %s at %a is open'))
  })

  it('is an EventTarget that tells what events.on does; an error of a listener is a warning', async () => {
    const { paychan: service } = (await start()).services
    const events = await rich(service)
    const [heard, onceHeard, removedHeard]: bigint[][] = [[], [], []]
    service.addEventListener('payment', ({ detail }) => {
      heard?.push(detail.payment.amount)
    })
    service.addEventListener(
      'payment',
      { handleEvent: ({ detail }) => onceHeard?.push(detail.payment.amount) },
      { once: true }
    )
    const removed = ({ detail }: CustomEvent<Extract<NodeEvent, { type: 'payment' }>>): void => {
      removedHeard?.push(detail.payment.amount)
    }
    service.addEventListener('payment', removed)
    service.addEventListener('payment', () => {
      throw new Error('a listener with a fault')
    })
    const { id } = await service.channels.open({ peer: await bob.address(), amount: CAPACITY })
    const warned = once(process, 'warning')
    await service.pay({ to: id, amount: satoshi(2_000n) })
    service.removeEventListener('payment', removed)
    await service.pay({ to: id, amount: satoshi(10n) })
    assert.match(String((await warned)[0]), /a listener with a fault/)
    assert.deepEqual([heard, onceHeard, removedHeard], [[2_000n, 10n], [2_000n], [2_000n]])
    assert.deepEqual(
      events.all.flatMap((event) => (event.type === 'payment' ? [event.payment.amount] : [])),
      heard
    )
  })

  it('has the limits of streams that its host gives it', async () => {
    const app = await start({
      maxInboundStreams: 7,
      maxOutboundStreams: 9,
      runOnLimitedConnection: false
    })
    const { registrar } = (app as unknown as { components: { registrar: Registrar } }).components
    assert.deepEqual(registrar.getHandler(PROTOCOL).options, {
      maxInboundStreams: 8,
      maxOutboundStreams: 9,
      runOnLimitedConnection: false
    })
    assert.equal(registrar.getHandler(REQUEST_PROTOCOL).options.runOnLimitedConnection, false)
  })

  describe('a signal', () => {
    it('that came before a call keeps it from beginning anything', async () => {
      const { paychan: service } = (await start()).services
      await rich(service)
      const { id } = await service.channels.open({ peer: await bob.address(), amount: CAPACITY })
      const signal = AbortSignal.abort()
      const address = await bob.address()
      const { text } = await bob.api.requests.make({ amount: satoshi(2_000n) })
      const to = await service.wallet.address()
      for (const [what, call] of [
        ['pay', () => service.pay({ to: id, amount: satoshi(2_000n), signal })],
        ['close', () => service.channels.close(id, { signal })],
        ['fundingPsbt', () => service.channels.fundingPsbt(id, 'cHNidP8B', { signal })],
        ['settleAll', () => service.channels.settleAll({ signal })],
        ['recover', () => service.channels.recover(address, { signal })],
        ['connect', () => service.peers.connect(address, { signal })],
        ['fees', () => service.chain.fees({ signal })],
        ['untilHeight', () => service.chain.untilHeight(1, { signal })],
        ['requests.pay', () => service.requests.pay({ request: text, signal })],
        ['requests.receipt', () => service.requests.receipt(text, undefined, { signal })],
        ['send', () => service.wallet.send({ to, amount: satoshi(20_000n), signal })],
        ['bumpFee', () => service.wallet.bumpFee('00'.repeat(32), { signal })]
      ] as const) {
        const error: unknown = await call().then(
          () => 'it was done',
          (error: unknown) => error
        )
        assert.deepEqual(
          [what, codeOf(error), factsOf(error)],
          [what, 'ERR_WAIT_ENDED', { begun: false }]
        )
      }
      assert.deepEqual(await service.payments.list(), [])
      assert.equal((await service.channels.list())[0]?.status, 'open')
    })

    it('may be that of many calls, without a warning of Node', async () => {
      const { paychan: service } = (await start()).services
      await rich(service)
      const { id } = await service.channels.open({ peer: await bob.address(), amount: CAPACITY })
      const warnings: string[] = []
      const onWarning = ({ name }: Error): void => {
        warnings.push(name)
      }
      process.on('warning', onWarning)
      const { signal } = new AbortController()
      const to = { to: id, amount: satoshi(1_000n) }
      await Promise.all(Array.from({ length: 20 }, () => service.pay({ ...to, signal })))
      process.off('warning', onWarning)
      assert.deepEqual(warnings, [])
    })

    it('ends the wait for a payment, and the payment is made', async () => {
      const { paychan: service } = (await start()).services
      const events = await rich(service)
      const { id } = await service.channels.open({ peer: await bob.address(), amount: CAPACITY })
      const caller = new AbortController()
      const payment = { to: id, amount: satoshi(2_000n), id: 'invoice 17' }
      const paying = service.pay({ ...payment, signal: caller.signal })
      caller.abort(new Error('the user has left'))
      await assert.rejects(
        paying,
        (error: Error) =>
          codeOf(error) === 'ERR_WAIT_ENDED' && String(error.cause) === 'Error: the user has left'
      )
      await events.when((event) => event.type === 'payment')
      await service.pay(payment)
      assert.equal((await service.payments.list()).length, 1)
    })

    it('ends the wait for a close, a block and a payment request that is not paid then', async () => {
      const { paychan: service } = (await start()).services
      const events = await rich(service)
      const { id } = await service.channels.open({ peer: await bob.address(), amount: CAPACITY })
      const caller = new AbortController()
      const { signal } = caller
      const { text } = await bob.api.requests.make({ amount: satoshi(2_000n) })
      const waiting = [
        service.requests.pay({ request: text, signal }),
        service.chain.untilHeight(1_000_000, { signal })
      ]
      caller.abort()
      for (const wait of waiting) assert.equal(await codeOfRejection(wait), 'ERR_WAIT_ENDED')
      const leaver = new AbortController()
      const closing = service.channels.close(id, { signal: leaver.signal })
      leaver.abort()
      assert.equal(await codeOfRejection(closing), 'ERR_WAIT_ENDED')
      await seen(events, async () => (await service.channels.list())[0]?.status === 'closed')
      assert.deepEqual(await service.payments.list(), [])
    })

    it('gives a dial up', async () => {
      const app = await start()
      const silent = createServer().listen(0, '127.0.0.1')
      await once(silent, 'listening')
      const address = silent.address()
      assert.ok(typeof address === 'object' && address !== null)
      const reached = once(silent, 'connection')
      const caller = new AbortController()
      const dialling = app.services.paychan.peers.connect(
        `/ip4/127.0.0.1/tcp/${address.port}/p2p/${await somePeerId()}`,
        { signal: caller.signal }
      )
      await reached
      caller.abort()
      assert.equal(await codeOfRejection(dialling), 'ERR_WAIT_ENDED')
      await until(() => app.getDialQueue().length === 0)
      silent.close()
    })

    it('stays on this side of the local API, as progress does, and ends the wait there', async () => {
      const server = await serveApi(bob.api, fixture.path('api.sock'))
      const client = connectApi(fixture.path('api.sock'))
      const { signal } = new AbortController()
      const peer = multiaddr(`/ip4/127.0.0.1/tcp/1/p2p/${await somePeerId()}`)
      const onProgress = (): void => {}
      assert.ok((await client.chain.fees({ signal })).leastSatPerVByte > 0)
      assert.deepEqual((await client.channels.settleAll({ signal })).settled, [])
      for (const [call, code] of [
        [() => client.peers.connect(peer, { signal }), 'ERR_PEER_UNREACHABLE'],
        [() => client.pay({ to: peer, amount: satoshi(1n), signal }), 'ERR_NO_CHANNEL'],
        [() => client.channels.close('ffffffff', { signal, onProgress }), 'ERR_NO_CHANNEL'],
        [
          () => client.channels.open({ peer, amount: CAPACITY, onProgress }),
          'ERR_INSUFFICIENT_FUNDS'
        ],
        [() => client.chain.fees({ signal: AbortSignal.abort() }), 'ERR_WAIT_ENDED']
      ] as const) {
        assert.equal(await codeOfRejection(call()), code)
      }
      client.disconnect()
      await server.close()
    })
  })
})

interface Registrar {
  getHandler: (protocol: string) => { readonly options: Readonly<Record<string, unknown>> }
}
