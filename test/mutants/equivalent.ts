/**
 * Mutants that somebody has looked at and found to change nothing that a test could see. They are
 * not tried. An entry names the compiled lines, so it lapses when they change.
 */
export interface Equivalent {
  /** As `channel/ledger`. */
  readonly module: string
  /** The line before, where the same one stands in several places. */
  readonly behind?: string
  readonly from: string
  readonly to: string
  readonly reason: string
}

export const EQUIVALENT: readonly Equivalent[] = [
  {
    module: 'channel/stopping',
    from: "outPoint: 'outPoint' in state ? state.outPoint : undefined,",
    to: 'outPoint: true ? state.outPoint : undefined,',
    reason: 'a state without the property gives undefined as well; the guard is for the types'
  },
  {
    module: 'channel/epochs',
    from: ': epoch === theirs || (isAnswer && epoch < theirs)',
    to: ': epoch === theirs || (isAnswer && epoch <= theirs)',
    reason: 'equal epochs are decided on the left of the or'
  },
  {
    module: 'channel/epochs',
    from: ': epoch > theirs && peerEpoch < seen',
    to: ': epoch >= theirs && peerEpoch < seen',
    reason: 'equal epochs are decided in the line before'
  },
  {
    module: 'channel/fee-curve',
    from: 'return gone <= before',
    to: 'return gone < before',
    reason: 'where the two parts of the curve meet both are half of the budget'
  },
  {
    module: 'channel/ledger',
    from: ': others.length === 0',
    to: ': false',
    reason: 'the payments of one update, joined with none, are the same payments: it is only slower'
  },
  {
    module: 'channel/ledger',
    from: 'heads.add(headOf(id));',
    to: ';',
    reason: 'without heads all whole ids are compared, with the same answer: it is only slower'
  },
  {
    module: 'channel/paying',
    from: 'if (maxRisk >= 100)',
    to: 'if (false)',
    reason: 'no risk is above one, so that 100 % refuses nobody: it is only slower'
  },
  {
    module: 'channel/renewed',
    from: 'if (asked !== undefined)',
    to: 'if (true)',
    reason: 'nothing is neither below the least rate nor above the most; the guard is for the types'
  },
  {
    module: 'bitcoin/uri',
    from: "const amount = fromBitcoin(whole === '' ? '0' : whole, fraction);",
    to: "const amount = fromBitcoin(false ? '0' : whole, fraction);",
    reason: 'the whole part is read with BigInt, which takes nothing for 0'
  },
  {
    module: 'chain/headers',
    from: 'if (count * HEADER_SIZE <= this.#buffer.length)',
    to: 'if (count * HEADER_SIZE < this.#buffer.length)',
    reason: 'where the room is used up exactly, more is made one header earlier'
  },
  {
    module: 'bitcoin/transaction',
    from: 'this.#content = new WeakRef(read);',
    to: ';',
    reason: 'the bytes are read again, to the same content: it is only slower'
  },
  {
    module: 'chain/history',
    from: 'return Array.from({ length: Math.ceil(entries.length / FETCHED_AT_ONCE) }, (_, n) => entries.slice(n * FETCHED_AT_ONCE, (n + 1) * FETCHED_AT_ONCE));',
    to: 'return Array.from({ length: Math.ceil(entries.length * FETCHED_AT_ONCE) }, (_, n) => entries.slice(n * FETCHED_AT_ONCE, (n + 1) * FETCHED_AT_ONCE));',
    reason: 'behind the last of them come empty ones, for which nothing is fetched'
  },
  {
    module: 'chain/header',
    from: "if (BigInt('0x' + hashText(hash)) > target)",
    to: "if (BigInt('0x' + hashText(hash)) >= target)",
    reason: 'nobody can make a header whose hash is its very target'
  },
  {
    module: 'chain/headers',
    from: 'if (count * HEADER_SIZE <= this.#buffer.length)',
    to: 'if (false)',
    reason: 'the headers move into new room though there is some: it is only slower'
  },
  {
    module: 'chain/header',
    from: 'return bitsFromTarget(target > limit ? limit : target);',
    to: 'return bitsFromTarget(target >= limit ? limit : target);',
    reason: 'of two that are equal either is the limit'
  },
  {
    module: 'chain/headers',
    from: 'if (next !== undefined)',
    to: 'if (false)',
    reason: 'the next header names the hash that is otherwise worked out: it is only slower'
  },
  {
    module: 'chain/history',
    from: 'if (header === undefined || blockHash === undefined) {',
    to: 'if (header === undefined && blockHash === undefined) {',
    reason: 'of one height the chain knows both or neither: below its first one it was extended'
  },
  {
    module: 'chain/pool',
    behind: 'this.#looks.get(script)?.();',
    from: 'this.#looks.delete(script);',
    to: ';',
    reason:
      'nobody watches the script any more: what stays behind in the map is memory, and is cancelled'
  },
  {
    module: 'channel/onchain',
    from: 'return vout === undefined || value === undefined',
    to: 'return vout === undefined && value === undefined',
    reason: 'an output that was found has a value; the guard is for the types'
  },
  {
    module: 'bitcoin/signed-funding',
    from: 'const program = spent === undefined ? undefined : witnessProgram(spent.script);',
    to: 'const program = false ? undefined : witnessProgram(spent.script);',
    reason: 'a PSBT that was taken says of each input what it spends; the guard is for the types'
  },
  {
    module: 'bitcoin/signed-funding',
    from: 'if (spent === undefined || program === undefined)',
    to: 'if (false)',
    reason: 'of a PSBT that was taken each input spends a program; the guard is for the types'
  },
  {
    module: 'bitcoin/signed-funding',
    from: 'if (spent === undefined || program === undefined)',
    to: 'if (spent === undefined && program === undefined)',
    reason: 'of a PSBT that was taken each input spends a program; the guard is for the types'
  },
  {
    module: 'channel/publishing',
    from: 'if (publication === undefined ||',
    to: 'if (publication === undefined &&',
    behind: 'const held = newestHeld(channel);',
    reason: 'a bid that a server has refused is there; the guard is for the types'
  },
  {
    module: 'channel/publishing',
    behind: 'if (publication === undefined ||',
    from: 'env.height === undefined ||',
    to: 'env.height === undefined &&',
    reason: 'where the tip is not known no bid is made in any case'
  },
  {
    module: 'channel/turns',
    from: 'return satoshi(payments.reduce((sum, { amount }) => (amount > 0n && sum + amount <= balance ? sum + amount : sum), 0n));',
    to: 'return satoshi(payments.reduce((sum, { amount }) => (amount >= 0n && sum + amount <= balance ? sum + amount : sum), 0n));',
    reason: 'a payment of nothing adds nothing to the sum'
  },
  {
    module: 'chain/pool',
    from: 'if (server === undefined)',
    to: 'if (false)',
    reason: 'who leaves something out is one of the servers; the guard is for the types'
  },
  {
    module: 'chain/pool',
    from: 'if (script.isOpen)',
    to: 'if (true)',
    reason: 'a script that is merged once more has the same history: it is only slower'
  },
  {
    module: 'chain/pool',
    from: 'if (server.chain !== chain)',
    to: 'if (false)',
    reason: 'a chain that was replaced was stopped half a minute before, and tells nothing any more'
  },
  {
    module: 'chain/pool',
    from: 'if (theirs === undefined || best === undefined)',
    to: 'if (false)',
    reason:
      'who is behind has a tip, and so has the one that it is behind; the guard is for the types'
  },
  {
    module: 'chain/pool',
    from: 'if (theirs === undefined || best === undefined)',
    to: 'if (theirs === undefined && best === undefined)',
    reason:
      'who is behind has a tip, and so has the one that it is behind; the guard is for the types'
  },
  {
    module: 'chain/pool',
    from: 'if (server.isUsed || server.retry?.at === server.droppedAt + wait)',
    to: 'if (server.isUsed || server.retry?.at === server.droppedAt - wait)',
    reason: 'the timer is set once more, for the same time: it is only slower'
  },
  {
    module: 'chain/pool',
    from: 'server.retry = undefined;',
    to: ';',
    reason:
      'a timer that has run is for another time than the one after the next drop, and is replaced'
  },
  {
    module: 'chain/pool',
    from: 'if (!isExtension || script.isOpen)',
    to: 'if (true)',
    reason: 'a script that is merged once more has the same history: it is only slower'
  },
  {
    module: 'bitcoin/funding-spend',
    from: 'client === undefined ||',
    to: 'client === undefined &&',
    reason: 'a witness without a second item has no third one, which is looked at next'
  },
  {
    module: 'bitcoin/funding-spend',
    from: 'server === undefined ||',
    to: 'server === undefined &&',
    reason: 'a witness without a third item has no fourth one, which is looked at next'
  },
  {
    module: 'channel/signing',
    from: 'return turn === channel.ledger.turn',
    to: 'return false',
    reason: 'the digest of the present turn is laid out anew: it is only slower'
  },
  {
    module: 'chain/pool',
    from: 'if (!server.isUsed)',
    to: 'if (false)',
    reason: 'who is dropped is stopped, and nothing that it has said is looked at any more'
  },
  {
    module: 'bitcoin/uri',
    from: "if (codeOf(error) === 'ERR_INVALID_ADDRESS')",
    to: 'if (true)',
    reason: 'an address is refused with no other code'
  },
  {
    module: 'bitcoin/uri',
    behind: 'return false;',
    from: 'throw error;',
    to: ';',
    reason: 'an address is refused with no other code'
  },
  {
    module: 'bitcoin/transaction',
    from: 'scriptSig: script.length === 0 ? NO_SCRIPT : script,',
    to: 'scriptSig: false ? NO_SCRIPT : script,',
    reason: 'another empty array of bytes: it only takes more memory'
  },
  {
    module: 'bitcoin/address',
    from: 'if (opcode === undefined || length === undefined || script.length < 4 || script.length > 42) {',
    to: 'if (opcode === undefined && length === undefined || script.length < 4 || script.length > 42) {',
    reason: 'a script without a second byte has less than four, which is looked at next'
  },
  {
    module: 'channel/stakes',
    from: "const least = ended.reduce((least, { turn, payerBalance }) => min(least, shareIn(terms.capacity, turn, payerBalance, payee)), payee === 'server' ? inRefund : terms.capacity - inRefund);",
    to: "const least = ended.reduce((least, { turn, payerBalance }) => min(least, shareIn(terms.capacity, turn, payerBalance, payee)), payee === 'server' ? inRefund : terms.capacity + inRefund);",
    reason:
      'a client is paid in later turns alone, and the first one leaves it no more than T2 does'
  },
  {
    module: 'channel/reestablishing',
    from: "const ledger = channel.stage === 'established' ? channel.ledger : undefined;",
    to: 'const ledger = true ? channel.ledger : undefined;',
    reason: 'a state without the property gives undefined as well; the guard is for the types'
  },
  {
    module: 'channel/summary',
    from: "renewFor: channel.role === 'client' ? channel.renewFor : undefined",
    to: 'renewFor: true ? channel.renewFor : undefined',
    reason:
      "a server's record has no such property, which gives undefined as well; the guard is for the types"
  }
]
