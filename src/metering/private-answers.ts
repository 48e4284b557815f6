/**
 * Who may keep an answer that was paid for: its payer alone. A server that is put behind a gate was
 * mostly free before, and lets caches that many share keep what it answers (RFC 9111, 3.5).
 */

/** Headers that speak to shared caches past `Cache-Control` (RFC 9213, and before it; nginx). */
const TO_SHARED = /^(?:.*-)?cdn-cache-control$|^surrogate-control$|^x-accel-expires$/i

/** The headers among these that have to go from an answer that was paid for. */
export function toSharedCaches(names: Iterable<string>): string[] {
  return [...names].filter((name) => TO_SHARED.test(name))
}

/** Directives that only shared caches heed, and `private` for some fields alone. */
const FOR_SHARED = /^(?:public|private|s-maxage|proxy-revalidate)(?:\s*=|$)/i

/**
 * The `Cache-Control` of an answer that was paid for, from the one that it had.
 *
 * @example
 * privateCaching('public, max-age=60') // 'private, max-age=60'
 */
export function privateCaching(before: string | null): string {
  // A comma in quotes parts a list of fields: its rest says nothing to anybody.
  const kept = (before ?? '')
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '' && !FOR_SHARED.test(each))
  return ['private', ...kept].join(', ')
}
