import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startDevnet, type Devnet } from '../../src/devnet/index.js'
import { createNode, type NodeOptions } from '../../src/node/create-node.js'
import type { NodeInfo } from '../../src/node/api.js'
import { LOCALHOST, LOCALHOST_FINGERPRINT } from '../chain/tls-fixture.js'

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
  async function chainOf (trust: Pick<NodeOptions, 'electrumFingerprint' | 'electrumCa'>): Promise<NodeInfo['chain']> {
    let settled: () => void = () => {}
    const known = new Promise<void>(resolve => { settled = resolve })
    const node = await createNode({
      network: 'regtest',
      electrum: devnet.url,
      dataDir,
      create: true,
      ...trust,
      onEvent: event => { if (event.type === 'chain' && event.status !== 'connecting') settled() }
    })
    await known
    const { chain } = await node.info()
    await node.stop()
    return chain
  }

  it('reaches it with the fingerprint pinned, or with the file of the authority', async () => {
    assert.equal(devnet.url, `tls://127.0.0.1:${devnet.port}`)
    assert.equal((await chainOf({ electrumFingerprint: LOCALHOST_FINGERPRINT })).status, 'synced')
    assert.equal((await chainOf({ electrumCa: join(dataDir, 'ca.pem') })).height, 120)
  })

  it('is told the fingerprint when it trusts nobody yet', async () => {
    const { status, lastError } = await chainOf({})
    assert.equal(status, 'down')
    assert.ok(lastError?.endsWith(`--electrum-fingerprint ${LOCALHOST_FINGERPRINT}`), lastError)
  })

  it('does not start with what is no fingerprint, or no certificate', async () => {
    await assert.rejects(chainOf({ electrumFingerprint: 'AB:CD' }), { code: 'ERR_INVALID_FINGERPRINT' })
    for (const file of ['rubbish.pem', 'missing.pem']) await assert.rejects(chainOf({ electrumCa: join(dataDir, file) }), { code: 'ERR_INVALID_CA', message: new RegExp(file) })
  })
})
