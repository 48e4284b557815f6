/** libp2p hosts on the loopback for tests: no name service, no fixed port. */
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { ConnectionGater, Libp2p, Stream } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import * as lp from 'it-length-prefixed'
import { createLibp2p } from 'libp2p'
import { decode, type Message } from '../../protocols/paychan/1.0/index.js'
import type { LinkListener } from '../../src/engine/ports.js'
import {
  createHost,
  createPeers,
  type HostInit,
  type HostServices,
  KEEP_ALIVE,
  type KeepAlive,
  type Libp2pPeers,
  type PeersOptions
} from '../../src/p2p/index.js'
import '../../src/p2p/polyfill.js'

export interface TestServices extends HostServices {
  peers: Libp2pPeers
}

/** libp2p lets 5 connections a second in from one address; here everybody has the same one. */
const connectionManager = { inboundConnectionThreshold: 1_000 }

/** A host that speaks /paychan/1.0 as a service: libp2p starts and stops it. */
export async function startHost(
  options: PeersOptions,
  keepAlive: KeepAlive = KEEP_ALIVE,
  reach: Partial<HostInit> = {}
): Promise<Libp2p<TestServices>> {
  const host = createHost({
    privateKey: await generateKeyPair('Ed25519'),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    keepAlive,
    ...reach
  })
  return createLibp2p<TestServices>({
    ...host,
    connectionManager,
    services: { ...host.services, peers: (components) => createPeers(components, options) }
  })
}

/** A host that does not. */
export async function startMute(connectionGater?: ConnectionGater): Promise<Libp2p> {
  return createLibp2p({
    ...createHost({
      privateKey: await generateKeyPair('Ed25519'),
      listen: ['/ip4/127.0.0.1/tcp/0']
    }),
    connectionManager,
    ...(connectionGater === undefined ? {} : { connectionGater })
  })
}

/** A full multiaddr of a host. */
export function addressOf(host: Libp2p): string {
  const [address] = host.getMultiaddrs()
  if (address === undefined) throw new Error('The host does not listen.')
  return address.toString()
}

/** Passes what arrives on a raw stream on to a listener. */
export function listen(stream: Stream, listener: Recorder): void {
  const read = async (): Promise<void> => {
    for await (const frame of lp.decode(stream)) void listener.onMessage(decode(frame.subarray()))
  }
  read().then(
    () => {
      listener.onClosed(undefined)
    },
    (error: unknown) => {
      listener.onClosed(error instanceof Error ? error : new Error(String(error)))
    }
  )
}

/** Waits for what no event tells, a turn of the event loop at a time. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
}

/** The PeerId of nobody. */
export async function somePeerId(): Promise<string> {
  return peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString()
}

/** A listener that remembers, and that a test can wait for. */
export class Recorder implements LinkListener {
  readonly messages: Message[] = []
  /** What `onClosed` was called with, each time. */
  readonly endings: Array<Error | undefined> = []
  readonly #waiting: Array<{ readonly done: () => boolean; readonly resolve: () => void }> = []

  readonly onMessage = (message: Message): void | Promise<void> => {
    this.messages.push(message)
    this.#check()
  }

  readonly onClosed = (error: Error | undefined): void => {
    this.endings.push(error)
    this.#check()
  }

  /** Resolves once that many messages have arrived. */
  async received(count: number): Promise<Message[]> {
    await this.#until(() => this.messages.length >= count)
    return this.messages
  }

  /** Resolves with the error of the ending. */
  async closed(): Promise<Error | undefined> {
    await this.#until(() => this.endings.length > 0)
    return this.endings[0]
  }

  async #until(done: () => boolean): Promise<void> {
    if (done()) return
    await new Promise<void>((resolve) => {
      this.#waiting.push({ done, resolve })
    })
  }

  #check(): void {
    for (const { done, resolve } of this.#waiting) if (done()) resolve()
  }
}
