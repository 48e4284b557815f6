/**
 * Apart from the URIs themselves: code that only checks the length of one needs no scripts and
 * addresses.
 */

/** Many times the length that people and shops write; a longer text from a stranger is not read. */
export const MAX_URI_LENGTH = 8_192
