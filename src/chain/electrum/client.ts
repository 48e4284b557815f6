/**
 * Keeps one connection to an Electrum server, for ever: connects, shakes hands, hands the session
 * to its user, pings while it lasts, and comes back after a growing delay when it ends. The socket
 * goes through a proxy if there is one, and with TLS to the right server only.
 */
import { createConnection, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { SocksClient } from 'socks'
import type { Clock, Random, Unsubscribe } from '../../engine/ports.js'
import { codeOf, messageOf, PaychanError } from '../../types/errors.js'
import { type Backoff, backoffDelay } from '../waiting.js'
import { checkCertificate, type Endpoint, type Proxy, type TlsTrust } from './endpoint.js'
import { unavailable } from './rpc.js'
import { ElectrumSession, type SessionEvents } from './session.js'

interface ClientOptions {
  readonly endpoint: Endpoint
  readonly trust: TlsTrust
  readonly proxy?: Proxy | undefined
  readonly clock: Clock
  readonly random: Random
  readonly connectTimeout: number
  readonly requestTimeout: number
  readonly silence: number
  readonly pingInterval: number
  readonly backoff: Backoff
  /** See `RpcOptions`. */
  readonly onRefused?: () => void
  readonly maxOutstanding?: number
  readonly maxLineBytes?: number
}

interface ClientUser {
  /** Called with each new session after the handshake; a rejection drops it. */
  onSession: (session: ElectrumSession) => Promise<void>
  onTip: (session: ElectrumSession, ...args: Parameters<SessionEvents['onTip']>) => void
  onStatus: (session: ElectrumSession, ...args: Parameters<SessionEvents['onStatus']>) => void
  /** A connection ended, or could not be made; the next try is in `retryMs` milliseconds. */
  onDown: (reason: Error, retryMs: number) => void
}

/** The name that we give in `server.version`. */
const CLIENT_NAME = 'paychan'

export class ElectrumClient {
  readonly #options: ClientOptions
  readonly #user: ClientUser
  readonly #waiters = new Set<(session: ElectrumSession) => void>()
  #ready: ElectrumSession | undefined
  #current: { close: (reason: Error) => void } | undefined
  #wake: (() => void) | undefined
  #failures = 0
  #running: Promise<void> | undefined
  #stopped = false

  constructor(options: ClientOptions, user: ClientUser) {
    this.#options = options
    this.#user = user
  }

  /** The session, once its user has accepted it; undefined while there is none. */
  get session(): ElectrumSession | undefined {
    return this.#ready?.isOpen === true ? this.#ready : undefined
  }

  start(): void {
    if (!this.#stopped) this.#running ??= this.#run()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#current?.close(unavailable('The chain connection was stopped.'))
    this.#wake?.()
    this.#waiters.clear()
    await this.#running
  }

  /** Calls back with the session: at once, or as soon as there is one. */
  whenReady(callback: (session: ElectrumSession) => void): Unsubscribe {
    const session = this.session
    if (session !== undefined) {
      callback(session)
      return () => {}
    }
    this.#waiters.add(callback)
    return () => {
      this.#waiters.delete(callback)
    }
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      let reason: Error
      try {
        reason = await this.#oneConnection()
      } catch (error) {
        reason = error instanceof Error ? error : new Error(messageOf(error))
      }
      this.#ready = undefined
      this.#current = undefined
      await this.#pause(reason)
    }
  }

  /** Resolves with the reason once an accepted session has ended; rejects when there was none. */
  async #oneConnection(): Promise<Error> {
    const socket = await this.#connect()
    const session: ElectrumSession = new ElectrumSession(socket, this.#options, {
      onTip: (tip) => {
        this.#user.onTip(session, tip)
      },
      onStatus: (scriptHash, status) => {
        this.#user.onStatus(session, scriptHash, status)
      }
    })
    this.#current = session
    if (this.#stopped) session.close(unavailable('The chain connection was stopped.'))
    try {
      await session.handshake(CLIENT_NAME)
      await this.#user.onSession(session)
    } catch (error) {
      session.close(error instanceof Error ? error : new Error(messageOf(error)))
      throw error
    }
    const stopPings = this.#keepAlive(session)
    const since = this.#options.clock.now()
    if (session.isOpen) {
      this.#ready = session
      const waiters = [...this.#waiters]
      this.#waiters.clear()
      for (const waiter of waiters) waiter(session)
    }
    const reason = await session.closed
    stopPings()
    // One that ends at once each time is not worth a quick return.
    if (this.#options.clock.now() - since >= this.#options.backoff.mostMs) this.#failures = 0
    return reason
  }

  #connect(): Promise<Socket> {
    const { endpoint, trust, proxy, clock, connectTimeout } = this.#options
    return new Promise((resolve, reject) => {
      const giveUp = openSocket(
        endpoint,
        { trust, proxy },
        {
          onOpen: (socket) => {
            cancelTimeout()
            resolve(socket)
          },
          onFailure: (error) => {
            fail(error)
          }
        }
      )
      const cancelTimeout = clock.after(connectTimeout, () => {
        fail(new Error(`it did not answer within ${connectTimeout / 1000} s`))
      })
      const fail = (error: Error & { code?: string }): void => {
        cancelTimeout()
        giveUp()
        reject(
          error instanceof PaychanError
            ? error
            : unavailable(
                `Cannot reach the Electrum server at ${endpoint.host}:${endpoint.port}: ${causeOf(error)}.`
              )
        )
      }
      this.#current = {
        close: () => {
          fail(new Error('the connection was stopped'))
        }
      }
    })
  }

  /** Pings a session in a steady rhythm; one that does not answer in time counts as dead. */
  #keepAlive(session: ElectrumSession): Unsubscribe {
    let cancel: Unsubscribe = () => {}
    const next = (): void => {
      if (!session.isOpen) return
      cancel = this.#options.clock.after(this.#options.pingInterval, () => {
        session.ping().then(next, (error: unknown) => {
          // A refusal is an answer too.
          if (codeOf(error) === 'ERR_ELECTRUM_REFUSED') next()
          else session.close(error instanceof Error ? error : new Error(messageOf(error)))
        })
      })
    }
    next()
    return () => {
      cancel()
    }
  }

  #pause(reason: Error): Promise<void> {
    if (this.#stopped) return Promise.resolve()
    const ms = backoffDelay(this.#options.backoff, this.#failures++, this.#options.random)
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(ms, resolve)
      this.#wake = () => {
        cancel()
        resolve()
      }
      // Last, since whoever hears of it may stop this client for good.
      this.#user.onDown(reason, ms)
    })
  }
}

