import assert from 'node:assert/strict'
import { parseEndpoint } from '../../../src/chain/electrum/endpoint.js'

describe('electrum endpoint', () => {
  it('reads host and port', () => {
    assert.deepEqual(parseEndpoint('tcp://127.0.0.1:50001'), {
      protocol: 'tcp',
      host: '127.0.0.1',
      port: 50001
    })
    assert.deepEqual(parseEndpoint('tcp://electrum.example.org:80'), {
      protocol: 'tcp',
      host: 'electrum.example.org',
      port: 80
    })
    for (const name of ['tls', 'ssl']) {
      assert.deepEqual(parseEndpoint(`${name}://electrum.example.org:50002`), {
        protocol: 'tls',
        host: 'electrum.example.org',
        port: 50002
      })
    }
    assert.deepEqual(parseEndpoint('tcp://[::1]:50001/'), {
      protocol: 'tcp',
      host: '::1',
      port: 50001
    })
  })

  for (const text of [
    '',
    '127.0.0.1:50001',
    'ssl://host',
    'http://host:1',
    'tcp://host',
    'tcp://:5',
    'tcp://host:0',
    'tcp://host:70000',
    'tcp://host:1/path',
    'tcp://user@host:1'
  ]) {
    it(`refuses '${text}' with a sentence`, () => {
      assert.throws(() => parseEndpoint(text), {
        code: 'ERR_INVALID_ELECTRUM_URL',
        message: /tcp:\/\/HOST:PORT/
      })
    })
  }
})
