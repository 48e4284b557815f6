/**
 * A simulation as tables (RFC 4180) for spreadsheets and notebooks; `docs/simulate.md` says what
 * the columns are in sim-ln and CLoTH.
 */
import type { Plan } from '../plan.js'
import { rounded } from '../measure/payments.js'
import type { Results } from '../results.js'
import type { Outcomes } from './outcomes.js'

/** Rows that are joined before they are handed on: a write for each would take most of the time. */
const CHUNK = 1_000

type Cell = string | number | bigint | null

function* csv(header: readonly string[], rows: Iterable<readonly Cell[]>): Generator<string> {
  let lines = [header.join(',')]
  for (const row of rows) {
    // Names and numbers: nothing in them needs quotes.
    lines.push(row.map((cell) => (cell === null ? '' : String(cell))).join(','))
    if (lines.length === CHUNK) {
      yield `${lines.join('\n')}\n`
      lines = []
    }
  }
  if (lines.length > 0) yield `${lines.join('\n')}\n`
}

/** Every channel, with what became of it. */
export function channelsCsv({ channels }: Pick<Results, 'channels'>): Generator<string> {
  return csv(
    [
      'id',
      'client',
      'server',
      'capacity_sat',
      'step_blocks',
      'funded_height',
      'spent_height',
      'end',
      'turns',
      'payments_forth',
      'payments_back',
      'volume_forth_sat',
      'volume_back_sat'
    ],
    channels.map(
      ({
        number,
        client,
        server,
        capacity,
        step,
        fundedAt,
        spentAt,
        end,
        turns,
        payments,
        volume
      }) => [
        number,
        client,
        server,
        capacity,
        step,
        fundedAt,
        spentAt,
        end,
        turns,
        payments.forth,
        payments.back,
        volume.forth,
        volume.back
      ]
    )
  )
}

/** Every payment that was asked for, up to a time, and what became of it. */
export function paymentsCsv(
  plan: Plan,
  until: number,
  outcomes: Pick<Outcomes, 'of'>
): Generator<string> {
  return csv(
    ['id', 'sender', 'receiver', 'amount_sat', 'start_ms', 'status', 'error', 'seconds', 'channel'],
    rows(plan, until, outcomes)
  )
}

function* rows(
  plan: Plan,
  until: number,
  outcomes: Pick<Outcomes, 'of'>
): Generator<readonly Cell[]> {
  let id = 0
  const payments = plan.payments()
  for (let next = payments.next(); next.done !== true; next = payments.next()) {
    const { time, opening, direction, amount } = next.value
    if (time > until) return
    const { client = '', server = '' } = plan.openings[opening] ?? {}
    const [sender, receiver] = direction === 'forth' ? [client, server] : [server, client]
    const { status = null, code = null, seconds, channel = null } = outcomes.of(id) ?? {}
    yield [
      id++,
      sender,
      receiver,
      amount,
      Math.round(time * 1_000),
      status,
      code,
      seconds === undefined ? null : rounded(seconds),
      channel
    ]
  }
}
