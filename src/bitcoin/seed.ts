/**
 * The words (BIP39) of a node, and the BIP32 path of every secret that comes from them.
 */
import { entropyToMnemonic, mnemonicToSeedSync, validateMnemonic } from '@scure/bip39'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { HARDENED_OFFSET, HDKey } from '@scure/bip32'
import type { Network } from '../../protocols/paychan/1.0/messages.js'
import { fromHex, toHex } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { ORDER } from './ecdsa.js'
import type { KeyPath } from './keys.js'
import { hmacSha512 } from './hashes.js'
import { networkParams } from './address.js'

/* The words (BIP39) that every key of a node is derived from. They never appear in an error. */

/** BIP39: 128 bits of entropy make 12 words, 256 bits make 24. */
const ENTROPY_BYTES = { 12: 16, 24: 32 } as const

/**
 * Makes fresh words, separated by single spaces.
 *
 * @param random - a source fit for secrets
 */
export function createSeed(
  random: { readonly bytes: (count: number) => Uint8Array },
  count: 12 | 24 = 24
): string {
  return entropyToMnemonic(random.bytes(ENTROPY_BYTES[count]), wordlist)
}

/**
 * Brings words that a person typed into the one form that is hashed: NFKD, lower case, single
 * spaces.
 *
 * @throws PaychanError `ERR_SEED_UNREADABLE` when a word is unknown, their number is wrong, or the
 *   checksum does not fit (a word is mistyped, or two are swapped).
 */
export function normalizeWords(text: string): string {
  const words = text.normalize('NFKD').toLowerCase().trim().split(/\s+/)
  if (words.length !== 12 && words.length !== 24) {
    throw new PaychanError(
      'ERR_SEED_UNREADABLE',
      `A seed is 12 or 24 words, and these are ${words.length}. Compare with the words that you wrote down.`,
      { words: words.length }
    )
  }
  const unknown = words.findIndex((word) => !wordlist.includes(word))
  if (unknown !== -1) {
    throw new PaychanError(
      'ERR_SEED_UNREADABLE',
      `Word ${unknown + 1} of the seed is not in the English list of BIP39. Compare it with the words that you wrote down.`,
      { position: unknown + 1 }
    )
  }
  const mnemonic = words.join(' ')
  if (!validateMnemonic(mnemonic, wordlist)) {
    throw new PaychanError(
      'ERR_SEED_UNREADABLE',
      'The checksum of the words does not fit: one is wrong, or two are swapped. Compare with the words that you wrote down.'
    )
  }
  return mnemonic
}

/**
 * The BIP32 master key of the words. A passphrase, if any, is part of the secret (BIP39): another
 * passphrase gives another wallet, and none is ever "wrong".
 *
 * @throws PaychanError `ERR_SEED_UNREADABLE`
 * @example
 * const signer = createSigner(rootFromWords(words), 'regtest')
 */
export function rootFromWords(words: string, passphrase = ''): HDKey {
  return masterKey(mnemonicToSeedSync(normalizeWords(words), passphrase))
}

/*
 * The BIP32 path of every secret of a node. All secrets come from the one list of words, and
 * another program that knows this page finds the same keys.
 *
 *     m / 84' / coin' / 0' / branch / index            coins (BIP84: P2WPKH); branch 0 receive, 1 change, 2 what a server gives to peers
 *     m / 7364985' / coin' / role' / high' / low' / use'   channel keys; role 0 client, 1 server; use 0 channel, 1 payout
 *     m / 7364985' / coin' / 2'                        libp2p identity: the key's 32 bytes seed an Ed25519 key
 *     m / 7364985' / coin' / 3'                        webhooks: its 32 bytes are the key of an HMAC that makes their secrets
 *
 * `coin` is SLIP-44's: 0 for mainnet, 1 for the test networks. BIP43 makes the first level the
 * number of the document that defines the rest. No BIP defines channel keys, so the number is one
 * that no BIP will get soon and that SLIP-44 gives to no coin: 0x706179 = 7364985, "pay" in ASCII.
 * `high` and `low` are 31 random bits each, drawn for one channel (spec: KEY-2). Everything
 * outside BIP84 is hardened: of such a key neither a parent nor a sibling can be computed.
 */

export type { HDKey } from '@scure/bip32'

/** The purpose (BIP43) of channel keys and of the identity: "pay" in ASCII. */
export const CHANNEL_PURPOSE = 0x706179

const BIP84_PURPOSE = 84
const ROLES = { client: 0, server: 1, identity: 2, webhooks: 3 } as const
const USES = { channel: 0, payout: 1 } as const

/** The master key of 64 bytes (BIP32), or of any 16 to 64 bytes. */
export function masterKey(seed: Uint8Array): HDKey {
  return HDKey.fromMasterSeed(seed)
}

