/**
 * paychan as a libp2p service: the composition root, where every port gets its adapter. Any libp2p
 * application can pay its peers with it; our own node is a host with this service (create-node.ts).
 *
 * @example
 * const { privateKey, root } = await paychanIdentity({ network: 'regtest', dataDir, create: true })
 * const service = paychan({ network: 'regtest', electrum, dataDir, root })
 * const services = { identify: identify(), paychan: service }
 * const node = await createLibp2p({ ...options, privateKey, services })
 * await node.services.paychan.pay({ to: peerId, amount: satoshi(1_000n) })
 */
import '../p2p/polyfill.js'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type PrivateKey,
  serviceCapabilities,
  serviceDependencies,
  type Startable,
  type TypedEventTarget
} from '@libp2p/interface'
import { type HDKey, rootFromWords, webhookSeed } from '../bitcoin/seed.js'
import { defaultPolicy, type Policy } from '../channel/policy.js'
import { isUnwatched } from '../channel/unwatched.js'
import { Engine } from '../engine/engine.js'
import type { EngineEvent } from '../engine/context.js'
import { guardedClock, type Meter } from '../engine/ports.js'
import {
  createPeers,
  type Libp2pPeers,
  type PeersComponents,
  type StreamsInit
} from '../p2p/peers.js'
import { onStoreFailure, openLevelStore } from '../store/level.js'
import { alarm, codeOf, factsOf, messageOf, PaychanError, STORE_FAILED } from '../types/errors.js'
import { feeRate } from '../types/units.js'
import { removeLeftovers } from '../wallet/private-file.js'
import { readSeedFile } from '../wallet/seed-file.js'
import { createSigner } from '../wallet/signer.js'
import { createWallet } from '../wallet/wallet.js'
import { RequestQuestions } from '../p2p/requests.js'
import { Access, type AccessApi } from './access.js'
import { peerText } from './choose.js'
import { Aliases, staysPeer } from './identity.js'
import type { ChainApi, LocalNode, PeersApi, RequestsApi } from './api.js'
import type { BackupRequest, BackupResult, NodeEvent, KeptEventsApi, NodeInfo } from './answers.js'
import {
  Alarms,
  keptEvents,
  newestEvent,
  type PaychanEvents,
  ToldEvents,
  Traces
} from './events.js'
import { makeBackup } from './backup.js'
import { belongsTo, type ElectrumInit, historiesOf, openChain, tellOfChain } from './chain.js'
import { channelsFacet } from './channels.js'
import { type Gate, LongReads, ShownFees, peerNamed, type Running } from './running.js'
import { payCall, paymentsFacet } from './payments.js'
import { answerQuestion, requestInfo, type RequestsEnv, requestsFacet } from './requests.js'
import { KeptAnswers } from './kept-answers.js'
import { unlessAborted, untilHeight } from './waiting.js'
import { walletFacet } from './wallet.js'
import { SEED_FILE, STORE_DIRECTORY, VERSION } from './system.js'
import { Webhooks, type WebhooksApi, type WebhookSender } from './webhooks.js'
import { systemClock, systemRandom } from './system.js'
import type { ErrorCode } from '../types/error-codes.js'

/** What the libp2p service is made from. */
export interface PaychanInit extends ElectrumInit, StreamsInit {
  /** Must be said for `mainnet`: real money is at stake, and this software is young. */
  readonly iUnderstandTheRisk?: true
  /** The directory of channels, wallet and seed. One process at a time. */
  readonly dataDir: string
  /** Departures from the default policy. */
  readonly policy?: Partial<Policy>
  /** Keeps events for readers that come back (`node.events.after`); false when left out. */
  readonly keepsEvents?: boolean
  /**
   * Posts events to webhooks (`webhooksByHttp()`), and keeps them for that; nothing is posted when
   * left out.
   */
  readonly webhooks?: WebhookSender
  /** Counts and times the work of the node; nothing is timed when left out. */
  readonly meter?: Meter | undefined
  /** The master key; read from the data directory's seed file when left out. */
  readonly root?: HDKey
}

/**
 * The feerate before the chain has given an estimate: 10 sat/vB, bounded by the share like any
 * other.
 */
const INITIAL_FEE_RATE = feeRate(10_000n)

export { defaultPolicy, type Policy } from '../channel/policy.js'
export type { StreamsInit } from '../p2p/peers.js'

