/**
 * Numbers for values: two values have the same number when they say the same. What is in a state is
 * never changed in place, so what was read once of an object is remembered with it.
 */
export class Interned<T> {
  readonly #numbers = new Map<string, number>()
  readonly #values: T[] = []

  /** `key` says all of the value that counts. */
  numberOf(value: T, key: string): number {
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    this.#numbers.set(key, this.#values.length)
    this.#values.push(value)
    return this.#values.length - 1
  }

  at(number: number): T {
    if (number < 0 || number >= this.#values.length) throw new Error(`there is no value ${number}`)
    return this.#values[number] as T
  }

  get size(): number {
    return this.#values.length
  }
  get all(): T[] {
    return [...this.#values]
  }
}

const texts = new Interned<string>()
const known = new WeakMap<object, string>()

/**
 * A text that is the same for two values exactly when they say the same; a field that is undefined
 * is as one that is not there.
 */
export function canonical(value: unknown): string {
  switch (typeof value) {
    case 'bigint':
      return `${value}n`
    case 'object':
      return value === null ? 'null' : canonicalObject(value)
    case 'function':
    case 'symbol':
      throw new Error('a state holds data only')
    default:
      return JSON.stringify(value) ?? 'undefined'
  }
}

function canonicalObject(value: object): string {
  const before = known.get(value)
  if (before !== undefined) return before
  const parts = textOf(value)
  const text = `#${texts.numberOf(parts, parts)}`
  known.set(value, text)
  return text
}

function textOf(value: object): string {
  if (value instanceof Uint8Array) return `x${Buffer.from(value).toString('hex')}`
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${fields.map(([name, field]) => `${name}:${canonical(field)}`).join(',')}}`
}

/**
 * 53 bits of a text, by two passes of cyrb53: among ten million texts, two have the same number
 * with a probability of 0.6 %.
 */
export function hashOf(text: string): number {
  let a = 0xdeadbeef
  let b = 0x41c6ce57
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    a = Math.imul(a ^ code, 2654435761)
    b = Math.imul(b ^ code, 1597334677)
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909)
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909)
  return 4294967296 * (2097151 & b) + (a >>> 0)
}
