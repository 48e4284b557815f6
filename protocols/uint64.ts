/**
 * Writes an unsigned 64-bit number of a message. protons-runtime (7.1.2, and 8.0.1) holds the low
 * 32 bits as a signed number, and so writes 2^31 to 2^32 - 1 (21.5 to 42.9 bitcoin) as other
 * numbers; its way for numbers below 2^53 is right. `npm run gen` has the generated code call this.
 */
interface Writer {
  uint64: (value: bigint) => unknown
  uint64Number: (value: number) => unknown
}

export function writeUint64(writer: Writer, value: bigint): void {
  if (value >= 0n && value <= Number.MAX_SAFE_INTEGER) writer.uint64Number(Number(value))
  else writer.uint64(value)
}
