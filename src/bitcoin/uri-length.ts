/**
 * Apart from the URIs themselves: whoever only checks the length of one needs no scripts and
 * addresses.
 */

/** Many times what people and shops write; a stranger's text is looked at no further. */
export const MAX_URI_LENGTH = 8_192
