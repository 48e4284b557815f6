import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { createElectrumChain, type ElectrumChain } from '../../src/chain/chain.js'
import {
  checkCa,
  checkCertificate,
  type FirstUse,
  readFingerprint,
  type TlsPeer,
  type TlsTrust,
  VOUCHED
} from '../../src/chain/electrum/endpoint.js'
import { type ElectrumServer, EmbeddedChain, startElectrumServer } from '../../src/devnet/index.js'
import type { ChainStatus } from '../../src/engine/ports.js'
import { codeOf } from '../../src/types/errors.js'
import { realClock, Recorder, seededRandom } from './helpers.js'
import {
  EXPIRED,
  LOCALHOST,
  LOCALHOST_FINGERPRINT,
  OTHER_HOST,
  type TlsFixture
} from './tls-fixture.js'

const PINNED = readFingerprint(LOCALHOST_FINGERPRINT) ?? assert.fail()

describe('Electrum over TLS', () => {
  let server: ElectrumServer | undefined
  let chain: ElectrumChain
  let statuses: Recorder<ChainStatus>

  afterEach(async () => {
    await chain.stop()
    await server?.stop()
    server = undefined
  })

  /** The first status after connecting, and why when it is not `synced`. */
  async function meet(
    fixture: TlsFixture,
    tls: TlsTrust,
    host = 'localhost',
    scheme = 'tls'
  ): Promise<string> {
    server = await startElectrumServer(
      new EmbeddedChain({ seed: 'tls', now: () => 1_700_000_000 }),
      '127.0.0.1',
      0,
      fixture
    )
    return await outcome(`${scheme}://${host}:${server.port}`, tls)
  }

  async function outcome(url: string, tls: TlsTrust): Promise<string> {
    statuses = new Recorder()
    chain = createElectrumChain({
      url,
      tls,
      network: 'regtest',
      clock: realClock,
      random: seededRandom(),
      timeouts: { retryFirst: 100_000 }
    })
    chain.onStatus((status) => {
      statuses.push(status)
    })
    await chain.start()
    const status = await statuses.when((each) => each !== 'connecting')
    return chain.lastError ?? status
  }

  for (const [what, tls, host] of [
    ['a certificate whose fingerprint is pinned', { fingerprint: PINNED }, 'localhost'],
    ['one that a given authority vouches for', { ca: LOCALHOST.cert }, 'localhost'],
    ['the same at its IP address', { ca: LOCALHOST.cert }, '127.0.0.1']
  ] as const) {
    it(`takes ${what}`, async () => {
      assert.equal(await meet(LOCALHOST, tls, host), 'synced')
    })
  }

  it('knows ssl:// as the same', async () => {
    assert.equal(await meet(LOCALHOST, { fingerprint: PINNED }, 'localhost', 'ssl'), 'synced')
  })

  it('looks neither at names nor at dates of the certificate that is pinned', async () => {
    const unpinned = await meet(EXPIRED, {})
    await chain.stop()
    const shown = readFingerprint(
      /--electrum-fingerprint ([0-9A-F:]{95})/.exec(unpinned)?.[1] ?? ''
    )
    assert.ok(shown !== undefined, unpinned)
    assert.equal(await outcome(`tls://localhost:${server?.port}`, { fingerprint: shown }), 'synced')
  })

  for (const [what, fixture, tls, expected] of [
    [
      'a self-signed one, with the fingerprint to pin',
      LOCALHOST,
      {},
      new RegExp(
        `no authority that this computer trusts.*--electrum-fingerprint ${LOCALHOST_FINGERPRINT}`
      )
    ],
    [
      'one that is not of the given authority',
      LOCALHOST,
      { ca: OTHER_HOST.cert },
      /none of the certificates given with --electrum-ca/
    ],
    [
      'one for another host',
      OTHER_HOST,
      { ca: OTHER_HOST.cert },
      /for another host \(DNS:electrum\.example\.org\)/
    ],
    [
      'one that has expired',
      EXPIRED,
      { ca: EXPIRED.cert },
      /valid from Jan +1 .*2020 GMT to Feb +1 .*2020 GMT only.*clock/
    ],
    [
      'another one than the pinned one, whoever vouches for it',
      OTHER_HOST,
      { fingerprint: PINNED, ca: OTHER_HOST.cert },
      /another certificate than the one that is pinned: 1C:3F:43/
    ]
  ] as const) {
    it(`refuses ${what}, and says nothing to the server`, async () => {
      assert.match(await meet(fixture, tls), expected)
      assert.equal(chain.status, 'down')
    })
  }

  it('cannot be talked out of it by the environment', async () => {
    const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
    try {
      assert.match(await meet(LOCALHOST, {}), /cannot be trusted/)
    } finally {
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before
    }
  })

  it('says so when nothing speaks TLS there', async () => {
    const plain = createServer((socket) => {
      socket.on('error', () => {})
      socket.resume()
      socket.end('{"jsonrpc":"2.0","result":"hello"}\n')
    }).listen(0, '127.0.0.1')
    await once(plain, 'listening')
    assert.match(
      await outcome(`tls://127.0.0.1:${(plain.address() as AddressInfo).port}`, {}),
      /nothing speaks TLS at this port/
    )
    plain.close()
  })

  it('is not what a plain connection gets', async () => {
    server = await startElectrumServer(
      new EmbeddedChain({ seed: 'tls', now: () => 1_700_000_000 }),
      '127.0.0.1',
      0,
      LOCALHOST
    )
    assert.match(
      await outcome(`tcp://127.0.0.1:${server.port}`, {}),
      /closed the connection|broke|understood|JSON-RPC/
    )
  })
})

