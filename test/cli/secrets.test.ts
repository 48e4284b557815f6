/** A whole node through a whole story, at the loudest: nothing that it says gives a secret away. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { createBase58check } from '@scure/base'
import { concat } from 'uint8arrays'
import { sha256 } from '../../src/bitcoin/hashes.js'
import {
  addressBranch,
  channelRoot,
  channelSecret,
  identitySeed,
  rootFromWords,
  secretOf
} from '../../src/bitcoin/seed.js'
import { dataPaths } from '../../src/daemon/paths.js'
import { loadChannels } from '../../src/engine/stored-channel.js'
import { STORE_DIRECTORY } from '../../src/node/system.js'
import { openLevelStore } from '../../src/store/level.js'
import { toHex } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import { readSeedFile } from '../../src/wallet/seed-file.js'
import { Fixture } from '../node/fixture.js'

/* Looks for secrets in what a program says, in each form in which one could get there. */

/** A secret, and the texts that give it away. */
interface Secret {
  readonly name: string
  readonly forms: readonly string[]
}

const base58check = createBase58check(sha256)

/** A text that is secret as a whole. */
function secretText(name: string, text: string): Secret {
  const bytes = new TextEncoder().encode(text)
  return { name, forms: [text, toHex(bytes), ...base64Of(bytes)] }
}

/** Words of a seed: three in a row are found, whatever stands between them. */
function secretWords(name: string, words: string): Secret {
  const list = words.split(' ')
  const forms = list.slice(2).map((_, i) => list.slice(i, i + 3).join(' '))
  return { name, forms }
}

/** A private key, in hex, WIF, base64 (also as a part of more), and as a list of numbers. */
function secretKey(name: string, key: Uint8Array): Secret {
  const wif = [0x80, 0xef].flatMap((network) => [
    base58check.encode(concat([Uint8Array.of(network), key])),
    base58check.encode(concat([Uint8Array.of(network), key, Uint8Array.of(1)]))
  ])
  const numbers = [...key].join(',')
  const byIndex = JSON.stringify(Object.assign({}, [...key])).slice(1, -1)
  return { name, forms: [toHex(key), numbers, byIndex, ...wif, ...base64Of(key)] }
}

/**
 * Base64 of bytes that begin at any place of what is encoded, less the digits that others share.
 */
function base64Of(bytes: Uint8Array): string[] {
  return [0, 1, 2].flatMap((before) => {
    const text = Buffer.from(concat([new Uint8Array(before), bytes])).toString('base64')
    const whole = text.slice(
      Math.ceil((before * 8) / 6),
      Math.floor(((before + bytes.length) * 8) / 6)
    )
    return [whole, whole.replaceAll('+', '-').replaceAll('/', '_')]
  })
}

/** The names of the secrets that a text gives away. */
function leaksIn(text: string, secrets: readonly Secret[]): string[] {
  const plain = text.toLowerCase()
  const [inWords, inNumbers] = [plain.replace(/[^a-z]+/g, ' '), plain.replace(/[\s\\]+/g, '')]
  return secrets
    .filter(({ forms }) =>
      forms.some((form) => {
        const sought = form.toLowerCase()
        return plain.includes(sought) || inWords.includes(sought) || inNumbers.includes(sought)
      })
    )
    .map(({ name }) => name)
}

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

const PASSPHRASE = 'seven purple lighthouses'
const BACKUP_PASSPHRASE = 'a drawer full of teaspoons'
const WRONG_PASSPHRASE = 'seven purple lighthouse'

/** Addresses of each branch of the wallet whose keys are looked for: more than are used. */
const ADDRESSES = 5

type Answer = Readonly<Record<string, unknown>>

/** An answer by its fields; an address is the whole of its answer. */
const answerOf = (json: unknown): Answer =>
  typeof json === 'string' ? { address: json } : (json as Answer)

