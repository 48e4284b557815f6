/**
 * Which code has run: V8 counts that itself (`Profiler.takePreciseCoverage`), so that nothing has
 * to be instrumented.
 */
import { Session, type Profiler } from 'node:inspector'

/** Ours, and the libraries that read for us; not the tests, and not Node.js. */
export function isReader(url: string): boolean {
  return url.startsWith('file:') && !url.includes('/dist/test/')
}

export class Coverage {
  readonly #session = new Session()
  /**
   * Of each function that has ever run, for each character whether it has. V8 names only ranges
   * that differ from those around them, so ranges of two runs cannot be compared.
   */
  readonly #ran = new Map<string, Uint8Array>()
  /** Functions of which there is nothing left to reach. */
  readonly #whole = new Set<string>()
  readonly #counts: (url: string) => boolean

  /** @param counts - whether the code of a file counts */
  constructor(counts: (url: string) => boolean) {
    this.#counts = counts
  }

  start(): void {
    this.#session.connect()
    this.#session.post('Profiler.enable')
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  stop(): void {
    this.#session.post('Profiler.stopPreciseCoverage')
    this.#session.disconnect()
  }

  /** Characters of code that have run. */
  get size(): number {
    let size = 0
    for (const ran of this.#ran.values()) for (const has of ran) size += has
    return size
  }

  /**
   * Whether any code has run since the last look that had never run before. `keep`: from now on it
   * has.
   */
  hasNews({ keep }: { readonly keep: boolean }): boolean {
    let hasNews = false
    for (const { url, scriptId, functions } of this.#taken()) {
      if (!this.#counts(url)) continue
      for (const { ranges } of functions) {
        const [whole] = ranges
        if (whole === undefined) continue
        const name = `${scriptId}:${whole.startOffset}:${whole.endOffset}`
        if (this.#whole.has(name)) continue
        const before = this.#ran.get(name)
        const now = painted(ranges, whole)
        if (before !== undefined && now.every((has, at) => has === 0 || before[at] === 1)) continue
        hasNews = true
        if (!keep) return true
        const ran = before === undefined ? now : now.map((has, at) => has | (before[at] ?? 0))
        this.#ran.set(name, ran)
        if (!ran.includes(0)) this.#whole.add(name)
      }
    }
    return hasNews
  }

  #taken(): readonly Profiler.ScriptCoverage[] {
    let taken: readonly Profiler.ScriptCoverage[] = []
    // Answered before it returns: the session is of this thread.
    this.#session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error !== null) throw error
      taken = result
    })
    return taken
  }
}

/** Ranges lie in each other, the outer ones first: what is inside decides. */
function painted(
  ranges: readonly Profiler.CoverageRange[],
  { startOffset: from, endOffset: to }: Profiler.CoverageRange
): Uint8Array {
  const characters = new Uint8Array(to - from)
  for (const { startOffset, endOffset, count } of ranges) {
    characters.fill(count > 0 ? 1 : 0, startOffset - from, endOffset - from)
  }
  return characters
}
