/**
 * Streams of any libp2p protocol that are paid as they go. The one who pays is one unit ahead: it
 * pays a unit over its channel, and the next one once that is used. So a side that stops to pay
 * gets nothing more, and one that stops to deliver has been paid for one unit. What is left of it
 * belongs to the account of the two, also after the connection broke.
 *
 * On the wire: frames with their length before them (as libp2p's `lpStream` writes them), each of
 * one byte that says what it is, and
 *
 *     0  the offer of the seller, first: JSON
 *     1  data that is sold: the units that are used with it (8 bytes, big-endian), the data
 *     2  data that is not: the data
 *
 * The buyer knows what it buys: it ends at an offer of another unit. A frame uses one unit at the
 * most, which is paid before it is sent; a seller that counts otherwise is paid nothing more. A
 * second is a begun one of a clock that nobody sets, and of one in which something is sold.
 *
 * The money goes over the stream of the channel, with the memo `402:SESSION`.
 */
import { randomBytes } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import type { Stream } from '@libp2p/interface'
import { lpStream, type LengthPrefixedStream } from '@libp2p/utils'
import { z } from 'zod'
import { messageOf, PaychanError } from '../types/errors.js'
import { formatAmount, satoshi, type Satoshi } from '../types/units.js'
import { remember } from '../types/allowance.js'
import { Credits, type CreditsOptions } from './credits.js'
import { Prepaid, Purse, type PurseOptions } from './purse.js'
import { Meter, monotonic, type Per, SecondsPace } from './stream-meter.js'

export interface SaleOptions extends Omit<CreditsOptions, 'lifetime'> {
  /** Price of a unit. */
  readonly price: Satoshi
  readonly per: Per
  /** The goods: what the seller sends (`out`, when left out), or what it takes in (`in`). */
  readonly sells?: 'out' | 'in'
  /** Milliseconds, by which seconds are counted: of a clock that nobody sets. */
  readonly clock?: () => number
}

export interface PurchaseOptions extends PurseOptions {
  /** PeerId of the seller, at the other end of the stream. */
  readonly seller: string
  /** The unit. An offer of another one is refused: its price would say nothing. */
  readonly per: Per
  /** The goods: what the seller sends (`out`, when left out), or that it takes data in (`in`). */
  readonly sells?: 'out' | 'in'
  /** The most that a unit may cost. */
  readonly mostPerUnit: Satoshi
  /** Units that are paid before they are used; 1 when left out. More hide the time of a payment. */
  readonly ahead?: number
  /** Milliseconds, by which seconds are counted: of a clock that nobody sets. */
  readonly clock?: () => number
}

/** A stream with messages, some of which are paid. */
export interface PaidStream {
  /**
   * Sends a message, or with a price by bytes a part of a stream of bytes. What is sold waits until
   * it is paid.
   */
  readonly send: (data: Uint8Array) => Promise<void>
  /** The data from the other side, until it closes. */
  readonly received: AsyncGenerator<Uint8Array>
  readonly close: () => Promise<void>
  /** The account of the two: the units that are used, and what has been paid for them. */
  readonly bill: () => StreamBill
}

export interface StreamBill {
  readonly session: string
  readonly units: number
  readonly paid: Satoshi
}

const [OFFER, SOLD, FREE] = [0, 1, 2] as const

/** A frame of what is sold has this before the data. */
const SOLD_HEAD = 9

/** Milliseconds that what is sold waits for its payment. */
const PATIENCE_MS = 30_000

const count = z.number().int().nonnegative()
const offerShape = z.object({
  session: z.string().regex(/^[A-Za-z0-9_-]{16,64}$/),
  priceSat: z.number().int().positive(),
  per: z.union([
    z.literal('message'),
    z.literal('second'),
    z.object({ bytes: z.number().int().positive() })
  ]),
  sells: z.enum(['out', 'in']),
  /** The account, as the seller has it. */
  units: count,
  paidSat: count
})

