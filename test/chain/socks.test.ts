/** Electrum servers behind a SOCKS5 proxy, such as Tor: the names are looked up there. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server } from 'node:net'
import { createElectrumChain, type ElectrumChain } from '../../src/chain/chain.js'
import { parseProxy, readFingerprint } from '../../src/chain/electrum/endpoint.js'
import { startDevnet, type Devnet } from '../../src/devnet/index.js'
import { codeOf } from '../../src/types/errors.js'
import { realClock, Recorder, seededRandom } from './helpers.js'
import { LOCALHOST, LOCALHOST_FINGERPRINT } from './tls-fixture.js'

describe('electrum chain / through a SOCKS5 proxy', () => {
  let proxy: Server
  let devnet: Devnet
  let chain: ElectrumChain
  let asked: Recorder<string>

  /** RFC 1928, as much of it as is used: no authentication, CONNECT to a name. */
  async function start(tls: boolean, answer = 0): Promise<number> {
    devnet = await startDevnet({ seed: 'socks', ...(tls ? { tls: LOCALHOST } : {}) })
    asked = new Recorder()
    proxy = createServer((client) => {
      client.on('error', () => {})
      client.once('data', () => {
        client.write(Uint8Array.of(5, 0))
        client.once('data', (request: Buffer) => {
          const length = request[4] ?? 0
          asked.push(
            `${request[3]} ${request.subarray(5, 5 + length).toString()}:${request.readUInt16BE(5 + length)}`
          )
          client.write(Uint8Array.of(5, answer, 0, 1, 0, 0, 0, 0, 0, 0))
          if (answer !== 0) {
            client.end()
            return
          }
          const upstream = connect({ host: '127.0.0.1', port: devnet.port })
          upstream.on('error', () => {
            client.destroy()
          })
          client.pipe(upstream).pipe(client)
        })
      })
    })
    proxy.listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    return (proxy.address() as AddressInfo).port
  }

  async function meet(url: string, port: number): Promise<string> {
    chain = createElectrumChain({
      url,
      proxy: parseProxy(`socks5://127.0.0.1:${port}`),
      network: 'regtest',
      clock: realClock,
      random: seededRandom(),
      timeouts: { retryFirst: 100_000 },
      tls: { fingerprint: readFingerprint(LOCALHOST_FINGERPRINT) }
    })
    const statuses = new Recorder<string>()
    chain.onStatus((status) => {
      statuses.push(status)
    })
    await chain.start()
    return await statuses.when((status) => status !== 'connecting')
  }

  afterEach(async () => {
    await chain.stop()
    proxy.close()
    await devnet.stop()
  })

  for (const tls of [false, true]) {
    it(`are reached${tls ? ', with TLS inside' : ''}; only the proxy sees the name`, async () => {
      assert.equal(
        await meet(`${tls ? 'tls' : 'tcp'}://hidden.onion:50001`, await start(tls)),
        'synced'
      )
      // 3: a domain name (RFC 1928, section 5).
      assert.equal(asked.last, '3 hidden.onion:50001')
    })
  }

  it('are down when the proxy cannot reach them, or is not there', async () => {
    const port = await start(false, 4)
    assert.equal(await meet('tcp://hidden.onion:50001', port), 'down')
    assert.match(chain.lastError ?? '', /SOCKS proxy at 127\.0\.0\.1:\d+ did not connect us/)
    await chain.stop()
    proxy.close()
    await once(proxy, 'close')
    assert.equal(await meet('tcp://hidden.onion:50001', port), 'down')
  })

  it('a proxy has an address that can be read', () => {
    assert.deepEqual(parseProxy('socks5h://me:secret@[::1]:9050'), {
      host: '::1',
      port: 9050,
      userId: 'me',
      password: 'secret'
    })
    for (const text of [
      'http://127.0.0.1:9050',
      'socks5://127.0.0.1',
      'socks5://',
      '127.0.0.1:9050',
      'socks4://127.0.0.1:9050'
    ]) {
      assert.equal(
        codeOf(
          (() => {
            try {
              return parseProxy(text)
            } catch (error) {
              return error
            }
          })()
        ),
        'ERR_INVALID_PROXY',
        text
      )
    }
    assert.throws(
      () => parseProxy('socks5://me:secret@host'),
      (error: unknown) => error instanceof Error && !error.message.includes('secret')
    )
  })
})
