import assert from 'node:assert/strict'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { formatted, libp2pLogger } from '../../src/daemon/libp2p-log.js'

describe('what libp2p logs', () => {
  const seed = new Uint8Array(32).fill(7)

  it('is at debug, or at trace, with the part of libp2p that says it', () => {
    const lines: string[] = []
    const logger = libp2pLogger((...words) => lines.push(words.join(' ')), true)
    const log = logger.forComponent('libp2p:tcp')
    log('dials')
    log.error('it is gone')
    log.newScope('listener').trace('listens')
    assert.deepEqual(lines, [
      'debug libp2p:tcp dials',
      'debug libp2p:tcp it is gone',
      'trace libp2p:tcp:listener listens'
    ])
    const quiet = libp2pLogger((...words) => lines.push(words.join(' ')), false)
    quiet.forComponent('libp2p:tcp').trace('not that')
    assert.equal(lines.length, 3)
  })

  it('has its values in their places', async () => {
    const peer = peerIdFromPrivateKey(await generateKeyPairFromSeed('Ed25519', seed))
    const address = multiaddr('/ip4/127.0.0.1/tcp/4001')
    for (const [words, text] of [
      [['%p at %a', peer, address], `${peer.toString()} at /ip4/127.0.0.1/tcp/4001`],
      [['%d of %d, %d %%', 1, 2n], '1 of 2, %d %'],
      [['failed - %e', new TypeError('no')], 'failed - TypeError: no'],
      [['addresses', [address, 'x']], 'addresses [/ip4/127.0.0.1/tcp/4001, x]'],
      [[new Error('alone')], 'Error: alone'],
      [[undefined, null], 'undefined null']
    ] as const) {
      assert.equal(formatted(words), text)
    }
  })

  it('shows no bytes and no objects, for a key may be one of them', async () => {
    const key = await generateKeyPairFromSeed('Ed25519', seed)
    assert.equal(formatted(['%b %o %s', seed, { key: seed }, key]), '<32 bytes> <object> <object>')
    assert.equal(formatted(['keys', key.raw, [key]]), 'keys <64 bytes> [<object>]')
  })
})
