/** Selling and buying by the request, over HTTP: `gate`, `fetch`, `credential`. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InvalidArgumentError, type Command } from 'commander'
import type { PayingFetch, StreamUnit } from '../../metering/index.js'
import { parseAmount, readHostPort } from '../../types/amount.js'
import { fetchFailure, PaychanError } from '../../types/errors.js'
import { withoutUndefined } from '../../daemon/wire.js'
import { formatAmount, satoshi, type Satoshi } from '../../types/units.js'
import {
  AMOUNT_HELP,
  contextOf,
  withCommonOptions,
  withNode,
  type Context,
  type World
} from '../context.js'
import { replacePrivateFile } from '../../wallet/private-file.js'
import { untilInterrupted } from '../output.js'

/** Beside the port of the API. */
const DEFAULT_GATE = '127.0.0.1:9803'
const MOST = satoshi(10n)
const BUDGET = satoshi(2_000n)

interface GateOptions {
  readonly upstream: string
  readonly price: Satoshi
  readonly listen?: { readonly host: string; readonly port: number }
  readonly free?: readonly string[]
  readonly realm?: string
  readonly description?: string
  readonly trust?: number
  readonly per?: StreamUnit
  readonly cert?: string
  readonly key?: string
}

interface PayerOptions {
  readonly most?: Satoshi
  readonly budget?: Satoshi
  readonly open?: Satoshi
  readonly mostFirst?: Satoshi
  readonly mostOpenFee?: Satoshi
}

interface FetchOptions extends PayerOptions {
  readonly request?: string
  readonly header?: readonly string[]
  readonly body?: string
  readonly include?: boolean
}

