/** Whether a block header may follow those before it. Pure. */
import { sameBytes } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { PERIOD, requiredBits, type HeaderLookup } from './difficulty.js'
import {
  bitsOf,
  HEADER_SIZE,
  headerHash,
  hashText,
  previousHash,
  targetFromBits,
  timeOf,
  workFromBits
} from './header-fields.js'
import type { ChainParams } from './params.js'

/**
 * Checks the header at `height` against those before it: link, time, difficulty and proof of work.
 *
 * @param headerAt - the headers before it, as far back as its period of difficulty began
 * @returns the header's hash
 * @throws PaychanError `ERR_CHAIN_LIED`
 */
export function checkHeader(
  params: ChainParams,
  headerAt: HeaderLookup,
  previousHashOf: Uint8Array,
  header: Uint8Array,
  height: number
): Uint8Array {
  const wrong = (what: string): PaychanError =>
    refused(`The Electrum server sent a header for height ${height} ${what}.`, height)
  if (!sameBytes(previousHash(header), previousHashOf)) {
    throw wrong('that does not follow from the one before it')
  }
  if (timeOf(header) <= medianTime(headerAt, height)) {
    throw wrong('whose time is before that of most of the last eleven blocks')
  }
  if (isTimewarp(params, headerAt, timeOf(header), height)) {
    throw wrong(
      'that begins a period of difficulty more than ten minutes before the last one has ended'
    )
  }
  const bits = bitsOf(header)
  const target = targetFromBits(bits)
  if (target === undefined || bits !== requiredBits(params, height, timeOf(header), headerAt)) {
    throw wrong(`with a difficulty that ${params.network} does not permit`)
  }
  const hash = headerHash(header)
  if (BigInt('0x' + hashText(hash)) > target) throw wrong('without proof of work')
  return hash
}

/** `MAX_TIMEWARP` of BIP94, in seconds. */
const MAX_TIMEWARP = 600

/**
 * Whether the first block of a period is older than BIP94 permits: with such times the difficulty
 * can be pulled down without end.
 */
function isTimewarp(
  { bip94 }: ChainParams,
  headerAt: HeaderLookup,
  time: number,
  height: number
): boolean {
  const previous = headerAt(height - 1)
  return (
    bip94 &&
    height % PERIOD === 0 &&
    previous !== undefined &&
    time < timeOf(previous) - MAX_TIMEWARP
  )
}

/** The blocks whose median time a new one has to be after (`nMedianTimeSpan`). */
const MEDIAN_SPAN = 11

function medianTime(headerAt: HeaderLookup, height: number): number {
  const times: number[] = []
  for (let at = height - 1; at >= height - MEDIAN_SPAN; at--) {
    const header = headerAt(at)
    if (header === undefined) break
    times.push(timeOf(header))
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0
}

/**
 * Checks headers that lie one behind the other in `headers`, the first at `height`.
 *
 * @param before - the headers below `height`
 * @returns their work
 * @throws PaychanError `ERR_CHAIN_LIED`
 */
export function checkHeaders(
  params: ChainParams,
  before: HeaderLookup,
  headers: Uint8Array,
  height: number
): bigint {
  if (headers.length % HEADER_SIZE !== 0) {
    throw refused('The Electrum server sent headers that are not 80 bytes each.', height)
  }
  const headerAt: HeaderLookup = (at) =>
    at < height
      ? before(at)
      : headers.subarray((at - height) * HEADER_SIZE, (at - height + 1) * HEADER_SIZE)
  const previous = before(height - 1)
  if (previous === undefined) throw new RangeError(`no header at height ${height - 1}`)
  let hash = headerHash(previous)
  let work = 0n
  for (let at = height; at < height + headers.length / HEADER_SIZE; at++) {
    const header = headers.subarray((at - height) * HEADER_SIZE, (at - height + 1) * HEADER_SIZE)
    hash = checkHeader(params, headerAt, hash, header, at)
    work += workFromBits(bitsOf(header))
  }
  return work
}

/**
 * Seconds: the two hours of Bitcoin Core's rule `time-too-new`, and one by which our own clock may
 * be behind.
 */
const MOST_AHEAD = 3 * 60 * 60

/**
 * No block may be from the future: where a block is easy once its time is 20 minutes after the one
 * before (testnet), a server alone could make up as many as it likes. Our clock may be wrong, and
 * the same block is good later, so this calls nobody a liar. On regtest blocks are free anyway, and
 * tests mine weeks of them in a second.
 *
 * @param now - seconds since 1970
 * @throws PaychanError `ERR_BLOCK_FROM_FUTURE`
 */
export function checkTimes(
  { fixedDifficulty }: ChainParams,
  headers: Uint8Array,
  height: number,
  now: number
): void {
  if (fixedDifficulty) return
  for (let at = 0; at < headers.length; at += HEADER_SIZE) {
    const ahead = timeOf(headers.subarray(at, at + HEADER_SIZE)) - now
    if (ahead > MOST_AHEAD) {
      throw new PaychanError(
        'ERR_BLOCK_FROM_FUTURE',
        `The Electrum server shows block ${height + at / HEADER_SIZE}, whose time is ${Math.floor(ahead / 60)} minutes ahead of this machine's clock. Set the clock, or use another server.`,
        { height: height + at / HEADER_SIZE, ahead }
      )
    }
  }
}

function refused(sentence: string, height: number): PaychanError {
  return new PaychanError('ERR_CHAIN_LIED', `${sentence} Use another server.`, { height })
}
