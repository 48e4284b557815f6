import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startDevnet, type Devnet } from '../../src/devnet/index.js'
import { createNode, type NodeOptions } from '../../src/node/create-node.js'
import type { NodeInfo } from '../../src/node/api.js'
import { LOCALHOST, LOCALHOST_FINGERPRINT, OTHER_HOST } from '../chain/tls-fixture.js'

describe('a node with an Electrum server behind TLS', () => {
  let devnet: Devnet
  let dataDir: string
  before(async () => {
    devnet = await startDevnet({ seed: 'tls', tls: LOCALHOST })
    dataDir = await mkdtemp(join(tmpdir(), 'paychan-tls-'))
    await writeFile(join(dataDir, 'ca.pem'), LOCALHOST.cert)
    await writeFile(join(dataDir, 'rubbish.pem'), 'rubbish')
  })
  after(async () => {
    await devnet.stop()
    await rm(dataDir, { recursive: true })
  })

  /** What the node says of its chain as soon as that is one thing or the other. */
  async function chainOf(trust: Partial<NodeOptions>): Promise<NodeInfo['chain']> {
    let settled: () => void = () => {}
    const known = new Promise<void>((resolve) => {
      settled = resolve
    })
    const node = await createNode({
      network: 'regtest',
      electrum: devnet.url,
      dataDir,
      create: true,
      ...trust,
      onEvent: (event) => {
        trust.onEvent?.(event)
        if (event.type === 'chain' && event.status !== 'connecting') settled()
      }
    })
    await known
    const { chain } = await node.info()
    await node.stop()
    return chain
  }

  /** The devnet is gone; returns its port. */
  async function restarted(): Promise<number> {
    await devnet.stop()
    return devnet.port
  }

  it('reaches it with the fingerprint pinned, or with the file of the authority', async () => {
    assert.equal(devnet.url, `tls://127.0.0.1:${devnet.port}`)
    assert.equal((await chainOf({ electrumFingerprint: LOCALHOST_FINGERPRINT })).status, 'synced')
    assert.equal((await chainOf({ electrumCa: join(dataDir, 'ca.pem') })).height, 120)
  })

  it('does not start with what is no fingerprint, or no certificate', async () => {
    await assert.rejects(chainOf({ electrumFingerprint: 'AB:CD' }), {
      code: 'ERR_INVALID_FINGERPRINT'
    })
    for (const file of ['rubbish.pem', 'missing.pem']) {
      await assert.rejects(chainOf({ electrumCa: join(dataDir, file) }), {
        code: 'ERR_INVALID_CA',
        message: new RegExp(file)
      })
    }
  })

  it('takes a certificate that no authority vouches for at first use, tells of it once, and takes no other one from then on', async () => {
    const told: string[] = []
    const meet = async (electrum = devnet.url): Promise<NodeInfo['chain']> =>
      await chainOf({
        electrum,
        dataDir: join(dataDir, 'first-use'),
        onEvent: (event) => {
          if (event.type === 'server') told.push(event.code, event.text)
        }
      })
    for (let start = 0; start < 2; start++) assert.equal((await meet()).status, 'synced')
    assert.equal(told[0], 'TLS_FIRST_USE')
    assert.ok(told[1]?.includes(LOCALHOST_FINGERPRINT.replaceAll(':', '').toLowerCase()), told[1])
    assert.equal(told.length, 2, 'not at the second start')
    const impostor = await startDevnet({ seed: 'tls', tls: OTHER_HOST, port: await restarted() })
    const { status, lastError } = await meet(impostor.url)
    await impostor.stop()
    assert.equal(status, 'down')
    assert.match(lastError ?? '', /another certificate than the one that it has shown before/)
  })

  it('refuses a server that is named twice, also with another fingerprint', async () => {
    for (const again of [devnet.url, `${devnet.url}#${LOCALHOST_FINGERPRINT}`]) {
      await assert.rejects(
        chainOf({ electrum: [devnet.url, again], dataDir: join(dataDir, 'twice') }),
        { code: 'ERR_INVALID_ELECTRUM_URL', message: /is named twice/ }
      )
    }
  })
})
