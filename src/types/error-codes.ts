/**
 * Every code that an error or an alarm of this software can have: its kind, which decides the exit
 * code of the command line and the status of the local API, and its meaning. What to do then is in
 * `error-advice.ts`; `docs/errors.md` is made from both.
 */

/** The exit code (`exit`) and the HTTP status (`status`) of each kind of trouble. */
export const ERROR_KINDS = {
  usage: { exit: 2, status: 400, means: 'what was asked for, or configured, is wrong' },
  missing: { exit: 1, status: 404, means: 'what was named does not exist' },
  refused: { exit: 1, status: 409, means: 'it cannot be done now; the sentence says when it can' },
  denied: { exit: 1, status: 403, means: 'whoever asks may not; another token may' },
  busy: { exit: 1, status: 429, means: 'too much is under way; wait, then try again' },
  stopped: { exit: 3, status: 503, means: 'the node is not running, or about to stop' },
  peer: { exit: 4, status: 502, means: 'the peer cannot be reached, or does not do its part' },
  chain: { exit: 5, status: 503, means: 'the chain cannot be seen' },
  disk: { exit: 6, status: 507, means: 'the disk failed or is full' },
  rule: { exit: 1, status: 409, means: 'a rule of the protocol was broken, or would be' },
  alarm: { exit: 1, status: 409, means: 'an event that a person has to know of' },
  bug: { exit: 1, status: 500, means: 'a fault of this software, or damaged data' }
} as const

type ErrorKind = keyof typeof ERROR_KINDS

/** `status` is given where it says more than the status of the kind. */
type Row = readonly [kind: ErrorKind, means: string, status?: number]

