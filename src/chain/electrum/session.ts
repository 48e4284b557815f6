/**
 * The methods of the Electrum protocol 1.4 to 1.7 that we use, typed, over one connection. Every
 * answer is checked for its shape before anything else sees it. Reference:
 * https://electrum-protocol.readthedocs.io/en/latest/protocol-methods.html
 */
import { concat } from 'uint8arrays'
import { z } from 'zod'
import type { Socket } from 'node:net'
import { fromHex, type OutPoint, outPointText, toHex, type Txid } from '../../types/bytes.js'
import { sha256 } from '../../bitcoin/hashes.js'
import { HEADER_SIZE, type MerkleProof } from '../header.js'
import { type AnnouncedTip, HEADERS_BATCH } from '../header-sync.js'
import { protocolError, type Rank, RpcConnection, type RpcOptions } from './rpc.js'

/** One line of a script's history; `height` is undefined in the mempool. */
export interface HistoryEntry {
  readonly txid: Txid
  readonly height: number | undefined
}

const txidShape = z.custom<Txid>(
  (value) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
)
const bytesShape = z
  .string()
  .regex(/^([0-9a-fA-F]{2})*$/)
  .transform((value) => fromHex(value))
const headerShape = bytesShape.refine((bytes) => bytes.length === HEADER_SIZE)
const heightShape = z.number().int().nonnegative()

const versionShape = z.tuple([z.string(), z.string()])
const tipShape = z
  .object({ height: heightShape, hex: headerShape })
  .transform(({ height, hex }): AnnouncedTip => ({ height, header: hex }))
// One text up to 1.4, a list in 1.6.
const headersShape = z
  .union([
    z
      .object({ count: heightShape, hex: bytesShape })
      .transform(({ count, hex }) => ({ count, bytes: hex })),
    z
      .object({ count: heightShape, headers: z.array(headerShape).max(HEADERS_BATCH) })
      .transform(({ count, headers }) => ({ count, bytes: concat(headers) }))
  ])
  .refine(({ count, bytes }) => bytes.length === count * HEADER_SIZE)
const packageShape = z.object({
  success: z.boolean(),
  errors: z
    .array(
      z.object({
        txid: txidShape.optional(),
        error: z.string().transform((text) => text.slice(0, 2_000))
      })
    )
    .optional()
})
const testShape = z
  .array(
    z.object({
      allowed: z.boolean().optional(),
      reason: z
        .string()
        .transform((text) => text.slice(0, 2_000))
        .optional()
    })
  )
  .length(1)
const statusShape = z.string().max(200).nullable()
// 0: in the mempool; -1: in the mempool, with an input that is unconfirmed itself. As many as fit
// into one line: strangers may pay to a script as often as they like, which is not a fault of the
// server's.
const historyShape = z.array(z.object({ tx_hash: txidShape, height: z.number().int().min(-1) }))
// Nothing in it as long as nobody has made the output.
const mempoolHeight = z.number().int().min(-1)
const outPointShape = z.object({
  funder_height: mempoolHeight.optional(),
  spender_txhash: txidShape.optional(),
  spender_height: mempoolHeight.optional()
})
const outPointNewsShape = z.tuple([txidShape, z.number().int().nonnegative()]).rest(z.unknown())
const merkleShape = z.object({
  merkle: z.array(txidShape).max(32),
  pos: z.number().int().nonnegative()
})
const rateShape = z.number()
const mempoolShape = z.object({ mempoolminfee: rateShape, incrementalrelayfee: rateShape })

/** COST-3: histories come after the tip, fees and transactions; they are many. */
const NEWS: ReadonlySet<MethodName> = new Set<MethodName>([
  'blockchain.scripthash.subscribe',
  'blockchain.scripthash.get_history',
  'blockchain.scriptpubkey.subscribe',
  'blockchain.scriptpubkey.get_history',
  'blockchain.outpoint.subscribe',
  'blockchain.transaction.get',
  'blockchain.transaction.get_merkle'
])

export interface SessionEvents {
  onTip: (tip: AnnouncedTip) => void
  onStatus: (scriptHash: string, status: string | null) => void
}

export class ElectrumSession {
  readonly #rpc: RpcConnection
  /** The scripts of the outpoints that were asked for. */
  readonly #outPoints = new Map<string, string>()
  /** The version; until the server has chosen, only methods of the lowest version are used. */
  #version: ProtocolVersion = 4