/** The node `m/7364985'/coin'` that channel keys and identity hang from. */
export function channelRoot(root: HDKey, network: Network): HDKey {
  return hardened(root, CHANNEL_PURPOSE, networkParams(network).coinType)
}

/**
 * The 32 secret bytes of a channel's key below `channelRoot`.
 *
 * @throws PaychanError `ERR_INVALID_KEY_PATH` when `high` or `low` is not 31 bits.
 */
export function channelSecret(parent: HDKey, { role, high, low, use }: KeyPath): Uint8Array {
  if (!isIndex(high) || !isIndex(low)) {
    throw new PaychanError(
      'ERR_INVALID_KEY_PATH',
      'The two indexes of a channel key are whole numbers from 0 to 2147483647.',
      { high, low }
    )
  }
  return hardenedSecret(parent, ROLES[role], high, low, USES[use])
}

/** The node `m/84'/coin'/0'/branch`: its children are the addresses of one branch. */
export function addressBranch(root: HDKey, network: Network, branch: number): HDKey {
  return hardened(root, BIP84_PURPOSE, networkParams(network).coinType, 0).deriveChild(branch)
}

/**
 * The 32 secret bytes of one address below `addressBranch`. `HDKey` computes the public key as
 * well, in JavaScript, which takes nearly all of its time.
 */
export function addressSecret(branch: HDKey, index: number): Uint8Array {
  const parent = { secret: secretOf(branch), chainCode: branch.chainCode }
  return childOf(parent, index, publicOf(branch))?.secret ?? secretOf(branch.deriveChild(index))
}

/**
 * The 32 bytes from which the node's libp2p key is made
 * (`generateKeyPairFromSeed('Ed25519', identitySeed(root, network))` of @libp2p/crypto).
 * One identity per kind of network: mainnet has its own, the test networks share one.
 */
export function identitySeed(root: HDKey, network: Network): Uint8Array {
  return secretOf(hardened(channelRoot(root, network), ROLES.identity))
}

/** The 32 bytes from which the secrets of webhooks are made. */
export function webhookSeed(root: HDKey, network: Network): Uint8Array {
  return secretOf(hardened(channelRoot(root, network), ROLES.webhooks))
}

/** The 32 secret bytes of a node. */
export function secretOf(key: HDKey): Uint8Array {
  if (key.privateKey === null) {
    throw new PaychanError(
      'ERR_SEED_UNREADABLE',
      'This key has no secret part; the node needs the words themselves, not an extended public key.'
    )
  }
  return key.privateKey
}

/** The 33 public bytes of a node. */
export function publicOf(key: HDKey): Uint8Array {
  if (key.publicKey === null) {
    throw new PaychanError('ERR_SEED_UNREADABLE', 'This key has no public part.')
  }
  return key.publicKey
}

function hardened(key: HDKey, ...indexes: number[]): HDKey {
  return indexes.reduce((parent, index) => parent.deriveChild(index + HARDENED_OFFSET), key)
}

const ZERO = new Uint8Array(1)

/**
 * The secret of a hardened descendant (BIP32, CKDpriv). `HDKey` computes the public key of every
 * level on the way, which takes nearly all of its time, and a hardened child needs none of them.
 */
function hardenedSecret(key: HDKey, ...indexes: readonly number[]): Uint8Array {
  let parent: Secrets | undefined = { secret: secretOf(key), chainCode: key.chainCode }
  for (const index of indexes) {
    parent = childOf(parent, index + HARDENED_OFFSET, ZERO, parent.secret)
    if (parent === undefined) return secretOf(hardened(key, ...indexes))
  }
  return parent.secret
}

/** The private part of a node (BIP32). */
interface Secrets {
  readonly secret: Uint8Array
  readonly chainCode: Uint8Array | null
}

/**
 * CKDpriv of BIP32.
 *
 * @param data - what is hashed before the index: zero and the secret, or the public key
 * @returns undefined once in 2^127 times, when BIP32 passes over an index: HDKey knows how
 */
function childOf(
  { secret, chainCode }: Secrets,
  index: number,
  ...data: readonly Uint8Array[]
): Secrets | undefined {
  if (chainCode === null) return undefined
  const number = new Uint8Array(4)
  new DataView(number.buffer).setUint32(0, index)
  const derived = hmacSha512(chainCode, ...data, number)
  const tweak = numberOf(derived.subarray(0, 32))
  const child = (tweak + numberOf(secret)) % ORDER
  return tweak >= ORDER || child === 0n
    ? undefined
    : {
        secret: fromHex(child.toString(16).padStart(64, '0')),
        chainCode: derived.subarray(32)
      }
}

function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes)}`)
}

function isIndex(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < HARDENED_OFFSET
}
