/**
 * The paths of a priced server that cost nothing. What is behind it may read a path in other ways
 * than this one: it decodes `%2f`, resolves `..` or joins `//`, and then serves what is to be paid.
 * So a path is free only where it can be read in one way.
 */

/** In a decoded segment: what some servers part it at, decode once more, or cut off. */
const AMBIGUOUS = /[/\\%;?#\p{Cc}]/u

/**
 * True for a path, as it stands in a URL, that is one of the free ones or lies below one, by whole
 * segments: `/health` makes `/health` and `/health/now` free, and `/healthy` not.
 *
 * @example
 * isFreePath('/health/now', ['/health']) // true
 * isFreePath('/health/..%2fpaid', ['/health']) // false
 */
export function isFreePath(path: string, free: readonly string[]): boolean {
  const segments = segmentsOf(path)
  if (segments === undefined) return false
  return free.some((each) => {
    const wanted = segmentsOf(each)
    return wanted?.every((segment, at) => segment === segments[at]) === true
  })
}

/** The decoded segments of a path that can be read in one way; undefined for any other. */
function segmentsOf(path: string): readonly string[] | undefined {
  const [, ...written] = (path.startsWith('/') ? path : `/${path}`).split('/')
  // A slash at the end says the same.
  if (written.at(-1) === '') written.pop()
  const segments = written.map(decoded)
  return segments.every((segment) => segment !== undefined) ? segments : undefined
}

function decoded(segment: string): string | undefined {
  try {
    const text = decodeURIComponent(segment)
    return text === '' || text === '.' || text === '..' || AMBIGUOUS.test(text) ? undefined : text
  } catch {
    return undefined
  }
}
