/** Getting paid: `request`, `requests`, `receipt`; paying a request is `pay` (`payRequest`). */
import type { Command } from 'commander'
import { parseAmount } from '../../types/amount.js'
import { codeOf, PaychanError } from '../../types/errors.js'
import { formatAmount, max, satoshi, type Satoshi } from '../../types/units.js'
import { withoutUndefined } from '../../daemon/wire.js'
import type { RequestPayment, RequestTerms } from '../../node/api.js'
import { REQUEST_LIFETIME_S } from '../../node/requests-api.js'
import {
  AMOUNT_HELP,
  contextOf,
  type LimitOption,
  showNewest,
  withCommonOptions,
  withLimit,
  withNode,
  type Context,
  type World
} from '../context.js'
import { followOpening, isOpened } from '../opening-progress.js'
import { renderMade, renderReceipt, renderRequestPaid, renderRequests } from '../render.js'
import { formatDuration, parseLifetime } from '../options.js'
import { requestWords } from '../../words/payments.js'
import { shortPeer } from '../../words/text.js'

interface RequestOptions {
  readonly memo?: string
  readonly expires?: { readonly seconds: number | undefined }
  readonly reusable?: true
  readonly qr?: boolean
}

/** The verbs about payment requests. */
export function addRequests(program: Command, world: World): void {
  withCommonOptions(program.command('request').summary('ask to be paid'))
    .description(
      'Makes a request to be paid: one text that says who, where and how much, signed by this node. Give it to the payer, who pays it with `paychan pay`. On a terminal it is shown as a QR code as well.'
    )
    .argument('[amount]', `${AMOUNT_HELP}; the payer chooses when it is left out`, parseAmount)
    .option('--memo <text>', 'what it is for, at most 128 bytes')
    .option(
      '--expires <time>',
      `how long it may be paid: 15m, 1h, 7d or never (default: ${formatDuration(REQUEST_LIFETIME_S)})`,
      parseLifetime
    )
    .option('--reusable', 'it may be paid more than once, by anybody')
    .option('--no-qr', 'no QR code')
    .addHelpText(
      'after',
      '\nExamples:\n  paychan request 3000 --memo "two coffees" --expires 15m\n  paychan request --reusable --expires never --memo "tips"\n  paychan requests'
    )
    .action(
      async (
        amount: Satoshi | undefined,
        { memo, expires, reusable, qr = true }: RequestOptions,
        command: Command
      ) => {
        const context = contextOf(world, command)
        const expiresIn = expires && (expires.seconds ?? 'never')
        const { made, multiaddrs } = await withNode(context, async (node) => ({
          made: await node.requests.make(withoutUndefined({ amount, memo, expiresIn, reusable })),
          multiaddrs: (await node.info()).multiaddrs
        }))
        const { io, output } = context
        const drawn = qr && io.stdout.isTTY && !output.json ? await qrOf(made.text) : undefined
        output.result(made, (colors) =>
          io.stdout.isTTY ? renderMade(made, drawn, colors, output.width) : made.text
        )
        if (multiaddrs.every((address) => /^\/(ip4\/127\.|ip6\/::1\/)/.test(address))) {
          output.note(
            'Only payers on this machine can reach this node: it listens on 127.0.0.1. For others, start it with --listen /ip4/0.0.0.0/tcp/9801.'
          )
        }
      }
    )

  withLimit(
    withCommonOptions(
      program.command('requests').summary('what this node has asked for')
    ).description(
      'Lists the payment requests of this node, the newest first, and what came for each.'
    )
  )
    .addHelpText('after', '\nExamples:\n  paychan requests\n  paychan requests --limit 100')
    .action(async (shown: LimitOption, command: Command) => {
      await showNewest(
        contextOf(world, command),
        'requests',
        shown,
        async (node, limit) => await node.requests.list({ limit }),
        renderRequests
      )
    })

  const receipt = program
    .command('receipt')
    .summary('proofs of payment')
    .description("A receipt is the payee's signed word that a request was paid.")
    .addHelpText(
      'after',
      '\nExamples:\n  paychan receipt get paychan1...\n  paychan receipt verify paychanreceipt1...'
    )

  withCommonOptions(receipt.command('get'))
    .summary('the receipt for a request that this node has paid')
    .description(
      'Prints the receipt for a request that this node has paid; asks the payee for it when it is not here yet.'
    )
    .argument('<request>', 'the text of the request, or its id')
    .option('--id <text>', 'the name of the payment, of a request that is reusable')
    .addHelpText('after', '\nExample:\n  paychan receipt get 1f2e3d4c5b6a7988')
    .action(async (request: string, { id }: { id?: string }, command: Command) => {
      const context = contextOf(world, command)
      const got = await withNode(
        context,
        async (node) => await node.requests.receipt(request, id),
        'the payee to give the receipt'
      )
      context.output.result(got, () =>
        context.io.stdout.isTTY ? `${renderReceipt(got)}\n\n${got.text}` : got.text
      )
    })

  withCommonOptions(receipt.command('verify'))
    .summary('check a receipt; needs no node')
    .description(
      'Checks that a receipt is signed by its payee, and says what it is for. Needs no node and no network. It is worth as much as the peer id of the payee is known: compare that.'
    )
    .argument('<receipt>', 'the text of the receipt: paychanreceipt1...')
    .option('--request <text>', 'also check that it is the receipt for this request')
    .addHelpText('after', '\nExample:\n  paychan receipt verify paychanreceipt1...')
    .action(async (text: string, { request }: { request?: string }, command: Command) => {
      const { output } = contextOf(world, command)
      const { readReceipt } = await import('../../node/receipts.js')
      const read = await readReceipt(text)
      if (request !== undefined) await assertFor(read, request)
      output.result({ ...read, valid: true }, () => renderReceipt(read))
    })
}

