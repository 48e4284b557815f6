/**
 * Answers as streams of events (`text/event-stream`) that are paid as they go. The server stops
 * before an event whose unit is not paid, and says so with the event `payment-need-voucher`; the
 * client pays one unit ahead. At the end comes a receipt, the event `payment-receipt`. Both are for
 * the two alone: whoever reads the answer sees neither.
 *
 * Specified in protocols/http/1.0/spec.md, HTTP-13 to HTTP-15; the events as `mppx` has them.
 */
import { z } from 'zod'

/**
 * The thing that costs a unit: an event, or so many bytes of events, of which each costs one unit
 * at the most.
 */
export type StreamUnit = 'event' | { readonly bytes: number }

const NEED_VOUCHER = 'payment-need-voucher'
const RECEIPT = 'payment-receipt'

/** More than this without an end is not an event. */
const MOST_EVENT = 1_048_576

/** One event as it stands, with its blank line. */
interface Block {
  readonly text: string
  readonly type: string
  readonly data: string
  /** False for comments, and what has no data. */
  readonly isEvent: boolean
}

export function isEventStream(answer: Response): boolean {
  return /^text\/event-stream\b/i.test(answer.headers.get('content-type') ?? '')
}

/** Counts units: the same on both sides. The request has paid the first. */
class StreamMeter {
  #bytes = 0
  #units = 1
  #isFirst = true
  readonly #unit: StreamUnit

  constructor(unit: StreamUnit) {
    this.#unit = unit
  }

  /** True when an event begins a unit that is to be paid. */
  use({ text }: Block): boolean {
    const unit = this.#unit
    const isFirst = this.#isFirst
    this.#isFirst = false
    if (unit === 'event') return !isFirst
    this.#bytes += Buffer.byteLength(text)
    if (this.#bytes <= this.#units * unit.bytes) return false
    if (isFirst) return false
    this.#units++
    return true
  }
}

async function* blocksOf(
  reader: ReadableStreamDefaultReader<Uint8Array>
): AsyncGenerator<Block, undefined> {
  const decoder = new TextDecoder()
  let text = ''
  for (let step = await reader.read(); !step.done; step = await reader.read()) {
    text += decoder.decode(step.value, { stream: true })
    for (let end = endOfBlock(text); end > 0; end = endOfBlock(text)) {
      yield blockOf(text.slice(0, end))
      text = text.slice(end)
    }
    if (text.length > MOST_EVENT) throw new Error('An event has no end.')
  }
  text += decoder.decode()
  if (text !== '') yield blockOf(text)
  return undefined
}

/** Finds the end of the first event, behind its blank line; 0 when it has not come whole. */
function endOfBlock(text: string): number {
  const blank = /\r\n\r\n|\n\n|\r\r(?!\n)|\n\r\n/.exec(text)
  return blank === null ? 0 : blank.index + blank[0].length
}

function blockOf(text: string): Block {
  const fields = text.split(/\r\n|\n|\r/).map((line) => {
    const [, name = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? []
    return { name, value }
  })
  const of = (wanted: string): string[] =>
    fields.filter(({ name }) => name === wanted).map(({ value }) => value)
  const data = of('data')
  const type = of('event').at(-1) ?? 'message'
  return { text, type, data: data.join('\n'), isEvent: data.length > 0 }
}

function isPaymentEvent({ type }: Block): boolean {
  return type === NEED_VOUCHER || type === RECEIPT
}

function eventText(type: string, data: object): string {
  return `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`
}

/** The sum that a session was paid, and has to have been paid before the next event comes. */
export interface NeedVoucher {
  readonly session: string
  readonly required: bigint
  readonly accepted: bigint
}

export interface StreamSale {
  readonly unit: StreamUnit
  /**
   * Takes one more unit; `ask` is told once when it has to wait for its payment, and the signal
   * says that its reader has gone. False: it never came.
   */
  readonly take: (ask: (need: NeedVoucher) => void, signal: AbortSignal) => Promise<boolean>
  readonly receipt: () => object
}

/** The events of a body, each once it is paid. What is not paid in time breaks the answer off. */
export function soldEvents(
  body: ReadableStream<Uint8Array>,
  { unit, take, receipt }: StreamSale
): ReadableStream<Uint8Array> {
  const meter = new StreamMeter(unit)
  const reader = body.getReader()
  const blocks = blocksOf(reader)
  const bytes = new TextEncoder()
  const left = new AbortController()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const send = (text: string): void => {
          controller.enqueue(bytes.encode(text))
        }
        const step = await blocks.next()
        if (step.done === true) {
          send(eventText(RECEIPT, receipt()))
          controller.close()
          return
        }
        const block = step.value
        // Nobody but the gate speaks of payments.
        const isSold = block.isEvent && !isPaymentEvent(block)
        const ask = ({ session, required, accepted }: NeedVoucher): void => {
          send(
            eventText(NEED_VOUCHER, {
              channelId: session,
              requiredCumulative: required.toString(),
              acceptedCumulative: accepted.toString(),
              deposit: accepted.toString()
            })
          )
        }
        if (isSold && meter.use(block) && !(await take(ask, left.signal))) {
          await reader.cancel()
          controller.error(new Error('The next event was not paid in time.'))
          return
        }
        send(isPaymentEvent(block) ? ':\n\n' : block.text)
      },
      async cancel() {
        left.abort()
        await reader.cancel()
      }
    },
    { highWaterMark: 0 }
  )
}

const needShape = z.object({ requiredCumulative: z.string().regex(/^\d{1,16}$/) })

export interface StreamPurchase {
  readonly unit: StreamUnit
  /** Pays for one unit more. */
  readonly pay: () => Promise<void>
  /** A unit that was paid for in vain is left for another request. */
  readonly giveBack: () => void
  /** Rejects what a server asks for beyond that it was paid. */
  readonly check: (required: bigint) => void
}

/** The events of an answer, which is paid one unit ahead of what is read. */
export function boughtEvents(
  body: ReadableStream<Uint8Array>,
  { unit, pay, giveBack, check }: StreamPurchase
): ReadableStream<Uint8Array> {
  const meter = new StreamMeter(unit)
  const reader = body.getReader()
  const blocks = blocksOf(reader)
  const bytes = new TextEncoder()
  /** The payment for the next unit. */
  let ahead: Promise<void> | undefined
  let isOver = false
  const payAhead = (): void => {
    ahead = pay()
    // It is heard where the next unit is asked for.
    ahead.catch(() => {})
  }
  /** The next event for the reader; undefined at the end. */
  const next = async (): Promise<string | undefined> => {
    for (;;) {
      const step = await blocks.next()
      if (step.done === true) return undefined
      const block = step.value
      if (block.type === NEED_VOUCHER) {
        const need = needShape.safeParse(jsonOf(block.data))
        await ahead
        if (need.success) check(BigInt(need.data.requiredCumulative))
      } else if (block.type === RECEIPT) {
        isOver = true
      } else {
        if (block.isEvent && (meter.use(block) || ahead === undefined)) payAhead()
        return block.text
      }
    }
  }
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const text = await next()
          if (text !== undefined) {
            controller.enqueue(bytes.encode(text))
            return
          }
          // Where there is no receipt, the unit ahead may be used.
          const isPaid = await ahead?.then(
            () => true,
            () => false
          )
          if (isOver && isPaid === true) giveBack()
          controller.close()
        } catch (error) {
          await reader.cancel()
          controller.error(error)
        }
      },
      async cancel() {
        await reader.cancel()
      }
    },
    { highWaterMark: 0 }
  )
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