/** The libp2p components that the service needs. */
export interface PaychanComponents extends PeersComponents {
  /** The key behind the PeerId: it signs payment requests and receipts. */
  readonly privateKey: PrivateKey
  /** The addresses that go into payment requests. */
  readonly addressManager: { getAddresses: () => Array<{ toString: () => string }> }
}

/**
 * The service in its host. It tells events to `events.on`, and by their kinds as an EventTarget:
 * `addEventListener('payment', ({ detail }) => console.log(detail.payment.amount))`.
 */
export interface Paychan
  extends Omit<LocalNode, 'stop'>, Startable, TypedEventTarget<PaychanEvents> {}

/** Makes the service; libp2p starts and stops it. */
export function paychan(init: PaychanInit): (components: PaychanComponents) => Paychan {
  return (components) => new PaychanService(init, components)
}

class PaychanService extends ToldEvents implements Paychan {
  readonly [Symbol.toStringTag] = 'paychan'
  readonly [serviceCapabilities] = ['paychan']
  readonly [serviceDependencies] = ['@libp2p/identify']
  readonly #init: PaychanInit
  readonly #components: PaychanComponents
  readonly #peers: Libp2pPeers
  readonly #traces: Traces
  /** What a timer throws is told, and ends nothing else. */
  readonly #clock = guardedClock(systemClock, (error) => {
    this.#alarm('ERR_INTERNAL', error)
  })
  readonly #alarms = new Alarms(this.#clock, (alarm) => {
    this.#tell(alarm)
  })
  readonly #get = (): Running => {
    this.#assertDisk()
    if (this.#running === undefined) {
      throw new PaychanError('ERR_NODE_STOPPED', 'The node is not started.')
    }
    return this.#running
  }

  readonly wallet = walletFacet(this.#get)
  readonly channels = channelsFacet(this.#get, (listener) => this.onEvery(listener))
  readonly payments = paymentsFacet(this.#get)
  readonly requests: RequestsApi
  readonly pay = payCall(this.#get)

  readonly chain: ChainApi = {
    fees: async ({ signal } = {}) =>
      await unlessAborted(signal, async () => await this.#get().fees.now()),
    untilHeight: async (height, { signal } = {}) => {
      await untilHeight(this, height, signal)
    }
  }

  readonly peers: PeersApi = {
    list: async () => {
      const { peers, aliases } = this.#get()
      const names = new Map(aliases.list().map(({ name, peerId }) => [peerId, name]))
      return (await peers.peers()).map((peer) => ({ ...peer, alias: names.get(peer.peerId) }))
    },
    connect: async (multiaddr, { signal } = {}) =>
      await unlessAborted(
        signal,
        async () => await this.#get().peers.connect(peerText(multiaddr), signal)
      ),
    alias: async (peer, name) => {
      const parts = this.#get()
      return await parts.aliases.set(await peerNamed(parts, peerText(peer)), name)
    },
    unalias: async (name) => {
      await this.#get().aliases.remove(name)
    },
    aliases: async () => this.#get().aliases.list()
  }

  readonly access: AccessApi = {
    make: async (options) => await this.#get().gate.access.make(options),
    list: async () => await this.#get().gate.access.list(),
    revoke: async (id) => {
      await this.#get().gate.access.revoke(id)
    }
  }

  readonly webhooks: WebhooksApi = {
    add: async (options) => await this.#get().webhooks.add(options),
    list: async () => await this.#get().webhooks.list(),
    remove: async (id) => {
      await this.#get().webhooks.remove(id)
    },
    replay: async (id, from) => await this.#get().webhooks.replay(id, from)
  }

  readonly gate = (): Gate => this.#get().gate

  readonly events: KeptEventsApi = {
    after: (number, signal) => keptEvents(this.#get(), number, signal),
    newest: () => newestEvent(this.#get()),
    on: (listener) => this.onEvery(listener)
  }

  readonly #questions: RequestQuestions
  #running: Running | undefined
  #stopTelling: () => void = () => {}
  #starting = false
  #stopping: Promise<void> | undefined
  #backups: Promise<unknown> = Promise.resolve()
  /** The reason why the node stops by itself. */
  #failure: PaychanError | undefined

  constructor(init: PaychanInit, components: PaychanComponents) {
    super()
    if (init.network === 'mainnet' && init.iUnderstandTheRisk !== true) {
      throw new PaychanError(
        'ERR_MAINNET_REFUSED',
        'On mainnet real money is at stake, and this software is young. If you know that and want it, say so: iUnderstandTheRisk: true.',
        { network: init.network }
      )
    }
    this.#init = init
    this.#components = components
    // A host with a meter counts payments and alarms itself: two tables on one page would collide.
    this.#traces = new Traces(init.meter === undefined ? components : { logger: components.logger })
    const { maxInboundStreams, maxOutboundStreams, runOnLimitedConnection } = init
    const env: RequestsEnv = {
      network: init.network,
      privateKey: components.privateKey,
      multiaddrs: () => this.#multiaddrs()
    }
    this.requests = requestsFacet(this.#get, env)
    this.#questions = new RequestQuestions(
      components,
      async (question, peer) => await answerQuestion(this.#get(), env, question, peer),
      (error) => {
        this.#alarm('ERR_PEERS', error)
      },
      { runOnLimitedConnection }
    )
    this.#peers = createPeers(components, {
      maxInboundStreams,
      maxOutboundStreams,
      runOnLimitedConnection,
      onError: (error) => {
        this.#alarm('ERR_PEERS', error)
      },
      onMeet: (peer) => {
        this.#running?.engine.peerConnected(peer)
      }
    })
  }

  /**
   * Opens everything; the Electrum server need not answer yet. Errors: `ERR_STORE_LOCKED`,
   * `ERR_STORE_FAILED`, `ERR_SEED_UNREADABLE`, `ERR_STORE_CORRUPT`, `ERR_WRONG_NETWORK`,
   * `ERR_WRONG_PEER_ID`, `ERR_INVALID_ELECTRUM_URL`, `ERR_INVALID_FINGERPRINT`, `ERR_INVALID_CA`.
   */
  async start(): Promise<void> {
    if (this.#running !== undefined) return
    const { network, dataDir, meter } = this.#init
    const policy = { ...defaultPolicy(network), ...this.#init.policy }
    await mkdir(dataDir, { recursive: true, mode: 0o700 })
    const root = this.#init.root ?? rootFromWords(await readSeedFile(join(dataDir, SEED_FILE)))
    const store = onStoreFailure(
      await openLevelStore(join(dataDir, STORE_DIRECTORY), {
        meter,
        onDamage: (sentence) => {
          const error = new PaychanError('ERR_STORE_CORRUPT', sentence, { cause: 'store' })
          this.#emit({ ...alarm(error), channel: undefined })
        }
      }),
      (error) => {
        this.#running?.engine.halt(error)
      }
    )
    this.#failure = undefined
    this.#starting = true
    try {
      // The store is locked, so nobody else writes here now.
      await removeLeftovers(join(dataDir, SEED_FILE))
      await belongsTo(store, network)
      await staysPeer(store, this.#peers.self)
      const signer = createSigner(root, network)
      const chain = await openChain(this.#init, store, signer.verify, (event) => {
        this.#emit(event)
      })
      const wallet = createWallet({
        root,
        network,
        store,
        chain,
        random: systemRandom,
        onError: (error) => {
          this.#alarm('ERR_WALLET', error)
        }
      })
      await wallet.start()
      const engine = new Engine({
        network,
        policy,
        store,
        chain,
        peers: this.#peers,
        wallet,
        signer,
        clock: this.#clock,
        random: systemRandom,
        initialFeeRate: INITIAL_FEE_RATE,
        onEvent: (event) => {
          this.#onEngineEvent(event)
        },
        isListening: () => this.hasListeners('payment') || this.#traces.countsPayments,
        keepsEvents: this.#init.keepsEvents === true || this.#init.webhooks !== undefined,
        meter
      })
      const aliases = new Aliases(store)
      await aliases.load((error) => {
        this.#alarm('ERR_STORE_CORRUPT', error)
      })
      const gate = {
        access: new Access(store, systemClock, systemRandom),
        answers: new KeptAnswers(store, systemClock),
        outlines: engine.outlines,
        chainStatus: () => chain.status
      }
      const webhooks = new Webhooks({
        store,
        clock: this.#clock,
        random: systemRandom,
        secret: webhookSeed(root, network),
        sender: this.#init.webhooks,
        newest: () => engine.eventLog?.newest ?? 0,
        follow: (after, signal) => keptEvents(this.#get(), after, signal),
        onAlarm: (error) => {
          this.#emit({ ...alarm(error), channel: undefined })
        }
      })
      for (const part of [gate.access, gate.answers, webhooks]) {
        await part.load((error) => {
          this.#alarm('ERR_STORE_CORRUPT', error)
        })
      }
      const [peers, questions] = [this.#peers, this.#questions]
      this.#running = {
        store,
        chain,
        wallet,
        engine,
        signer,
        peers,
        questions,
        aliases,
        gate,
        webhooks,
        reads: new LongReads(),
        fees: new ShownFees(chain, this.#clock),
        policy,
        meter
      }
      await engine.start()
      await this.#peers.start()
      await this.#questions.start()
      this.#stopTelling = tellOfChain(chain, this.#clock, (event) => {
        this.#emit(event)
      })
      await chain.start()
      this.#assertDisk()
      webhooks.start()
    } catch (error) {
      if (this.#running === undefined) await store.close()
      else await this.stop()
      throw error
    } finally {
      this.#starting = false
    }
  }

  /** May be called more than once, also while it is under way. */
  async stop(): Promise<void> {
    if (this.#running === undefined) return
    this.#stopping ??= this.#stop(this.#running).finally(() => {
      this.#stopping = undefined
    })
    await this.#stopping
  }

  async #stop(running: Running): Promise<void> {
    this.#stopTelling()
    await running.webhooks.stop()
    await running.engine.stop()
    await this.#questions.stop()
    await this.#peers.stop()
    await running.wallet.stop()
    await running.chain.stop()
    await running.store.close()
    this.#alarms.stop()
    this.#running = undefined
  }

  readonly caughtUp = async (): Promise<void> => {
    const { chain, engine } = this.#get()
    await chain.caughtUp()
    await engine.idle()
  }

  readonly info = async (): Promise<NodeInfo> => {
    const { chain, engine, signer, wallet, policy } = this.#get()
    const channels = engine.outlines()
    return {
      version: VERSION,
      network: this.#init.network,
      peerId: this.#peers.self,
      multiaddrs: this.#multiaddrs(),
      dataDir: this.#init.dataDir,
      chain: {
        status: chain.status,
        server: chain.server,
        height: chain.tip?.height,
        hash: chain.tip?.hash,
        lastError: chain.lastError,
        lastErrorCode: chain.lastErrorCode,
        servers: chain.servers,
        histories: historiesOf(chain)
      },
      channels: {
        open: channels.filter((channel) => channel.status === 'open').length,
        total: channels.length,
        unwatched: channels.filter(isUnwatched).length
      },
      addresses: wallet.used(),
      policy,
      leastFirstPayment: engine.leastFirstPayment,
      ecdsa: signer.implementation
    }
  }

  readonly backup = async (request: BackupRequest): Promise<BackupResult> => {
    const { store } = this.#get()
    const { dataDir, network } = this.#init
    // One after another: each knows the one before.
    const made = this.#backups.then(
      async () => await makeBackup({ dataDir, store, network, peerId: this.#peers.self }, request)
    )
    this.#backups = made.catch(() => {})
    return await made
  }

  #multiaddrs(): string[] {
    return this.#components.addressManager.getAddresses().map((address) => address.toString())
  }

  #assertDisk(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  #onEngineEvent(event: EngineEvent): void {
    if (event.type === 'alarm' && event.code === STORE_FAILED) this.#onStoreFailed(event.text)
    if (event.type === 'request') this.#emit({ ...event, request: requestInfo(event.request) })
    else if (event.type !== 'channel') this.#emit(event)
    else if (
      this.#running !== undefined &&
      (this.hasListeners('channel') || this.#traces.followsChannels)
    ) {
      this.#emit({ ...event, channel: this.#running.engine.describe(event.channel) })
    }
  }

  /**
   * A node whose disk failed stops as a whole; its host may go on. During the start, `start` ends
   * it.
   */
  #onStoreFailed(text: string): void {
    this.#failure = new PaychanError(STORE_FAILED, text)
    if (this.#starting) return
    this.stop().catch((error: unknown) => {
      this.#alarm('ERR_INTERNAL', error, 'The node could not be stopped in order: ')
    })
  }

  /** Tells of an error in the background; `cause` is its own code. */
  #alarm(code: ErrorCode, error: unknown, before = ''): void {
    const facts = { ...factsOf(error), cause: codeOf(error) }
    const event = alarm(new PaychanError(code, `${before}${messageOf(error)}`, facts))
    this.#emit({ ...event, channel: undefined })
  }

  #emit(event: NodeEvent): void {
    if (event.type === 'alarm') this.#alarms.raise(event)
    else this.#tell(event)
  }

  #tell(event: NodeEvent): void {
    if (event.type === 'alarm' && event.code !== STORE_FAILED && this.#failure === undefined) {
      // A disk that fails is told by whoever writes next.
      this.#running?.engine.eventLog?.tell(event).catch(() => {})
    }
    this.#traces.event(event)
    this.tellAll(event)
  }
}