  constructor(
    socket: Socket,
    options: Omit<RpcOptions, 'onNotification' | 'onQuiet'>,
    events: SessionEvents
  ) {
    this.#rpc = new RpcConnection(socket, {
      ...options,
      // Servers that work on a long answer still answer this one.
      onQuiet: () => {
        this.ping().catch(() => {})
      },
      onNotification: (method, params) => {
        if (method === 'blockchain.headers.subscribe') {
          events.onTip(check(method, z.tuple([tipShape]), params)[0])
        } else if (
          method === 'blockchain.scripthash.subscribe' ||
          method === 'blockchain.scriptpubkey.subscribe'
        ) {
          // Also in 1.7 it is the hash that ElectrumX tells.
          events.onStatus(...check(method, z.tuple([z.string(), statusShape]), params))
        } else if (method === 'blockchain.outpoint.subscribe') {
          const [id, vout] = check(method, outPointNewsShape, params)
          const script = this.#outPoints.get(outPointText({ txid: id, vout }))
          if (script !== undefined) events.onStatus(scriptHashOf(fromHex(script)), null)
        }
        // Servers may notify of more than we subscribe to; the rest does not concern us.
      }
    })
  }

  get closed(): Promise<Error> {
    return this.#rpc.closed
  }
  get isOpen(): boolean {
    return this.#rpc.isOpen
  }

  /** True when the agreed version has a method. */
  has(method: MethodName): boolean {
    return hasMethod(this.#version, method)
  }

  close(reason: Error): void {
    this.#rpc.close(reason)
  }

  /** Sends the first request. @returns the server's name. */
  async handshake(client: string): Promise<string> {
    const [software, version] = await this.#ask(
      'server.version',
      [client, PROTOCOL_VERSIONS],
      versionShape
    )
    const chosen = protocolVersion(version)
    if (chosen === undefined) {
      throw protocolError(
        `speaks none of the versions ${PROTOCOL_VERSIONS.join(' to ')} of the protocol`
      )
    }
    this.#version = chosen
    return software
  }

  subscribeHeaders(): Promise<AnnouncedTip> {
    return this.#ask('blockchain.headers.subscribe', [], tipShape)
  }

  async headers(start: number, count: number): Promise<Uint8Array> {
    return (await this.#ask('blockchain.block.headers', [start, count], headersShape)).bytes
  }

  /** @param script - in hex */
  subscribeScript(script: string): Promise<string | null> {
    return this.has('blockchain.scriptpubkey.subscribe')
      ? this.#ask('blockchain.scriptpubkey.subscribe', [script], statusShape)
      : this.#ask('blockchain.scripthash.subscribe', [scriptHashOf(fromHex(script))], statusShape)
  }

  /** @param script - in hex */
  async history(script: string): Promise<HistoryEntry[]> {
    const entries = this.has('blockchain.scriptpubkey.get_history')
      ? await this.#ask('blockchain.scriptpubkey.get_history', [script], historyShape)
      : await this.#ask(
          'blockchain.scripthash.get_history',
          [scriptHashOf(fromHex(script))],
          historyShape
        )
    return entries.map((entry) => ({ txid: entry.tx_hash, height: inBlock(entry.height) }))
  }

  /**
   * Fetches only the two transactions that make an output of this script and spend it, where the
   * version has that: also for a script whose history is too long to be told. Later changes come as
   * those of the script.
   */
  get outPointHistory():
    ((outPoint: OutPoint, script: string) => Promise<HistoryEntry[]>) | undefined {
    return this.has('blockchain.outpoint.subscribe')
      ? async (outPoint, script) => await this.#outPointHistory(outPoint, script)
      : undefined
  }

  async #outPointHistory(outPoint: OutPoint, script: string): Promise<HistoryEntry[]> {
    this.#outPoints.set(outPointText(outPoint), script)
    const {
      funder_height: made,
      spender_txhash: spender,
      spender_height: spent
    } = await this.#ask(
      'blockchain.outpoint.subscribe',
      [outPoint.txid, outPoint.vout, script],
      outPointShape
    )
    if (made === undefined) return []
    return [
      { txid: outPoint.txid, height: inBlock(made) },
      ...(spender === undefined ? [] : [{ txid: spender, height: inBlock(spent) }])
    ]
  }

  transaction(id: Txid): Promise<Uint8Array> {
    return this.#ask('blockchain.transaction.get', [id], bytesShape)
  }

  merkleProof(id: Txid, height: number): Promise<MerkleProof> {
    return this.#ask('blockchain.transaction.get_merkle', [id, height], merkleShape)
  }

  broadcast(raw: Uint8Array, rank: Rank = 'money'): Promise<Txid> {
    return this.#ask('blockchain.transaction.broadcast', [toHex(raw)], txidShape, rank)
  }

  /**
   * Sends parents and their child, in this order; the server's mempool judges them by what they pay
   * together.
   *
   * @returns why it refuses; undefined when it has taken all of them
   */
  async broadcastPackage(
    raws: readonly Uint8Array[],
    rank: Rank = 'money'
  ): Promise<string | undefined> {
    const { success, errors = [] } = await this.#ask(
      'blockchain.transaction.broadcast_package',
      [raws.map(toHex)],
      packageShape,
      rank
    )
    return success ? undefined : errors.map(({ error }) => error).join('; ')
  }

  /**
   * The server's reason to refuse a transaction; undefined without one, or when it says nothing.
   */
  async refusalOf(raw: Uint8Array, rank: Rank = 'money'): Promise<string | undefined> {
    const [verdict] = await this.#ask(
      'blockchain.transaction.testmempoolaccept',
      [[toHex(raw)]],
      testShape,
      rank
    )
    return verdict?.allowed === false ? (verdict.reason ?? 'no reason was given') : undefined
  }

  /** BTC/kvB, or -1 when the server cannot tell. */
  estimateFee(blocks: number): Promise<number> {
    return this.#ask('blockchain.estimatefee', [blocks], rateShape)
  }

  /** Pairs of sat/vB and virtual bytes, the dearest first. */
  feeHistogram(): Promise<ReadonlyArray<readonly [number, number]>> {
    return this.#ask('mempool.get_fee_histogram', [], z.array(z.tuple([z.number(), z.number()])))
  }

  /**
   * The fee rates that the mempool asks for, in BTC/kvB: `mempool.get_info`, which has taken the
   * place of `blockchain.relayfee`.
   */
  async relayFees(): Promise<{
    readonly minimum: number
    readonly incremental: number | undefined
  }> {
    if (!this.has('mempool.get_info')) {
      return {
        minimum: await this.#ask('blockchain.relayfee', [], rateShape),
        incremental: undefined
      }
    }
    const { mempoolminfee, incrementalrelayfee } = await this.#ask(
      'mempool.get_info',
      [],
      mempoolShape
    )
    return { minimum: mempoolminfee, incremental: incrementalrelayfee }
  }

  async ping(): Promise<void> {
    await this.#ask('server.ping', [], z.unknown())
  }

  async #ask<T>(
    method: MethodName,
    params: readonly unknown[],
    shape: z.ZodType<T>,
    rank: Rank = NEWS.has(method) ? 'news' : 'money'
  ): Promise<T> {
    if (!this.has(method)) {
      throw new RangeError(`version 1.${this.#version} of the Electrum protocol has no ${method}`)
    }
    return check(method, shape, await this.#rpc.request(method, params, rank))
  }
}

