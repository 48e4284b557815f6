/**
 * `paychan devnet --nodes alice,bob`: named nodes on the devnet, with coins, and a channel from
 * each to the next. They live as long as the devnet, whose chain is new each time.
 */
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { resolveConfig } from '../../daemon/config.js'
import { assertSocketPath, dataPaths } from '../../daemon/paths.js'
import { type ApiServer, serveApi } from '../../daemon/server.js'
import { serveTcp, type TcpApi } from '../../daemon/tcp-api.js'
import type { Devnet } from '../../devnet/index.js'
import type { ChannelInfo, LocalNode } from '../../node/api.js'
import { paychanIdentity } from '../../node/identity.js'
import { until } from '../../node/waiting.js'
import { PaychanError } from '../../types/errors.js'
import { satoshi } from '../../types/units.js'
import type { World } from '../context.js'

const COINS = satoshi(10_000_000n)
const CAPACITY = satoshi(1_000_000n)

/** A node that runs beside the devnet. */
export interface NamedNode {
  readonly name: string
  readonly peerId: string
  readonly dataDir: string
  readonly apiUrl: string
  /** The channel that it has opened to the next one; undefined for the last. */
  readonly channel: ChannelInfo | undefined
}

interface Running {
  readonly name: string
  readonly dataDir: string
  readonly api: LocalNode
  readonly server: ApiServer
  /** The API for programs, at any free port. */
  readonly tcp: TcpApi
}

/**
 * Starts the nodes, and resolves once each has its coins and its channel.
 *
 * @param directory - where their data goes, which must be empty: a directory of its own that is
 *   removed at the end, when left out
 */
export async function startNodes(
  world: World,
  devnet: Devnet,
  names: readonly string[],
  directory: string | undefined
): Promise<{ readonly nodes: readonly NamedNode[]; readonly stop: () => Promise<void> }> {
  const home =
    directory === undefined
      ? await mkdtemp(join(tmpdir(), 'paychan-'))
      : await emptyDirectory(resolve(directory))
  const running: Running[] = []
  const stop = async (): Promise<void> => {
    for (const { api, server, tcp } of running.reverse()) {
      await tcp.close()
      await server.close()
      await api.stop()
    }
    if (directory === undefined) await rm(home, { recursive: true, force: true })
  }
  try {
    for (const name of names) {
      running.push(await startOne(world, devnet, name, join(home, name)))
    }
    await introduce(running)
    await fund(devnet, running)
    const nodes: NamedNode[] = []
    for (const [n, node] of running.entries()) {
      nodes.push(await withChannel(devnet, node, running[n + 1]))
    }
    return { nodes, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** A directory is of one chain, and that of a devnet is new each time. */
async function emptyDirectory(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true })
  if ((await readdir(directory)).length === 0) return directory
  throw new PaychanError(
    'ERR_USAGE',
    `${directory} is not empty, and the chain of a devnet is new each time: name a new directory, or leave --data out.`,
    { directory }
  )
}

async function startOne(
  world: World,
  devnet: Devnet,
  name: string,
  dataDir: string
): Promise<Running> {
  const { socket } = dataPaths(dataDir)
  assertSocketPath(socket)
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  await paychanIdentity({ network: 'regtest', dataDir, create: true })
  const config = resolveConfig({
    dataDir,
    env: {},
    flags: { electrum: [devnet.url], listen: ['/ip4/127.0.0.1/tcp/0'] }
  })
  const api = await world.createNode(
    config,
    async () => undefined,
    () => {}
  )
  try {
    const server = await serveApi(api, socket)
    const onStop = (): void => {
      server.close().catch(() => {})
    }
    const tcp = await serveTcp(api, { host: '127.0.0.1', port: 0, onStop })
    return { name, dataDir, api, server, tcp }
  } catch (error) {
    await api.stop()
    throw error
  }
}

/** Each knows the others by their names, and is connected to them. */
async function introduce(running: readonly Running[]): Promise<void> {
  for (const node of running) {
    for (const other of running.filter((each) => each !== node)) {
      const { peerId, multiaddrs } = await other.api.info()
      const [address] = multiaddrs
      if (address !== undefined) await node.api.peers.connect(address)
      await node.api.peers.alias(peerId, other.name)
    }
  }
}

async function fund(devnet: Devnet, running: readonly Running[]): Promise<void> {
  for (const { api } of running) await devnet.fund(await api.wallet.address(), COINS)
  await devnet.mine(1)
  await Promise.all(
    running.map(async ({ api }) => {
      await until(api, async () => (await api.wallet.balance()).confirmed >= COINS)
    })
  )
}

async function withChannel(
  devnet: Devnet,
  { name, dataDir, api, tcp }: Running,
  next: Running | undefined
): Promise<NamedNode> {
  const { peerId } = await api.info()
  const node = { name, peerId, dataDir, apiUrl: tcp.url }
  if (next === undefined) return { ...node, channel: undefined }
  const { id } = await api.channels.open({ peer: next.name, amount: CAPACITY, wait: 'broadcast' })
  await devnet.mine(1)
  let channel: ChannelInfo | undefined
  await until(api, async () => {
    channel = (await api.channels.list()).find((each) => each.id === id)
    return channel?.status === 'open'
  })
  return { ...node, channel }
}