describe('no output of a node gives a secret away', () => {
  let fixture: Fixture
  let dir: string
  /** All that was printed, logged and answered. */
  let said: string
  let child: ChildProcess | undefined

  beforeEach(async () => {
    said = ''
    dir = await mkdtemp(join(tmpdir(), 'paychan-secrets-'))
    fixture = await Fixture.create()
  })
  afterEach(async () => {
    child?.kill('SIGKILL')
    await fixture.end()
    await rm(dir, { recursive: true, force: true })
  })

  function begin(argv: readonly string[], passphrase?: string): ChildProcess {
    return spawn(process.execPath, [MAIN, ...argv], {
      env: {
        PATH: process.env['PATH'],
        PAYCHAN_DATA: dir,
        ...(passphrase === undefined ? {} : { PAYCHAN_PASSPHRASE: passphrase })
      }
    })
  }

  /** Runs a command; what it prints counts as said, unless it is meant to show a secret once. */
  async function paychan(
    argv: readonly string[],
    { passphrase, input = '' }: { passphrase?: string; input?: string } = {}
  ): Promise<{ code: number | null; out: string; err: string }> {
    const child = begin(argv, passphrase)
    child.stdin?.end(input)
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
    const [out, err] = await Promise.all([
      textOf(child.stdout ?? assert.fail()),
      textOf(child.stderr ?? assert.fail())
    ])
    said += err
    return { code: await ended, out, err }
  }

  interface Started {
    readonly apiUrl: string
    readonly multiaddr: string
    readonly ended: Promise<unknown>
  }

  async function start(): Promise<Started> {
    const node = begin(
      [
        ...['start', '--network', 'regtest', '--electrum', fixture.electrum],
        ...['--listen', '/ip4/127.0.0.1/tcp/0', '--api', '127.0.0.1:0'],
        ...['--log-level', 'trace', '--log-format', 'json']
      ],
      PASSPHRASE
    )
    child = node
    const ended = new Promise((resolve) => node.once('close', resolve))
    const started = await new Promise<{ apiUrl: string; multiaddrs: string[] }>(
      (resolve, reject) => {
        let unread = ''
        const onText = (part: Buffer): void => {
          said += part.toString()
          unread += part.toString()
          const lines = unread.split('\n')
          unread = lines.pop() ?? ''
          const line = lines.find((each) => each.includes('"event":"started"'))
          if (line !== undefined) resolve(JSON.parse(line) as never)
        }
        node.stdout?.on('data', onText)
        node.stderr?.on('data', onText)
        node.once('close', () => {
          reject(new Error(`The node ended before it was up: ${said.slice(-1_000)}`))
        })
      }
    )
    return { apiUrl: started.apiUrl, multiaddr: started.multiaddrs[0] ?? '', ended }
  }

  /** Asks the API; the answer counts as said, unless there is a reason why not. */
  async function ask(
    url: string,
    token: string,
    body?: object,
    notCounted?: string
  ): Promise<Answer> {
    const response = await fetch(url, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${token}`, connection: 'close' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    const text = await response.text()
    if (notCounted === undefined) said += text
    return response.headers.get('content-type')?.includes('json') === true
      ? answerOf(JSON.parse(text))
      : {}
  }

  /** The events from the first on; what is read of them counts as said. */
  async function eventsOf(url: string, token: string): Promise<(until: RegExp) => Promise<void>> {
    const leave = new AbortController()
    const response = await fetch(`${url}/v1/events?after=0`, {
      headers: { authorization: `Bearer ${token}` },
      signal: leave.signal
    })
    const decoder = new TextDecoder()
    const parts = (response.body ?? assert.fail())[Symbol.asyncIterator]()
    return async (until) => {
      let read = ''
      while (!until.test(read)) {
        const { value } = (await parts.next()) as { value: Uint8Array }
        read += decoder.decode(value, { stream: true })
      }
      said += read
      leave.abort()
    }
  }

  /** The secrets of the data directory, after the story. */
  async function secretsOf(words: string): Promise<Secret[]> {
    const root = rootFromWords(words)
    const seed = identitySeed(root, 'regtest')
    const keys: Secret[] = [
      secretKey('master key', secretOf(root)),
      secretKey('chain code', root.chainCode ?? assert.fail()),
      secretText('extended master key', root.privateExtendedKey),
      secretKey('seed of the identity', seed),
      secretKey('identity', (await generateKeyPairFromSeed('Ed25519', seed)).raw)
    ]
    for (const branch of [0, 1, 2]) {
      const parent = addressBranch(root, 'regtest', branch)
      for (let index = 0; index < ADDRESSES; index++) {
        const key = secretOf(parent.deriveChild(index))
        keys.push(secretKey(`address ${branch}/${index}`, key))
      }
    }
    const store = await openLevelStore(join(dir, STORE_DIRECTORY), { createIfMissing: false })
    const { channels } = await loadChannels(store)
    await store.close()
    assert.equal(channels.length, 2)
    for (const { role, keys: bits } of channels) {
      for (const use of ['channel', 'payout'] as const) {
        const key = channelSecret(channelRoot(root, 'regtest'), { role, ...bits, use })
        keys.push(secretKey(`${use} key as ${role}`, key))
      }
    }
    return [secretWords('words', words), ...keys]
  }

  it('from the seed to a backup, with payments both ways and mistakes of all kinds', async () => {
    const made = await paychan(['init', '--encrypt'], { passphrase: PASSPHRASE })
    said += made.out
    const words = await readSeedFile(
      dataPaths(dir).seed,
      async () => await Promise.resolve(PASSPHRASE)
    )
    const wrong = await paychan(['start'], { passphrase: WRONG_PASSPHRASE })
    said += wrong.out
    assert.match(wrong.err, /ERR_WRONG_PASSPHRASE/)
    const mistyped = words.replace(/\w+$/, 'abandno')
    const other = join(dir, 'restored')
    const restored = await paychan(['restore', '--data', other], { input: mistyped })
    said += restored.out
    assert.notEqual(restored.code, 0)

    const { apiUrl, multiaddr, ended } = await start()
    const { out } = await paychan(['token', 'create', '--name', 'all', '--scope', 'manage'])
    const token = out.trim()
    const wrongToken = `${token.slice(0, -1)}${token.endsWith('a') ? 'b' : 'a'}`
    said += (await paychan(['token', 'list'])).out
    const api = async (verb: string, body?: object): Promise<Answer> =>
      await ask(`${apiUrl}/v1/${verb}`, token, body)

    const bob = await fixture.rich('bob')
    await bob.api.channels.open({ peer: multiaddr, amount: satoshi(100_000n) })
    const { text: request } = await api('makeRequest', { amountSat: 3_000, memo: 'coffee' })
    await bob.api.requests.pay({ request: String(request) })
    const { address } = await api('address', {})
    assert.ok(typeof address === 'string')
    const funded = await eventsOf(apiUrl, token)
    await fixture.devnet.fund(address, satoshi(500_000n))
    await funded(new RegExp(`"status":"synced","height":${fixture.devnet.height}\\b`))
    const to = await bob.address()
    const opened = await api('open', { peer: to, amountSat: 100_000 })
    assert.equal(opened['status'], 'open')
    const paid = await api('pay', { to: (await bob.api.info()).peerId, amountSat: 2_000 })
    assert.equal(paid['status'], 'acknowledged')
    const file = join(dir, 'alice.backup')
    const backup = await api('backup', { file, passphrase: BACKUP_PASSPHRASE })
    assert.equal(backup['file'], file)

    for (const verb of ['info', 'channels', 'payments', 'requests', 'coins', 'transactions']) {
      await api(verb)
    }
    assert.equal(
      (await api('backup', { file, passphrase: 'short' }))['code'],
      'ERR_PASSPHRASE_TOO_SHORT'
    )
    const astray = { to: words, amountSat: 1 }
    const refused = await ask(`${apiUrl}/v1/pay`, token, astray, 'its answer repeats what was sent')
    assert.equal(refused['code'], 'ERR_INVALID_PEER')
    assert.equal((await ask(`${apiUrl}/v1/info`, wrongToken))['code'], 'ERR_TOKEN_INVALID')
    assert.equal((await ask(`${apiUrl}/${token}`, token))['code'], 'ERR_UNKNOWN_VERB')
    await ask(`${apiUrl}/v1/info?token=${token}`, token)
    await ask(`${apiUrl}/metrics`, token)
    await (
      await eventsOf(apiUrl, token)
    )(new RegExp(String(paid['id'])))
    await api('stop', {})
    await ended

    const lines = said.split('\n').filter((line) => line.startsWith('{"time"'))
    for (const level of ['info', 'debug', 'trace']) {
      assert.ok(
        lines.some((line) => line.includes(`"level":"${level}"`)),
        level
      )
    }
    assert.match(said, /paychan_payments_total\{direction="received",outcome="acknowledged"\} 1/)
    const secrets = [
      ...(await secretsOf(words)),
      secretText('passphrase', PASSPHRASE),
      secretText('mistyped passphrase', WRONG_PASSPHRASE),
      secretText('passphrase of the backup', BACKUP_PASSPHRASE),
      secretText('token', token),
      secretText('mistyped token', wrongToken)
    ]
    assert.deepEqual(leaksIn(said, secrets), [])
    // Each would have been found, in each of its forms.
    for (const secret of secrets) {
      for (const form of secret.forms) {
        assert.deepEqual(leaksIn(JSON.stringify({ text: `x${form}y` }), [secret]), [secret.name])
      }
    }
  })
})
