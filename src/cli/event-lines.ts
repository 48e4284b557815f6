/** The log of a node: its lines, and what they say of its events. */
import type { Network } from '../../protocols/paychan/1.0/index.js'
import { isLogged, type LogConfig, type LogLevel } from '../daemon/config-schema.js'
import type { Answered } from '../daemon/tcp-api.js'
import type { NodeEvent, NodeInfo, PaymentInfo } from '../node/api.js'
import type { Facts } from '../types/errors.js'
import { plainWords, protocolWords } from '../words/channels.js'
import { paymentText, requestText } from '../words/payments.js'
import { alarmText, historiesText, printable, riskText, shortChannel } from '../words/text.js'
import type { Colors, Output } from './output.js'

/*
 * The log of a node that runs: a line is data with one text for people. `--log-format json` makes
 * one JSON object of it, with the unit in the name of each value that has one.
 */

export type Fact = string | number | boolean | readonly string[] | NestedFacts | undefined

interface NestedFacts {
  readonly [name: string]: Fact
}

/** A line of the log. */
interface Entry {
  readonly level: Exclude<LogLevel, 'silent'>
  /** Its subject: one word. */
  readonly event: string
  /** Fields that are undefined are left out. */
  readonly facts: NestedFacts
  readonly text: (colors: Colors) => string
}

export class Log {
  readonly #output: Output
  readonly #config: LogConfig

  constructor(output: Output, config: LogConfig) {
    this.#output = output
    this.#config = config
  }