function frame(kind: number, data: Uint8Array, units?: bigint): Uint8Array {
  const head = units === undefined ? 1 : SOLD_HEAD
  const bytes = new Uint8Array(head + data.length)
  bytes[0] = kind
  if (units !== undefined) new DataView(bytes.buffer).setBigUint64(1, units)
  bytes.set(data, head)
  return bytes
}

interface Frame {
  readonly kind: number
  readonly data: Uint8Array
  /** Units that are used with it. */
  readonly units: bigint
}

/** @throws PaychanError `ERR_BAD_FRAME` */
function readFrame(bytes: Uint8Array): Frame {
  const [kind] = bytes
  if (kind === SOLD && bytes.length >= SOLD_HEAD) {
    const units = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(1)
    return { kind, units, data: bytes.subarray(SOLD_HEAD) }
  }
  if (kind === OFFER || kind === FREE) return { kind, units: 0n, data: bytes.subarray(1) }
  throw badFrame()
}

/** The next frame; undefined at the end of the stream. */
async function next(frames: LengthPrefixedStream<Stream>): Promise<Frame | undefined> {
  try {
    return readFrame((await frames.read()).subarray())
  } catch (error) {
    if (error instanceof Error && error.name === 'UnexpectedEOFError') return undefined
    throw error
  }
}

/** The account of a peer: it outlives its streams. Two streams at once have an account each. */
interface Account {
  readonly session: string
  units: number
  isInUse: boolean
  /** True once the books have it, from its first unit on. */
  isKept: boolean
}

/** Buyers whose accounts are kept; the one that bought longest ago goes first. */
const MOST_BUYERS = 100_000

/**
 * Sells on the streams of a protocol, by accounts that each peer goes on with.
 *
 * @example
 * const sales = new StreamSales({ node, price: satoshi(1n), per: 'message' })
 * await libp2p.handle('/answers/1.0', async (stream, connection) => {
 *   const paid = await sales.sell(stream, connection.remotePeer.toString())
 *   for await (const question of paid.received) await paid.send(answerTo(question))
 * })
 */
export class StreamSales {
  readonly #credits: Credits
  /** By buyer: one for each stream that it had at once. */
  readonly #accounts = new Map<string, Account[]>()
  readonly #options: SaleOptions

  constructor(options: SaleOptions) {
    this.#options = options
    const { books, price } = options
    this.#credits = new Credits({ patience: PATIENCE_MS, ...options, lifetime: Infinity })
    for (const [session, account] of books?.accounts ?? []) {
      if (account.price !== price) continue
      const units = Number(this.#credits.standing(session).spent / price)
      this.#accountsOf(account.buyer).push({ session, units, isInUse: false, isKept: true })
    }
  }

  /** Listens to the node no more. What waits for its payment is not sent. */
  stop(): void {
    this.#credits.stop()
  }

  /** The accounts of a buyer, which is the one that bought last from now on. */
  #accountsOf(buyer: string): Account[] {
    const accounts = this.#accounts.get(buyer) ?? []
    remember(this.#accounts, buyer, accounts, MOST_BUYERS)
    return accounts
  }

  /** An account of the buyer that no other stream uses now. */
  async #accountOf(buyer: string): Promise<Account> {
    await this.#credits.resume()
    const accounts = this.#accountsOf(buyer)
    const free = accounts.find(({ isInUse }) => !isInUse)
    if (free !== undefined) {
      free.isInUse = true
      return free
    }
    const session = randomBytes(18).toString('base64url')
    const made = { session, units: 0, isInUse: true, isKept: false }
    accounts.push(made)
    return made
  }

