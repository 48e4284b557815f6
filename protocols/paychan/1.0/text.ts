/** WIRE-7: what a text inside a message may consist of. */

/**
 * Control characters (C0, DEL, C1), line and paragraph separators, and surrogates that stand alone:
 * none of them is a letter, and a terminal that prints a peer's text would obey some of them.
 */
const FORBIDDEN = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u
const EVERY_FORBIDDEN = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/gu

/** The number of bytes of a code point in UTF-8 (RFC 3629). */
function utf8Length(codePoint: number): number {
  if (codePoint < 0x80) return 1
  if (codePoint < 0x800) return 2
  return codePoint < 0x10000 ? 3 : 4
}

/** The number of bytes of a text in UTF-8. */
export function textLength(text: string): number {
  let length = 0
  for (const character of text) length += utf8Length(character.codePointAt(0) ?? 0)
  return length
}

/**
 * Whether a text has more than `maxBytes` of UTF-8. No character has more than 3 bytes per UTF-16
 * unit, nor less than 1: counts only where it matters.
 */
export function isLongerThan(text: string, maxBytes: number): boolean {
  return text.length > maxBytes || (text.length * 3 > maxBytes && textLength(text) > maxBytes)
}

/** True when a text may stand in a message (WIRE-7): one line, no control characters. */
export function isPlainText(text: string): boolean {
  return text === '' || !FORBIDDEN.test(text)
}

/**
 * The nearest text that may stand in a message: forbidden characters become spaces, and what is
 * longer than `maxBytes` of UTF-8 is cut off between two characters.
 *
 * @example plainText('two\nlines', 1000) // 'two lines'
 */
export function plainText(text: string, maxBytes: number): string {
  let length = 0
  let kept = ''
  for (const character of text.replace(EVERY_FORBIDDEN, ' ')) {
    length += utf8Length(character.codePointAt(0) ?? 0)
    if (length > maxBytes) break
    kept += character
  }
  return kept
}
