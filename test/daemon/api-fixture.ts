/** The local API of a fake node, over a real socket in a directory of its own. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectApi, type ApiClient } from '../../src/daemon/client.js'
import { serveApi, type ApiServer } from '../../src/daemon/server.js'
import { FakeNode } from './fake-node.js'

export interface ApiFixture {
  readonly dir: string
  readonly socketPath: string
  readonly node: FakeNode
  readonly server: ApiServer
  readonly client: ApiClient
  readonly stop: () => Promise<void>
}

export async function startApi(): Promise<ApiFixture> {
  const dir = await mkdtemp(join(tmpdir(), 'paychan-api-'))
  const socketPath = join(dir, 'api.sock')
  const node = new FakeNode()
  const server = await serveApi(node, socketPath)
  const client = connectApi(socketPath)
  return {
    dir,
    socketPath,
    node,
    server,
    client,
    stop: async () => {
      client.disconnect()
      await server.close()
      await rm(dir, { recursive: true, force: true })
    }
  }
}
