import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Inputs made of others: some bits, bytes and pieces of them are changed, as those do who look for
 * faults.
 */
export type Draw = (below: number) => number

/** Marsaglia's xorshift32: the same numbers from the same seed, and quick. */
export function drawFrom(seed: number): Draw {
  let state = (seed ^ 0x9e3779b9) | 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/** Inputs are not made longer than this: what is longer is refused by its length. */
const MOST_BYTES = 8_192

/**
 * Where code goes wrong: around nothing, signs, powers of two, and the number of satoshis that
 * there can be.
 */
const INTERESTING: readonly bigint[] = [
  0n,
  1n,
  2n,
  16n,
  0x7fn,
  0x80n,
  0xffn,
  0x100n,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x10000n,
  499_999_999n,
  500_000_000n,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0xfffffffdn,
  2_100_000_000_000_000n,
  2_100_000_000_000_001n,
  0x7fffffffffffffffn,
  0x8000000000000000n,
  0xffffffffffffffffn
]

type Mutation = (
  bytes: Uint8Array,
  draw: Draw,
  others: readonly Uint8Array[],
  words: readonly Uint8Array[]
) => Uint8Array

const MUTATIONS: readonly Mutation[] = [
  (bytes, draw) => edited(bytes, draw, (byte) => byte ^ (1 << draw(8))),
  (bytes, draw) => edited(bytes, draw, () => draw(256)),
  (bytes, draw) => edited(bytes, draw, (byte) => byte + (draw(2) === 0 ? 1 : 255)),
  (bytes, draw) =>
    replaced(
      bytes,
      draw(bytes.length + 1),
      0,
      Uint8Array.from({ length: 1 + draw(8) }, () => draw(256))
    ),
  (bytes, draw) => replaced(bytes, draw(bytes.length + 1), 1 + draw(16), new Uint8Array(0)),
  (bytes, draw) => bytes.slice(0, draw(bytes.length + 1)),
  (bytes, draw) => {
    const from = draw(bytes.length + 1)
    return replaced(bytes, draw(bytes.length + 1), 0, bytes.slice(from, from + 1 + draw(64)))
  },
  (bytes, draw) => {
    const number = numberOf(draw)
    return replaced(bytes, draw(bytes.length + 1), number.length, number)
  },
  (bytes, draw, others) => {
    const other = anyOf(others, draw)
    const from = draw(other.length + 1)
    return replaced(
      bytes,
      draw(bytes.length + 1),
      draw(2) * draw(64),
      other.slice(from, from + 1 + draw(64))
    )
  },
  (bytes, draw, others) => {
    const other = anyOf(others, draw)
    const at = draw(Math.min(bytes.length, other.length) + 1)
    return replaced(bytes, at, bytes.length, other.slice(at))
  },
  (bytes, draw, _others, words) => {
    const word = anyOf(words, draw)
    return replaced(bytes, draw(bytes.length + 1), draw(2) * word.length, word)
  }
]

/** One to some dozen changes, mostly few. */
export function mutated(
  bytes: Uint8Array,
  draw: Draw,
  others: readonly Uint8Array[],
  words: readonly Uint8Array[]
): Uint8Array {
  let result = bytes
  do {
    const mutation = MUTATIONS[draw(MUTATIONS.length)]
    if (mutation !== undefined) result = mutation(result, draw, others, words)
  } while (draw(3) > 0)
  return result.slice(0, MOST_BYTES)
}

function edited(bytes: Uint8Array, draw: Draw, edit: (byte: number) => number): Uint8Array {
  const copy = bytes.length === 0 ? new Uint8Array(1) : bytes.slice()
  const at = draw(copy.length)
  copy[at] = edit(copy[at] ?? 0)
  return copy
}

function replaced(bytes: Uint8Array, at: number, length: number, by: Uint8Array): Uint8Array {
  return Uint8Array.from([...bytes.subarray(0, at), ...by, ...bytes.subarray(at + length)])
}

function numberOf(draw: Draw): Uint8Array {
  const length = [1, 2, 4, 8][draw(4)] ?? 1
  const number = new DataView(new ArrayBuffer(8))
  const isLittle = draw(2) === 0
  number.setBigUint64(0, INTERESTING[draw(INTERESTING.length)] ?? 0n, isLittle)
  const bytes = new Uint8Array(number.buffer)
  return isLittle ? bytes.slice(0, length) : bytes.slice(8 - length)
}

function anyOf(list: readonly Uint8Array[], draw: Draw): Uint8Array {
  return list[draw(list.length)] ?? new Uint8Array(0)
}

/**
 * An input as a row of choices, for what has to have a form to be read at all. Behind its end every
 * choice is the first.
 */
export class Choices {
  #at = 0
  readonly #input: Uint8Array

  constructor(input: Uint8Array) {
    this.#input = input
  }

  get byte(): number {
    return this.#input[this.#at++] ?? 0
  }

  get flag(): boolean {
    return this.byte % 2 === 1
  }

  get uint32(): number {
    return this.byte * 0x1000000 + (this.byte << 16) + (this.byte << 8) + this.byte
  }

  get uint64(): bigint {
    return (BigInt(this.uint32) << 32n) + BigInt(this.uint32)
  }

  pick<T>(options: readonly [T, ...T[]]): T {
    return options[this.byte % options.length] ?? options[0]
  }

  /** So many bytes, or as many as are left. */
  bytes(length: number): Uint8Array {
    const bytes = this.#input.slice(this.#at, this.#at + length)
    this.#at += length
    return bytes
  }

  get rest(): Uint8Array {
    return this.bytes(this.#input.length)
  }
}

/*
 * Found cases, kept: `corpus/<target>/<the first 16 hex digits of their SHA-256>`. Each was a fault
 * once, and never may be again.
 */

/** In the sources, wherever this file was compiled to. */
export const CORPUS = join(import.meta.dirname, '..', '..', '..', 'test', 'fuzz', 'corpus')

export async function readCorpus(
  target: string,
  corpus = CORPUS
): Promise<Array<{ readonly name: string; readonly input: Uint8Array }>> {
  const names = await readdir(join(corpus, target)).catch(() => [])
  return await Promise.all(
    names.sort().map(async (name) => ({
      name,
      input: new Uint8Array(await readFile(join(corpus, target, name)))
    }))
  )
}

/** @returns where it is, from the root of the project */
export async function keepCase(
  target: string,
  input: Uint8Array,
  corpus = CORPUS
): Promise<string> {
  const name = createHash('sha256').update(input).digest('hex').slice(0, 16)
  await mkdir(join(corpus, target), { recursive: true })
  await writeFile(join(corpus, target, name), input)
  return join('test', 'fuzz', 'corpus', target, name)
}
