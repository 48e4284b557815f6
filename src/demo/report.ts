/** The result of a demo: the JSON object that `--json` prints, and the story for people. */
import type { Io } from '../cli/io.js'
import { colorsFor, USUAL_WIDTH } from '../cli/output.js'
import { cut } from '../cli/table.js'
import type { NewsKind, Step } from '../node/api.js'

/** Amounts are JSON numbers in satoshis; transactions are the raw hex from the chain. */
export interface Report {
  readonly scenario: string
  readonly ok: boolean
  readonly steps: ReadonlyArray<{
    readonly step: Step
    readonly what: string
    readonly height: number
    readonly txid?: string
  }>
  readonly channel: {
    readonly capacity: number
    readonly funding: { readonly txid: string; readonly vout: number }
    readonly refundHeight: number
  }
  readonly payments: { readonly acknowledged: number; readonly totalSat: number }
  /**
   * For `restart`: the killed nodes, the number of payments acknowledged by then, and the number of
   * repeated requests.
   */
  readonly kills?: ReadonlyArray<{
    readonly killed: 'payer' | 'payee' | 'both'
    readonly height: number
    readonly acknowledged: number
    readonly askedAgain: number
  }>
  /**
   * For two-way channels: the payer of each turn, and the height from which its states can be
   * published.
   */
  readonly turns?: ReadonlyArray<{
    readonly turn: number
    readonly payer: 'client' | 'server'
    readonly lock: number
  }>
  /**
   * Two competing states by height: the fees of both in satoshis while in the mempool, and the
   * confirmed one.
   */
  readonly race?: ReadonlyArray<{
    readonly height: number
    readonly ours: number | null
    readonly theirs: number | null
    readonly confirmed: 'ours' | 'theirs' | null
  }>
  /**
   * For `congestion`: the race in which the honest side woke up late, and the one with turns a
   * block apart, which it may lose.
   */
  readonly auction?: Report['race']
  readonly worst?: Report['race']
  readonly transactions: {
    readonly T1: string
    readonly T2?: string
    readonly T3?: string
    readonly close?: string
  }
  readonly onchain: {
    readonly client: { readonly before: number; readonly after: number }
    readonly server: { readonly before: number; readonly after: number }
    readonly feesSat: number
  }
}

/** A step of a channel: its kind, and the words of users for it. */
export interface PlainStep {
  readonly kind: NewsKind
  readonly what: string
}

/** The output of the story while it happens. */
export interface Narrator {
  title: (text: string) => void
  /** A line between the steps. */
  say: (text: string) => void
  step: (step: Step, who: string, what: string, height: number, plain?: PlainStep) => void
  /**
   * A table tells the channel's end row by row: while it is shown, steps of that end are for
   * `--verbose`.
   */
  table: (isShown: boolean) => void
  /** One line that is overwritten, on a terminal only. */
  progress: (text: string) => void
}

/** `1,000 sat` */
export function sat(amount: number | bigint): string {
  return `${amount.toLocaleString('en-US')} sat`
}

/**
 * The opening in three lines: the client's acts. The nine steps, and both sides of each, are for
 * `--verbose`.
 */
const OPENING: Partial<Record<NewsKind, (what: string) => string>> = {
  'offer-sent': (what) => what,
  'refund-secured': () => 'has its refund: signed by the server before any coin moves',
  'first-state-acknowledged': () =>
    'has funded the channel, and both sides have stored the first balances'
}

/** A step in the words of the story; undefined for a step that it omits. */
function inShort(
  step: Step,
  who: string,
  what: string,
  plain: PlainStep | undefined
): string | undefined {
  if (typeof step !== 'number' || step === 9 || plain === undefined) return plain?.what ?? what
  return who === 'client' ? OPENING[plain.kind]?.(what) : undefined
}

/** Ids by their first 8 digits, as all tables show them. */
function shortIds(text: string): string {
  return text.replace(/\b([0-9a-f]{8})[0-9a-f]{56}\b/g, '$1')
}

/**
 * Tells the story to people.
 *
 * @param verbose - all steps of the protocol in its own words, and whole ids
 */
export function printingNarrator(
  { stdout, env }: Pick<Io, 'stdout' | 'env'>,
  verbose: boolean
): Narrator {
  const colours = colorsFor(stdout, env)
  let open = false
  let inTable = false
  let last = ''
  const line = (text: string): void => {
    if (open) stdout.write('\r\u001b[K')
    open = false
    stdout.write(`${verbose ? text : shortIds(text)}\n`)
  }
  return {
    title: (text) => {
      line(colours.bold(text))
    },
    say: (text) => {
      line(text === '' ? '' : `  ${text}`)
    },
    step: (step, who, what, height, plain) => {
      const told = verbose ? what : inShort(step, who, what, plain)
      // Both nodes tell what the chain shows of a channel's end.
      const said = `${step} ${told ?? ''}`
      if (
        told === undefined ||
        (!verbose && (said === last || (inTable && typeof step !== 'number')))
      ) {
        return
      }
      last = said
      const label =
        typeof step !== 'number'
          ? step
          : verbose
            ? `step ${step}`
            : step === 9
              ? 'payments'
              : 'opening'
      line(
        `  ${colours.dim(`height ${String(height).padStart(3)}`)}  ${colours.cyan(label.padEnd(10))}  ${(who === 'client' ? colours.green : colours.yellow)(who.padEnd(6))}  ${told}`
      )
    },
    table: (isShown) => {
      inTable = isShown
    },
    progress: (text) => {
      if (!stdout.isTTY) return
      stdout.write(`\r\u001b[K${cut(`  ${text}`, (stdout.columns ?? USUAL_WIDTH) - 1)}`)
      open = true
    }
  }
}

/** Says nothing: standard output belongs to the JSON object. */
export const silentNarrator: Narrator = {
  title: () => {},
  say: () => {},
  step: () => {},
  table: () => {},
  progress: () => {}
}

/** Prints the books of one scene for people. `outcome`: the losses, if there are any. */
export function printBooks(report: Report, narrator: Narrator, outcome?: string): void {
  const { client, server, feesSat } = report.onchain
  narrator.say('')
  narrator.say('on the chain       before            after')
  narrator.say(`  client  ${sat(client.before).padStart(15)}  ${sat(client.after).padStart(15)}`)
  narrator.say(`  server  ${sat(server.before).padStart(15)}  ${sat(server.after).padStart(15)}`)
  narrator.say(`  fees                     ${sat(feesSat).padStart(15)}`)
  // 'Not a satoshi is missing' would not comfort a person who has lost some.
  const balance = outcome === undefined ? 'not a satoshi is missing' : 'the books balance'
  narrator.say(
    report.ok
      ? `${balance}: what there was before is what there is now, and the fees`
      : 'THE BOOKS DO NOT BALANCE'
  )
  if (outcome !== undefined) narrator.say(`but ${outcome}`)
}
