import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { defaultPolicy } from '../../src/channel/policy.js'
import {
  type ConfigFlags,
  DEFAULT_LISTEN,
  LISTEN_ELSE,
  loadConfig,
  type NodeConfig,
  resolveConfig
} from '../../src/daemon/config.js'
import { DEFAULT_ELECTRUM } from '../../src/daemon/config-schema.js'
import { formatted, libp2pLogger } from '../../src/daemon/libp2p-log.js'
import { resolveDataDir } from '../../src/daemon/paths.js'

interface Sources {
  file?: unknown
  env?: Record<string, string>
  flags?: ConfigFlags
}

/** A fingerprint as openssl prints it. */
const PIN = Array.from({ length: 32 }, () => '0F').join(':')

const PATH = '/data/config.json'

function resolve({ file, env = {}, flags = {} }: Sources): NodeConfig {
  return resolveConfig({
    dataDir: '/data',
    file: file === undefined ? undefined : { path: PATH, content: file },
    env,
    flags
  })
}

describe('configuration', () => {
  describe('precedence', () => {
    it('has defaults for everything', () => {
      assert.deepEqual(resolve({}), {
        network: 'regtest',
        electrum: [DEFAULT_ELECTRUM],
        listen: [...DEFAULT_LISTEN],
        listenElse: LISTEN_ELSE,
        log: { level: 'info', format: 'text' },
        dataDir: '/data',
        policy: defaultPolicy('regtest')
      })
    })

    it('serves the dashboard where the API is, and the API at its usual place for it', () => {
      const usual = { host: '127.0.0.1', port: 9_802, hosts: [], ui: true }
      assert.deepEqual(resolve({ flags: { ui: true } }).api, usual)
      assert.deepEqual(resolve({ env: { PAYCHAN_UI: '1' } }).api, usual)
      assert.deepEqual(resolve({ file: { ui: true, api: '[::1]:80' } }).api, {
        ...usual,
        host: '::1',
        port: 80
      })
      assert.equal(resolve({ env: { PAYCHAN_UI: '0' }, file: { ui: true } }).api, undefined)
      assert.equal(resolve({ flags: { api: '127.0.0.1:1' } }).api?.ui, false)
    })

    const file = {
      electrum: 'tcp://file:1',
      listen: ['/ip4/1.1.1.1/tcp/1'],
      policy: { minDepth: 2, maxStake: 1_001 }
    }
    const env = {
      PAYCHAN_ELECTRUM: 'tcp://env:2',
      PAYCHAN_LISTEN: '/ip4/2.2.2.2/tcp/2, /ip4/2.2.2.2/tcp/3',
      PAYCHAN_MIN_DEPTH: '4'
    }
    const flags = { electrum: ['tcp://flag:3'], listen: ['/ip4/3.3.3.3/tcp/3'] }

    it('takes the file over the defaults', () => {
      const config = resolve({ file })
      assert.deepEqual(config.electrum, ['tcp://file:1'])
      assert.deepEqual(config.listen, ['/ip4/1.1.1.1/tcp/1'])
      assert.deepEqual(config.policy, {
        ...defaultPolicy('regtest'),
        minDepth: 2,
        maxStake: 1_001n
      })
    })

    it('says how the node is reached, from everywhere', () => {
      const [relay, address] = [
        ['/ip4/192.0.2.1/tcp/4001/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp'],
        ['/ip4/198.51.100.1/tcp/9801']
      ]
      const where = { relay, announce: address, mdns: true, nat: true }
      const reached = { relays: relay, announce: address, mdns: true, nat: true }
      const reachOf = ({ relays, announce, mdns, nat }: NodeConfig): object => ({
        relays,
        announce,
        mdns,
        nat
      })
      assert.deepEqual(reachOf(resolve({ file: where })), reached)
      assert.deepEqual(reachOf(resolve({ flags: where })), reached)
      const env = {
        PAYCHAN_RELAY: relay.join(),
        PAYCHAN_ANNOUNCE: address.join(),
        PAYCHAN_MDNS: '1',
        PAYCHAN_NAT: '1'
      }
      assert.deepEqual(reachOf(resolve({ env })), reached)
      const off = resolve({ file: where, flags: { relay: [], mdns: false, nat: false } })
      assert.deepEqual([off.relays, 'mdns' in off, 'nat' in off], [[], false, false])
      assert.equal('relays' in resolve({}), false)
    })

    it('listens on any other port only where nobody has asked for one', () => {
      assert.equal('listenElse' in resolve({ file }), false)
      assert.equal('listenElse' in resolve({ flags: { listen: [...DEFAULT_LISTEN] } }), false)
    })

    it('takes the environment over the file, key by key', () => {
      const config = resolve({ file, env })
      assert.deepEqual(config.electrum, ['tcp://env:2'])
      assert.deepEqual(config.listen, ['/ip4/2.2.2.2/tcp/2', '/ip4/2.2.2.2/tcp/3'])
      assert.deepEqual(config.policy, {
        ...defaultPolicy('regtest'),
        minDepth: 4,
        maxStake: 1_001n
      })
    })

    it('takes flags over the environment', () => {
      const config = resolve({ file, env, flags })
      assert.deepEqual(config.electrum, ['tcp://flag:3'])
      assert.deepEqual(config.listen, ['/ip4/3.3.3.3/tcp/3'])
    })

    it('takes no flag for one that was not given', () => {
      assert.deepEqual(
        resolve({ file, flags: { electrum: undefined, listen: undefined } }).electrum,
        ['tcp://file:1']
      )
    })
  })

  describe('the log', () => {
    it('has a level and a format, from any source', () => {
      const file = { logLevel: 'warn', logFormat: 'json' }
      assert.deepEqual(resolve({ file }).log, { level: 'warn', format: 'json' })
      const env = { PAYCHAN_LOG_LEVEL: 'debug', PAYCHAN_LOG_FORMAT: 'text' }
      assert.deepEqual(resolve({ file, env }).log, { level: 'debug', format: 'text' })
      const flags = { logLevel: 'silent' }
      assert.deepEqual(resolve({ file, env, flags }).log, { level: 'silent', format: 'text' })
    })

    it('takes no other words, and says which it takes', () => {
      for (const [sources, text] of [
        [{ flags: { logLevel: 'warning' } }, /^--log-level: 'warning' is none of .*'warn'\?/],
        [
          { env: { PAYCHAN_LOG_FORMAT: 'yaml' } },
          /^PAYCHAN_LOG_FORMAT: 'yaml' is none of text, json/
        ],
        [{ file: { logLevel: 3 } }, /'logLevel' in .* must be a text/]
      ] as const) {
        const message = text
        assert.throws(() => resolve(sources), { code: 'ERR_CONFIG_INVALID', message })
      }
    })
  })

  describe('TLS', () => {
    it('comes with a pin, in one form, or with authorities', () => {
      const url = 'tls://electrum.example.org:50002'
      const electrum = [url]
      assert.deepEqual(resolve({ flags: { electrum } }), { ...resolve({}), electrum })
      assert.equal(
        resolve({ flags: { electrum, electrumFingerprint: PIN } }).electrumFingerprint,
        '0f'.repeat(32)
      )
      assert.equal(
        resolve({ env: { PAYCHAN_ELECTRUM: url, PAYCHAN_ELECTRUM_FINGERPRINT: PIN } })
          .electrumFingerprint,
        '0f'.repeat(32)
      )
      assert.equal(
        resolve({ file: { electrum: 'ssl://electrum.example.org:50002', electrumCa: 'ca.pem' } })
          .electrumCa,
        'ca.pem'
      )
    })

    it('can do without the pin of the file, when the flag says so', () => {
      const file = { electrum: 'tls://file:1', electrumFingerprint: PIN }
      assert.equal(
        resolve({ file, flags: { electrum: ['tcp://flag:3'], electrumFingerprint: '' } })
          .electrumFingerprint,
        undefined
      )
    })
  })

  describe('several servers', () => {
    it('come from flags, from a list in the file, or between commas from the environment', () => {
      const electrum = ['tls://one:50002', `tls://two:50002#${PIN}`, 'tcp://[::1]:50001']
      for (const sources of [
        { flags: { electrum } },
        { file: { electrum } },
        { env: { PAYCHAN_ELECTRUM: electrum.join(', ') } }
      ]) {
        assert.deepEqual(resolve(sources).electrum, electrum)
      }
    })

    it('are reached through a proxy when there is one', () => {
      assert.equal(
        resolve({ env: { PAYCHAN_ELECTRUM_PROXY: 'socks5://127.0.0.1:9050' } }).electrumProxy,
        'socks5://127.0.0.1:9050'
      )
    })
  })

  describe('networks', () => {
    it('have a policy of their own', () => {
      const { network, policy } = resolve({
        flags: { network: 'signet', electrum: ['tls://one:50002'] }
      })
      assert.deepEqual([network, policy], ['signet', defaultPolicy('signet')])
    })

    it('mainnet is one for those who mean it', () => {
      for (const sources of [
        { flags: { iUnderstandTheRisk: true } },
        { env: { PAYCHAN_I_UNDERSTAND_THE_RISK: '1' } },
        { file: { iUnderstandTheRisk: true } }
      ]) {
        const { network, iUnderstandTheRisk } = resolve({
          ...sources,
          flags: { ...sources.flags, network: 'mainnet', electrum: ['tls://one:50002'] }
        })
        assert.deepEqual([network, iUnderstandTheRisk], ['mainnet', true])
      }
    })
  })

  describe('the data directory', () => {
    it('is --data, else PAYCHAN_DATA, else ~/.paychan', () => {
      assert.equal(resolveDataDir('/flag', { PAYCHAN_DATA: '/env' }), '/flag')
      assert.equal(resolveDataDir(undefined, { PAYCHAN_DATA: '/env' }), '/env')
      assert.equal(resolveDataDir(undefined, { PAYCHAN_DATA: '' }), join(homedir(), '.paychan'))
      assert.equal(resolveDataDir('relative', {}), join(process.cwd(), 'relative'))
    })
  })

  describe('amounts of the policy', () => {
    it('are satoshis as a number, or a text with a unit', () => {
      const { policy } = resolve({
        file: {
          policy: { minCapacity: 20_000, maxCapacity: '0.01btc', minFirstPayment: '500sat' }
        },
        env: { PAYCHAN_MAX_STAKE: '0.001btc', PAYCHAN_MAX_IN_FLIGHT_VALUE: '7000' }
      })
      assert.equal(policy.minCapacity, 20_000n)
      assert.equal(policy.maxCapacity, 1_000_000n)
      assert.equal(policy.minFirstPayment, 500n)
      assert.equal(policy.maxStake, 100_000n)
      assert.equal(policy.maxInFlightValue, 7_000n)
    })
  })

  describe('refuses', () => {
    const cases: ReadonlyArray<
      readonly [what: string, sources: Sources, code: string, sentence: RegExp]
    > = [
      [
        'an unknown key of the file, naming the nearest',
        { file: { electrm: 'tcp://x:1' } },
        'ERR_CONFIG_UNKNOWN_KEY',
        /'electrm' \(in \/data\/config.json\)\. Did you mean 'electrum'\?/
      ],
      [
        'an unknown key of the policy, naming the nearest',
        { file: { policy: { mindepth: 1 } } },
        'ERR_CONFIG_UNKNOWN_KEY',
        /'policy.mindepth'.*Did you mean 'minDepth'\?/
      ],
      [
        'an unknown key that is like no other',
        { file: { zzz: 1 } },
        'ERR_CONFIG_UNKNOWN_KEY',
        /'zzz' \(in \/data\/config.json\)\.$/
      ],
      [
        'an unknown variable',
        { env: { PAYCHAN_ELECTRUMS: 'x' } },
        'ERR_CONFIG_UNKNOWN_KEY',
        /Did you mean 'PAYCHAN_ELECTRUM'\?/
      ],
      [
        'dataDir in the file that lies in it',
        { file: { dataDir: '/x' } },
        'ERR_CONFIG_UNKNOWN_KEY',
        /--data or PAYCHAN_DATA/
      ],
      ['a file that is no object', { file: [] }, 'ERR_CONFIG_INVALID', /one JSON object/],
      [
        'an electrum that is no text',
        { file: { electrum: 1 } },
        'ERR_CONFIG_INVALID',
        /'electrum'/
      ],
      [
        'an address without a port',
        { flags: { electrum: ['tcp://host'] } },
        'ERR_CONFIG_INVALID',
        /--electrum: 'tcp:\/\/host'/
      ],
      [
        'an address without tcp',
        { env: { PAYCHAN_ELECTRUM: 'localhost:50001' } },
        'ERR_CONFIG_INVALID',
        /PAYCHAN_ELECTRUM/
      ],
      [
        'a port that cannot be',
        { flags: { electrum: ['tcp://host:70000'] } },
        'ERR_CONFIG_INVALID',
        /tcp:\/\/127.0.0.1:50001/
      ],
      [
        'a pin without TLS',
        { flags: { electrum: ['tcp://host:50001'], electrumFingerprint: PIN } },
        'ERR_CONFIG_INVALID',
        /^--electrum-fingerprint .*without TLS/
      ],
      [
        'authorities without TLS',
        { file: { electrumCa: 'ca.pem' } },
        'ERR_CONFIG_INVALID',
        /'electrumCa' of the configuration file .*without TLS/
      ],
      [
        'a fingerprint that is none',
        {
          flags: { electrum: ['tls://host:50002'] },
          env: { PAYCHAN_ELECTRUM_FINGERPRINT: 'AB:CD' }
        },
        'ERR_CONFIG_INVALID',
        /PAYCHAN_ELECTRUM_FINGERPRINT must be a SHA-256 fingerprint/
      ],
      [
        'a pin and authorities',
        {
          flags: { electrum: ['tls://host:50002'], electrumFingerprint: PIN, electrumCa: 'ca.pem' }
        },
        'ERR_CONFIG_INVALID',
        /Use one of them/
      ],
      [
        'what is no multiaddr',
        { flags: { listen: ['localhost:80'] } },
        'ERR_CONFIG_INVALID',
        /not a multiaddr/
      ],
      [
        'listen that is no list',
        { file: { listen: '/ip4/0.0.0.0/tcp/1' } },
        'ERR_CONFIG_INVALID',
        /'listen'.*list/
      ],
      [
        'minDepth 0',
        { file: { policy: { minDepth: 0 } } },
        'ERR_CONFIG_INVALID',
        /'policy.minDepth'.*from 1 to 100/
      ],
      [
        'half a block',
        { file: { policy: { settleMargin: 1.5 } } },
        'ERR_CONFIG_INVALID',
        /'policy.settleMargin'/
      ],
      [
        'a number that is none',
        { env: { PAYCHAN_MIN_DEPTH: 'two' } },
        'ERR_CONFIG_INVALID',
        /PAYCHAN_MIN_DEPTH/
      ],
      [
        'a fraction of a satoshi',
        { file: { policy: { maxStake: '0.5sat' } } },
        'ERR_CONFIG_INVALID',
        /'policy.maxStake'/
      ],
      [
        'a negative amount',
        { file: { policy: { maxStake: -1 } } },
        'ERR_CONFIG_INVALID',
        /'policy.maxStake'/
      ],
      [
        'minCapacity above maxCapacity',
        { file: { policy: { minCapacity: 2_000_000 } } },
        'ERR_CONFIG_INVALID',
        /minCapacity is at most maxCapacity/
      ],
      [
        'minBlocks that leave no block to pay in',
        { file: { policy: { minBlocks: 49 } } },
        'ERR_CONFIG_INVALID',
        /= 49/
      ],
      [
        'defaultBlocks that leave none either',
        { env: { PAYCHAN_DEFAULT_BLOCKS: '49' } },
        'ERR_CONFIG_INVALID',
        /defaultBlocks/
      ],
      [
        'minBlocks above maxBlocks',
        { file: { policy: { maxBlocks: 50 } } },
        'ERR_CONFIG_INVALID',
        /at most maxBlocks/
      ],
      [
        'mainnet, unless it is meant',
        { flags: { network: 'mainnet', electrum: ['tls://host:50002'] } },
        'ERR_MAINNET_REFUSED',
        /--i-understand-the-risk/
      ],
      [
        'mainnet, when it is said not to be',
        {
          flags: { network: 'mainnet', electrum: ['tls://host:50002'] },
          env: { PAYCHAN_I_UNDERSTAND_THE_RISK: '0' }
        },
        'ERR_MAINNET_REFUSED',
        /real money/
      ],
      [
        'signet without a server',
        { file: { network: 'signet' } },
        'ERR_CONFIG_INVALID',
        /Which Electrum servers of signet/
      ],
      [
        'a network that there is not',
        { env: { PAYCHAN_NETWORK: 'regtset' } },
        'ERR_NETWORK_NOT_SUPPORTED',
        /no network 'regtset'.*'regtest'.*mainnet, testnet, testnet4, signet, regtest/
      ],
      [
        'one pin for two servers',
        { flags: { electrum: ['tls://one:50002', 'tls://two:50002'], electrumFingerprint: PIN } },
        'ERR_CONFIG_INVALID',
        /2 Electrum servers.*#FINGERPRINT/
      ],
      [
        'a pin behind an address without TLS',
        { flags: { electrum: [`tcp://one:50001#${PIN}`] } },
        'ERR_CONFIG_INVALID',
        /without TLS/
      ],
      [
        'a pin behind an address that is none',
        { flags: { electrum: ['tls://one:50002#AB:CD'] } },
        'ERR_CONFIG_INVALID',
        /no SHA-256 fingerprint/
      ],
      [
        'one wrong address of several',
        { file: { electrum: ['tls://one:50002', 'two'] } },
        'ERR_CONFIG_INVALID',
        /'two' is not the address/
      ],
      [
        'a proxy that is none',
        { flags: { electrumProxy: 'http://127.0.0.1:9050' } },
        'ERR_CONFIG_INVALID',
        /--electrum-proxy: .*SOCKS5/
      ]
    ]
    for (const [what, sources, code, message] of cases) {
      it(what, () => {
        assert.throws(() => resolve(sources), { name: 'PaychanError', code, message })
      })
    }

    it("nothing of the test runner's, and nothing of other programs", () => {
      resolve({ env: { PAYCHAN_TEST_SEED: '1', HOME: '/x' } })
    })
  })

  describe('the file', () => {
    let dir: string
    beforeEach(async () => {
      dir = await mkdtemp(join(tmpdir(), 'paychan-config-'))
    })
    afterEach(async () => {
      await rm(dir, { recursive: true, force: true })
    })

    it('may be missing', async () => {
      assert.deepEqual((await loadConfig(dir, {}, {})).electrum, [DEFAULT_ELECTRUM])
    })

    it('is read from the data directory', async () => {
      await writeFile(join(dir, 'config.json'), '{ "electrum": "tcp://file:1" }')
      assert.deepEqual((await loadConfig(dir, {}, {})).electrum, ['tcp://file:1'])
    })

    it('that is no JSON is refused with its path', async () => {
      await writeFile(join(dir, 'config.json'), '{ electrum: }')
      await assert.rejects(loadConfig(dir, {}, {}), {
        code: 'ERR_CONFIG_UNREADABLE',
        message: /config\.json is not JSON/
      })
    })

    it('that cannot be read is an error, not a default', async () => {
      await mkdir(join(dir, 'config.json'))
      await assert.rejects(loadConfig(dir, {}, {}), {
        code: 'ERR_CONFIG_UNREADABLE',
        message: /cannot be read/
      })
    })
  })
})

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