/** @throws PaychanError `ERR_INVALID_RECEIPT` when a receipt is for another request */
async function assertFor(
  receipt: { readonly request: string; readonly payee: string; readonly amount: Satoshi },
  text: string
): Promise<void> {
  const { readRequest } = await import('../../node/requests.js')
  const { id, payee, amount = 1n } = await readRequest(text)
  if (receipt.request === id && receipt.payee === payee && receipt.amount >= amount) return
  throw new PaychanError(
    'ERR_INVALID_RECEIPT',
    `The receipt is for another request: for ${receipt.request} of ${receipt.payee}, and not for ${id} of ${payee}.`,
    { request: receipt.request, asked: id }
  )
}

async function qrOf(text: string): Promise<string> {
  const { encodeQR } = await import('qr')
  // Capitals and digits take 5.5 bits a letter instead of 8 (ISO 18004, alphanumeric mode).
  return encodeQR(text.toUpperCase(), 'ascii', { ecc: 'low', border: 2 }).trimEnd()
}

/* Paying a request. */

export interface PayRequestOptions {
  readonly amount: Satoshi | undefined
  readonly id: string | undefined
  /** The capacity of a channel to open, if there is none; `true`: the usual one. */
  readonly open: Satoshi | true | undefined
  /** Pay without asking. */
  readonly yes: boolean
  /** Say what it asks for, and pay nothing. */
  readonly show: boolean
}

const MAY_FOLLOW =
  'The payment may still be made: ask for it again, which does not pay twice, or look at `paychan payments`.'

/** `paychan pay REQUEST`: shows it, asks, opens a channel if that is allowed, and pays it once. */
export async function payRequest(
  context: Context,
  request: string,
  options: PayRequestOptions
): Promise<void> {
  const { output } = context
  const { amount, id, yes, show } = options
  const terms = await withNode(context, async (node) => await node.requests.read(request))
  if (show) {
    output.result(terms, () => requestWords(terms))
    return
  }
  for (const line of requestWords(terms).split('\n')) output.note(line)
  const sum = amount ?? terms.amount
  if (sum !== undefined && !yes) await confirm(context, sum, terms)
  const payment = await payOrOpen(context, terms, options, async () =>
    withNode(
      context,
      async (node) => await node.requests.pay(withoutUndefined({ request, amount, id })),
      'the payee to acknowledge the payment',
      MAY_FOLLOW
    )
  )
  output.result(payment, () => renderRequestPaid(payment))
  if (payment.receiptProblem !== undefined) {
    output.note(
      `There is no receipt yet (${payment.receiptProblem}) The payment is made; ask again with: paychan receipt get REQUEST`
    )
  }
}

/** Names the price before it is paid: a payer has not seen the amount in the text. */
async function confirm(context: Context, sum: Satoshi, { payee }: RequestTerms): Promise<void> {
  if (await isAgreed(context, `Pay ${formatAmount(sum)} to ${shortPeer(payee)}? [y/N] `)) return
  throw new PaychanError(
    'ERR_NOT_CONFIRMED',
    `Nothing was paid. Say --yes to pay ${formatAmount(sum)} without being asked.`,
    { amount: sum, payee }
  )
}

async function isAgreed({ io, output }: Context, question: string): Promise<boolean> {
  if (!io.stdin.isTTY || output.json) return false
  const answer = await io.stdin.readLine(question)
  return /^y(es)?$/i.test(answer?.trim() ?? '')
}

async function payOrOpen(
  context: Context,
  terms: RequestTerms,
  { amount, open }: PayRequestOptions,
  pay: () => Promise<RequestPayment>
): Promise<RequestPayment> {
  try {
    return await pay()
  } catch (error) {
    if (codeOf(error) !== 'ERR_NO_CHANNEL') throw error
    const sum = amount ?? terms.amount ?? satoshi(0n)
    if (sum < terms.leastFirstPayment) throw error
    const capacity = await capacityFor(context, sum, open, terms)
    if (capacity === undefined) throw error
    const request = { peer: terms.payee, amount: capacity, wait: 'ready' as const }
    await followOpening(
      context,
      isOpened(request),
      async (node, signal) => await node.channels.open({ ...request, signal }),
      {}
    )
    return await pay()
  }
}

/** Room for ten such payments, above the 10,000 sat that servers take at least by default. */
const LEAST_CAPACITY = satoshi(50_000n)

async function capacityFor(
  context: Context,
  sum: Satoshi,
  open: Satoshi | true | undefined,
  { payee }: RequestTerms
): Promise<Satoshi | undefined> {
  const usual = max(satoshi(10n * sum), LEAST_CAPACITY)
  if (open !== undefined) return open === true ? usual : open
  const question = `There is no channel to ${shortPeer(payee)}. Open one with ${formatAmount(usual)}, for this payment and later ones? It takes a transaction and its fee, and waits for blocks. [y/N] `
  return (await isAgreed(context, question)) ? usual : undefined
}
