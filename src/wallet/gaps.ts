/** How far addresses are handed out, watched and searched beyond the last that was paid to. */

/** Number of addresses watched beyond the last one handed out: the gap limit of BIP44. */
export const GAP = 20

/**
 * Number of close scripts searched beyond the last that was paid to: more than there are channels
 * without funds (OPEN-11).
 */
export const CLOSE_GAP = 160

/** A search by the words ends after this many unused addresses in a row, unless it is told. */
export const RESTORE_GAP = 100

/**
 * Number of addresses in a row that nobody has paid to: no more are handed out. Each is watched at
 * every server for good, so whoever may ask for addresses must not make them without end; and the
 * words have to find what is paid to the last one, behind the close scripts of some channels.
 */
export const MOST_UNUSED = RESTORE_GAP - GAP

/**
 * Number of addresses in a row that nobody has paid to: from there on a channel is given one that a
 * peer has seen before, if there is any, and the rest is left to people.
 */
export const MOST_FOR_CHANNELS = MOST_UNUSED / 2
