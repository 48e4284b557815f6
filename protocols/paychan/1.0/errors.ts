/** The one error that the codec throws. */

/**
 * Bytes, or a message, that spec.md does not allow. `rule` is the id of the rule that is broken.
 */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  readonly code = 'ERR_BAD_MESSAGE'

  constructor(
    readonly rule: string,
    message: string,
    options?: ErrorOptions
  ) {
    super(message, options)
  }
}

/** Bytes that nobody writes who keeps to the encoding (WIRE-4). */
export function notCanonical(cause?: unknown): ProtocolError {
  return new ProtocolError('WIRE-4', 'The bytes are not the canonical encoding of a message.', {
    cause
  })
}
