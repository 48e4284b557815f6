import assert from 'node:assert/strict'
import {
  checkCertificate,
  VOUCHED,
  type FirstUse,
  type TlsPeer
} from '../../../src/chain/electrum/tls.js'
import { codeOf } from '../../../src/types/errors.js'

const ENDPOINT = { protocol: 'tls', host: 'a.example', port: 50_002 } as const

describe('TLS / trust on first use', () => {
  let known: Map<string, string>
  let firstUse: FirstUse
  beforeEach(() => {
    known = new Map()
    firstUse = {
      known: (server) => known.get(server),
      remember: (server, shown) => {
        known.set(server, shown)
      }
    }
  })

  const peer = (authorized: boolean, byte = 1): TlsPeer => ({
    authorized,
    authorizationError: authorized ? null : 'DEPTH_ZERO_SELF_SIGNED_CERT',
    getPeerCertificate: () => ({ raw: Uint8Array.of(byte) })
  })
  const verdict = (each: TlsPeer): string | undefined => {
    const refusal = checkCertificate(ENDPOINT, { firstUse }, each)
    return refusal === undefined ? undefined : codeOf(refusal)
  }

  it('is not for a server that an authority has vouched for: nobody can come in between with a certificate of his own', () => {
    assert.equal(verdict(peer(true)), undefined)
    assert.deepEqual([...known], [['a.example:50002', VOUCHED]])
    assert.equal(verdict(peer(false, 2)), 'ERR_TLS_UNTRUSTED')
    assert.equal(verdict(peer(true, 3)), undefined, 'a renewed one')
  })

  it('ends with the first certificate that an authority vouches for', () => {
    assert.equal(verdict(peer(false)), undefined)
    assert.equal(verdict(peer(false, 2)), 'ERR_TLS_FINGERPRINT')
    assert.equal(verdict(peer(true, 2)), undefined)
    assert.equal(verdict(peer(false)), 'ERR_TLS_UNTRUSTED')
  })
})
