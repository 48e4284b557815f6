/**
 * paychan as a libp2p service: the composition root, where every port gets its adapter. Any libp2p
 * application can pay its peers with it; our own node is a host with this service (create-node.ts).
 *
 * @example
 * const { privateKey, root } = await paychanIdentity({ network: 'regtest', dataDir, create: true })
 * const service = paychan({ network: 'regtest', electrum, dataDir, root })
 * const services = { identify: identify(), paychan: service }
 * const node = await createLibp2p({ ...options, privateKey, services })
 * await node.services.paychan.pay({ to: peerId, amount: 1000n })
 */
import '../p2p/polyfill.js'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { serviceCapabilities, serviceDependencies, type Startable } from '@libp2p/interface'
import { type HDKey, rootFromWords } from '../bitcoin/seed.js'
import type { ElectrumChain } from '../chain/chain.js'
import { bytesOfText } from '../bitcoin/psbt.js'
import { defaultPolicy, type Policy } from '../channel/policy.js'
import { isUnwatched } from '../channel/unwatched.js'
import { Engine } from '../engine/engine.js'
import type { EngineEvent } from '../engine/context.js'
import type { Signer, Store } from '../engine/ports.js'
import { createPeers, type Libp2pPeers, type PeersComponents } from '../p2p/peers.js'
import { openLevelStore } from '../store/level.js'
import { onStoreFailure } from '../store/failure.js'
import { outPointFromText, toHex } from '../types/bytes.js'
import { alarm, codeOf, factsOf, messageOf, PaychanError, STORE_FAILED } from '../types/errors.js'
import { blockDelta, feeRate, sumShown } from '../types/units.js'
import { removeLeftovers } from '../wallet/private-file.js'
import { readSeedFile } from '../wallet/seed-file.js'
import { createSigner } from '../wallet/signer.js'
import type { NodeWallet } from '../wallet/node-wallet.js'
import { createWallet } from '../wallet/wallet.js'
import type {
  Balance,
  BumpResult,
  ChannelInfo,
  CloseResult,
  CoinInfo,
  FeeChoice,
  Fees,
  NodeApi,
  NodeEvent,
  NodeInfo,
  OpenRequest,
  PaymentInfo,
  PayRequest,
  PayResult,
  PeerInfo,
  PsbtOptions,
  PsbtResult,
  RecoverResult,
  RenewOptions,
  SettleAllResult,
  SendOptions,
  SendResult,
  WalletTransaction
} from './api.js'
import { Alarms } from './alarms.js'
import { amountOf, inOnePart, payeeOf, planPayment, soleChannel } from './plan-payment.js'
import { belongsTo } from './chain-anchor.js'
import { historiesOf, tellOfChain } from './chain-progress.js'
import { assertWholePeer, channelByPrefix, namesChannel, peerByEnds } from './choose.js'
import { coinInfo, newestFirst, settledOf, transactionKinds, withRenewals } from './lists.js'
import { bidOf, choiceOf, feesOf, fundingChoice, shownRate } from './funding-choice.js'
import { openChain, type ElectrumInit } from './electrum-servers.js'
import { staysPeer } from './identity.js'
import { systemClock, systemRandom } from './system.js'
import { SEED_FILE, STORE_DIRECTORY, VERSION } from './layout.js'
import type { ErrorCode } from '../types/error-codes.js'

export interface PaychanInit extends ElectrumInit {
  /** Must be said for `mainnet`: real money is at stake, and this software is young. */
  readonly iUnderstandTheRisk?: true
  /** The directory of channels, wallet and seed. One process at a time. */
  readonly dataDir: string
  /** Departures from the default policy. */
  readonly policy?: Partial<Policy>
  /** The master key; read from the data directory's seed file when left out. */
  readonly root?: HDKey
}

/**
 * The feerate before the chain has given an estimate: 10 sat/vB, bounded by the share like any
 * other.
 */
const INITIAL_FEE_RATE = feeRate(10_000n)

export { defaultPolicy, type Policy } from '../channel/policy.js'

/** The libp2p components that the service needs. */
export interface PaychanComponents extends PeersComponents {
  readonly addressManager: { getAddresses: () => Array<{ toString: () => string }> }
}

