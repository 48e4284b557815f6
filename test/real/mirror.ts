/**
 * Shows a real bitcoind every block and every transaction of the devnets of a test run, and
 * compares the verdicts. Loaded before the tests (`--require`); a difference fails the run, in the
 * verdict or (of what is sent) in the reason.
 *
 * Each devnet takes a bitcoind of its own, once something is sent to it. A devnet goes on without
 * when the two can no longer be alike: with a load or a mempool that has been full, with the rules
 * of another release, and after a reorganisation that drops transactions (bitcoind forgets none).
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { EmbeddedChain, type PackageResult, type SubmitResult } from '../../src/devnet/index.js'
import { toHex } from '../../src/types/bytes.js'
import { messageOf } from '../../src/types/errors.js'
import { feeRate } from '../../src/types/units.js'
import { Bitcoind, rawBlock } from './bitcoind.js'

/** How far back a reorganisation of a devnet reaches. */
const MAX_REORG = 100
const HEADER_HEX = 160
/** Of some hundred bytes or some kilobytes each; a request to bitcoind may have 32 MB. */
const BLOCKS_AT_ONCE = 200

/**
 * Of the bitcoind that judges. A devnet that follows a release with another one has other rules
 * (releases.real.ts).
 */
const RELAY = feeRate(1_000n)

/** Knots is more exact than Bitcoin Core about what is not standard. */
const KNOTS_REASONS = new Map([
  ['bad-witness-stackitem-size', 'bad-witness-nonstandard'],
  ['bad-txns-input-witness-unknown', 'bad-txns-nonstandard-inputs']
])

/**
 * Where each file of tests leaves its counts: with `mocha --parallel` files run in several
 * processes, which get this from the process that starts them.
 */
const DIRECTORY = 'PAYCHAN_TEST_JUDGED'

const countsSchema = z.object({
  chains: z.number(),
  blocks: z.number(),
  accepted: z.number(),
  refused: z.number()
})
type Counts = z.infer<typeof countsSchema>

const none = (): Counts => ({ chains: 0, blocks: 0, accepted: 0, refused: 0 })

/** Of the tests since the last report. */
let differences: string[] = []
let counts = none()

class Twin {
  #bitcoind: Bitcoind | undefined
  #work: Promise<unknown> = Promise.resolve()
  #apart = false
  readonly #shown = new Set<string>()
  /** Of the newest block that was shown. */
  #height = 0
  readonly #chain: EmbeddedChain

  constructor(chain: EmbeddedChain) {
    this.#chain = chain
  }

  /** What the devnet does, one after the other, and after each that bitcoind has followed. */
  async alone<T>(act: () => Promise<T>, follow: (result: T) => Promise<void>): Promise<T> {
    const done = this.#work.then(async () => {
      if ((await this.#chain.feeRates()).relay !== RELAY) await this.part()
      const result = await act()
      if (!this.#apart) {
        await follow(result).catch((error: unknown) => {
          differences.push(messageOf(error))
        })
      }
      const { minimum, relay } = await this.#chain.feeRates()
      if (minimum > relay) await this.part()
      return result
    })
    this.#work = done.catch(() => {})
    return await done
  }

  async part(): Promise<void> {
    this.#apart = true
    await this.#bitcoind?.stop()
    this.#bitcoind = undefined
  }

  /** Blocks alone need no judge: they come with the next transaction. */
  async mined(): Promise<void> {
    if (this.#bitcoind !== undefined) await this.#showBlocks(this.#bitcoind)
  }

  async judged(raw: Uint8Array, ours: SubmitResult, method: 'submit' | 'test'): Promise<void> {
    // A limit of the devnet's own.
    if (!ours.accepted && ours.reason === 'mempool full') return await this.part()
    const bitcoind = await this.#following()
    const theirs = await (method === 'submit' ? sent(bitcoind, raw) : tested(bitcoind, raw))
    counts[ours.accepted ? 'accepted' : 'refused'] += 1
    const [a, b] = [ours, theirs].map((result) =>
      result.accepted ? 'accepted' : (KNOTS_REASONS.get(result.reason) ?? result.reason)
    )
    if (ours.accepted !== theirs.accepted || (method === 'submit' && a !== b)) {
      differences.push(`the devnet says '${a}' and bitcoind '${b}' to ${toHex(raw)}`)
    }
  }

  async judgedPackage(raws: readonly Uint8Array[], ours: PackageResult): Promise<void> {
    const bitcoind = await this.#following()
    const shape = z.object({ package_msg: z.string() })
    const theirs = await bitcoind
      .call(shape, 'submitpackage', raws.map(toHex), 0, 21_000_000)
      .then(({ package_msg: message }) => message, messageOf)
    const accepted = ours.refused.length === 0
    counts[accepted ? 'accepted' : 'refused'] += 1
    if (accepted !== (theirs === 'success')) {
      differences.push(
        `the devnet says '${ours.refused[0]?.reason ?? 'accepted'}' and bitcoind '${theirs}' to the package ${raws.map(toHex).join(' ')}`
      )
    }
  }

  async #following(): Promise<Bitcoind> {
    if (this.#bitcoind === undefined) {
      counts.chains += 1
      this.#bitcoind = await Bitcoind.start()
      await this.#showBlocks(this.#bitcoind)
    }
    return this.#bitcoind
  }

