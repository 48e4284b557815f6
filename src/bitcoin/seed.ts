/** The words (BIP39) that every key of a node is derived from. They never appear in an error. */
import { masterKey, type HDKey } from './paths.js'
import { entropyToMnemonic, mnemonicToSeedSync, validateMnemonic } from '@scure/bip39'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { PaychanError } from '../types/errors.js'

/** BIP39: 128 bits of entropy make 12 words, 256 bits make 24. */
const ENTROPY_BYTES = { 12: 16, 24: 32 } as const

/**
 * Fresh words, separated by single spaces.
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
 * one gives another wallet, and none is ever "wrong".
 *
 * @throws PaychanError `ERR_SEED_UNREADABLE`
 * @example
 * const signer = createSigner(rootFromWords(words), 'regtest')
 */
export function rootFromWords(words: string, passphrase = ''): HDKey {
  return masterKey(mnemonicToSeedSync(normalizeWords(words), passphrase))
}