  /**
   * Sells on a stream that the buyer has opened, or that was opened to it.
   *
   * @throws PaychanError `ERR_STORE_FAILED` where there are books, and whatever
   *   `node.payments.list` does
   */
  async sell(stream: Stream, buyer: string): Promise<PaidStream> {
    const { price, per, sells = 'out', clock = monotonic } = this.#options
    const frames = lpStream(stream)
    const account = await this.#accountOf(buyer)
    const over = new AbortController()
    // Each message that waits for its payment listens; that is no leak for Node to warn of.
    setMaxListeners(Number.POSITIVE_INFINITY, over.signal)
    let taking: Promise<unknown> = Promise.resolve()
    stream.addEventListener(
      'close',
      () => {
        // What waits here must not take what is paid on the next stream.
        over.abort(new PaychanError('ERR_NOT_PAID', `The stream to ${buyer} is over.`, { buyer }))
        taking
          .catch(() => {})
          .finally(() => {
            account.isInUse = false
          })
      },
      { once: true }
    )
    const meter = new Meter(per, clock)
    const { paid } = this.#credits.standing(account.session)
    const offer = {
      session: account.session,
      priceSat: Number(price),
      per,
      sells,
      units: account.units,
      paidSat: Number(paid)
    }
    await frames.write(frame(OFFER, Buffer.from(JSON.stringify(offer))))

    const takeUnits = async (units: number): Promise<void> => {
      const { signal } = over
      signal.throwIfAborted()
      const [number, cost] = [BigInt(account.units + units), satoshi(price * BigInt(units))]
      account.units += units
      const step = { step: BigInt(units) }
      const { kind } = await this.#credits.take(account.session, number, cost, step, { signal })
      if (kind === 'taken') {
        if (!account.isKept) {
          await this.#options.books?.keepAccount(account.session, { buyer, price })
        }
        account.isKept = true
        meter.begin(units)
        return
      }
      account.units -= units
      const error = new PaychanError(
        'ERR_NOT_PAID',
        `Unit ${number} of the stream to ${buyer} was not paid in time: nothing more is sold on it.`,
        { buyer, units: account.units }
      )
      stream.abort(error)
      throw error
    }
    const take = async (units: number): Promise<void> => {
      if (units === 0) return
      taking = takeUnits(units)
      await taking
    }
    const sold = async (data: Uint8Array): Promise<void> => {
      for (const part of meter.parts(data)) {
        await take(meter.use(part))
        await frames.write(frame(SOLD, part, BigInt(account.units)))
      }
    }
    return streamOf(stream, frames, {
      send: sells === 'out' ? sold : async (data) => await frames.write(frame(FREE, data)),
      onFrame: async ({ kind, data }) => {
        if (kind !== (sells === 'in' ? SOLD : FREE)) throw badFrame()
        if (kind === SOLD) await take(meter.use(data))
      },
      bill: () => {
        const { paid } = this.#credits.standing(account.session)
        return { session: account.session, units: account.units, paid: satoshi(paid) }
      }
    })
  }
}

/**
 * Buys on a stream whose other end sells. Resolves once the offer has come and is within limits.
 *
 * @throws PaychanError `ERR_OTHER_OFFER` (facts: offered, wanted), `ERR_PRICE_TOO_HIGH` (facts:
 *   price, most), `ERR_BAD_FRAME`, all before anything is paid; reading and sending reject with
 *   `ERR_BUDGET_USED_UP`, `ERR_BILL_WRONG` and what `node.pay` rejects with as well
 * @example
 * const limits = { per: 'message', mostPerUnit: satoshi(1n), budget: satoshi(500n) } as const
 * const paid = await buyStream(stream, { node, seller, ...limits })
 * await paid.send(question)
 * for await (const answer of paid.received) console.log(answer)
 */
export async function buyStream(stream: Stream, options: PurchaseOptions): Promise<PaidStream> {
  const frames = lpStream(stream)
  try {
    return new Purchase(stream, frames, options, await offerOf(frames, options)).stream
  } catch (error) {
    stream.abort(error instanceof Error ? error : new Error(messageOf(error)))
    throw error
  }
}

