/** `paychan token`: who may use the API on TCP, and for how much. */
import { InvalidArgumentError, type Command } from 'commander'
import {
  type Budget,
  BUDGET_SPANS,
  type BudgetSpan,
  type NewToken,
  type Scope,
  SCOPES,
  spanText,
  type TokenInfo
} from '../../node/access.js'
import { parseAmount } from '../../types/amount.js'
import { formatAmount } from '../../types/units.js'
import { withoutUndefined } from '../../daemon/wire.js'
import { contextOf, withCommonOptions, withNode, type World } from '../context.js'
import { parseLifetime } from '../options.js'
import type { Colors } from '../output.js'
import { renderTable } from '../table.js'
import { printable, formatTime } from '../../words/text.js'

interface CreateOptions {
  readonly name?: string
  readonly scope: readonly Scope[]
  readonly limit?: Budget
  readonly expires?: { readonly seconds: number | undefined }
}

export function addToken(program: Command, world: World): void {
  const token = program
    .command('token')
    .summary('who may use the API for programs, and for how much')
    .description(
      'Tokens for the API that `paychan start --api` serves. A token may do what its scopes say: read shows, receive makes what others pay to, pay pays peers on open channels, manage does everything.'
    )

  withCommonOptions(token.command('create').summary('make a token'))
    .description('Makes a token and shows it, this one time: the node keeps its hash only.')
    .requiredOption('--scope <scopes>', `what it may do: ${SCOPES.join(', ')}`, parseScopes)
    .option(
      '--limit <amount/time>',
      'with pay: 10000sat/day, or another time: hour, week, month, total',
      parseLimit
    )
    .option(
      '--expires <time>',
      'how long it lives: 15m, 1h, 7d or never (the default)',
      parseLifetime
    )
    .option('--name <text>', 'what it is for (default: token)')
    .addHelpText(
      'after',
      '\nExamples:\n  paychan token create --scope read,receive,pay --limit 10000sat/day --name shop\n  paychan token create --scope manage --expires 1h'
    )
    .action(async ({ name = 'token', scope, limit, expires }: CreateOptions, command: Command) => {
      const context = contextOf(world, command)
      const options = { name, scopes: scope, budget: limit, expiresIn: expires?.seconds }
      const made = await withNode(
        context,
        async (node) => await node.access.make(withoutUndefined(options)),
        'the node',
        'The token may be made: `paychan token list` shows it, and `paychan token revoke` takes it away.'
      )
      const { io, output } = context
      output.result(made, (colors) =>
        io.stdout.isTTY ? `${colors.bold(made.token)}\n${aboutToken(made)}` : made.token
      )
    })

  withCommonOptions(token.command('list').summary('the tokens of this node'))
    .description('Lists the tokens, the newest first, with what each has paid of its limit.')
    .action(async (_options: unknown, command: Command) => {
      const context = contextOf(world, command)
      const tokens = await withNode(context, async (node) => await node.access.list())
      context.output.result({ tokens }, (colors) =>
        renderTokens(tokens, colors, context.output.width)
      )
    })

  withCommonOptions(token.command('revoke').summary('take a token away'))
    .description('Takes a token away, at once.')
    .argument('<id>', 'its id, as `paychan token list` shows it')
    .action(async (id: string, _options: unknown, command: Command) => {
      const context = contextOf(world, command)
      await withNode(context, async (node) => {
        await node.access.revoke(id)
      })
      context.output.result({ id, revoked: true }, () => `Token ${id} opens nothing any more.`)
    })
}

function parseScopes(text: string, before: readonly Scope[] = []): readonly Scope[] {
  const scopes = text.split(',').map((part) => part.trim())
  const wrong = scopes.find((scope) => !SCOPES.some((known) => known === scope))
  if (wrong !== undefined) {
    throw new InvalidArgumentError(`'${wrong}' is not a scope; there are ${SCOPES.join(', ')}.`)
  }
  return [...new Set([...before, ...(scopes as Scope[])])]
}

function parseLimit(text: string): Budget {
  const [amount = '', per = 'total', ...rest] = text.split('/')
  if (rest.length > 0 || !BUDGET_SPANS.some((known) => known === per)) {
    throw new InvalidArgumentError(
      `It must be an amount and a time, such as 10000sat/day; times are ${BUDGET_SPANS.join(', ')}.`
    )
  }
  return { amount: parseAmount(amount), per: per as BudgetSpan }
}

function limitText({ budget, spent, scopes }: TokenInfo): string {
  if (budget === undefined) return scopes.includes('pay') ? 'no limit' : ''
  return `${formatAmount(spent)} of ${formatAmount(budget.amount)} ${spanText(budget.per)}`
}

function aboutToken(token: NewToken): string {
  const { id, scopes, budget, expires } = token
  return [
    `It may ${scopes.join(', ')}${budget === undefined ? '' : `, and pay ${formatAmount(budget.amount)} ${spanText(budget.per)}`}${expires === undefined ? '' : `, until ${formatTime(expires)}`}.`,
    `It is shown this once. Take it away with: paychan token revoke ${id}`
  ].join('\n')
}

function renderTokens(tokens: readonly TokenInfo[], colors: Colors, width: number): string {
  if (tokens.length === 0) return 'There are no tokens. Make one: paychan token create --scope read'
  return renderTable(
    [
      { title: 'ID' },
      { title: 'NAME' },
      { title: 'MAY' },
      { title: 'PAID', below: true },
      { title: 'UNTIL', below: true }
    ],
    tokens.map((token) => [
      token.id,
      printable(token.name),
      token.scopes.join(' '),
      limitText(token),
      token.expires === undefined ? '' : formatTime(token.expires)
    ]),
    colors,
    width
  )
}
