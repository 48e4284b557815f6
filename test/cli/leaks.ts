/** Looks for secrets in what a program says, in each form in which one could get there. */
import { createBase58check } from '@scure/base'
import { concat } from 'uint8arrays'
import { sha256 } from '../../src/bitcoin/hashes.js'
import { toHex } from '../../src/types/bytes.js'

/** A secret, and the texts that give it away. */
export interface Secret {
  readonly name: string
  readonly forms: readonly string[]
}

const base58check = createBase58check(sha256)

/** A text that is secret as a whole. */
export function secretText(name: string, text: string): Secret {
  const bytes = new TextEncoder().encode(text)
  return { name, forms: [text, toHex(bytes), ...base64Of(bytes)] }
}

/** Words of a seed: three in a row are found, whatever stands between them. */
export function secretWords(name: string, words: string): Secret {
  const list = words.split(' ')
  const forms = list.slice(2).map((_, i) => list.slice(i, i + 3).join(' '))
  return { name, forms }
}

/** A private key, in hex, WIF, base64 (also as a part of more), and as a list of numbers. */
export function secretKey(name: string, key: Uint8Array): Secret {
  const wif = [0x80, 0xef].flatMap((network) => [
    base58check.encode(concat([Uint8Array.of(network), key])),
    base58check.encode(concat([Uint8Array.of(network), key, Uint8Array.of(1)]))
  ])
  const numbers = [...key].join(',')
  const byIndex = JSON.stringify(Object.assign({}, [...key])).slice(1, -1)
  return { name, forms: [toHex(key), numbers, byIndex, ...wif, ...base64Of(key)] }
}

/**
 * Base64 of bytes that begin at any place of what is encoded, less the digits that others share.
 */
function base64Of(bytes: Uint8Array): string[] {
  return [0, 1, 2].flatMap((before) => {
    const text = Buffer.from(concat([new Uint8Array(before), bytes])).toString('base64')
    const whole = text.slice(
      Math.ceil((before * 8) / 6),
      Math.floor(((before + bytes.length) * 8) / 6)
    )
    return [whole, whole.replaceAll('+', '-').replaceAll('/', '_')]
  })
}

/** The names of the secrets that a text gives away. */
export function leaksIn(text: string, secrets: readonly Secret[]): string[] {
  const plain = text.toLowerCase()
  const [inWords, inNumbers] = [plain.replace(/[^a-z]+/g, ' '), plain.replace(/[\s\\]+/g, '')]
  return secrets
    .filter(({ forms }) =>
      forms.some((form) => {
        const sought = form.toLowerCase()
        return plain.includes(sought) || inWords.includes(sought) || inNumbers.includes(sought)
      })
    )
    .map(({ name }) => name)
}
