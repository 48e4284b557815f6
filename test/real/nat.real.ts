/**
 * Two nodes behind routers that translate addresses, each in a network of its own, as processes.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { connectApi, type ApiClient } from '../../src/daemon/client.js'
import { dataPaths } from '../../src/daemon/paths.js'
import { codeOf } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import { until } from '../p2p/hosts.js'

const NFT = process.env['PAYCHAN_TEST_NFT'] ?? ''

/** In the folder of the sources: it is not compiled. */
const NETWORKS = fileURLToPath(new URL('../../../test/real/networks.sh', import.meta.url))
const CLI = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
const PUBLIC = fileURLToPath(new URL('./public-network.js', import.meta.url))

const PUBLIC_HOST = '45.33.32.1'
const RELAY_PORT = '4001'
const ELECTRUM_PORT = '50001'
const BOB_OUTSIDE = '/ip4/45.33.32.12/tcp/4001'

/** A process whose lines are waited for. */
class Printing {
  readonly child: ChildProcess
  last = ''
  readonly #lines: AsyncIterator<string>

  constructor(command: string, args: readonly string[]) {
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    const { stdout } = this.child
    assert.ok(stdout)
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]()
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  /** The next line. */
  async line(): Promise<string> {
    const next = await this.#lines.next()
    assert.ok(next.done !== true, 'the process ended before it printed a line')
    this.last = next.value
    return this.last
  }

  async end(): Promise<void> {
    const { child } = this
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill()
    child.stdin?.end()
    await exited
  }
}

describe('two nodes behind routers', () => {
  if (NFT === '') {
    it('(without network namespaces and nft there are none)', () => {})
    return
  }

  let directory: string
  let networks: Printing
  let outside: Printing
  let relay: string
  const running = new Set<Printing>()

  /** A process in one of the networks, once it has printed a line. */
  async function run(network: number, ...command: readonly string[]): Promise<Printing> {
    const enter = ['--target', `${network}`, '--user', '--net', '--preserve-credentials', '--']
    const printing = new Printing('nsenter', [...enter, process.execPath, ...command])
    running.add(printing)
    await printing.line()
    return printing
  }

  const memberOf = async (name: string): Promise<number> =>
    Number(await readFile(join(directory, name), 'utf8'))

  /** The relay goes away, or comes back. */
  async function turnRelay(): Promise<void> {
    outside.child.kill('SIGUSR2')
    await outside.line()
  }

  /** A node of the command line in a network. */
  async function start(
    name: string,
    ...options: readonly string[]
  ): Promise<{ api: ApiClient; printing: Printing }> {
    const electrum = `tcp://${PUBLIC_HOST}:${ELECTRUM_PORT}`
    const data = join(directory, `data-${name}`)
    const printing = await run(
      await memberOf(name),
      ...[CLI, 'start', '--data', data, '--electrum', electrum, '--json'],
      ...options
    )
    return { api: connectApi(dataPaths(data).socket), printing }
  }

  const relayed = async (api: ApiClient): Promise<string> => {
    const address = async (): Promise<string | undefined> =>
      (await api.info()).multiaddrs.find((each) => each.includes('/p2p-circuit/'))
    await until(async () => (await address()) !== undefined)
    return (await address()) ?? ''
  }

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'paychan-nat-'))
    const own = ['--user', '--map-root-user', '--net', '--mount']
    networks = new Printing('unshare', [...own, NETWORKS, directory])
    assert.equal(await networks.line(), 'ready')
    await run(networks.pid, CLI, 'devnet', '--auto-mine', '--port', ELECTRUM_PORT, '--json')
    outside = await run(networks.pid, PUBLIC, PUBLIC_HOST, RELAY_PORT, ELECTRUM_PORT)
    relay = outside.last
    for (const name of ['alice', 'bob']) {
      const data = join(directory, `data-${name}`)
      await promisify(execFile)(process.execPath, [CLI, 'init', '--data', data, '--json'])
    }
  })

  after(async () => {
    await Promise.all([...running].map(async (each) => await each.end()))
    await networks.end()
    await rm(directory, { recursive: true, force: true })
  })

  it('open a channel over a relay and pay; they go on directly once a router forwards a port', async () => {
    const alice = await start('alice', '--listen', '/ip4/10.0.1.2/tcp/9801', '--relay', relay)
    const first = await start('bob', '--listen', '/ip4/10.0.2.2/tcp/9801', '--relay', relay)
    const address = await alice.api.wallet.address()
    await run(networks.pid, CLI, 'devnet', 'fund', address, '2000000sat', '--json')
    await until(async () => (await alice.api.wallet.balance()).confirmed > 0n)
    const { id } = await alice.api.channels.open({
      peer: await relayed(first.api),
      amount: satoshi(1_000_000n)
    })
    await alice.api.pay({ to: id, amount: satoshi(2_000n) })
    assert.equal((await first.api.channels.list())[0]?.ourBalance, 2_000n)

    const isOpen = async (): Promise<boolean> =>
      (await alice.api.channels.list())[0]?.status === 'open'
    await turnRelay()
    // The relay has gone away before those who spoke through it have noticed.
    await until(async () => !(await isOpen()))
    await assert.rejects(
      alice.api.pay({ to: id, amount: satoshi(10n) }),
      (error) => codeOf(error) === 'ERR_PEER_UNREACHABLE',
      'each router lets nobody in'
    )
    await first.printing.end()

    await turnRelay()
    const forwarded = ['--listen', '/ip4/10.0.2.2/tcp/4001', '--announce', BOB_OUTSIDE]
    const second = await start('bob', ...forwarded, '--relay', relay)
    await relayed(second.api)
    await until(isOpen)
    await alice.api.pay({ to: id, amount: satoshi(10n) })
    await turnRelay()
    // On a connection through the relay it may have been signed, and not be answered; its id keeps it once.
    const isPaid = async (): Promise<boolean> =>
      await alice.api.pay({ to: id, amount: satoshi(10n), id: 'without the relay' }).then(
        () => true,
        () => false
      )
    await until(isPaid)
    assert.equal((await second.api.channels.list())[0]?.ourBalance, 2_020n)
  })
})