export function addMetering(program: Command, world: World): void {
  withCommonOptions(program.command('gate').summary('put a price on a web server'))
    .description(
      'Serves another web server for money, in the foreground: each request costs a price, which comes over a channel to this node. Clients speak the "Payment" scheme of HTTP (402, WWW-Authenticate), as `paychan fetch` does. What the server behind it cannot answer (a status from 500 on) costs nothing.'
    )
    .requiredOption(
      '--upstream <url>',
      'the server that is sold, such as http://127.0.0.1:8080',
      httpUrl
    )
    .requiredOption('--price <amount>', `what a request costs: ${AMOUNT_HELP}`, parseAmount)
    .option('--listen <host:port>', `where it listens (default: ${DEFAULT_GATE})`, hostAndPort)
    .option(
      '--free <path>',
      'requests for this path, and those below it, cost nothing; several times for several',
      (path: string, before: string[] = []) => [...before, path]
    )
    .option('--realm <name>', 'its name for clients (default: where it listens)')
    .option('--description <text>', 'what it sells, for people')
    .option(
      '--trust <n>',
      'answer so many requests while the first channel of a payer waits for its blocks (default: 0)',
      units
    )
    .option(
      '--per <unit>',
      'sell an answer that is a stream of events by the event (`event`), or by so many bytes (default: as one answer)',
      streamUnit
    )
    .option('--cert <file>', 'certificate (PEM): clients elsewhere pay over TLS only')
    .option('--key <file>', 'the key of the certificate (PEM)')
    .addHelpText(
      'after',
      '\nExamples:\n  paychan gate --upstream http://127.0.0.1:8080 --price 2sat\n  paychan gate --upstream http://127.0.0.1:8080 --price 2sat --free /health --cert cert.pem --key key.pem --listen 0.0.0.0:443 --realm api.example.com'
    )
    .action(async (options: GateOptions, command: Command) => {
      const context = contextOf(world, command)
      const { io, output } = context
      const { upstream, price, free = [], description, trust, per, cert, key } = options
      const { host, port } = options.listen ?? hostAndPort(DEFAULT_GATE)
      const realm = options.realm ?? `${host}:${port}`
      const tls = await tlsOf(cert, key)
      const { booksDirectory, Gate, isFreePath, openBooks, servePriced } =
        await import('../../metering/index.js')
      await withNode(context, async (node) => {
        // Asked before it listens: without a node it could sell nothing.
        await node.info()
        const books = await openBooks(booksDirectory(context.dataDir, realm))
        const gate = new Gate({
          node,
          realm,
          books,
          price: ({ url }) => (isFreePath(new URL(url).pathname, free) ? satoshi(0n) : price),
          ...(description === undefined ? {} : { description }),
          ...(trust === undefined ? {} : { trustedUnits: trust }),
          ...(per === undefined ? {} : { streamed: per })
        })
        try {
          const server = await servePriced({
            gate,
            upstream,
            host,
            port,
            ...(tls === undefined ? {} : { tls })
          })
          output.result(
            { url: server.url, upstream, priceSat: Number(price) },
            () =>
              `${server.url} serves ${upstream} for ${formatAmount(price)} a request. Try it: paychan fetch ${server.url}/   (Ctrl-C ends it)`
          )
          await untilInterrupted(io).signal
          await server.close()
        } finally {
          gate.stop()
          await books.close()
        }
      })
    })

  withPayerOptions(program.command('fetch').summary('get a page, and pay what it costs'))
    .description(
      'Asks a web server, pays it over a channel when it wants to be paid for that, and prints what it answers. What was paid is said on stderr.'
    )
    .argument('<url>', 'what is asked for', httpUrl)
    .option('-X, --request <method>', 'GET, POST and the like (default: GET, with --body POST)')
    .option(
      '-H, --header <line>',
      'a header, such as "accept: text/plain"; several times for several',
      (line: string, before: string[] = []) => [...before, line]
    )
    .option('-d, --body <text>', 'what is sent')
    .option('-i, --include', 'print the status and the headers of the answer, too')
    .addHelpText(
      'after',
      '\nExamples:\n  paychan fetch http://127.0.0.1:9803/weather\n  paychan fetch https://api.example.com/ask -d "a question" --most 50sat --open 100000'
    )
    .action(async (url: string, options: FetchOptions, command: Command) => {
      const context = contextOf(world, command)
      const { io, output } = context
      const { request, header = [], body: sent, include } = options
      const { answer, body, paid, spent } = await paying(context, options, url, async (pay) => {
        const answer = await pay(url, {
          method: request ?? (sent === undefined ? 'GET' : 'POST'),
          headers: header.map(headerOf),
          ...(sent === undefined ? {} : { body: sent })
        })
        return {
          answer,
          body: Buffer.from(await answer.arrayBuffer()),
          paid: pay.paid,
          spent: pay.spent
        }
      })
      const { status } = answer
      if (output.json) {
        const headers = Object.fromEntries(answer.headers)
        output.result(
          {
            status,
            headers,
            body: body.toString(),
            paidSat: Number(paid),
            spentSat: Number(spent)
          },
          () => ''
        )
        return
      }
      if (include === true) {
        const lines = [...answer.headers].map(([name, value]) => `${name}: ${value}`)
        io.stdout.write([`${status} ${answer.statusText}`, ...lines, '', ''].join('\n'))
      }
      io.stdout.write(body)
      if (io.stdout.isTTY && body.at(-1) !== 10) io.stdout.write('\n')
      const elsewhere = answer.headers.get('location')
      if (status >= 300 && status < 400 && elsewhere !== null) {
        output.note(`It is at ${new URL(elsewhere, url).href}: ask there, if it may be paid.`)
      }
      output.note(costOf(paid, spent, status))
    })

  withPayerOptions(program.command('credential').summary('pay for a page that curl gets'))
    .description(
      'Asks a web server, pays for one request, and prints the value of the header Authorization with which another client gets it, once.'
    )
    .argument('<url>', 'what is asked for', httpUrl)
    .addHelpText(
      'after',
      '\nExample:\n  curl -H "Authorization: $(paychan credential http://127.0.0.1:9803/)" http://127.0.0.1:9803/'
    )
    .action(async (url: string, options: PayerOptions, command: Command) => {
      const context = contextOf(world, command)
      const { header, paid } = await paying(context, options, url, async (pay) => ({
        header: await pay.credential(url),
        paid: pay.paid
      }))
      context.output.result({ authorization: header, paidSat: Number(paid) }, () => header)
    })
}

function withPayerOptions(command: Command): Command {
  return withCommonOptions(command)
    .option(
      '--most <amount>',
      `the most that it may cost (default: ${formatAmount(MOST)})`,
      parseAmount
    )
    .option(
      '--budget <amount>',
      `the most that may be paid in all: the first payment on a new channel has to be worth settling (default: ${formatAmount(BUDGET)})`,
      parseAmount
    )
    .option('--open <amount>', 'open a channel with so much, when there is none', parseAmount)
    .option(
      '--most-open-fee <amount>',
      'the most that the funding transaction of that channel may cost (default: a twentieth of the channel)',
      parseAmount
    )
    .option(
      '--most-first <amount>',
      'the most that the first payment on a new channel may be, which its payee names (default: four times what this node would ask for)',
      parseAmount
    )
}