  /** True when entries of this level are written. */
  takes(level: LogLevel): boolean {
    return isLogged(level, this.#config.level)
  }

  /** True when its lines are JSON. */
  get isForPrograms(): boolean {
    return this.#config.format === 'json'
  }

  /** True when `--json` shows each event as it is, also those that share a line of the log. */
  get isEachEvent(): boolean {
    return this.#output.json && this.#config.format === 'text'
  }

  /** @param data - what `--json` shows of it; its facts when left out */
  write(entry: Entry, data: object = { event: entry.event, ...entry.facts }): void {
    if (!this.takes(entry.level)) return
    if (this.#config.format === 'json') this.#output.text(jsonLine(entry))
    else this.#output.line(data, entry.text)
  }

  /** As `write`, but for people it is a remark beside the log, and for `--json` nothing. */
  note(entry: Entry): void {
    if (this.#config.format === 'json') this.write(entry)
    else if (this.takes(entry.level)) this.#output.note(entry.text(this.#output.colors))
  }
}

function jsonLine({ level, event, facts }: Entry): string {
  return `${JSON.stringify({ time: new Date().toISOString(), level, event, ...facts })}\n`
}

/** Facts of an error by names with units: amounts are bigints there, in satoshis. */
function withUnits(facts: Facts): NestedFacts {
  return Object.fromEntries(
    Object.entries(facts).map(([name, value]) =>
      typeof value === 'bigint' ? [`${name}Sat`, Number(value)] : [name, value]
    )
  )
}

/** An event other than a payment, of which many share a line. */
export type LoneEvent = Exclude<NodeEvent, { readonly type: 'payment' }>

/** @param isVerbose - tells of channels in the words of the protocol */
export function entryOf(event: LoneEvent, isVerbose: boolean): Entry {
  switch (event.type) {
    case 'chain': {
      const { status, height, reason } = event
      const where = height === undefined ? '' : ` at block ${height}`
      const why = reason === undefined ? '' : `: ${printable(reason)}`
      return {
        level: status === 'down' ? 'warn' : 'info',
        event: 'chain',
        facts: { status, height, reason },
        text: (colors) => `${colors.dim('chain')}    ${status}${where}${why}`
      }
    }
    case 'histories':
      return {
        level: 'info',
        event: 'histories',
        facts: { known: event.known, total: event.total },
        text: (colors) => `${colors.dim('chain')}    ${historiesText(event)}`
      }
    case 'channel': {
      const { id, peerId, status, ourBalance, theirBalance } = event.channel
      const words = printable(isVerbose ? protocolWords(event) : plainWords(event))
      return {
        level: 'info',
        event: 'channel',
        facts: {
          news: event.news.kind,
          channel: id,
          peerId,
          status,
          ourBalanceSat: Number(ourBalance),
          theirBalanceSat: Number(theirBalance),
          txid: event.txid,
          text: words
        },
        text: (colors) => `${colors.dim('channel')}  ${shortChannel(id)} ${status}: ${words}`
      }
    }
    case 'risk': {
      const { channel, risk, stake, isHigh } = event
      const percent = Math.round(risk * 100)
      return {
        level: isHigh ? 'warn' : 'info',
        event: 'risk',
        facts: { channel, riskPercent: percent, stakeSat: Number(stake), isHigh },
        text: (colors) => `${colors.yellow('risk')}     ${shortChannel(channel)} ${riskText(event)}`
      }
    }
    case 'server': {
      const { server, code, text } = event
      return {
        level: 'warn',
        event: 'server',
        facts: { server, code, text },
        text: (colors) => `${colors.yellow('server')}   ${printable(text)} (${code})`
      }
    }
    case 'alarm': {
      const { code, text, facts, channel, channels, count } = event
      return {
        level: 'error',
        event: 'alarm',
        facts: { code, text, channel, channels, count, facts: withUnits(facts) },
        text: (colors) => `${colors.red('ALARM')}    ${printable(alarmText(event))} (${code})`
      }
    }
    case 'request': {
      const { id, state, received, amount } = event.request
      return {
        level: 'info',
        event: 'request',
        facts: {
          request: id,
          state,
          receivedSat: Number(received),
          amountSat: amount === undefined ? undefined : Number(amount)
        },
        text: (colors) => `${colors.green('request')}  ${requestText(event.request)}`
      }
    }
  }
}

/** Payments that share a line. */
export function paymentsEntry(payments: readonly PaymentInfo[]): Entry {
  const sumOf = (direction: PaymentInfo['direction']): { count: number; sum: number } => {
    const these = payments.filter((payment) => payment.direction === direction)
    const sum = these.reduce((total, { amount }) => total + amount, 0n)
    return { count: these.length, sum: Number(sum) }
  }
  const [sent, received] = [sumOf('sent'), sumOf('received')]
  const only = payments.length === 1 ? payments[0] : undefined
  return {
    level: 'info',
    event: 'payment',
    facts: {
      sentCount: sent.count,
      sentSat: sent.sum,
      receivedCount: received.count,
      receivedSat: received.sum,
      payment: only?.id,
      peerId: only?.peerId,
      channel: only?.channel,
      memo: only?.memo
    },
    text: (colors) => `${colors.dim('payment')}  ${printable(paymentText(payments))}`
  }
}

/** The first line: who the node is, and where it is reached. */
export function startedEntry(
  { version, network, peerId, multiaddrs, chain, channels }: NodeInfo,
  reached: { readonly apiSocket: string; readonly apiUrl: string | undefined },
  text: (colors: Colors) => string
): Entry {
  return {
    level: 'info',
    event: 'started',
    facts: {
      version,
      network,
      peerId,
      multiaddrs,
      chain: chain.status,
      height: chain.height,
      channels: channels.total,
      ...reached
    },
    text
  }
}

export const STOPPED: Entry = { level: 'info', event: 'stopped', facts: {}, text: () => 'Stopped.' }

export function stoppingEntry(signal: string): Entry {
  const text = `${signal}: stopping.`
  return { level: 'info', event: 'stopping', facts: { signal }, text: () => text }
}

export function deprecatedEntry(network: Network, instead: Network): Entry {
  const text = `${network} (3) is about to be given up by those who run it: use --network ${instead}.`
  return { level: 'warn', event: 'deprecated', facts: { network, instead, text }, text: () => text }
}

/** Events that only somebody who looks for a fault wants to know. */
export function detailEntry(level: 'debug' | 'trace', component: string, text: string): Entry {
  return {
    level,
    event: 'detail',
    facts: { component, text },
    text: (colors) => `${colors.dim(level)}    ${component} ${printable(text)}`
  }
}

/** A request to the API on TCP, after its answer. */
export function answeredEntry({ method, path, status, code, tookMs }: Answered): Entry {
  const how = code === undefined ? `${status}` : `${status} ${code}`
  return {
    level: 'debug',
    event: 'api',
    facts: { method, path, status, code, tookMs },
    text: (colors) => `${colors.dim('api')}      ${method} ${path}: ${how}, ${tookMs} ms`
  }
}
