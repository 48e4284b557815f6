/** Text for a terminal: harmless, and no wider than it is. */

/**
 * Text that a stranger wrote (a memo, a reason), safe for a terminal: control characters, which
 * could move the cursor or recolour an amount, and marks that reverse the direction of writing are
 * shown as U+FFFD.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '\ufffd')
}

/** Counts code points, so that a letter outside of the BMP is one. */
export function widthOf(text: string): number {
  return [...text].length
}

/** Words in lines of at most `width`; a word that is longer has a line of its own. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && widthOf(line) + 1 + widthOf(word) > width) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}

/** The same in pieces of `width`, the last one shorter: what no space divides. */
export function inPieces(text: string, width: number): string[] {
  const letters = [...text]
  return Array.from({ length: Math.ceil(letters.length / width) }, (_, i) =>
    letters.slice(i * width, (i + 1) * width).join('')
  )
}

/** Text in at most `width`, its end left out where it is longer. */
export function cut(text: string, width: number): string {
  const letters = [...text]
  return letters.length <= width ? text : `${letters.slice(0, Math.max(0, width - 1)).join('')}…`
}
