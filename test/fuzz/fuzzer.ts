/**
 * A fuzzer guided by coverage: what reaches code that nothing has reached before is kept,
 * and changed further. What it finds it makes as short as it can.
 */
import { ProtocolError } from '../../protocols/paychan/1.0/index.js'
import { messageOf, PaychanError } from '../../src/types/errors.js'
import { Coverage, isReader } from './coverage.js'
import { type Draw, mutated } from './mutations.js'

/**
 * To ask what has run takes V8 a walk through the heap, which is some dozen milliseconds: one
 * question for so many inputs.
 */
const BATCH = 256
/** Nothing that is read may take as long. */
const LONGEST_MS = 5_000
/** Of one target: each is a fault, and the rest can wait. */
const MOST_FINDINGS = 5
const SHORTENING_RUNS = 2_000

/** An input that is not refused as it should be. */
interface Finding {
  readonly input: Uint8Array
  readonly error: Error
}

interface Outcome {
  readonly runs: number
  /** Characters of code that have run. */
  readonly reached: number
  /** Inputs that were kept, because each reached code that no other had. */
  readonly kept: readonly Uint8Array[]
  readonly findings: readonly Finding[]
}

interface Session {
  readonly draw: Draw
  /** Besides the target's own. */
  readonly corpus: readonly Uint8Array[]
  readonly isOver: (runs: number) => boolean
  /** Which files the inputs are to reach: those of `src` and of libraries when left out. */
  readonly counts?: (url: string) => boolean
}

/** Runs a target with one input; the fault, if it is one. */
export async function faultOf({ run }: Target, input: Uint8Array): Promise<Error | undefined> {
  const start = performance.now()
  try {
    const running = run(input)
    if (running instanceof Promise) await running
  } catch (error) {
    if (!isRefusal(error)) return error instanceof Error ? error : new Error(messageOf(error))
  }
  const took = performance.now() - start
  return took > LONGEST_MS ? new Error(`it takes ${Math.round(took)} ms`) : undefined
}

/** Fuzzes one target until it is over. */
export async function fuzz(
  target: Target,
  { draw, corpus, isOver, counts = isReader }: Session
): Promise<Outcome> {
  const words = (target.words ?? []).map(utf8)
  const pool = [...target.seeds(), ...corpus]
  const findings = new Map<string, Finding>()
  const coverage = new Coverage(counts)
  let runs = 0
  const attempt = async (input: Uint8Array): Promise<void> => {
    runs += 1
    const error = await faultOf(target, input)
    if (error !== undefined && !findings.has(signature(error))) {
      findings.set(signature(error), { input, error })
    }
  }
  /** Those of some inputs that bring news, by halves. */
  const sift = async (inputs: readonly Uint8Array[]): Promise<void> => {
    for (const input of inputs) await faultOf(target, input)
    if (!coverage.hasNews({ keep: inputs.length === 1 })) return
    if (inputs.length === 1) pool.push(...inputs)
    else {
      for (const half of [inputs.slice(0, inputs.length >> 1), inputs.slice(inputs.length >> 1)]) {
        await sift(half)
      }
    }
  }
  coverage.start()
  try {
    for (const seed of pool) await attempt(seed)
    coverage.hasNews({ keep: true })
    while (!isOver(runs) && findings.size < MOST_FINDINGS) {
      const batch = Array.from({ length: BATCH }, () =>
        mutated(pool[draw(pool.length)] ?? new Uint8Array(0), draw, pool, words)
      )
      for (const input of batch) await attempt(input)
      if (coverage.hasNews({ keep: false })) await sift(batch)
    }
  } finally {
    coverage.stop()
  }
  const shortest = await Promise.all(
    [...findings.values()].map(async (finding) => await shortened(target, finding))
  )
  return { runs, reached: coverage.size, kept: pool, findings: shortest }
}

/** Takes pieces out as long as the fault stays the same. */
async function shortened(target: Target, finding: Finding): Promise<Finding> {
  let { input } = finding
  let runs = 0
  for (let piece = input.length >> 1; piece >= 1; piece >>= 1) {
    for (let at = 0; at < input.length && runs < SHORTENING_RUNS; runs++) {
      const shorter = Uint8Array.from([...input.subarray(0, at), ...input.subarray(at + piece)])
      const error = await faultOf(target, shorter)
      if (error !== undefined && signature(error) === signature(finding.error)) input = shorter
      else at += piece
    }
  }
  return { ...finding, input }
}

/** Two errors are one fault when they come from the same place. */
function signature(error: Error): string {
  const cause = error.cause instanceof Error ? error.cause : error
  return `${cause.name} ${
    cause.stack
      ?.split('\n')
      .filter((line) => /^\s+at /.test(line))
      .slice(0, 2)
      .join() ?? ''
  }`
}

/**
 * What is fuzzed: a piece of code that reads what others made, and what must be true of it whatever
 * they made.
 */
export interface Target {
  readonly name: string
  /** Good inputs, from which others are made. */
  readonly seeds: () => readonly Uint8Array[]
  /** What inputs are made of besides. */
  readonly words?: readonly string[]
  /**
   * Returns, or refuses by an error with a code of its own. Everything else is a fault, as is an
   * assertion that fails.
   */
  readonly run: (input: Uint8Array) => void | Promise<void>
}

/** What is thrown on purpose: with a code, and a sentence for people. */
export function isRefusal(error: unknown): boolean {
  return (
    (error instanceof PaychanError &&
      error.code.startsWith('ERR_') &&
      error.code !== 'ERR_INTERNAL') ||
    error instanceof ProtocolError
  )
}

/** Calls what may not refuse: there is nobody to refuse it to. */
export function neverThrows<T>(what: string, call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw new Error(`${what} throws: ${messageOf(error)}`, { cause: error })
  }
}

/** A result, or undefined when it was refused. */
export function unlessRefused<T>(call: () => T): T | undefined {
  try {
    return call()
  } catch (error) {
    if (isRefusal(error)) return undefined
    throw error
  }
}

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