type Offer = z.output<typeof offerShape>

async function offerOf(
  frames: LengthPrefixedStream<Stream>,
  { per, sells = 'out', mostPerUnit, seller }: PurchaseOptions
): Promise<Offer> {
  const first = await next(frames)
  if (first?.kind !== OFFER) throw badFrame()
  const read = offerShape.safeParse(jsonOf(first.data))
  if (!read.success) throw badFrame()
  const [offered, wanted] = [soldBy(read.data), soldBy({ per, sells })]
  if (offered !== wanted) {
    throw new PaychanError(
      'ERR_OTHER_OFFER',
      `${seller} sells ${offered}, and ${wanted} was to be bought. Nothing was paid: name what it sells (per, sells), if that is what you want.`,
      { offered, wanted }
    )
  }
  const price = satoshi(BigInt(read.data.priceSat))
  if (price <= mostPerUnit) return read.data
  throw new PaychanError(
    'ERR_PRICE_TOO_HIGH',
    `${seller} asks for ${formatAmount(price)} a unit, and at most ${formatAmount(mostPerUnit)} are allowed.`,
    { price, most: mostPerUnit }
  )
}

/** The goods in words for people: two offers that are the same for them are the same. */
function soldBy({ per, sells }: Pick<Offer, 'per' | 'sells'>): string {
  const unit = typeof per === 'string' ? per : `${per.bytes} bytes`
  return `by the ${unit} what ${sells === 'out' ? 'it sends' : 'it takes'}`
}