export const ERROR_CODES = {
  // Asked for wrongly
  ERR_PACKAGE_MISSING: ['usage', 'what was asked for takes a package that is not installed'],
  ERR_USAGE: ['usage', 'the command line has a command, option or argument that does not fit'],
  ERR_INVALID_REQUEST: [
    'usage',
    'the body of a call of the local API, or one of its fields, is not what the verb takes'
  ],
  ERR_UNKNOWN_FIELD: ['usage', 'a call of the local API has a field that its verb does not have'],
  ERR_UNKNOWN_VERB: ['missing', 'the local API has no such verb'],
  ERR_METHOD_NOT_ALLOWED: ['usage', 'the local API is asked with another HTTP method', 405],
  ERR_REQUEST_TOO_LARGE: ['usage', 'the body of a call is longer than the local API reads', 413],
  ERR_TOKEN_MISSING: ['denied', 'a call of the API on TCP has no token', 401],
  ERR_TOKEN_INVALID: ['denied', 'a token is not one of this node, or was revoked', 401],
  ERR_TOKEN_EXPIRED: ['denied', 'the time of a token is over', 401],
  ERR_TOKEN_SCOPE: ['denied', 'a token does not have the scope that the verb needs'],
  ERR_BUDGET_USED_UP: ['denied', 'a payment would exceed the budget of its token'],
  ERR_MALFORMED_CREDENTIAL: ['usage', 'a payment in an HTTP header cannot be read'],
  ERR_SERVER_UNREACHABLE: ['peer', 'an HTTP server cannot be asked'],
  ERR_NOTHING_TO_PAY: ['refused', 'an HTTP server does not ask to be paid'],
  ERR_NO_PAYMENT_METHOD: ['refused', 'an HTTP server wants to be paid by another method'],
  ERR_PRICE_TOO_HIGH: ['refused', 'a server or peer asks for more than a unit may cost'],
  ERR_FIRST_PAYMENT_TOO_HIGH: [
    'refused',
    'a payee wants more as the first payment on a channel than may be paid ahead (HTTP-17)'
  ],
  ERR_OTHER_OFFER: ['refused', 'what a seller offers is not what was to be bought'],
  ERR_INSECURE_PAYMENT: ['refused', 'an HTTP server that wants to be paid is not reached by TLS'],
  ERR_GATE_RUNNING: ['usage', 'another seller has the books of this one'],
  ERR_GATE_LISTEN: ['usage', 'a priced server cannot listen at an address'],
  ERR_NOT_PAID: ['peer', 'what is sold on a stream was not paid in time'],
  ERR_BILL_WRONG: ['peer', 'a seller counts more units than there were'],
  ERR_BAD_FRAME: ['peer', 'the other side does not speak as a paid stream does'],
  ERR_PAID_NOT_DELIVERED: ['peer', 'a server or peer was paid and did not deliver'],
  ERR_API_HOST: ['denied', 'the API on TCP is asked under a name that it does not go by', 421],
  ERR_API_ORIGIN: ['denied', 'a page of another site asks the API on TCP'],
  ERR_API_TLS_NEEDED: [
    'usage',
    'an API, or a priced server, would be reached from outside without TLS'
  ],
  ERR_API_LISTEN: ['usage', 'the API cannot listen at an address'],
  ERR_API_TOO_FAST: ['busy', 'a token, or an address without one, asks too often'],
  ERR_TOO_MANY_CALLS: [
    'busy',
    'a token has too many calls, or readers of events, under way, or too many wait to read a log'
  ],
  ERR_INVALID_TOKEN_REQUEST: ['usage', 'a token cannot have the name, scopes, budget or time'],
  ERR_NO_TOKEN: ['missing', 'there is no token with that id'],
  ERR_TOO_MANY_TOKENS: ['refused', 'there are as many tokens as a node keeps'],
  ERR_EVENTS_NOT_KEPT: ['usage', 'a node that keeps no events is asked for those of before'],
  ERR_INVALID_WEBHOOK: ['usage', 'a webhook cannot have the URL, kinds of events or number'],
  ERR_NO_WEBHOOK: ['missing', 'there is no webhook with that id'],
  ERR_TOO_MANY_WEBHOOKS: ['refused', 'there are as many webhooks as a node keeps'],
  ERR_WEBHOOKS_NOT_SENT: ['usage', 'a node that posts no events is asked for a webhook'],
  ERR_IDEMPOTENCY_CONFLICT: ['refused', 'an Idempotency-Key was used for another request', 422],
  ERR_TOO_MANY_KEYS: ['busy', 'a token has used more Idempotency-Keys in a week than are kept'],
  ERR_IDEMPOTENCY_UNKNOWN: [
    'refused',
    'what became of the first request with an Idempotency-Key is not known'
  ],
  ERR_INVALID_AMOUNT: ['usage', 'an amount is zero, negative, above all bitcoin, or not an amount'],
  ERR_INVALID_ADDRESS: ['usage', 'a text is not an address of this network'],
  ERR_INVALID_URI: ['usage', 'a `bitcoin:` URI is malformed (BIP321)'],
  ERR_URI_UNSUPPORTED: [
    'usage',
    'a `bitcoin:` URI requires something that is not known, or pays in no known way'
  ],
  ERR_INVALID_FEERATE: ['usage', 'a feerate is not a number of sat/vB that transactions pay'],
  ERR_INVALID_TARGET: ['usage', 'a target is not a number of blocks from 1 to 1,008'],
  ERR_INVALID_HEIGHT: ['usage', 'a height or a number of blocks is out of range'],
  ERR_INVALID_GAP: ['usage', 'the number of unused addresses to search is out of range'],
  ERR_INVALID_LABEL: ['usage', 'a label is too long, or of several lines'],
  ERR_INVALID_MEMO: ['usage', 'a memo is not one line of plain text (WIRE-7)'],
  ERR_MEMO_TOO_LONG: ['usage', 'a memo has too many bytes (UPD-8)'],
  ERR_INVALID_OUTPOINT: ['usage', 'a coin is not named as TXID:VOUT'],
  ERR_INVALID_PAYMENT_ID: ['usage', 'the name of a payment is empty, too long, or not text'],
  ERR_INVALID_PAYMENT_REQUEST: [
    'usage',
    'a text is not a payment request: damaged, cut off, or not signed by its payee (REQ-1 to REQ-5)'
  ],
  ERR_INVALID_RECEIPT: ['usage', 'a text is not a receipt that its payee has signed'],
  ERR_INVALID_EXPIRY: ['usage', 'a payment request would expire at once, or in over ten years'],
  ERR_INVALID_ALIAS: ['usage', 'a name for a peer could be taken for something else'],
  ERR_INVALID_PEER: ['usage', 'a text is not a PeerId, or names this node itself'],
  ERR_INVALID_MULTIADDR: ['usage', 'a text is not a multiaddr, or one that cannot be dialled'],
  ERR_INVALID_LISTEN: ['usage', 'a node cannot listen on an address of that kind'],
  ERR_LISTEN_FAILED: [
    'usage',
    'a node cannot listen on an address: it is in use, or of another machine'
  ],
  ERR_INVALID_STEP: ['usage', 'the turns of a two-way channel would be too close to each other'],
  ERR_INVALID_DEPTH: ['usage', 'a devnet cannot take back so many blocks'],
  ERR_INVALID_TRACE: ['usage', 'a file of fee rates cannot be used'],
  ERR_NO_TRACE: ['usage', 'a file of fee rates cannot be read'],
  ERR_INVALID_TXID: ['usage', 'a text is not a transaction id'],
  ERR_INVALID_CHANNEL_ID: ['usage', 'a text is not a channel id'],
  ERR_INVALID_HEX: ['usage', 'a text is not hex'],
  ERR_INVALID_ELECTRUM_URL: [
    'usage',
    'an Electrum server is not named as tcp://HOST:PORT or tls://HOST:PORT'
  ],
  ERR_INVALID_PROXY: ['usage', 'a proxy is not named as socks5://HOST:PORT'],
  ERR_INVALID_FINGERPRINT: ['usage', 'a text is not the SHA-256 fingerprint of a certificate'],
  ERR_INVALID_CA: ['usage', 'a file holds no certificate'],
  ERR_CONFIG_INVALID: ['usage', 'a setting has a value that it cannot have'],
  ERR_CONFIG_UNKNOWN_KEY: ['usage', 'there is no such setting'],
  ERR_CONFIG_UNREADABLE: ['usage', 'the configuration file cannot be read'],
  ERR_NETWORK_NOT_SUPPORTED: ['usage', 'there is no such network'],
  ERR_MAINNET_REFUSED: ['usage', 'mainnet was not asked for on purpose'],
  ERR_SOCKET_PATH_TOO_LONG: [
    'usage',
    'the path of the data directory is too long for a Unix socket'
  ],
  ERR_PASSPHRASE_TOO_SHORT: ['refused', 'a passphrase is too short to keep anybody out'],
  ERR_PASSPHRASE_MISMATCH: ['refused', 'a passphrase was typed differently the second time'],
  ERR_PASSPHRASE_NEEDED: ['refused', 'the seed is encrypted, and no passphrase was given'],
  ERR_WRONG_PASSPHRASE: ['refused', 'a passphrase does not open the seed, or the backup'],
  ERR_SCENARIO_INVALID: ['usage', 'a scenario has a mistake; its line is said'],
  ERR_NO_SCENARIO: ['usage', 'there is no such scenario, or it cannot be read'],
  ERR_TOO_MANY_NODES: ['usage', 'a scenario is too large to be run with real nodes'],
  ERR_OUTPUT_EXISTS: ['usage', 'results would overwrite a file'],
  ERR_OUTPUT_UNWRITABLE: ['usage', 'a directory for results cannot be written'],
  ERR_OUTPUT_LOST: ['refused', 'what the command had to say could not be written'],
  ERR_FEE_TOO_HIGH: [
    'refused',
    'a fee exceeds the amount, or ten times the estimate, and was not said to be meant'
  ],

  // Outside wallets
  ERR_PSBT_BAD_SIGNATURE: ['usage', 'a signature in a PSBT is wrong'],
  ERR_PSBT_CHOICE: ['usage', 'with a PSBT the outside wallet chooses coins and fee'],
  ERR_PSBT_DUPLICATE_INPUT: ['usage', 'a PSBT spends one output twice'],
  ERR_PSBT_FEE: ['usage', 'the fee of a PSBT is negative, too low or too high'],
  ERR_PSBT_LOCKED: ['usage', 'the transaction of a PSBT is not valid before a later height'],
  ERR_PSBT_MALFORMED: ['usage', 'what was given is not a PSBT'],
  ERR_PSBT_NETWORK: ['usage', 'a PSBT is of another network'],
  ERR_PSBT_NOT_EXPECTED: ['usage', 'the channel waits for no PSBT now'],
  ERR_PSBT_NOT_SEGWIT: [
    'usage',
    'an input of a PSBT is not native SegWit, so its txid could change'
  ],
  ERR_PSBT_NOT_SIGNED: ['usage', 'an input of a PSBT is not signed'],
  ERR_PSBT_NO_INPUTS: ['usage', 'a PSBT spends nothing yet'],
  ERR_PSBT_OUTPUT: [
    'usage',
    'a PSBT does not pay the channel exactly once, or pays it another amount'
  ],
  ERR_PSBT_SIGHASH: [
    'usage',
    'an input of a PSBT is to be signed with another sighash type than ALL'
  ],
  ERR_PSBT_SUPERSEDED: ['usage', 'the refund was signed for another PSBT'],
  ERR_PSBT_TOO_LARGE: ['usage', 'the transaction of a PSBT is too large'],
  ERR_PSBT_TXID: ['usage', 'the signed transaction is not the one whose refund was signed'],
  ERR_PSBT_UNREADABLE: ['usage', 'a file with a PSBT cannot be read'],
  ERR_PSBT_UTXO_MISMATCH: ['usage', 'a PSBT says of a spent output what is not true'],
  ERR_PSBT_UTXO_MISSING: ['usage', 'a PSBT does not say what an input spends'],
  ERR_PSBT_VERSION: ['usage', 'the transaction of a PSBT has a version that is not relayed'],

  // The node
  ERR_NODE_NOT_RUNNING: ['stopped', 'no node runs on the data directory'],
  ERR_NODE_STOPPED: ['stopped', 'the node is not started, or has been stopped'],
  ERR_WALLET_STOPPED: ['stopped', 'the wallet is not running'],
  ERR_ALREADY_RUNNING: ['refused', 'a node runs on the data directory already'],
  ERR_API_FAILED: [
    'bug',
    'the connection to the node broke; whether it did what was asked is unknown'
  ],
  ERR_API_FORBIDDEN: ['refused', 'the socket of the node belongs to another user'],
  ERR_SOCKET_FAILED: ['refused', 'the socket of the local API cannot be made'],
  ERR_EVENTS_LOST: ['alarm', 'a reader of events was too slow; no more follow'],
  ERR_WEBHOOK_STOPPED: ['alarm', 'the receiver of a webhook wants no more events'],
  ERR_WEBHOOK_FAILING: ['alarm', 'the receiver of a webhook has taken no event for an hour'],
  ERR_NOT_CONFIRMED: ['refused', 'a person, or a program without --yes, did not agree to it'],
  ERR_INTERRUPTED: ['refused', 'the command was ended by a signal; the node goes on'],
  ERR_TOO_MANY_REQUESTS: ['busy', 'too many payment requests are open'],
  ERR_TOO_MANY_WAITING: ['busy', 'too many payments wait for their acknowledgement'],
  ERR_INTERNAL: ['bug', 'something that should not happen has happened'],
  ERR_LISTENER_FAILED: ['bug', 'a message could not be handled'],
  ERR_NO_ECDSA: ['bug', 'no implementation of secp256k1 can be loaded; install the packages again'],

  // The disk, and the seed
  ERR_STORE_FAILED: [
    'disk',
    'the disk refused a write; the node stops, and nothing that it could not write was acknowledged'
  ],
  ERR_STORE_LOCKED: ['refused', 'another process uses the data directory'],
  ERR_STORE_VERSION: [
    'refused',
    'the data directory, or the backup, was written by a newer release'
  ],
  ERR_STORE_CORRUPT: ['bug', 'a record on disk is damaged; the others go on'],
  ERR_NO_DATA: ['missing', 'there is no data of a node in the directory'],
  ERR_NOT_CHECKED: [
    'refused',
    'a data directory could not be read, which says nothing about what is in it'
  ],
  ERR_BACKUP_EXISTS: [
    'refused',
    'a backup would take the place of a file that may be worth more, and leaves it alone'
  ],
  ERR_BACKUP_UNWRITABLE: ['refused', 'a backup cannot be written: a full disk, or no permission'],
  ERR_BACKUP_UNREADABLE: ['refused', 'a file is not a backup, or a damaged one, or cannot be read'],
  ERR_DATA_EXISTS: ['refused', 'there is a node in the directory already'],
  ERR_RESTORE_FAILED: ['refused', 'a backup could not be put back: a full disk, or no permission'],
  ERR_SEED_EXISTS: ['refused', 'there is a seed already, and it is never overwritten'],
  ERR_SEED_UNREADABLE: ['refused', 'the seed is missing, damaged, or not a list of words'],
  ERR_SEED_UNWRITABLE: ['refused', 'the seed cannot be written'],
  ERR_WRONG_NETWORK: ['refused', 'the data directory, or the backup, is of another network'],
  ERR_WRONG_CHAIN: ['chain', 'the data directory belongs to another chain than the server shows'],
  ERR_WRONG_PEER_ID: ['refused', 'the channels of the data directory belong to another peer id'],

  // The wallet
  ERR_INSUFFICIENT_FUNDS: ['refused', 'the wallet has not enough confirmed coins'],
  ERR_TOO_MANY_COINS: ['refused', 'paying would take more coins than fit into a transaction'],
  ERR_COINS_TOO_LARGE: [
    'refused',
    'the coins of a top-up come from transactions that are too large to show the peer'
  ],
  ERR_COIN_UNKNOWN: ['missing', 'the wallet has no such coin'],
  ERR_COIN_SPENT: ['refused', 'a coin is spent already'],
  ERR_COIN_UNCONFIRMED: ['refused', 'a coin is in no block yet, or not mature'],
  ERR_COIN_RESERVED: ['refused', 'a coin is set aside for a channel or a send'],
  ERR_COIN_LOCKED: ['refused', 'a coin is locked by its owner'],
  ERR_FUNDING_EXISTS: ['refused', 'coins are set aside for the channel already'],
  ERR_FEERATE_TOO_LOW: [
    'refused',
    'a feerate is below what the servers relay, or below what a replacement needs'
  ],
  ERR_CANNOT_BUMP: ['refused', 'the fee of that transaction cannot be raised by this node'],
  ERR_ALREADY_CONFIRMED: ['refused', 'the transaction is in a block'],
  ERR_NO_CHANGE: ['refused', 'the funding transaction has no change that could pay for it'],
  ERR_SEND_OVERTAKEN: [
    'alarm',
    'a send can never be in a block: another transaction has spent its coins'
  ],
  ERR_SWEEP_NOT_WORTH_IT: ['refused', 'sweeping costs more than it brings'],
  ERR_WALLET: ['alarm', 'the wallet could not do something in the background'],
  ERR_WALLET_WATCH: ['alarm', 'a server does not watch a script of the wallet'],
  ERR_INVALID_TRANSACTION: ['rule', 'bytes are not a transaction'],
  ERR_NO_ADDRESS: ['bug', 'a script has no address'],
  ERR_INVALID_KEY_PATH: ['bug', 'the indexes of a key are out of range'],
  ERR_INVALID_DIGEST: ['bug', 'something else than 32 bytes was to be signed'],
  ERR_INVALID_SECRET_KEY: ['bug', 'a secret key is out of range'],
  ERR_INVALID_PUBLIC_KEY: ['bug', 'a public key is not a compressed point'],
  ERR_INVALID_SIGNATURE: ['bug', 'a signature is not r and s of secp256k1'],

  // The chain
  ERR_CHAIN_UNAVAILABLE: [
    'chain',
    'no Electrum server answers, or the chain has not been seen yet'
  ],
  ERR_CHAIN_BUSY: [
    'busy',
    'transactions of other peers wait for the Electrum server already, or it has refused as many as it bears; this one is not sent'
  ],
  ERR_CHAIN_BEHIND: ['chain', 'a server is behind a height that was seen'],
  ERR_CHAIN_LIED: ['chain', 'a server showed what cannot be true; it is not used'],
  ERR_CLOCK_BEHIND: ['chain', "this machine's clock is hours behind the newest block"],
  ERR_BLOCK_FROM_FUTURE: ['chain', 'a server shows a block whose time is too far ahead'],
  ERR_HISTORY_TOO_LARGE: ['chain', 'more is shown that waits for a block than is kept'],
  ERR_ELECTRUM_PROTOCOL: ['chain', 'a server does not speak the Electrum protocol'],
  ERR_ELECTRUM_REFUSED: ['chain', 'a server refuses to answer'],
  ERR_CONNECTION_LOST: ['chain', 'the connection to a server broke'],
  ERR_TLS_UNTRUSTED: ['chain', 'nobody vouches for the certificate of a server'],
  ERR_TLS_EXPIRED: ['chain', 'the certificate of a server is not valid now'],
  ERR_TLS_WRONG_HOST: ['chain', 'the certificate of a server is for another host'],
  ERR_TLS_FINGERPRINT: ['chain', 'a server shows another certificate than the pinned one'],
  ERR_NOT_WATCHED: [
    'chain',
    'no server tells what happens to the channel, so nothing is paid on it (UPD-20)'
  ],
  ERR_WATCH_FAILED: ['alarm', 'a channel could not be watched'],
  ERR_BROADCAST_REFUSED: [
    'refused',
    'no server takes a transaction now; it is kept, and sent again with every block'
  ],
  ERR_SERVERS_DISAGREE: ['alarm', 'one server refuses a transaction that another has taken'],
  ERR_NO_FEE_ESTIMATE: ['alarm', 'no server estimates fees'],
  ERR_BITCOIND_AUTH: ['usage', 'bitcoind does not take the user and password'],
  ERR_BITCOIND_UNREACHABLE: [
    'chain',
    'bitcoind does not answer, or its chain changes faster than it is read'
  ],
  ERR_NO_DEVNET: ['chain', 'the server is not a devnet'],
  ERR_DEVNET_REFUSED: ['refused', 'the devnet did not do what was asked'],
  ERR_UNSUPPORTED: ['refused', 'a bitcoind cannot do what the devnet of its own can'],

  // Peers
  ERR_PEER_UNREACHABLE: ['peer', 'the peer is not connected, and cannot be dialled'],
  ERR_NO_REQUESTS_SPOKEN: ['peer', 'the payee does not speak /paychan/request/1.0'],
  ERR_BAD_ANSWER: ['peer', 'the payee does not answer a question about its request as it should'],
  ERR_PEER_UNKNOWN: ['peer', 'no address of the peer is known'],
  ERR_NO_PAYCHAN: ['peer', 'the peer does not speak /paychan/1.0'],
  ERR_PEER_TOO_SLOW: ['peer', 'the peer does not read what is sent to it'],
  ERR_TIMEOUT: ['peer', 'no first message came on a stream (WIRE-9)'],
  ERR_TOO_MANY_STREAMS: ['busy', 'a peer has too many streams open (WIRE-9)'],
  ERR_PEERS: ['alarm', 'something went wrong with a peer in the background'],

  // Openings
  ERR_OPEN_REFUSED: ['refused', 'the peer refused the channel; its own code is among the facts'],
  ERR_OPEN_TIMEOUT: ['refused', 'the opening took too long'],
  ERR_WAIT_ENDED: ['refused', 'the signal of a call ended its wait; what it had begun goes on'],
  ERR_CANCELLED: ['refused', 'the opening was cancelled in time; nothing was funded'],
  ERR_CANCEL_TOO_LATE: [
    'refused',
    'the funding transaction had left; the channel opens all the same'
  ],
  ERR_CAPACITY_REFUSED: ['rule', 'the server takes no channel of that capacity (OPEN-2)'],
  ERR_REFUND_HEIGHT_REFUSED: ['rule', 'the refund height is too near or too far (OPEN-3)'],
  ERR_STEP_REFUSED: ['rule', 'the step does not fit the mode, or is too short (OPEN-4)'],
  ERR_VERSION_NOT_SUPPORTED: [
    'rule',
    'the transactions would have a version that can be pinned (OPEN-5)'
  ],
  ERR_SCRIPT_NOT_STANDARD: ['rule', 'a script for the close is not relayed (OPEN-6)'],
  ERR_TOO_MANY_OPENINGS: ['rule', 'too many openings are under way (OPEN-7, OPEN-11, OPEN-14)'],
  ERR_TOO_MANY_CHANNELS: [
    'rule',
    'too many channels with one peer, or handed back by peers and never funded'
  ],
  ERR_TERMS_REFUSED: ['rule', 'the server asks for what this client does not give (OPEN-8)'],
  ERR_INVALID_KEY: ['rule', 'a key is not a point of the curve (KEY-1)'],
  ERR_KEY_REUSED: ['rule', 'a key has been used before (KEY-3, KEY-4)'],
  ERR_OUTPOINT_REUSED: ['rule', 'a refund of this output has been signed before (REF-2)'],
  ERR_REFUND_MALFORMED: ['rule', 'T2 cannot be read, or is signed already (REF-1)'],
  ERR_REFUND_INPUTS: ['rule', 'T2 spends something else than the funding output'],
  ERR_REFUND_OUTPUTS: ['rule', 'the outputs of T2 are not those of the terms'],
  ERR_REFUND_LOCK: ['rule', 'T2 has another lock than the terms (REF-3)'],
  ERR_REFUND_SEQUENCE: ['rule', 'the input of T2 has another nSequence (REF-4)'],
  ERR_REFUND_VERSION: ['rule', 'T2 has another version (REF-5)'],
  ERR_BAD_REFUND_SIGNATURE: [
    'rule',
    'the signature of T2 is wrong; T1 was not handed over (REF-7)'
  ],
  ERR_FUNDING_FAILED: ['refused', 'the funding transaction could not be built'],
  ERR_FUNDING_MALFORMED: ['rule', 'T1 cannot be read (FUND-1)'],
  ERR_FUNDING_TXID: ['rule', 'T1 is not the transaction that T2 spends (FUND-1)'],
  ERR_FUNDING_OUTPUT: ['rule', 'T1 does not have the funding output (FUND-1)'],
  ERR_FUNDING_NOT_SEGWIT: [
    'rule',
    'an input of T1 is not SegWit, so that its txid could change (FUND-2)'
  ],
  ERR_FUNDING_NOT_TAKEN: [
    'refused',
    'T1 is handed over, and no server has taken it yet; do not open the channel again'
  ],
  ERR_FUNDED_NOT_OPEN: [
    'refused',
    'T1 has left, and the channel takes no payments; why is among the facts'
  ],
  ERR_FUNDED_TOO_LATE: ['rule', 'T1 was buried too late for payments (FUND-4)'],
  ERR_PAID_WITHOUT_REFUND: [
    'alarm',
    'a transaction that is not T1 pays to the address of the channel'
  ],
  ERR_FUNDING_REORGED: [
    'alarm',
    'a reorganisation took T1 back; no payments until it is buried again'
  ],

  // Payments
  ERR_NO_CHANNEL: ['missing', 'there is no such channel, or none to pay that peer on'],
  ERR_AMBIGUOUS_PEER: ['usage', 'the ids of several peers begin or end like that; give more of it'],
  ERR_AMBIGUOUS_PAYMENT: ['usage', 'the ids of several payments begin like that; give more digits'],
  ERR_NO_PAYMENT: ['missing', 'no payment has that id or that name'],
  ERR_AMBIGUOUS_CHANNEL: ['usage', 'several channels begin like that; give more digits'],
  ERR_CHANNEL_NOT_OPEN: [
    'refused',
    'the channel cannot be paid on yet, or T1 is not deep enough (FUND-4)'
  ],
  ERR_CHANNEL_CLOSED: ['refused', 'the channel is closing or closed (UPD-17)'],
  ERR_PEER_STOPPED: [
    'peer',
    'the peer has ended the payments of a channel, for a reason of its own'
  ],
  ERR_CHANNEL_STOPPED: ['refused', 'the channel takes no more payments, and only closes'],
  ERR_CHANNEL_EXPIRED: ['refused', 'the last height for payments has passed (UPD-12)'],
  ERR_CHANNEL_SETTLED: ['refused', 'the channel is settled on the chain'],
  ERR_NOT_THE_PAYER: ['rule', 'the other side pays here (UPD-1)'],
  ERR_INSUFFICIENT_BALANCE: ['refused', 'less is left in the channels than was asked for'],
  ERR_BELOW_MIN_FIRST_PAYMENT: ['rule', 'the first payment would not be worth settling (UPD-10)'],
  ERR_STAKE_TOO_HIGH: [
    'rule',
    'the payee would have too much at stake, or at too high a risk (UPD-11, UPD-19)'
  ],
  ERR_ABOVE_IN_FLIGHT_LIMIT: ['rule', 'more is in flight than the payee takes (UPD-6)'],
  ERR_WINDOW_FULL: ['busy', 'too much is signed and not yet acknowledged'],
  ERR_DUPLICATE_PAYMENT: ['rule', 'a payment was asked for twice in one update (UPD-14)'],
  ERR_PAYMENT_UNKNOWN: [
    'refused',
    'a payment was signed and sent, and nobody knows yet whether it is made'
  ],
  ERR_PAYMENT_PARTIAL: ['refused', 'a part of a payment is made; ask for it again with its id'],
  ERR_REQUEST_NETWORK: ['usage', 'a payment request is for another network (REQ-6)'],
  ERR_REQUEST_AMOUNT: ['usage', 'a payment request has no amount, or asks for more than was named'],
  ERR_REQUEST_EXPIRED: ['refused', 'a payment request has expired; ask for another one (REQ-7)'],
  ERR_REQUEST_PAID: [
    'refused',
    'a payment request is paid already, by this node or another (REQ-9)'
  ],
  ERR_REQUEST_UNKNOWN: [
    'refused',
    'the payee does not know its payment request; ask for another one'
  ],
  ERR_NO_RECEIPT: ['refused', 'the payee gives no receipt for a request'],
  ERR_NO_ALIAS: ['missing', 'no peer has that name'],
  ERR_PAYMENT_CONFLICT: ['refused', 'the id belongs to another payment'],
  ERR_PAYMENTS_FORGOTTEN: [
    'refused',
    'this node has lost payments, and this one may be among them (RESTORE-9)'
  ],
  ERR_LIST_FALSE: ['rule', 'the peer listed falsely what this node had lost (REEST-8)'],

  // What a peer may not do
  ERR_BAD_MESSAGE: ['rule', 'a message is malformed (WIRE-1 to WIRE-7)'],
  ERR_UNEXPECTED_MESSAGE: ['rule', 'a message came out of its turn (ERR-2)'],
  ERR_OUT_OF_ORDER: ['rule', 'a number was left out or repeated (UPD-2, RESTORE-2)'],
  ERR_WRONG_TURN: ['rule', 'an update is of another turn (UPD-1)'],
  ERR_BALANCE_MISMATCH: ['rule', 'balances and payments do not agree (UPD-3)'],
  ERR_BAD_SIGNATURE: ['rule', 'a signature is wrong (UPD-4)'],
  ERR_BAD_PAYMENT_COUNT: ['rule', 'an update has no payment, or too many (UPD-7)'],
  ERR_BAD_INITIAL_STATE: ['rule', 'the first state does not give the client everything (UPD-9)'],
  ERR_BAD_ACK: ['rule', 'what was never sent was acknowledged (UPD-15)'],
  ERR_STATE_INVALID: ['bug', 'a state cannot be made into a transaction'],

  // Turns
  ERR_UNEXPECTED_TURN: [
    'rule',
    'a turn was asked for or granted out of order (TURN-1, TURN-4, TURN-5)'
  ],
  ERR_BELOW_MIN_TURN: ['refused', 'the amount is not worth a turn (TURN-1)'],
  ERR_NO_TURN_LEFT: ['refused', 'the direction of the channel cannot change any more (TURN-3)'],
  ERR_TURN_TOO_EARLY: ['refused', 'the next turn is granted from a later height on (TURN-8)'],
  ERR_TURN_REFUSED: ['refused', 'the peer does not hand over the turn'],

  // Forgotten states
  ERR_UNKNOWN_CHANNEL: ['rule', 'the peer has no such channel (REEST-1)'],
  ERR_WRONG_DERIVATION: ['rule', 'the two sides speak of different channels (REEST-1)'],
  ERR_PEER_FORGOT: [
    'rule',
    'the peer was restored from an old copy; the channel only closes (REEST-4)'
  ],
  ERR_STATE_FORGOTTEN: [
    'rule',
    'this node was restored from an old copy; the channel only closes (REEST-4)'
  ],
  ERR_COPY_RUNNING: ['rule', 'one side runs twice; the channel only closes (REEST-4)'],
  ERR_PAYMENTS_UNKNOWN: ['rule', 'this node asks the peer for payments that it has lost (REEST-8)'],
  ERR_CHANNELS_FORGOTTEN: [
    'alarm',
    'a peer has given back channels that this node did not know of'
  ],
  ERR_PEER_NOT_ASKED: ['alarm', 'a peer that may know of forgotten channels cannot be asked'],
  ERR_RESTORE_REFUSED: ['peer', 'the peer does not hand channels back'],
  ERR_RESTORE_TIMEOUT: ['peer', 'the peer does not say which channels it has'],
  ERR_TOO_MANY_REFUSED: ['rule', 'the peer names channels that are none of this node (RESTORE-7)'],
  ERR_NOT_OUR_CHANNEL: [
    'rule',
    'the keys of a channel that was handed back are not of this seed (RESTORE-4)'
  ],
  ERR_NOT_OUR_SCRIPT: [
    'rule',
    'the close script of a channel that was handed back is not of this wallet (RESTORE-4)'
  ],

  // Renewals
  ERR_NOT_THE_CLIENT: ['refused', 'only the side that opened a channel renews it'],
  ERR_RENEWAL_UNDER_WAY: ['refused', 'the channel is being renewed already'],
  ERR_RENEWAL_KIND: ['rule', 'a renewal is of the same kind as its channel (RENEW-8)'],
  ERR_RENEWAL_TOO_POOR: ['rule', 'the client would have too little in the new channel (RENEW-10)'],
  ERR_RENEWAL_INPUT: ['rule', 'version or inputs of the renewal are wrong (RENEW-4)'],
  ERR_RENEWAL_FORM: ['rule', 'lock or outputs of the renewal are wrong (RENEW-4)'],
  ERR_RENEWAL_TOO_LARGE: ['rule', 'the renewal is too large (RENEW-4)'],
  ERR_RENEWAL_FEE: ['rule', 'the fee of the renewal is out of bounds (RENEW-4)'],
  ERR_RENEWAL_NOT_SIGNED: [
    'refused',
    'the peer refuses the transaction of a renewal that this side has signed (RENEW-4)'
  ],
  ERR_RENEWAL_FAILED: ['alarm', 'a channel could not renew itself'],
  ERR_FUNDING_LOST: ['alarm', 'a coin of the funding transaction was spent otherwise (FUND-6)'],
  ERR_RENEWAL_LOST: ['alarm', 'another transaction has ended the channel that was renewed'],
  ERR_RENEWAL_TOO_DEAR: ['alarm', 'a renewal costs more than a channel spends on it by itself'],
  ERR_RENEWAL_TOO_SOON: ['alarm', 'a channel has lasted too short a time to renew itself'],

  // Ends
  ERR_LATER_UPDATES: [
    'refused',
    'payments are on their way; close once they are acknowledged (CLOSE-1)'
  ],
  ERR_SCRIPT_MISMATCH: [
    'rule',
    'a close pays to other scripts than those of the opening (CLOSE-2)'
  ],
  ERR_CLOSE_BALANCES: ['bug', 'the balances of a close do not add up'],
  ERR_CLOSE_TOO_POOR: ['refused', 'whoever asks for a close cannot pay its fee (CLOSE-3)'],
  ERR_CLOSE_EMPTY: ['refused', 'after the fee nothing is left to close (CLOSE-3)'],
  ERR_CLOSE_FEE_TOO_LOW: [
    'rule',
    'the fee of a close is below what the other side asks for (CLOSE-4)'
  ],
  ERR_CLOSE_FEE_TOO_HIGH: [
    'refused',
    'asking again would have to pay more than a node pays by itself; name a feerate'
  ],
  ERR_CLOSE_REFUSED: ['refused', 'the peer refused to close'],
  ERR_CLOSE_TIMEOUT: ['peer', 'the peer did not answer in time'],
  ERR_BACKUP_MAY_BE_OLD: [
    'refused',
    'the node was put back from a backup, and a peer has not said since where a channel stands (RESTORE-10)'
  ],
  ERR_NOTHING_TO_SETTLE: ['refused', 'this side holds nothing that could be published'],
  ERR_NOT_READY: [
    'busy',
    'this side is busy, about to stop, or does not see the chain; try again (UPD-20)'
  ],
  ERR_NOT_WORTH_A_BID: [
    'alarm',
    'it is time to settle a channel, and its share pays for no transaction'
  ],
  ERR_BID_WAITS: ['alarm', 'what settles a channel waits for a block; its fee rises by itself'],
  ERR_OLDER_STATE_CONFIRMED: ['alarm', 'an older state was mined, and costs this side money'],
  ERR_FORGED_SPEND: ['alarm', 'a server shows a spend that is not signed; it is ignored'],
  ERR_UNKNOWN_SPEND: ['alarm', 'a transaction that this node does not know has ended a channel'],

  // Simulations and demos
  ERR_SWEEP_FAILED: ['bug', 'a thread of a sweep has ended by itself'],
  ERR_NODE_DOWN: ['refused', 'a simulated node is down'],
  ERR_DEMO_FAILED: ['bug', 'a demo did not come to the end of its story'],
  ERR_DEMO_NODE: ['bug', 'a node of a demo did not start']
} as const satisfies Record<string, Row>

export type ErrorCode = keyof typeof ERROR_CODES

/** True when a text is one of our codes: a peer, or a newer release, may use other ones. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_CODES, text)
}

/** The kind of a code; `refused` for a code that is not ours. */
export function kindOf(code: string): ErrorKind {
  return isErrorCode(code) ? ERROR_CODES[code][0] : 'refused'
}

/** The HTTP status of a code. */
export function statusOf(code: string): number {
  const [kind, , status]: Row = isErrorCode(code) ? ERROR_CODES[code] : [kindOf(code), '']
  return status ?? ERROR_KINDS[kind].status
}
