/** Ways to be reached that take packages which need not be installed. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { OPTIONAL_PACKAGES, optional, reachability } from '../../src/p2p/reachability.js'
import { codeOf, factsOf, messageOf } from '../../src/types/errors.js'

describe('p2p / reachability', () => {
  it('needs nothing of a host that is reached over TCP', async () => {
    assert.deepEqual(await reachability({}), { services: {}, peerDiscovery: [] })
  })

  it('takes services, transports and discovery of libp2p', async () => {
    const reach = await reachability({ relays: [], nat: true, mdns: true })
    assert.deepEqual(Object.keys(reach.services ?? {}).sort(), ['autonat', 'dcutr', 'upnp'])
    assert.deepEqual(
      [reach.transports?.length, reach.circuits, reach.peerDiscovery?.length],
      [2, [], 1]
    )
  })

  it('refuses a relay that is not said in full', async () => {
    await assert.rejects(reachability({ relays: ['/ip4/192.0.2.1/tcp/4001'] }), {
      code: 'ERR_INVALID_MULTIADDR'
    })
  })

  it('names a package that is not installed, in the version that package.json has', async () => {
    const missing = Object.assign(new Error('Cannot find package'), {
      code: 'ERR_MODULE_NOT_FOUND'
    })
    await assert.rejects(
      optional('@libp2p/mdns', () => Promise.reject(missing)),
      (error) =>
        codeOf(error) === 'ERR_PACKAGE_MISSING' &&
        factsOf(error)['package'] === '@libp2p/mdns' &&
        messageOf(error).includes(`npm install @libp2p/mdns@${OPTIONAL_PACKAGES['@libp2p/mdns']}`)
    )
    const broken = new Error('a fault in it')
    await assert.rejects(
      optional('@libp2p/mdns', () => Promise.reject(broken)),
      (error) => error === broken
    )
    const { peerDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      readonly peerDependencies: object
    }
    const ofLibp2p = Object.entries(peerDependencies).filter(([name]) =>
      name.startsWith('@libp2p/')
    )
    assert.deepEqual(Object.fromEntries(ofLibp2p), OPTIONAL_PACKAGES)
  })
})