class Purchase {
  readonly stream: PaidStream
  readonly #purse: Purse
  /** The sum that units of this stream can use, with what is left of earlier ones. */
  readonly #prepaid: Prepaid
  readonly #meter: Meter
  readonly #pace: SecondsPace
  readonly #price: Satoshi
  /** Units that are used on this stream. */
  #used = 0
  #fail: (error: unknown) => void = () => {}
  readonly #failed = new Promise<never>((_resolve, reject) => {
    this.#fail = reject
  })
  #failure: unknown
  readonly #frames: LengthPrefixedStream<Stream>
  readonly #options: PurchaseOptions
  readonly #offer: Offer

  constructor(
    stream: Stream,
    frames: LengthPrefixedStream<Stream>,
    options: PurchaseOptions,
    offer: Offer
  ) {
    this.#frames = frames
    this.#options = options
    this.#offer = offer
    const { sells, per, priceSat, units, paidSat, session } = offer
    this.#purse = new Purse(options)
    const { ahead = 1, clock = monotonic } = options
    this.#meter = new Meter(per, clock)
    this.#pace = new SecondsPace(ahead, clock)
    this.#price = satoshi(BigInt(priceSat))
    // The word of the seller: it may say too little, and has then taken one unit.
    const left = BigInt(paidSat) - BigInt(units) * this.#price
    const bill = { session, payee: options.seller, multiaddrs: [], name: options.seller }
    this.#prepaid = new Prepaid(this.#purse, bill, { paid: left > 0n ? left : 0n, taken: 0n })
    // It is heard where somebody reads; else nobody waits for it.
    this.#failed.catch(() => {})
    if (sells === 'out') this.#payAhead()
    this.stream = streamOf(stream, frames, {
      send:
        sells === 'in'
          ? async (data) => await this.#pays(data)
          : async (data) => await frames.write(frame(FREE, data)),
      onFrame: async (each) => {
        this.#takes(each)
      },
      failed: this.#failed,
      bill: () => ({
        session,
        units: units + this.#used,
        paid: satoshi(BigInt(paidSat) + this.#purse.paid)
      })
    })
  }

  /** The data that is bought has come: it is paid already, and the next unit is paid now. */
  #takes({ kind, data, units }: Frame): void {
    const { sells } = this.#offer
    if (kind !== (sells === 'out' ? SOLD : FREE)) throw badFrame()
    if (kind === FREE) return
    const used = Number(units) - this.#offer.units
    const most = this.#used + this.#most(data)
    // A payment that waits for the one before it counts: the seller may have had what it forgot to
    // say.
    const { paid, taken } = this.#prepaid
    const isPaid = BigInt(used) * this.#price <= (paid > taken ? paid : taken)
    if (used < this.#used || used > most || !isPaid || !this.#isInTime(used)) {
      throw new PaychanError(
        'ERR_BILL_WRONG',
        `The seller counts ${used} units, and with this part there are ${most} at the most, and none before it is paid: nothing more is bought from it.`,
        { said: used, most, paid }
      )
    }
    this.#used = used
    this.#payAhead()
    this.#checkFailure()
  }

  /** Units that a frame uses at the most: an honest seller sends parts of one unit. */
  #most(data: Uint8Array): number {
    return this.#offer.per === 'second' ? 1 : Math.min(1, this.#meter.use(data))
  }

  /**
   * A second that has another one paid for it comes no earlier than a second after the one before.
   */
  #isInTime(used: number): boolean {
    if (this.#offer.per !== 'second' || used === this.#used) return true
    return this.#paidAhead(used) <= this.#prepaid.paid || this.#pace.take()
  }

  /** The service that is bought is that the seller takes data: it is paid before it goes. */
  async #pays(data: Uint8Array): Promise<void> {
    for (const part of this.#meter.parts(data)) {
      const units = this.#meter.use(part)
      await this.#prepaid.take(satoshi(this.#price * BigInt(units)))
      this.#meter.begin(units)
      this.#used += units
      await this.#frames.write(frame(SOLD, part, BigInt(this.#offer.units + this.#used)))
    }
  }

  /** Each unit for itself: at the edge of the budget as many are paid as it is enough for. */
  #payAhead(): void {
    const target = this.#paidAhead(this.#used)
    while (this.#prepaid.taken < target) {
      this.#prepaid.take(this.#price).catch((error: unknown) => {
        this.#failure ??= error
        this.#checkFailure()
      })
    }
  }

  /** The sum that is paid, or about to be, once so many units are used. */
  #paidAhead(used: number): bigint {
    const { ahead = 1 } = this.#options
    return BigInt(used + ahead) * this.#price
  }

  /** Units that are paid already may still be used up. */
  #checkFailure(): void {
    if (this.#failure !== undefined && this.#prepaid.paid < BigInt(this.#used + 1) * this.#price) {
      this.#fail(this.#failure)
    }
  }
}

interface Ends {
  readonly send: (data: Uint8Array) => Promise<void>
  /** Looks at a frame before its data is handed on. */
  readonly onFrame: (frame: Frame) => Promise<void>
  /** Rejects when nothing more can come. */
  readonly failed?: Promise<never>
  readonly bill: () => StreamBill
}

function streamOf(
  stream: Stream,
  frames: LengthPrefixedStream<Stream>,
  { send, onFrame, failed, bill }: Ends
): PaidStream {
  async function* received(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const coming = next(frames)
        const frame = await (failed === undefined ? coming : Promise.race([coming, failed]))
        if (frame === undefined) return
        await onFrame(frame)
        yield frame.data
      }
    } catch (error) {
      stream.abort(error instanceof Error ? error : new Error(messageOf(error)))
      throw error
    }
  }
  let last: Promise<void> = Promise.resolve()
  return {
    // One after another, as they were asked for.
    send: async (data) => {
      const sent = last.catch(() => {}).then(async () => await send(data))
      last = sent
      await sent
    },
    received: received(),
    close: async () => {
      await last.catch(() => {})
      await stream.close()
    },
    bill
  }
}

function jsonOf(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data).toString('utf8'))
  } catch {
    return undefined
  }
}

function badFrame(): PaychanError {
  return new PaychanError('ERR_BAD_FRAME', 'The other side does not speak as a paid stream does.')
}