/** The cause of a socket's error; trying several addresses of one name leaves only a code. */
function causeOf(error: Error & { code?: string }): string {
  if (error.code === 'ERR_SSL_WRONG_VERSION_NUMBER') {
    return 'nothing speaks TLS at this port. Check the port, or write tcp:// when the way there is safe'
  }
  return error.message !== '' ? error.message : (error.code ?? 'unknown error')
}

/**
 * Calls that a person or the engine waits for: they wait a bounded time for a server, and are
 * repeated at the next session when the connection ends under them. So a call must be safe to
 * repeat.
 */
export class ServerCalls {
  readonly #pending = new Set<(error: Error) => void>()
  readonly #answers = new Set<Promise<unknown>>()
  #stopped = false
  readonly #client: Pick<ElectrumClient, 'whenReady'>
  readonly #clock: Clock
  readonly #timeout: number
  readonly #why: () => string

  /**
   * @param timeout - milliseconds, for the whole call with all its tries
   * @param why - the error's text when they have passed
   */
  constructor(
    client: Pick<ElectrumClient, 'whenReady'>,
    clock: Clock,
    timeout: number,
    why: () => string
  ) {
    this.#client = client
    this.#clock = clock
    this.#timeout = timeout
    this.#why = why
  }

  /**
   * @param what - completes "Could not ..."
   * @throws PaychanError `ERR_CHAIN_UNAVAILABLE`, and what `use` rejects with while its session
   *   lives
   */
  make<T>(what: string, use: (session: ElectrumSession) => Promise<T>): Promise<T> {
    const answer = this.#make(what, use)
    this.#answers.add(answer)
    const done = (): void => {
      this.#answers.delete(answer)
    }
    answer.then(done, done)
    return answer
  }

