/** Why a transaction or a block is refused, in the words of Bitcoin Core. */

/**
 * Thrown by the rules. `reason` is the short code that Bitcoin Core's `testmempoolaccept` calls
 * `reject-reason`; `message` adds the details, as `sendrawtransaction` does.
 *
 * @example throw new Rejected('min relay fee not met', '100 < 141')
 */
export class Rejected extends Error {
  override readonly name = 'Rejected'

  constructor(
    readonly reason: string,
    details?: string
  ) {
    super(details === undefined ? reason : `${reason}, ${details}`)
  }
}