  async #showBlocks(bitcoind: Bitcoind): Promise<void> {
    const { height, hash } = await this.#chain.tip()
    const blocks: string[] = []
    for (let at = Math.max(1, Math.min(this.#height, height) - 2 * MAX_REORG); at <= height; at++) {
      const raw = await rawBlock(this.#chain, at)
      if (raw === undefined || this.#shown.has(raw.slice(0, HEADER_HEX))) continue
      this.#shown.add(raw.slice(0, HEADER_HEX))
      blocks.push(raw)
    }
    counts.blocks += blocks.length
    for (let from = 0; from < blocks.length; from += BLOCKS_AT_ONCE) {
      for (const verdict of await bitcoind.submitBlocks(
        blocks.slice(from, from + BLOCKS_AT_ONCE)
      )) {
        if (verdict !== null && verdict !== 'inconclusive') {
          differences.push(`bitcoind refuses one of the blocks up to ${height}: ${verdict}`)
        }
      }
    }
    this.#height = height
    if ((await bitcoind.call(z.string(), 'getbestblockhash')) !== hash) {
      differences.push(`bitcoind is on another branch than the devnet at height ${height}`)
    }
  }
}

async function sent(bitcoind: Bitcoind, raw: Uint8Array): Promise<SubmitResult> {
  return await verdict(bitcoind.call(z.string(), 'sendrawtransaction', toHex(raw), 0, 21_000_000))
}

async function tested(bitcoind: Bitcoind, raw: Uint8Array): Promise<SubmitResult> {
  const [answer] = await bitcoind.call(
    z.array(z.object({ allowed: z.boolean(), 'reject-reason': z.string().optional() })),
    'testmempoolaccept',
    [toHex(raw)],
    0
  )
  return answer?.allowed === true
    ? ACCEPTED
    : { accepted: false, reason: answer?.['reject-reason'] ?? 'refused' }
}

const ACCEPTED = { accepted: true } as SubmitResult

async function verdict(call: Promise<unknown>): Promise<SubmitResult> {
  return await call.then(
    () => ACCEPTED,
    (error: unknown) => ({ accepted: false, reason: messageOf(error) })
  )
}

const twins = new Map<EmbeddedChain, Twin>()

function twinOf(chain: EmbeddedChain): Twin {
  const twin = twins.get(chain) ?? new Twin(chain)
  twins.set(chain, twin)
  return twin
}

const { mine, reorg, submit, submitPackage, test, fund, startLoad } = EmbeddedChain.prototype

EmbeddedChain.prototype.mine = async function (...args) {
  return await twinOf(this).alone(
    async () => await mine.apply(this, args),
    async () => {
      await twinOf(this).mined()
    }
  )
}

EmbeddedChain.prototype.reorg = async function (depth, options = {}) {
  const twin = twinOf(this)
  if (options.transactions === 'drop' || (options.without ?? []).length > 0) await twin.part()
  return await twin.alone(
    async () => await reorg.call(this, depth, options),
    async () => {
      await twin.mined()
    }
  )
}

EmbeddedChain.prototype.submit = async function (raw) {
  const twin = twinOf(this)
  return await twin.alone(
    async () => await submit.call(this, raw),
    async (ours) => {
      await twin.judged(raw, ours, 'submit')
    }
  )
}

EmbeddedChain.prototype.submitPackage = async function (raws) {
  const twin = twinOf(this)
  return await twin.alone(
    async () => await submitPackage.call(this, raws),
    async (ours) => {
      await twin.judgedPackage(raws, ours)
    }
  )
}

EmbeddedChain.prototype.test = async function (raw) {
  const twin = twinOf(this)
  return await twin.alone(
    async () => await test.call(this, raw),
    async (ours) => {
      await twin.judged(raw, ours, 'test')
    }
  )
}

EmbeddedChain.prototype.fund = async function (script, amount) {
  const twin = twinOf(this)
  return await twin.alone(
    async () => await fund.call(this, script, amount),
    async (txid) => {
      const found = await this.transaction(txid)
      if (found !== undefined) await twin.judged(found.raw, { accepted: true, txid }, 'submit')
    }
  )
}

EmbeddedChain.prototype.startLoad = async function (...args) {
  await twinOf(this).part()
  // It mines, and must not wait for itself.
  return await startLoad.apply(this, args)
}

function directory(): string {
  const path = process.env[DIRECTORY]
  if (path === undefined) throw new Error(`Start mocha itself: it sets ${DIRECTORY}.`)
  return path
}

export async function mochaGlobalSetup(): Promise<void> {
  process.env[DIRECTORY] = await mkdtemp(join(tmpdir(), 'paychan-judged-'))
}

/**
 * Before the hook of setup.ts that looks at what is left open, since what the command line requires
 * comes before what the configuration does.
 */
export const mochaHooks = {
  async afterAll(this: Mocha.Context): Promise<void> {
    this.timeout(0)
    await Promise.all(
      [...twins.values()].map(async (twin) => {
        await twin.part()
      })
    )
    twins.clear()
    await writeFile(join(directory(), randomUUID()), JSON.stringify(counts))
    const found = [...new Set(differences)]
    differences = []
    counts = none()
    assert.deepEqual(found, [])
  }
}

export async function mochaGlobalTeardown(): Promise<void> {
  const total = none()
  for (const file of await readdir(directory())) {
    const part = countsSchema.parse(JSON.parse(await readFile(join(directory(), file), 'utf8')))
    total.chains += part.chains
    total.blocks += part.blocks
    total.accepted += part.accepted
    total.refused += part.refused
  }
  await rm(directory(), { recursive: true })
  process.stdout.write(
    `bitcoind judged ${total.accepted} accepted and ${total.refused} refused transactions and ${total.blocks} blocks of ${total.chains} devnets\n`
  )
  assert.ok(total.accepted > 0, 'nothing was compared')
}
