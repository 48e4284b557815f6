/** Texts and names as people are shown them. */

/**
 * Text of a stranger (a memo, a reason), safe for a terminal: control characters, which could move
 * the cursor or recolour an amount, and marks that reverse the direction of writing are shown as
 * U+FFFD.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/gu, '\ufffd')
}

/** A detail: its name, and its value. */
export type Field = readonly [name: string, value: string]

/** Number of digits of a channel id that tables show, and that commands accept. */
const SHORT_DIGITS = 8

/** The first digits of a channel id. */
export function shortChannel(id: string): string {
  return id.slice(0, SHORT_DIGITS)
}

/** The last characters of a peer id: the first ones are the same for all Ed25519 keys. */
export function shortPeer(peerId: string): string {
  return peerId.length <= SHORT_DIGITS ? peerId : `…${peerId.slice(-SHORT_DIGITS)}`
}

/** `2027-01-15 08:00:00Z`: the same in every time zone. */
export function formatTime(milliseconds: number): string {
  const date = new Date(milliseconds)
  return Number.isNaN(date.getTime())
    ? '?'
    : date
        .toISOString()
        .replace('T', ' ')
        .replace(/\.\d+Z$/, 'Z')
}
