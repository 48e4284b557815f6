/** What a demo comes to: the JSON object that `--json` prints, and how the story is told to people. */
import pc from 'picocolors'
import type { Step } from '../node/api.js'

/** Amounts are JSON numbers in satoshis; transactions raw hex of what reached the chain. */
export interface Report {
  readonly scenario: string
  readonly ok: boolean
  readonly steps: ReadonlyArray<{ readonly step: Step, readonly what: string, readonly height: number, readonly txid?: string }>
  readonly channel: { readonly capacity: number, readonly funding: { readonly txid: string, readonly vout: number }, readonly refundHeight: number }
  readonly payments: { readonly acknowledged: number, readonly totalSat: number }
  /** Of `restart`: who was killed, how many payments were acknowledged by then, how often a caller had to ask again. */
  readonly kills?: ReadonlyArray<{ readonly killed: 'payer' | 'payee' | 'both', readonly height: number, readonly acknowledged: number, readonly askedAgain: number }>
  /** Of two-way channels: who paid in which turn, and from which height on its states can be published. */
  readonly turns?: ReadonlyArray<{ readonly turn: number, readonly payer: 'client' | 'server', readonly lock: number }>
  /** Two states that compete: by height, the fees of both in satoshis as far as they are in the mempool, and which of them is in a block. */
  readonly race?: ReadonlyArray<{ readonly height: number, readonly ours: number | null, readonly theirs: number | null, readonly confirmed: 'ours' | 'theirs' | null }>
  /** Of `congestion`: the race in which the honest side woke up late, and the one with turns a block apart, which it may lose. */
  readonly auction?: Report['race']
  readonly worst?: Report['race']
  readonly transactions: { readonly T1: string, readonly T2?: string, readonly T3?: string, readonly close?: string }
  readonly onchain: {
    readonly client: { readonly before: number, readonly after: number }
    readonly server: { readonly before: number, readonly after: number }
    readonly feesSat: number
  }
}

/** Where the story goes while it happens. */
export interface Narrator {
  title: (text: string) => void
  /** A line between the steps. */
  say: (text: string) => void
  step: (step: Step, who: string, what: string, height: number) => void
  /** One line that is overwritten, on a terminal only. */
  progress: (text: string) => void
}

/** `1,000 sat` */
export function sat (amount: number | bigint): string {
  return `${amount.toLocaleString('en-US')} sat`
}

/** Tells the story on standard output. */
export function printingNarrator (out: NodeJS.WriteStream): Narrator {
  const colours = pc.createColors(out.isTTY && process.env.NO_COLOR === undefined)
  let open = false
  const line = (text: string): void => {
    if (open) out.write('\r\u001b[K')
    open = false
    out.write(`${text}\n`)
  }
  return {
    title: (text) => { line(colours.bold(text)) },
    say: (text) => { line(text === '' ? '' : `  ${text}`) },
    step: (step, who, what, height) => {
      const label = typeof step === 'number' ? `step ${step}` : step
      line(`  ${colours.dim(`height ${String(height).padStart(3)}`)}  ${colours.cyan(label.padEnd(10))}  ${(who === 'client' ? colours.green : colours.yellow)(who.padEnd(6))}  ${what}`)
    },
    progress: (text) => {
      if (!out.isTTY) return
      out.write(`\r\u001b[K  ${text}`)
      open = true
    }
  }
}

/** Says nothing: standard output belongs to the JSON object. */
export const silentNarrator: Narrator = { title: () => {}, say: () => {}, step: () => {}, progress: () => {} }

/** The books, for people. */
export function printBooks (report: Report, narrator: Narrator): void {
  const { client, server, feesSat } = report.onchain
  narrator.say('')
  narrator.say('on the chain       before            after')
  narrator.say(`  client  ${sat(client.before).padStart(15)}  ${sat(client.after).padStart(15)}`)
  narrator.say(`  server  ${sat(server.before).padStart(15)}  ${sat(server.after).padStart(15)}`)
  narrator.say(`  fees                     ${sat(feesSat).padStart(15)}`)
  narrator.say(report.ok
    ? 'not a satoshi is missing: what there was before is what there is now, and the fees'
    : 'THE BOOKS DO NOT BALANCE')
}
