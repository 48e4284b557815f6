/** Asks a running node, over the socket in its data directory, what `NodeApi` offers. */
import { randomUUID } from 'node:crypto'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import type { ChannelInfo, NodeApi, NodeEvent } from '../node/api.js'
import { PaychanError } from '../types/errors.js'
import { explain, readAnswer } from './client-http.js'
import { readEvents, type EventStream } from './event-stream.js'
import { withoutUndefined } from './objects.js'
import { assertSocketPath } from './paths.js'
import { VERBS, type Verb, type VerbName } from './verbs.js'
import { errorRecord, toWire } from './wire.js'

/** A node in another process. `onEvent` is the same as `events(...).stop`. */
export interface ApiClient extends NodeApi {
  /** Follows the node's events; `ready` resolves once no further event is missed. */
  events: (listener: (event: NodeEvent) => void) => EventStream
  /** Lets go of the connections; a call that is under way fails. */
  disconnect: () => void
}

/** More calls than this wait for their turn; the node would queue them itself. */
const MAX_CONNECTIONS = 64

/**
 * A client for the node that serves at `socketPath`. It connects with the first call.
 *
 * Besides what `NodeApi` says, every call may reject with `ERR_NODE_NOT_RUNNING` and
 * `ERR_API_FAILED` (the connection broke: whether the node did what was asked is unknown).
 *
 * @example
 * const node = connectApi('/home/alice/.paychan/api.sock')
 * console.log((await node.balance()).confirmed)
 */
export function connectApi (socketPath: string): ApiClient {
  assertSocketPath(socketPath)
  const agent = new Agent({ keepAlive: true, maxSockets: MAX_CONNECTIONS })

  async function ask<Answer> (name: VerbName, verb: Verb<Answer>, body: object): Promise<Answer> {
    const payload = JSON.stringify(toWire(withoutUndefined(body)))
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }
      const request = httpRequest({ socketPath, agent, method: 'POST', path: `/v1/${name}`, headers }, resolve)
      request.once('error', error => { reject(explain(error, socketPath, name)) })
      request.end(payload)
    })
    const answer = await readAnswer(response, name)
    if ('error' in answer) {
      const { code, message, facts } = errorRecord.parse(answer.error)
      throw PaychanError.of(code, message, facts)
    }
    return verb.read(answer.result)
  }

  /** A call that a signal cancels: by a ticket, since the call itself waits for its answer. */
  async function cancellable (signal: AbortSignal | undefined, call: (ticket: { ticket?: string }) => Promise<ChannelInfo>): Promise<ChannelInfo> {
    if (signal === undefined) return await call({})
    const ticket = randomUUID()
    return await new Promise<ChannelInfo>((resolve, reject) => {
      // Whether it was in time is the answer of the call itself.
      const onAbort = (): void => { ask('cancel', VERBS.cancel, { ticket }).catch(reject) }
      signal.addEventListener('abort', onAbort, { once: true })
      if (signal.aborted) onAbort()
      call({ ticket }).then(resolve, reject).finally(() => { signal.removeEventListener('abort', onAbort) })
    })
  }

  function events (listener: (event: NodeEvent) => void): EventStream {
    return readEvents(socketPath, listener, error => explain(error, socketPath, 'events'))
  }

  return {
    info: async () => await ask('info', VERBS.info, {}),
    address: async () => await ask('address', VERBS.address, {}),
    balance: async () => await ask('balance', VERBS.balance, {}),
    send: async options => await ask('send', VERBS.send, options),
    bumpFee: async (txid, options) => await ask('bumpFee', VERBS.bumpFee, { txid, ...options }),
    fees: async () => await ask('fees', VERBS.fees, {}),
    coins: async () => await ask('coins', VERBS.coins, {}),
    lockCoins: async coins => { await ask('lockCoins', VERBS.lockCoins, { coins }) },
    unlockCoins: async coins => { await ask('unlockCoins', VERBS.unlockCoins, { coins }) },
    transactions: async filter => await ask('transactions', VERBS.transactions, filter ?? {}),
    label: async (of, text) => { await ask('label', VERBS.label, { of, text }) },
    connect: async multiaddr => await ask('connect', VERBS.connect, { multiaddr }),
    peers: async () => await ask('peers', VERBS.peers, {}),
    recover: async peer => await ask('recover', VERBS.recover, { peer }),
    open: async ({ signal, ...request }) => await cancellable(signal, async ticket => await ask('open', VERBS.open, { ...request, ...ticket })),
    fundingPsbt: async (channel, psbt, options) => await ask('fundingPsbt', VERBS.fundingPsbt, { channel, psbt, ...options }),
    renew: async (channel, { signal, ...options } = {}) => await cancellable(signal, async ticket => await ask('renew', VERBS.renew, { channel, ...options, ...ticket })),
    pay: async request => await ask('pay', VERBS.pay, request),
    channels: async () => await ask('channels', VERBS.channels, {}),
    payments: async filter => await ask('payments', VERBS.payments, filter ?? {}),
    settleAll: async () => await ask('settleAll', VERBS.settleAll, {}),
    close: async (channel, options) => await ask('close', VERBS.close, { channel, ...options }),
    stop: async () => { await ask('stop', VERBS.stop, {}) },
    onEvent: listener => events(listener).stop,
    events,
    disconnect: () => { agent.destroy() }
  }
}