/** The height of a block; 0 and -1 mean the mempool. */
function inBlock(height: number | undefined): number | undefined {
  return height !== undefined && height > 0 ? height : undefined
}

function check<T>(method: string, shape: z.ZodType<T>, value: unknown): T {
  const parsed = shape.safeParse(value)
  if (!parsed.success) throw protocolError(`gave an answer of the wrong form to ${method}`)
  return parsed.data
}

/*
 * The methods that we use, by the versions of the Electrum protocol that have them. ElectrumX
 * charges a hundred times as much for a method that it does not know as for one that it does, and
 * hangs up when too much has come together. Reference:
 * https://electrum-protocol.readthedocs.io/en/latest/protocol-changes.html
 */

/** The lowest and the highest version that we speak; the server chooses. */
const PROTOCOL_VERSIONS = ['1.4', '1.7'] as const

/** The second number of a version: 4, 6, 7. (There is no 1.5.) */
type ProtocolVersion = 4 | 5 | 6 | 7

const ALL = [4, 5, 6, 7] as const

/** The versions that have each method. */
const METHODS = {
  'server.version': ALL,
  'server.ping': ALL,
  'blockchain.headers.subscribe': ALL,
  'blockchain.block.headers': ALL,
  'blockchain.scripthash.subscribe': [4, 5, 6],
  'blockchain.scripthash.get_history': [4, 5, 6],
  'blockchain.scriptpubkey.subscribe': [7],
  'blockchain.scriptpubkey.get_history': [7],
  'blockchain.outpoint.subscribe': [7],
  'blockchain.transaction.get': ALL,
  'blockchain.transaction.get_merkle': ALL,
  'blockchain.transaction.broadcast': ALL,
  'blockchain.transaction.broadcast_package': [6, 7],
  'blockchain.transaction.testmempoolaccept': [7],
  'blockchain.estimatefee': ALL,
  'blockchain.relayfee': [4, 5],
  'mempool.get_fee_histogram': ALL,
  'mempool.get_info': [6, 7]
} as const satisfies Readonly<Record<string, readonly ProtocolVersion[]>>

type MethodName = keyof typeof METHODS

function hasMethod(version: ProtocolVersion, method: MethodName): boolean {
  const versions: readonly ProtocolVersion[] = METHODS[method]
  return versions.includes(version)
}

/** The version that a server chose, such as `1.4.2`; undefined for one that we do not speak. */
function protocolVersion(text: string): ProtocolVersion | undefined {
  const minor = /^1\.(\d)(?:\.\d{1,3})*$/.exec(text)?.[1]
  return ALL.find((version) => String(version) === minor)
}

/* The name of a script in the Electrum protocol up to 1.6: its SHA256, reversed, in hex. */

export function scriptHashOf(scriptPubKey: Uint8Array): string {
  return toHex(Uint8Array.from(sha256(scriptPubKey)).reverse())
}
