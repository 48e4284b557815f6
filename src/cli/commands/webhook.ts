/** `paychan webhook`: receivers to whom the node posts its events. */
import { InvalidArgumentError, type Command } from 'commander'
import { NUMBERED_EVENTS, type NumberedEventType } from '../../node/answers.js'
import type { NewWebhook, WebhookInfo } from '../../node/webhooks.js'
import { withoutUndefined } from '../../daemon/wire.js'
import { contextOf, withCommonOptions, withNode, type World } from '../context.js'
import type { Colors } from '../output.js'
import { formatTime, printable } from '../../words/text.js'
import { renderTable } from '../table.js'

interface AddOptions {
  readonly events?: readonly NumberedEventType[]
  readonly from?: number
}

export function addWebhook(program: Command, world: World): void {
  const webhook = program
    .command('webhook')
    .summary('post events to a program of yours')
    .description(
      'Webhooks: the node posts its events to a URL, in order, each until it is taken (2xx), signed by the Standard Webhooks specification.'
    )

  withCommonOptions(webhook.command('add').summary('post events to a URL'))
    .description('Posts events to a URL and shows the secret of their signatures, this one time.')
    .argument('<url>', 'https://..., or http://127.0.0.1... for a program on this machine')
    .option(
      '--events <kinds>',
      `which events: ${NUMBERED_EVENTS.join(', ')} (default: all of them)`,
      parseEvents
    )
    .option('--from <number>', 'the first event to post (default: the next one)', parseNumber)
    .addHelpText(
      'after',
      '\nExamples:\n  paychan webhook add https://shop.example/paid --events payment,request\n  paychan webhook add http://127.0.0.1:8080/ --from 1'
    )
    .action(async (url: string, { events, from }: AddOptions, command: Command) => {
      const context = contextOf(world, command)
      const made = await withNode(
        context,
        async (node) => await node.webhooks.add(withoutUndefined({ url, events, from })),
        'the node',
        'The webhook may be there: `paychan webhook list` shows it, and `paychan webhook remove` takes it away.'
      )
      const { io, output } = context
      output.result(made, (colors) =>
        io.stdout.isTTY ? `${colors.bold(made.secret)}\n${aboutWebhook(made)}` : made.secret
      )
    })

  withCommonOptions(webhook.command('list').summary('the webhooks of this node'))
    .description('Lists the webhooks, the newest first, with how far each has come.')
    .action(async (_options: unknown, command: Command) => {
      const context = contextOf(world, command)
      const webhooks = await withNode(context, async (node) => await node.webhooks.list())
      context.output.result({ webhooks }, (colors) =>
        renderWebhooks(webhooks, colors, context.output.width)
      )
    })

  withCommonOptions(webhook.command('remove').summary('take a webhook away'))
    .description('Takes a webhook away, at once.')
    .argument('<id>', 'its id, as `paychan webhook list` shows it')
    .action(async (id: string, _options: unknown, command: Command) => {
      const context = contextOf(world, command)
      await withNode(context, async (node) => {
        await node.webhooks.remove(id)
      })
      context.output.result({ id, removed: true }, () => `Webhook ${id} gets no more events.`)
    })

  withCommonOptions(webhook.command('replay').summary('post events once more'))
    .description(
      'Posts the events from a number on once more, now, each with the webhook-id that it had; also to a receiver that is failing, or had wanted no more.'
    )
    .argument('<id>', 'its id, as `paychan webhook list` shows it')
    .requiredOption('--from <number>', 'the first event to post', parseNumber)
    .action(async (id: string, { from }: { readonly from: number }, command: Command) => {
      const context = contextOf(world, command)
      const info = await withNode(context, async (node) => await node.webhooks.replay(id, from))
      context.output.result(info, () => `Webhook ${id} gets the events from ${from} on.`)
    })
}

function parseEvents(
  text: string,
  before: readonly NumberedEventType[] = []
): readonly NumberedEventType[] {
  const events = text.split(',').map((part) => part.trim())
  const wrong = events.find((event) => !NUMBERED_EVENTS.some((known) => known === event))
  if (wrong !== undefined) {
    throw new InvalidArgumentError(
      `'${wrong}' is not an event with a number; there are ${NUMBERED_EVENTS.join(', ')}.`
    )
  }
  return [...new Set([...before, ...(events as NumberedEventType[])])]
}

function parseNumber(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be the number of an event: 1 or more.')
}

function aboutWebhook({ id, url, events }: NewWebhook): string {
  return [
    `It signs ${events === undefined ? 'all events' : `events of the kind ${events.join(', ')}`} for ${printable(url)}.`,
    `It is shown this once. Take the webhook away with: paychan webhook remove ${id}`
  ].join('\n')
}

function renderWebhooks(webhooks: readonly WebhookInfo[], colors: Colors, width: number): string {
  if (webhooks.length === 0) {
    return 'There are no webhooks. Add one: paychan webhook add https://shop.example/paid'
  }
  return renderTable(
    [
      { title: 'ID' },
      { title: 'UP TO', align: 'right' },
      { title: 'STATE' },
      { title: 'EVENTS', below: true },
      { title: 'URL', below: true }
    ],
    webhooks.map((webhook) => [
      webhook.id,
      String(webhook.delivered),
      stateText(webhook),
      webhook.events?.join(' ') ?? 'all',
      printable(webhook.url)
    ]),
    colors,
    width
  )
}

function stateText({ status, failures, nextTry, lastStatus, lastProblem }: WebhookInfo): string {
  if (status !== 'failing') return status
  const why = lastStatus === undefined ? printable(lastProblem ?? '') : `HTTP ${lastStatus}`
  const next = nextTry === undefined ? '' : `, next ${formatTime(nextTry)}`
  return `failing: ${failures} ${failures === 1 ? 'try' : 'tries'}, ${why}${next}`
}