/** Pays with the running node, and goes on with the sessions of earlier commands. */
async function paying<T>(
  context: Context,
  { most = MOST, budget = BUDGET, open, mostFirst, mostOpenFee }: PayerOptions,
  url: string,
  use: (pay: PayingFetch) => Promise<T>
): Promise<T> {
  const { payingFetch, readPaidSessions } = await import('../../metering/index.js')
  const file = join(context.dataDir, SESSIONS_FILE)
  return await withNode(
    context,
    async (node) => {
      // There is none at first.
      const sessions = readPaidSessions(await readFile(file, 'utf8').catch(() => '[]'))
      const pay = payingFetch({
        ...{ node, mostPerRequest: most, budget, sessions },
        ...(open === undefined
          ? {}
          : { open: withoutUndefined({ amount: open, mostFee: mostOpenFee }) }),
        ...(mostFirst === undefined ? {} : { mostFirstPayment: mostFirst })
      })
      try {
        return await use(pay)
      } catch (error) {
        if (!(error instanceof TypeError)) throw error
        throw new PaychanError(
          'ERR_SERVER_UNREACHABLE',
          `${url} cannot be asked: ${fetchFailure(error)}.`,
          { url }
        )
      } finally {
        if (pay.paid > 0n || sessions.length > 0) {
          await replacePrivateFile(file, JSON.stringify(pay.sessions))
        }
      }
    },
    'the server',
    'The server may have been paid: `paychan payments` shows it.'
  )
}

/** The payments to servers that are not used up; losing it loses them. */
const SESSIONS_FILE = 'paid-sessions.json'

function costOf(paid: Satoshi, spent: Satoshi, status: number): string {
  if (paid === 0n) {
    return spent === 0n
      ? `It cost nothing (status ${status}).`
      : `It cost ${formatAmount(spent)}, of what was paid before.`
  }
  if (paid === spent) return `Paid ${formatAmount(paid)}.`
  return spent === 0n
    ? `It cost nothing (status ${status}). What was paid for it, ${formatAmount(paid)}, is left for further requests.`
    : `Paid ${formatAmount(paid)}, and it cost ${formatAmount(spent)}: the rest is left for further requests.`
}

/** @throws PaychanError `ERR_USAGE` */
async function tlsOf(
  cert: string | undefined,
  key: string | undefined
): Promise<{ cert: string; key: string } | undefined> {
  if (cert === undefined && key === undefined) return undefined
  if (cert === undefined || key === undefined) {
    throw new PaychanError('ERR_USAGE', 'Give both, --cert and --key, or neither.')
  }
  const [certText, keyText] = await Promise.all(
    [cert, key].map(async (file) => {
      try {
        return await readFile(file, 'utf8')
      } catch {
        throw new PaychanError('ERR_USAGE', `${file} cannot be read.`, { file })
      }
    })
  )
  return { cert: certText ?? '', key: keyText ?? '' }
}

function httpUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return text
  throw new InvalidArgumentError('It must be a URL that begins with http:// or https://.')
}

function hostAndPort(text: string): NonNullable<GateOptions['listen']> {
  const place = readHostPort(text)
  if (place !== undefined) return place
  throw new InvalidArgumentError('It must be a host and a port, such as 127.0.0.1:9803.')
}

function units(text: string): number {
  if (/^\d{1,4}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a whole number of requests, at most 9999.')
}

function streamUnit(text: string): StreamUnit {
  if (text === 'event') return text
  if (/^[1-9]\d{0,8}$/.test(text)) return { bytes: Number(text) }
  throw new InvalidArgumentError('It must be `event`, or a number of bytes such as 65536.')
}

function headerOf(line: string): [string, string] {
  const [, name = '', value = ''] = /^([^:\s]+):\s*(.*)$/.exec(line) ?? []
  if (name !== '') return [name, value]
  throw new PaychanError('ERR_USAGE', `'${line}' is not a header: write it as "name: value".`)
}