export interface Paychan extends Omit<NodeApi, 'stop'>, Startable {}

/** Makes the service; libp2p starts and stops it. */
export function paychan(init: PaychanInit): (components: PaychanComponents) => Paychan {
  return (components) => new PaychanService(init, components)
}

/** The parts that exist between start and stop. */
interface Running {
  readonly store: Store
  readonly chain: ElectrumChain
  readonly wallet: NodeWallet
  readonly engine: Engine
  readonly signer: Signer
}

class PaychanService implements Paychan {
  readonly [serviceCapabilities] = ['paychan']
  readonly [serviceDependencies] = ['@libp2p/identify']
  readonly #init: PaychanInit
  readonly #components: PaychanComponents
  readonly #peers: Libp2pPeers
  readonly #listeners = new Set<(event: NodeEvent) => void>()
  readonly #alarms = new Alarms(systemClock, (alarm) => {
    this.#tell(alarm)
  })
  #running: Running | undefined
  #stopTelling: () => void = () => {}
  #starting = false
  #stopping: Promise<void> | undefined
  /** The reason why the node stops by itself. */
  #failure: PaychanError | undefined

  constructor(init: PaychanInit, components: PaychanComponents) {
    if (init.network === 'mainnet' && init.iUnderstandTheRisk !== true) {
      throw new PaychanError(
        'ERR_MAINNET_REFUSED',
        'On mainnet real money is at stake, and this software is young. If you know that and want it, say so: iUnderstandTheRisk: true.',
        { network: init.network }
      )
    }
    this.#init = init
    this.#components = components
    this.#peers = createPeers(components, {
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
    const { network, dataDir } = this.#init
    await mkdir(dataDir, { recursive: true, mode: 0o700 })
    const root = this.#init.root ?? rootFromWords(await readSeedFile(join(dataDir, SEED_FILE)))
    const store = onStoreFailure(
      await openLevelStore(join(dataDir, STORE_DIRECTORY), {
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
        policy: this.#policy,
        store,
        chain,
        peers: this.#peers,
        wallet,
        signer,
        clock: systemClock,
        random: systemRandom,
        initialFeeRate: INITIAL_FEE_RATE,
        onEvent: (event) => {
          this.#onEngineEvent(event)
        },
        isListening: () => this.#listeners.size > 0
      })
      this.#running = { store, chain, wallet, engine, signer }
      await engine.start()
      await this.#peers.start()
      this.#stopTelling = tellOfChain(chain, systemClock, (event) => {
        this.#emit(event)
      })
      await chain.start()
      this.#assertDisk()
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
    await running.engine.stop()
    await this.#peers.stop()
    await running.wallet.stop()
    await running.chain.stop()
    await running.store.close()
    this.#alarms.stop()
    this.#running = undefined
  }

  async info(): Promise<NodeInfo> {
    const { chain, engine, signer, wallet } = this.#get()
    const channels = engine.channels()
    return {
      version: VERSION,
      network: this.#init.network,
      peerId: this.#peers.self,
      multiaddrs: this.#components.addressManager
        .getAddresses()
        .map((address) => address.toString()),
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
      policy: this.#policy,
      ecdsa: signer.implementation
    }
  }

  async address(): Promise<string> {
    return await this.#get().wallet.newAddress()
  }

  async balance(): Promise<Balance> {
    const { wallet, engine } = this.#get()
    const { confirmed, pending, reserved, locked, unswept } = wallet.balance()
    const inChannels = engine.inChannels()
    return {
      confirmed,
      pending,
      reserved,
      locked,
      inChannels,
      unwatched: engine.unwatched(),
      unswept,
      total: sumShown([confirmed, pending, inChannels, unswept])
    }
  }

  async send(options: SendOptions): Promise<SendResult> {
    const { amount } = options
    const wanted =
      amount === undefined ? {} : { amount: amount === 'all' ? amount : amountOf(amount) }
    return shownRate(await this.#get().wallet.send({ ...options, ...choiceOf(options), ...wanted }))
  }

  async bumpFee(txid: string, choice: FeeChoice = {}): Promise<BumpResult> {
    const { engine, wallet, chain } = this.#get()
    const ours = await engine.bump(txid, await bidOf(chain, choice))
    return ours === undefined
      ? shownRate(await wallet.bumpFee(txid, choiceOf(choice), engine.fundingOf))
      : { kind: 'replacement', ...shownRate(ours), broadcast: true }
  }

  async fees(): Promise<Fees> {
    return await feesOf(this.#get().chain)
  }

  async coins(): Promise<CoinInfo[]> {
    return this.#get().wallet.coins().map(coinInfo)
  }

  async lockCoins(coins: readonly string[]): Promise<void> {
    await this.#get().wallet.lockCoins(coins.map(outPointFromText))
  }

  async unlockCoins(coins: readonly string[]): Promise<void> {
    await this.#get().wallet.unlockCoins(coins.map(outPointFromText))
  }

  async transactions({ limit }: { readonly limit?: number } = {}): Promise<WalletTransaction[]> {
    const { wallet, engine, chain } = this.#get()
    const channels = engine.channels()
    const all = withRenewals(
      wallet.transactions(transactionKinds(channels)),
      channels,
      chain.tip?.height
    )
    return limit === undefined ? all : all.slice(0, limit)
  }

  async label(of: string, text: string): Promise<void> {
    await this.#get().wallet.label(of, text)
  }

  async connect(multiaddr: string): Promise<PeerInfo> {
    this.#get()
    return await this.#peers.connect(multiaddr)
  }

  async peers(): Promise<PeerInfo[]> {
    this.#get()
    return await this.#peers.peers()
  }

  async recover(peer: string): Promise<RecoverResult> {
    const { engine } = this.#get()
    const {
      restored,
      known,
      refused,
      peer: peerId
    } = await engine.recover(await this.#peerNamed(peer))
    return { peerId, recovered: restored.map((id) => engine.describe(id)), known, refused }
  }

  async open(
    request: OpenRequest & { readonly wait?: 'broadcast' | 'ready' }
  ): Promise<ChannelInfo> {
    const { engine, chain } = this.#get()
    const capacity = amountOf(request.amount)
    const blocks = blockDelta(request.blocks ?? this.#policy.defaultBlocks)
    const step =
      request.twoWay === true || request.step !== undefined
        ? blockDelta(request.step ?? this.#policy.defaultStep)
        : undefined
    return await engine.open({
      ...(await fundingChoice(chain, capacity, request)),
      peer: await this.#peerNamed(request.peer),
      capacity,
      blocks,
      step,
      renewFor: request.renew === true ? blocks : undefined,
      outside: request.psbt,
      wait: request.wait ?? 'ready',
      signal: request.signal
    })
  }

  async fundingPsbt(
    channel: string,
    psbt: string,
    { wait = 'ready' }: PsbtOptions = {}
  ): Promise<PsbtResult> {
    const { engine } = this.#get()
    const { id } = channelByPrefix(engine.channels(), channel)
    const warnings = await engine.fundingPsbt(id, bytesOfText(psbt), wait)
    return { channel: engine.describe(id), warnings }
  }

  async renew(
    channel: string,
    { amount = 0n, blocks, wait = 'ready', signal, ...asked }: RenewOptions = {}
  ): Promise<ChannelInfo> {
    const { engine, chain } = this.#get()
    const { id, renewFor } = channelByPrefix(engine.channels(), channel)
    const lasting =
      blocks === undefined ? (renewFor ?? this.#policy.defaultBlocks) : blockDelta(blocks)
    if (asked.coins !== undefined && amountOf(amount) === 0n) {
      throw new PaychanError(
        'ERR_INVALID_AMOUNT',
        'Coins are spent only when an amount is added to the channel; a renewal alone spends none.'
      )
    }
    return await engine.renew(id, {
      ...(await fundingChoice(chain, amountOf(amount), asked)),
      amount: amountOf(amount),
      blocks: lasting,
      wait,
      signal
    })
  }

  async pay(request: PayRequest): Promise<PayResult> {
    const { engine } = this.#get()
    const amount = amountOf(request.amount)
    const { id, memo = '' } = request
    const direct = id === undefined ? engine.channelFor(request.to, amount) : undefined
    const to = direct === undefined ? await this.#payeeNamed(request.to) : request.to
    if (to === this.#peers.self) {
      throw new PaychanError(
        'ERR_INVALID_PEER',
        'That is this node itself: it cannot pay itself.',
        { peer: to }
      )
    }
    let already = false
    if (id === undefined) {
      const channel =
        direct ??
        engine.channelFor(to, amount) ??
        soleChannel(planPayment(engine.payable(), to, amount))
      try {
        if (channel !== undefined) return inOnePart(await engine.pay(channel, amount, memo))
      } catch (error) {
        // Refused, so not signed. Another caller was faster; a new plan may fit on other channels.
        if (codeOf(error) !== 'ERR_INSUFFICIENT_BALANCE' || engine.channels().length === 1) {
          throw error
        }
      }
    }
    const name =
      id === undefined ? { id: toHex(systemRandom.bytes(16)), isDrawn: true as const } : { id }
    const parts = await engine.payOnce({
      ...name,
      peer: payeeOf(engine.payable(), to),
      amount,
      memo,
      plan: (rest) => planPayment(engine.payable(), to, rest),
      onMadeBefore: () => {
        already = true
      }
    })
    const [first] = parts
    if (first === undefined) {
      throw new PaychanError('ERR_INVALID_AMOUNT', 'A payment is at least 1 sat.', {
        asked: amount
      })
    }
    return { ...first, amount, requestId: name.id, parts, already }
  }

  async channels(): Promise<ChannelInfo[]> {
    return this.#get().engine.channels()
  }

  async payments(
    filter: { readonly channel?: string; readonly limit?: number } = {}
  ): Promise<PaymentInfo[]> {
    const { engine } = this.#get()
    const only =
      filter.channel === undefined
        ? undefined
        : channelByPrefix(engine.channels(), filter.channel).id
    return await newestFirst(engine.payments(only), filter.limit)
  }

  async settleAll(): Promise<SettleAllResult> {
    const { engine } = this.#get()
    return settledOf(await engine.settleAll(), engine.channels())
  }

  async close(channel: string, options: { readonly force?: boolean } = {}): Promise<CloseResult> {
    const { engine } = this.#get()
    const { id } = channelByPrefix(engine.channels(), channel)
    const closed = await engine.close(id, options.force ?? false)
    return { channel: id, ...closed }
  }

  /** Finds the PeerId that a person means, also by a part of it. A multiaddr stays as it is. */
  async #peerNamed(text: string): Promise<string> {
    if (text.startsWith('/')) return text
    const known = [
      this.#peers.self,
      ...this.#get()
        .engine.states()
        .map(({ peer }) => peer),
      ...(await this.#peers.peers()).map(({ peerId }) => peerId)
    ]
    const found = peerByEnds(known, text)
    if (found === undefined) assertWholePeer(text)
    return found ?? text
  }

  /**
   * Finds the payee: a peer with a channel comes before strangers whose ids end alike. A channel's
   * id stays as it is.
   */
  async #payeeNamed(text: string): Promise<string> {
    const channels = this.#get().engine.states()
    const isChannel = namesChannel(text)
    if (isChannel && channels.some(({ id }) => id.startsWith(text))) return text
    return (
      peerByEnds(
        channels.map(({ peer }) => peer),
        text
      ) ?? (isChannel ? text : await this.#peerNamed(text))
    )
  }

  onEvent(listener: (event: NodeEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  get #policy(): Policy {
    return { ...defaultPolicy(this.#init.network), ...this.#init.policy }
  }

  #get(): Running {
    this.#assertDisk()
    if (this.#running === undefined) {
      throw new PaychanError('ERR_NODE_STOPPED', 'The node is not started.')
    }
    return this.#running
  }

  #assertDisk(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  #onEngineEvent(event: EngineEvent): void {
    if (event.type === 'alarm' && event.code === STORE_FAILED) this.#onStoreFailed(event.text)
    if (event.type !== 'channel') this.#emit(event)
    else if (this.#running !== undefined) {
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

  /** An error in a listener does not affect the payment. */
  #tell(event: NodeEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event)
      } catch (error) {
        process.emitWarning(error instanceof Error ? error : String(error))
      }
    }
  }
}
