/**
 * A real bitcoind on regtest, with a data directory that is gone afterwards. `run.sh` says how to
 * start one.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { concat } from 'uint8arrays'
import type { ChainBackend } from '../../src/devnet/index.js'
import { BitcoindRpc } from '../../src/devnet/bitcoind/rpc.js'
import { type CoreRelease, DEFAULT_RELEASE, RELEASES } from '../../src/devnet/rules.js'
import { toHex } from '../../src/types/bytes.js'
import { messageOf } from '../../src/types/errors.js'

/** Set by `run.sh`, which does not run these tests without. */
const COMMAND = 'PAYCHAN_TEST_BITCOIND'

/** A Bitcoin Core of release 31 or newer; not set where there is none. */
export const CORE_COMMAND = 'PAYCHAN_TEST_CORE'

/**
 * `corepolicy` makes Knots relay what Bitcoin Core does. `maxtipage`: blocks with a date of long
 * ago must not make it think that it has to catch up first.
 */
const OPTIONS = [
  '-regtest',
  '-txindex=1',
  '-addresstype=bech32',
  '-fallbackfee=0.0001',
  '-maxtipage=2000000000',
  '-dnsseed=0',
  '-fixedseeds=0',
  '-natpmp=0',
  '-printtoconsole=0',
  '-shrinkdebugfile=1'
]

const MOST_ATTEMPTS = 5

export class Bitcoind {
  readonly #child: ChildProcess
  readonly #rpc: BitcoindRpc

  private constructor(
    child: ChildProcess,
    readonly directory: string,
    /** With user and password, as `--bitcoind` takes it. */
    readonly url: string,
    readonly rpcPort: number,
    readonly p2pPort: number,
    rpc: BitcoindRpc
  ) {
    this.#child = child
    this.#rpc = rpc
  }

  /**
   * @param release - of which Bitcoin Core the rules are wanted: 31 is that itself, the others are
   * those of Knots, which follows them
   */
  static async start(release: CoreRelease = DEFAULT_RELEASE): Promise<Bitcoind> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await Bitcoind.#startOnce(release)
      } catch (error) {
        // Somebody else has taken the port since it was found to be free.
        if (attempt === MOST_ATTEMPTS || !/Unable to bind/.test(messageOf(error))) throw error
      }
    }
  }

  static async #startOnce(release: CoreRelease): Promise<Bitcoind> {
    const [program, ...args] = [
      ...(process.env[release === 31 ? CORE_COMMAND : COMMAND] ?? '').split(' '),
      ...(release === 31 ? [] : ['-corepolicy=1']),
      ...feesOf(release)
    ]
    if (program === undefined || program === '') {
      throw new Error(`${COMMAND} is not set: run npm run test:real`)
    }
    const directory = await mkdtemp(join(tmpdir(), 'paychan-bitcoind-'))
    const [rpcPort, p2pPort] = await freePorts()
    const child = spawn(
      program,
      [
        ...args,
        ...OPTIONS,
        `-datadir=${directory}`,
        `-rpcport=${rpcPort}`,
        `-port=${p2pPort}`,
        `-bind=127.0.0.1:${p2pPort}`
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] }
    )
    const errors: string[] = []
    child.stderr.setEncoding('utf8').on('data', (text: string) => errors.push(text))
    for (;;) {
      if (child.exitCode !== null) {
        await rm(directory, { recursive: true, force: true })
        throw new Error(`bitcoind has ended: ${errors.join('')}`)
      }
      const url = await ready(directory, rpcPort)
      if (url !== undefined) {
        return new Bitcoind(child, directory, url, rpcPort, p2pPort, new BitcoindRpc(url))
      }
    }
  }

  async call<T>(shape: z.ZodType<T>, method: string, ...params: unknown[]): Promise<T> {
    return await this.#rpc.call(shape, method, ...params)
  }

  /**
   * Shows it blocks, oldest first, in one request: each alone would wait for its turn on a busy
   * machine. Returns its verdicts; null is a good one.
   */
  async submitBlocks(blocks: readonly string[]): Promise<Array<string | null>> {
    const { origin, username, password } = new URL(this.url)
    const response = await fetch(`${origin}/`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${btoa(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`)}`
      },
      body: JSON.stringify(
        blocks.map((block, id) => ({ id, method: 'submitblock', params: [block] }))
      )
    })
    return z
      .array(z.object({ result: z.string().nullable() }))
      .parse(await response.json())
      .map(({ result }) => result)
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, 'exit')
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      // Nothing of it is kept.
      this.#child.kill('SIGKILL')
      await exited
    }
    await rm(this.directory, { recursive: true, force: true })
  }
}

function feesOf(release: CoreRelease): string[] {
  const { relay, incremental } = RELEASES[release]
  const btc = (rate: bigint): string => (Number(rate) / 100_000_000).toFixed(8)
  return [`-minrelaytxfee=${btc(relay)}`, `-incrementalrelayfee=${btc(incremental)}`]
}

/** Its address once it answers; undefined while it does not, after a while. */
async function ready(directory: string, rpcPort: number): Promise<string | undefined> {
  try {
    const cookie = await readFile(join(directory, 'regtest', '.cookie'), 'utf8')
    const url = `http://${cookie}@127.0.0.1:${rpcPort}`
    await new BitcoindRpc(url).call(z.object({}), 'getblockchaininfo')
    return url
  } catch (error) {
    if (/permission/i.test(messageOf(error))) throw error
    await new Promise((resolve) => {
      setTimeout(resolve, 100)
    })
    return undefined
  }
}

/** Ports that nobody has at the moment. */
export async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()]
  const ports = await Promise.all(
    servers.map(async (server) => {
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const address = server.address()
      return typeof address === 'object' && address !== null ? address.port : 0
    })
  )
  await Promise.all(
    servers.map(async (server) => {
      await once(server.close(), 'close')
    })
  )
  return [ports[0] ?? 0, ports[1] ?? 0]
}

/* Blocks as `submitblock` takes them. */

/** CompactSize below 65,536. */
function count(n: number): Uint8Array {
  return n < 0xfd ? Uint8Array.of(n) : Uint8Array.of(0xfd, n & 0xff, n >> 8)
}

/** A block of a devnet in hex; undefined above its tip. */
export async function rawBlock(chain: ChainBackend, height: number): Promise<string | undefined> {
  const header = await chain.header(height)
  const txids = await chain.blockTxids(height)
  if (header === undefined || txids === undefined) return undefined
  const transactions = await Promise.all(
    txids.map(async (id) => (await chain.transaction(id))?.raw ?? new Uint8Array())
  )
  return toHex(concat([header, count(transactions.length), ...transactions]))
}