  /** Resolves once every call that is under way has an answer, or has failed. */
  async answered(): Promise<void> {
    await Promise.allSettled(this.#answers)
  }

  #make<T>(what: string, use: (session: ElectrumSession) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#stopped) return reject(stoppedError(what))
      let over = false
      let cancelWait: Unsubscribe = () => {}
      const finish = (): void => {
        over = true
        cancelWait()
        cancelTimeout()
        this.#pending.delete(fail)
      }
      const fail = (error: Error): void => {
        finish()
        reject(error)
      }
      const cancelTimeout = this.#clock.after(this.#timeout, () => {
        fail(unavailable(`Could not ${what}: ${this.#why()}`))
      })
      this.#pending.add(fail)
      const attempt = (): void => {
        cancelWait = this.#client.whenReady((session) => {
          use(session).then(
            (value) => {
              finish()
              resolve(value)
            },
            (error: unknown) => {
              if (over) return
              if (!session.isOpen) attempt()
              else fail(error instanceof Error ? error : new Error(messageOf(error)))
            }
          )
        })
      }
      attempt()
    })
  }

  /** Rejects everything that waits, and everything to come. */
  stop(): void {
    this.#stopped = true
    for (const fail of [...this.#pending]) fail(stoppedError('do it'))
  }
}

function stoppedError(what: string): Error {
  return unavailable(`Could not ${what}: the chain connection was stopped.`)
}

/*
 * Opens a socket to an Electrum server, through a proxy if there is one, and with TLS makes sure
 * that it is the right server.
 */

/** The outcome: exactly one of the two is called first. `onFailure` may be called again. */
interface SocketListener {
  /** Called when the connection stands; with TLS its certificate is trusted. */
  readonly onOpen: (socket: Socket) => void
  readonly onFailure: (error: Error & { code?: string }) => void
}

/** The route to a server. */
interface Way {
  readonly trust: TlsTrust
  readonly proxy?: Proxy | undefined
}

/** Opens a socket. Returns a function that gives up. */
export function openSocket(
  endpoint: Endpoint,
  { trust, proxy }: Way,
  listener: SocketListener
): () => void {
  let current: Socket | undefined
  let isOver = false
  const keep = (socket: Socket): Socket => {
    current = socket
    // Stays for good: an error event without a listener would end the process.
    socket.on('error', listener.onFailure)
    if (isOver) socket.destroy()
    return socket
  }
  const secure = (plain: Socket): void => {
    if (endpoint.protocol === 'tcp') return listener.onOpen(plain)
    keep(overTls(plain, endpoint, trust, listener))
  }
  if (proxy === undefined) {
    const socket = keep(
      createConnection({ host: endpoint.host, port: endpoint.port, noDelay: true, keepAlive: true })
    )
    socket.once('connect', () => {
      secure(socket)
    })
  } else {
    throughProxy(endpoint, proxy).then(
      (socket) => {
        secure(keep(socket))
      },
      (error: unknown) => {
        if (!isOver) {
          listener.onFailure(
            new Error(
              `the SOCKS proxy at ${proxy.host}:${proxy.port} did not connect us (${messageOf(error)})`
            )
          )
        }
      }
    )
  }
  return () => {
    isOver = true
    current?.destroy()
  }
}

/**
 * Connects through the proxy. The proxy looks the name up, so that nobody on the way learns it, and
 * names that only it knows (.onion) work.
 */
async function throughProxy({ host, port }: Endpoint, proxy: Proxy): Promise<Socket> {
  const { socket } = await SocksClient.createConnection({
    proxy: { ...proxy, type: 5 },
    command: 'connect',
    destination: { host, port },
    set_tcp_nodelay: true
  })
  socket.setKeepAlive(true)
  return socket
}

function overTls(
  plain: Socket,
  endpoint: Endpoint,
  trust: TlsTrust,
  { onOpen, onFailure }: SocketListener
): Socket {
  const socket = connectTls({
    socket: plain,
    // RFC 6066, section 3: a server name is not an IP address.
    ...(isIP(endpoint.host) === 0 ? { servername: endpoint.host } : { host: endpoint.host }),
    ...(trust.ca === undefined ? {} : { ca: trust.ca }),
    minVersion: 'TLSv1.2',
    // The verdict is made in checkCertificate, whatever NODE_TLS_REJECT_UNAUTHORIZED says; only
    // there is a pin known.
    rejectUnauthorized: false
  })
  socket.once('secureConnect', () => {
    const refusal = checkCertificate(endpoint, trust, socket)
    if (refusal === undefined) return onOpen(socket)
    socket.destroy()
    onFailure(refusal)
  })
  return socket
}