describe('the trust in a certificate', () => {
  const endpoint = { protocol: 'tls', host: 'h', port: 1 } as const

  it('reads fingerprints as openssl and people write them', () => {
    for (const text of [
      LOCALHOST_FINGERPRINT,
      LOCALHOST_FINGERPRINT.toLowerCase(),
      PINNED,
      ` sha256:${PINNED} `,
      `SHA256=${PINNED}`
    ]) {
      assert.equal(readFingerprint(text), PINNED)
    }
    for (const text of ['', 'AB:CD', PINNED.slice(1), `${PINNED}00`, 'g'.repeat(64)]) {
      assert.equal(readFingerprint(text), undefined)
    }
  })

  it('is refused to a file without a certificate', () => {
    assert.equal(checkCa(LOCALHOST.cert, 'ca.pem'), LOCALHOST.cert)
    assert.throws(() => checkCa(LOCALHOST.key, 'ca.pem'), {
      code: 'ERR_INVALID_CA',
      message: /^ca\.pem holds no certificate/
    })
  })

  it('is refused to a server without a certificate, pinned or not', () => {
    const peer = { authorized: true, authorizationError: null, getPeerCertificate: () => ({}) }
    for (const trust of [{}, { fingerprint: PINNED }]) {
      assert.equal(checkCertificate(endpoint, trust, peer)?.code, 'ERR_TLS_UNTRUSTED')
    }
  })

  for (const [reason, code] of [
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'ERR_TLS_UNTRUSTED'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'ERR_TLS_UNTRUSTED'],
    ['CERT_REVOKED', 'ERR_TLS_UNTRUSTED'],
    ['CERT_HAS_EXPIRED', 'ERR_TLS_EXPIRED'],
    ['CERT_NOT_YET_VALID', 'ERR_TLS_EXPIRED'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'ERR_TLS_WRONG_HOST']
  ] as const) {
    it(`calls ${reason} ${code}`, () => {
      const peer = {
        authorized: false,
        authorizationError: reason,
        getPeerCertificate: () => ({ raw: new Uint8Array(3), valid_from: 'a', valid_to: 'b' })
      }
      const refusal = checkCertificate(endpoint, {}, peer)
      assert.equal(refusal?.code, code)
      assert.equal(refusal?.facts['reason'], reason)
    })
  }
})

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
