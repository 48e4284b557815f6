/**
 * What to do after an error, for each code: the last column of the table in `error-codes.ts`, and of
 * `docs/errors.md`. The sentence of an error has the details, and ends with this one where there is
 * no more to say.
 */
import type { ErrorCode } from './error-codes.js'

const ADVICE: Readonly<Record<ErrorCode, string>> = {
  // Asked for wrongly
  ERR_PACKAGE_MISSING:
    'Install the package that the sentence names, in the version that it names, beside paychan.',
  ERR_USAGE: 'Read the help of the command: `paychan COMMAND --help`.',
  ERR_INVALID_REQUEST:
    'Give the field that the sentence names as the description of the API has it (`/openapi.json`).',
  ERR_UNKNOWN_FIELD:
    'Leave the field out, or write its name as the description of the API has it (`/openapi.json`).',
  ERR_UNKNOWN_VERB: 'Take a verb of docs/api.md; a node of an older release has fewer.',
  ERR_METHOD_NOT_ALLOWED: 'Ask with the method that the sentence names.',
  ERR_REQUEST_TOO_LARGE: 'Send less in one call.',
  ERR_TOKEN_MISSING: 'Send `Authorization: Bearer TOKEN`. `paychan token create` makes one.',
  ERR_TOKEN_INVALID: 'Make one: `paychan token create`.',
  ERR_TOKEN_EXPIRED: 'Make another one: `paychan token create`.',
  ERR_TOKEN_SCOPE: 'Make another token that has the scope: `paychan token create --scope`.',
  ERR_BUDGET_USED_UP:
    'Wait until the time of the budget begins anew, or make a token with a higher limit.',
  ERR_MALFORMED_CREDENTIAL: 'Ask once more without it, and answer the challenge that comes.',
  ERR_SERVER_UNREACHABLE: 'Check the address and the network, then ask again; nothing was paid.',
  ERR_NOTHING_TO_PAY: 'Ask by an ordinary client: it costs nothing, or is not sold there.',
  ERR_NO_PAYMENT_METHOD: 'Pay it by another client.',
  ERR_PRICE_TOO_HIGH: 'Allow more for a unit (`--most`), if it is worth that; nothing was paid.',
  ERR_FIRST_PAYMENT_TOO_HIGH:
    'Allow more as the first payment (`--most-first`), if that much may be paid ahead; nothing was paid.',
  ERR_OTHER_OFFER: 'Name what it sells, if that is what you want; nothing was paid.',
  ERR_INSECURE_PAYMENT: 'Use https.',
  ERR_GATE_RUNNING: 'Stop the other seller, or give this one another name (`--realm`).',
  ERR_GATE_LISTEN: 'Choose another place with --listen.',
  ERR_NOT_PAID: 'Nothing more is sold on the stream; the buyer may begin another one.',
  ERR_BILL_WRONG: 'Buy from another seller; nothing more is paid to this one.',
  ERR_BAD_FRAME: 'Check that both sides use the same release, then begin another stream.',
  ERR_PAID_NOT_DELIVERED:
    'Ask its owner, with the receipt or the ids of the payments; it is paid no more.',
  ERR_API_HOST: 'Use its address, or start the node with `--api-host NAME`.',
  ERR_API_ORIGIN: 'Ask from a program, which sends no Origin, or by a server of your own.',
  ERR_API_TLS_NEEDED:
    'Give it a certificate, or listen at 127.0.0.1 and put a proxy with TLS in front.',
  ERR_API_LISTEN:
    'Choose another port or address, or correct the certificate that the sentence names.',
  ERR_API_TOO_FAST: 'Wait as long as `Retry-After` says, then ask again.',
  ERR_TOO_MANY_CALLS: 'Wait until one of them has ended, then ask again.',
  ERR_INVALID_TOKEN_REQUEST:
    'Correct what the sentence names: the name, a scope, the budget or the time.',
  ERR_NO_TOKEN: 'Take an id that `paychan token list` shows.',
  ERR_TOO_MANY_TOKENS: 'Revoke some that are not used any more (`paychan token revoke`).',
  ERR_EVENTS_NOT_KEPT: 'Start the node with `keepsEvents: true`.',
  ERR_INVALID_WEBHOOK:
    'Correct what the sentence names: the URL, the kinds of events or the number.',
  ERR_NO_WEBHOOK: 'Take an id that `paychan webhook list` shows.',
  ERR_TOO_MANY_WEBHOOKS: 'Remove one that is not used any more (`paychan webhook remove`).',
  ERR_WEBHOOKS_NOT_SENT: 'Start the node with `webhooks: webhooksByHttp()`.',
  ERR_IDEMPOTENCY_CONFLICT: 'Take a new key for a new request.',
  ERR_TOO_MANY_KEYS: 'Keep keys for what must not be done twice, or use another token.',
  ERR_IDEMPOTENCY_UNKNOWN:
    'Look at the channels, payments and transactions, then ask with a new key.',
  ERR_INVALID_AMOUNT: 'Name an amount of at least 1 sat, with no more decimals than its unit has.',
  ERR_INVALID_ADDRESS:
    'Check it for a missing or mistyped character, and that it is of this network.',
  ERR_INVALID_URI: 'Copy the whole URI again, or ask the payee for a plain address.',
  ERR_URI_UNSUPPORTED: 'Ask the payee for a plain address.',
  ERR_INVALID_FEERATE:
    'Name a number of sat/vB, or leave it out: the node then takes the estimate.',
  ERR_INVALID_TARGET: 'Name a number of blocks from 1 to 1,008.',
  ERR_INVALID_HEIGHT:
    'Name a height or a number of blocks within the bounds that the sentence names.',
  ERR_INVALID_GAP: 'Name a number within the bounds that the sentence names.',
  ERR_INVALID_LABEL: 'Shorten it, and keep it on one line.',
  ERR_INVALID_MEMO: 'Write one line of text without control characters.',
  ERR_MEMO_TOO_LONG: 'Shorten it to 128 bytes of UTF-8.',
  ERR_INVALID_OUTPOINT:
    'Write the transaction id, a colon, and the number of the output, as `paychan coins` does.',
  ERR_INVALID_PAYMENT_ID: 'Take a text of 1 to 128 characters.',
  ERR_INVALID_PAYMENT_REQUEST: 'Copy the whole request again, or ask the payee for another one.',
  ERR_INVALID_RECEIPT: 'Copy the whole receipt again, or ask the payee for it.',
  ERR_INVALID_EXPIRY: 'Name a time from a second to ten years, or `never`.',
  ERR_INVALID_ALIAS:
    "Take 1 to 32 small letters, digits, '.', '-' or '_', and not what could be a channel.",
  ERR_INVALID_PEER: 'Copy the PeerId again; `paychan peers` shows those that this node knows.',
  ERR_INVALID_MULTIADDR: 'Write it as /ip4/192.0.2.1/tcp/9800/p2p/12D3KooW...',
  ERR_INVALID_LISTEN: 'Write the address like /ip4/0.0.0.0/tcp/4001.',
  ERR_LISTEN_FAILED: 'Choose another port.',
  ERR_INVALID_STEP: 'Name at least as many blocks as the sentence says.',
  ERR_INVALID_DEPTH: 'Name a number of blocks within the bounds that the sentence names.',
  ERR_INVALID_TRACE: 'Correct the line that the sentence names.',
  ERR_NO_TRACE: 'Name a file that can be read, or one of the traces that come with the program.',
  ERR_INVALID_TXID: 'Copy all 64 hex digits again.',
  ERR_INVALID_CHANNEL_ID: 'Copy all 64 hex digits again; `paychan channels` shows them.',
  ERR_INVALID_HEX: 'Write an even number of the digits 0 to 9 and a to f.',
  ERR_INVALID_ELECTRUM_URL: 'Write it as tls://HOST:PORT or tcp://HOST:PORT.',
  ERR_INVALID_PROXY: 'Write it as socks5://HOST:PORT.',
  ERR_INVALID_FINGERPRINT:
    'Write the 64 hex digits that `openssl x509 -fingerprint -sha256` prints.',
  ERR_INVALID_CA: 'Name a PEM file with a certificate.',
  ERR_CONFIG_INVALID: 'Give the setting a value within the bounds that the sentence names.',
  ERR_CONFIG_UNKNOWN_KEY:
    'Take the setting out, or write its name as docs/configuration.md has it.',
  ERR_CONFIG_UNREADABLE: 'Correct the file: it is one JSON object.',
  ERR_NETWORK_NOT_SUPPORTED: 'Take one of the networks that the sentence names.',
  ERR_MAINNET_REFUSED:
    'Say so with --i-understand-the-risk; to try things out use --network regtest or signet.',
  ERR_SOCKET_PATH_TOO_LONG: 'Choose a data directory with a shorter path.',
  ERR_PASSPHRASE_TOO_SHORT:
    'Take a longer one: several words are easy to remember and hard to guess.',
  ERR_PASSPHRASE_MISMATCH: 'Type it twice the same way.',
  ERR_PASSPHRASE_NEEDED:
    'Give the passphrase, from a terminal or by the variable or file that the sentence names.',
  ERR_WRONG_PASSPHRASE: 'Try again; without the passphrase only the words of the seed help.',
  ERR_SCENARIO_INVALID: 'Correct the line that the sentence names.',
  ERR_NO_SCENARIO: 'Name a file that can be read, or a preset: `paychan simulate list`.',
  ERR_TOO_MANY_NODES: 'Run it without real nodes, or with fewer of them.',
  ERR_OUTPUT_EXISTS: 'Name another directory, or move the old results away.',
  ERR_OUTPUT_UNWRITABLE: 'Name a directory in which you may write, on a disk with room.',
  ERR_OUTPUT_LOST:
    'Look whether it was done (`paychan channels`, `paychan payments`) before you ask again.',
  ERR_FEE_TOO_HIGH: 'Check the fee; if it is meant, say so as the sentence tells.',

  // Outside wallets
  ERR_PSBT_BAD_SIGNATURE: 'Sign the PSBT again in your wallet.',
  ERR_PSBT_CHOICE: 'Choose coins and fee in your wallet, and leave them out here.',
  ERR_PSBT_DUPLICATE_INPUT: 'Make the PSBT again with each coin once.',
  ERR_PSBT_FEE: 'Make the PSBT again with a fee within the bounds that the sentence names.',
  ERR_PSBT_LOCKED: 'Make the PSBT again without a lock time, or wait for that height.',
  ERR_PSBT_MALFORMED: 'Export it again as a PSBT, in base64 or as a file.',
  ERR_PSBT_NETWORK: 'Make it with a wallet of the network of this node.',
  ERR_PSBT_NOT_EXPECTED:
    'Look at the channel (`paychan channels`): it needs no PSBT, or is not open to one any more.',
  ERR_PSBT_NOT_SEGWIT: 'Make the PSBT again with native SegWit coins only.',
  ERR_PSBT_NOT_SIGNED: 'Sign all inputs in your wallet, then give it again.',
  ERR_PSBT_NO_INPUTS: 'Choose coins for it in your wallet first.',
  ERR_PSBT_OUTPUT:
    'Make the PSBT again with exactly one output to the channel, of exactly its amount.',
  ERR_PSBT_SIGHASH: 'Set the sighash type of each input to ALL.',
  ERR_PSBT_SUPERSEDED: 'Sign the newest PSBT; open the channel anew if you have not got it.',
  ERR_PSBT_TOO_LARGE: 'Make the PSBT again with fewer coins.',
  ERR_PSBT_TXID: 'Sign the PSBT that was given here, without a change.',
  ERR_PSBT_UNREADABLE: 'Name a file that can be read.',
  ERR_PSBT_UTXO_MISMATCH: 'Export the PSBT again from a wallet that sees the chain.',
  ERR_PSBT_UTXO_MISSING: 'Export the PSBT again with the UTXO of each input.',
  ERR_PSBT_VERSION: 'Make the PSBT again with transaction version 2 or 3.',

  // The node
  ERR_NODE_NOT_RUNNING: 'Start it with `paychan start`, or name its directory with --data.',
  ERR_NODE_STOPPED: 'Start it again.',
  ERR_WALLET_STOPPED: 'Start the node again.',
  ERR_ALREADY_RUNNING: 'Use that node, or stop it first (`paychan stop`).',
  ERR_API_FAILED:
    'Look whether it was done (`paychan channels`, `paychan payments`) before you ask again.',
  ERR_API_FORBIDDEN: 'Ask as the user who started the node.',
  ERR_SOCKET_FAILED: 'Check who owns the data directory, and that its disk has room.',
  ERR_EVENTS_LOST: 'Subscribe again, and read what came in between by its numbers.',
  ERR_WEBHOOK_STOPPED: 'Look at the receiver; add the webhook again if it was not meant.',
  ERR_WEBHOOK_FAILING: 'Look at the receiver; the events are kept and posted again.',
  ERR_NOT_CONFIRMED: 'Agree when asked, or give --yes; nothing was done.',
  ERR_INTERRUPTED: 'Look what became of it (`paychan channels`, `paychan payments`).',
  ERR_TOO_MANY_REQUESTS: 'Wait until some are paid or have expired.',
  ERR_TOO_MANY_WAITING: 'Wait until some are acknowledged, then pay again.',
  ERR_INTERNAL: 'Report it, with the log of the node.',
  ERR_LISTENER_FAILED: 'Report it, with the log of the node.',
  ERR_NO_ECDSA: 'Install the packages again.',

  // The disk, and the seed
  ERR_STORE_FAILED: 'Make room on the disk, or replace it, then start the node again.',
  ERR_STORE_LOCKED: 'Stop the other process, or use another data directory.',
  ERR_STORE_VERSION: 'Use the newer release.',
  ERR_STORE_CORRUPT: 'Run `paychan check`, and restore a backup if it says so; report it.',
  ERR_NO_DATA: 'Check --data; `paychan start` makes a new node.',
  ERR_NOT_CHECKED: 'Stop the node, or correct what the sentence names, then check again.',
  ERR_BACKUP_EXISTS: 'Name another file, or move the old one away.',
  ERR_BACKUP_UNWRITABLE: 'Name a file in a directory in which you may write, on a disk with room.',
  ERR_BACKUP_UNREADABLE: 'Name another copy of the backup.',
  ERR_DATA_EXISTS: 'Name an empty directory, or move the old one away.',
  ERR_RESTORE_FAILED: 'Make room, or name another directory, then restore again.',
  ERR_SEED_EXISTS: 'Name another directory for another seed.',
  ERR_SEED_UNREADABLE: 'Check the words, or restore a backup.',
  ERR_SEED_UNWRITABLE: 'Make room on the disk, and check who owns the data directory.',
  ERR_WRONG_NETWORK: 'Name the network of the data, or another directory.',
  ERR_WRONG_CHAIN:
    'Use an Electrum server of the chain that the channels are on, or another data directory.',
  ERR_WRONG_PEER_ID: 'Use the seed of this directory, or another directory.',

  // The wallet
  ERR_INSUFFICIENT_FUNDS: 'Wait for confirmations, or send coins to `paychan address`.',
  ERR_TOO_MANY_COINS:
    'Ask for less, or put small coins together first: send them to an address of this wallet.',
  ERR_COINS_TOO_LARGE: 'Name other coins, or send them to an address of this wallet first.',
  ERR_COIN_UNKNOWN: 'Take one that `paychan coins` shows.',
  ERR_COIN_SPENT: 'Take another one: `paychan coins`.',
  ERR_COIN_UNCONFIRMED: 'Wait until it is in a block, or take another one.',
  ERR_COIN_RESERVED: 'Wait until that channel or send has ended, or take another one.',
  ERR_COIN_LOCKED: 'Unlock it (`paychan coins unlock`), or take another one.',
  ERR_FUNDING_EXISTS: 'Wait until the opening has ended.',
  ERR_FEERATE_TOO_LOW: 'Name at least the rate that the sentence names.',
  ERR_CANNOT_BUMP: 'Wait: it is not ours to replace, or nothing is left to pay with.',
  ERR_ALREADY_CONFIRMED: 'Nothing is to be done: it is in a block.',
  ERR_NO_CHANGE:
    'Wait: a funding transaction is never replaced, and has nothing that a child could spend.',
  ERR_SEND_OVERTAKEN: 'Look at `paychan transactions`, and send again if it is still wanted.',
  ERR_SWEEP_NOT_WORTH_IT: 'Wait until fees are lower.',
  ERR_WALLET: 'Read the sentence; it is tried again by itself.',
  ERR_WALLET_WATCH: 'Use another Electrum server if it goes on.',
  ERR_INVALID_TRANSACTION:
    'Use another Electrum server if one has shown it; what a peer has sent is refused.',
  ERR_NO_ADDRESS: 'Report it, with the log of the node.',
  ERR_INVALID_KEY_PATH: 'Report it, with the log of the node.',
  ERR_INVALID_DIGEST: 'Report it, with the log of the node.',
  ERR_INVALID_SECRET_KEY: 'Report it, with the log of the node.',
  ERR_INVALID_PUBLIC_KEY: 'Report it, with the log of the node.',
  ERR_INVALID_SIGNATURE: 'Report it, with the log of the node.',

  // The chain
  ERR_CHAIN_UNAVAILABLE: 'Check that the Electrum server runs, then try again.',
  ERR_CHAIN_BUSY: 'Wait a moment, then try again.',
  ERR_CHAIN_BEHIND: 'Wait until the server has caught up, or use another one.',
  ERR_CHAIN_LIED: 'Use another Electrum server.',
  ERR_CLOCK_BEHIND: 'Set the clock of this machine.',
  ERR_BLOCK_FROM_FUTURE:
    'Set the clock of this machine if it is wrong; else use another Electrum server.',
  ERR_HISTORY_TOO_LARGE: 'Wait for a block, or use another Electrum server.',
  ERR_ELECTRUM_PROTOCOL: 'Check the address and the port, or use another Electrum server.',
  ERR_ELECTRUM_REFUSED: 'Use another Electrum server.',
  ERR_CONNECTION_LOST: 'Nothing is to be done: it is dialled again by itself.',
  ERR_TLS_UNTRUSTED:
    'Name the authority (`ca`) or pin the fingerprint of the certificate, if the server is yours.',
  ERR_TLS_EXPIRED:
    'Renew the certificate, pin it by its fingerprint, or set the clock of this machine.',
  ERR_TLS_WRONG_HOST: 'Name the server as its certificate does, or pin its fingerprint.',
  ERR_TLS_FINGERPRINT:
    'Ask the owner whether the certificate was renewed before you change the pin.',
  ERR_NOT_WATCHED:
    'Wait until it is watched again (`paychan channels`), or use another Electrum server.',
  ERR_WATCH_FAILED: 'Use another Electrum server if it goes on.',
  ERR_BROADCAST_REFUSED:
    'Wait: it is sent again with every block. Use another Electrum server if it goes on.',
  ERR_SERVERS_DISAGREE: 'Watch which one is right, and leave the other one out.',
  ERR_NO_FEE_ESTIMATE:
    'Use an Electrum server that estimates fees; until then the newest estimate stands.',
  ERR_BITCOIND_AUTH: 'Correct the user and password, or the path of the cookie.',
  ERR_BITCOIND_UNREACHABLE: 'Check that bitcoind runs and where its RPC listens, then try again.',
  ERR_NO_DEVNET: 'Start one with `paychan devnet`, or leave this to a real network.',
  ERR_DEVNET_REFUSED: 'Correct what the sentence names.',
  ERR_UNSUPPORTED: 'Use the devnet of its own: `paychan devnet` without --bitcoind.',

  // Peers
  ERR_PEER_UNREACHABLE: 'Wait until the peer connects, or check its address; nothing was signed.',
  ERR_NO_REQUESTS_SPOKEN: 'Ask the payee to update its node, or pay it without a request.',
  ERR_BAD_ANSWER: 'Try again later, or ask the payee to update its node.',
  ERR_PEER_UNKNOWN: 'Name the peer by its whole multiaddr.',
  ERR_NO_PAYCHAN: 'Check the address: another program answers there.',
  ERR_PEER_TOO_SLOW: 'Nothing is to be done: the stream is begun anew.',
  ERR_TIMEOUT: 'Nothing is to be done: a stream that says nothing is closed.',
  ERR_TOO_MANY_STREAMS: 'Wait until some have ended.',
  ERR_PEERS: 'Read the sentence; it is tried again by itself.',

  // Openings
  ERR_OPEN_REFUSED: 'Change what the sentence names, or open a channel with another peer.',
  ERR_OPEN_TIMEOUT: 'Try again: nothing was funded.',
  ERR_WAIT_ENDED: 'Look what became of it (`paychan channels`, `paychan payments`).',
  ERR_CANCELLED: 'Open it again if it is still wanted.',
  ERR_CANCEL_TOO_LATE: 'Let it open, then close it if it is not wanted.',
  ERR_CAPACITY_REFUSED: 'Open one of a capacity within the bounds that the sentence names.',
  ERR_REFUND_HEIGHT_REFUSED: 'Open one that lasts as long as the sentence allows (`--blocks`).',
  ERR_STEP_REFUSED: 'Name a step as the sentence allows (`--step`).',
  ERR_VERSION_NOT_SUPPORTED: 'Ask the other side to update its node.',
  ERR_SCRIPT_NOT_STANDARD: 'Close to an address of a usual kind.',
  ERR_TOO_MANY_OPENINGS: 'Wait until one has ended, then open again.',
  ERR_TOO_MANY_CHANNELS: 'Close one that is not used any more.',
  ERR_TERMS_REFUSED: 'Open a channel with another peer, or allow what it asks for in your policy.',
  ERR_INVALID_KEY: 'Ask the other side to update its node.',
  ERR_KEY_REUSED: 'Open again: each opening takes a new key.',
  ERR_OUTPOINT_REUSED: 'Open again, from other coins.',
  ERR_REFUND_MALFORMED: 'Ask the other side to update its node; nothing was signed.',
  ERR_REFUND_INPUTS: 'Ask the other side to update its node; nothing was signed.',
  ERR_REFUND_OUTPUTS: 'Ask the other side to update its node; nothing was signed.',
  ERR_REFUND_LOCK: 'Ask the other side to update its node; nothing was signed.',
  ERR_REFUND_SEQUENCE: 'Ask the other side to update its node; nothing was signed.',
  ERR_REFUND_VERSION: 'Ask the other side to update its node; nothing was signed.',
  ERR_BAD_REFUND_SIGNATURE: 'Open a channel with another peer; nothing was funded.',
  ERR_FUNDING_FAILED: 'Correct what the sentence names, then open again; nothing was funded.',
  ERR_FUNDING_MALFORMED: 'Ask the other side to update its node.',
  ERR_FUNDING_TXID: 'Open again: T1 must stay the transaction whose refund was signed.',
  ERR_FUNDING_OUTPUT: 'Ask the other side to update its node.',
  ERR_FUNDING_NOT_SEGWIT: 'Fund from native SegWit coins only.',
  ERR_FUNDING_NOT_TAKEN: 'Wait: it is sent again with every block. Do not open the channel again.',
  ERR_FUNDED_NOT_OPEN: 'Close the channel; when the peer is gone, the refund comes back by itself.',
  ERR_FUNDING_LOST:
    'Open another one; of a renewal, close the old channel, which has its money still.',
  ERR_FUNDED_TOO_LATE: 'Close the channel, and open another one with a higher fee.',
  ERR_PAID_WITHOUT_REFUND: 'Ask the other side to close with you: only both together can spend it.',
  ERR_FUNDING_REORGED: 'Wait until it is buried again.',

  // Payments
  ERR_NO_CHANNEL: 'Open one with `paychan open`; `paychan channels` lists those that there are.',
  ERR_AMBIGUOUS_PEER: 'Give more of the id.',
  ERR_AMBIGUOUS_PAYMENT: 'Give more digits.',
  ERR_NO_PAYMENT: 'Take an id that `paychan payments` shows.',
  ERR_AMBIGUOUS_CHANNEL: 'Give more digits.',
  ERR_CHANNEL_NOT_OPEN: 'Wait until `paychan channels` shows it as open.',
  ERR_CHANNEL_CLOSED: 'Open a new one.',
  ERR_PEER_STOPPED: 'Close the channel, and open a new one.',
  ERR_CHANNEL_STOPPED: 'Close the channel, and open a new one.',
  ERR_CHANNEL_EXPIRED: 'Close it and open a new one.',
  ERR_CHANNEL_SETTLED: 'Open a new one.',
  ERR_NOT_THE_PAYER: 'Open a channel of your own to pay it, or wait for your turn.',
  ERR_INSUFFICIENT_BALANCE: 'Open another channel, or pay less.',
  ERR_BELOW_MIN_FIRST_PAYMENT: 'Pay at least as much as the sentence names.',
  ERR_STAKE_TOO_HIGH: 'Open a second channel.',
  ERR_ABOVE_IN_FLIGHT_LIMIT: 'Split the payment.',
  ERR_WINDOW_FULL: 'Try again once some of it is acknowledged.',
  ERR_DUPLICATE_PAYMENT: 'Give each payment an id of its own.',
  ERR_PAYMENT_UNKNOWN:
    'Ask for it again with its id, once the peer is back; never with another one.',
  ERR_PAYMENT_PARTIAL: 'Ask for it again with its id.',
  ERR_REQUEST_NETWORK: 'Ask the payee for a request for the network of this node.',
  ERR_REQUEST_AMOUNT: 'Name the amount, within what the request asks for.',
  ERR_REQUEST_EXPIRED: 'Ask for another one.',
  ERR_REQUEST_PAID: 'Nothing is to be done; the receipt says when it was paid (`paychan receipt`).',
  ERR_REQUEST_UNKNOWN: 'Ask for another one; nothing was paid.',
  ERR_NO_RECEIPT: 'Ask the payee; the payment stands all the same (`paychan payments`).',
  ERR_NO_ALIAS: 'Take a name that `paychan alias` shows.',
  ERR_PAYMENT_CONFLICT: 'Give a new payment an id of its own.',
  ERR_PAYMENTS_FORGOTTEN: 'Compare with the payee before you pay again under another id.',
  ERR_LIST_FALSE: 'Compare with the payee before you pay again under another id.',

  // What a peer may not do
  ERR_BAD_MESSAGE: 'Ask the peer to update its node; what is held stays good.',
  ERR_UNEXPECTED_MESSAGE: 'Ask the peer to update its node; what is held stays good.',
  ERR_OUT_OF_ORDER: 'Ask the peer to update its node; what is held stays good.',
  ERR_WRONG_TURN: 'Ask the peer to update its node; what is held stays good.',
  ERR_BALANCE_MISMATCH: 'Ask the peer to update its node; what is held stays good.',
  ERR_BAD_SIGNATURE:
    'Close the channel: the peer signs what is not valid; what is held stays good.',
  ERR_BAD_PAYMENT_COUNT: 'Ask the peer to update its node; what is held stays good.',
  ERR_BAD_INITIAL_STATE: 'Ask the peer to update its node; what is held stays good.',
  ERR_BAD_ACK: 'Ask the peer to update its node; what is held stays good.',
  ERR_STATE_INVALID: 'Report it, with the log of the node.',

  // Turns
  ERR_UNEXPECTED_TURN: 'Ask the peer to update its node; what is held stays good.',
  ERR_BELOW_MIN_TURN: 'Pay more at once, or wait until the peer pays no more.',
  ERR_NO_TURN_LEFT: 'Close it and open a new one.',
  ERR_TURN_TOO_EARLY: 'Try again from the height that the sentence names.',
  ERR_TURN_REFUSED: 'Try again when the sentence says so, or open a channel of your own.',

  // Forgotten states
  ERR_UNKNOWN_CHANNEL:
    'Ask the peer whether it has lost data; the channel closes by what this side holds.',
  ERR_WRONG_DERIVATION: 'Close the channel; what is held stays good.',
  ERR_PEER_FORGOT: 'Nothing is to be done: the channel closes; open a new one.',
  ERR_STATE_FORGOTTEN: 'Nothing is to be done: the channel closes; open a new one.',
  ERR_COPY_RUNNING: 'Make sure that one node alone runs from a seed; the channel closes.',
  ERR_PAYMENTS_UNKNOWN: 'Nothing is to be done: the peer is asked for them.',
  ERR_CHANNELS_FORGOTTEN: 'Let them close (`paychan channels`), and find out why data was lost.',
  ERR_PEER_NOT_ASKED: 'Let the peer connect, or ask it with `paychan recover`.',
  ERR_RESTORE_REFUSED: "Ask the peer's owner, or ask it again later (`paychan recover`).",
  ERR_RESTORE_TIMEOUT: 'Ask it again.',
  ERR_TOO_MANY_REFUSED: 'Check that the seed is the one of these channels.',
  ERR_NOT_OUR_CHANNEL: 'Check that the seed is the one of this channel.',
  ERR_NOT_OUR_SCRIPT: 'Restore with a larger --gap if many addresses were given out.',

  // Renewals
  ERR_NOT_THE_CLIENT: 'Open a channel of your own.',
  ERR_RENEWAL_UNDER_WAY: 'Wait until the renewal has ended.',
  ERR_RENEWAL_KIND: 'Renew it as it is, or close it and open another one.',
  ERR_RENEWAL_TOO_POOR: 'Top the channel up.',
  ERR_RENEWAL_INPUT:
    'Renew the channel without coins of the wallet, or ask the other side to update its node.',
  ERR_RENEWAL_FORM: 'Ask the other side to update its node.',
  ERR_RENEWAL_TOO_LARGE: 'Top up from fewer coins: name fewer, or a smaller amount.',
  ERR_RENEWAL_FEE: 'Name a feerate within, or none.',
  ERR_RENEWAL_NOT_SIGNED: 'Close it, and open another one.',
  ERR_RENEWAL_FAILED: 'Renew it by hand (`paychan renew`), or close it and open another one.',
  ERR_RENEWAL_LOST: 'Open another one: the share in the old channel is paid out.',
  ERR_RENEWAL_TOO_DEAR: 'Renew it by hand (`paychan renew`), or let it close.',
  ERR_RENEWAL_TOO_SOON: 'Renew it by hand (`paychan renew`), or let it close.',

  // Ends
  ERR_LATER_UPDATES: 'Close again once they are acknowledged.',
  ERR_SCRIPT_MISMATCH: 'Ask the other side to update its node.',
  ERR_CLOSE_BALANCES: 'Report it, with the log of the node.',
  ERR_CLOSE_TOO_POOR: 'Let the other side ask for the close, or wait until fees are lower.',
  ERR_CLOSE_EMPTY: 'Wait until fees are lower.',
  ERR_CLOSE_FEE_TOO_LOW: 'Close again with the fee that the sentence names.',
  ERR_CLOSE_FEE_TOO_HIGH: 'Wait for the one that is signed, or name a feerate.',
  ERR_CLOSE_REFUSED: 'Try again later, or settle alone with `paychan settle`.',
  ERR_CLOSE_TIMEOUT: 'Try again later, or settle alone with `paychan settle`.',
  ERR_BACKUP_MAY_BE_OLD: 'Let the peer connect, then close with it.',
  ERR_NOTHING_TO_SETTLE: 'Wait for the refund height, or for the other side.',
  ERR_NOT_READY: 'Try again in a moment.',
  ERR_NOT_WORTH_A_BID: 'Wait until fees are lower; it is tried again with every block.',
  ERR_BID_WAITS: 'Wait, or raise the fee (`paychan bumpfee`).',
  ERR_OLDER_STATE_CONFIRMED:
    'Look at `paychan channels`: what is lost is said there; find out why the newest state came too late.',
  ERR_FORGED_SPEND: 'Use another Electrum server.',
  ERR_UNKNOWN_SPEND:
    'Look where the money went by the transaction that the sentence names; report it.',

  // Simulations and demos
  ERR_SWEEP_FAILED: 'Run it with fewer --jobs: each needs memory of its own.',
  ERR_NODE_DOWN: 'Let the scenario start it again first.',
  ERR_DEMO_FAILED: 'Run it again, and report it.',
  ERR_DEMO_NODE: 'Run it again, and report it.'
}

/** The sentence that says what to do after an error with this code. */
export function adviceOf(code: ErrorCode): string {
  return ADVICE[code]
}
