/** "Did you mean ...?" for names that somebody typed. */

/** The number of letters to insert, delete or replace to turn `a` into `b` (Levenshtein 1966). */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (const [i, letter] of [...a].entries()) {
    const row = [i + 1]
    for (const [j, other] of [...b].entries()) {
      row.push(
        Math.min(
          (row[j] ?? 0) + 1,
          (previous[j + 1] ?? 0) + 1,
          (previous[j] ?? 0) + (letter === other ? 0 : 1)
        )
      )
    }
    previous = row
  }
  return previous[b.length] ?? 0
}

/**
 * Finds the known name that is closest to `name`; undefined when none is close (over half of it is
 * different).
 */
export function nearest(name: string, known: readonly string[]): string | undefined {
  // A name longer than any that exists is not worth the quadratic comparison.
  if (name.length > 64) return undefined
  const ranked = known
    .map((candidate) => ({
      candidate,
      edits: distance(name.toLowerCase(), candidate.toLowerCase())
    }))
    .sort((a, b) => a.edits - b.edits)[0]
  return ranked !== undefined && ranked.edits <= Math.ceil(name.length / 2)
    ? ranked.candidate
    : undefined
}

/** Returns ` Did you mean 'x'?`, or nothing. */
export function didYouMean(name: string, known: readonly string[]): string {
  const candidate = nearest(name, known)
  return candidate === undefined ? '' : ` Did you mean '${candidate}'?`
}
