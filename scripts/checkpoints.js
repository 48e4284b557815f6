/**
 * Asks several Electrum servers for the checkpoint of a network, says what each of them has
 * answered, and writes a newer one.
 *
 *     node scripts/checkpoints.js NETWORK [--height N] [--least N] [--write] tls://HOST:PORT tls://HOST:PORT tls://HOST:PORT ...
 *
 * Without --height it asks for the checkpoint that there is. A new one is written only with
 * --height and --write, when at least three servers (--least) have answered, and all of them the
 * same; the file then says which they were. Take servers that have nothing to do with each other.
 * Needs `npm run build`.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { ElectrumClient } from '../dist/src/chain/electrum/client.js'
import { parseEndpoint } from '../dist/src/chain/electrum/endpoint.js'
import { bitsOf, hashText, headerHash, targetFromBits } from '../dist/src/chain/header.js'
import { chainParams } from '../dist/src/chain/params.js'
import { PERIOD } from '../dist/src/chain/header.js'
import { systemClock, systemRandom } from '../dist/src/node/system.js'

const FILE = new URL('../src/chain/checkpoints.ts', import.meta.url)

/** A block that is less deep may be replaced yet. */
const LEAST_DEPTH = 1_000

const {
  values,
  positionals: [network, ...urls]
} = parseArgs({
  allowPositionals: true,
  options: {
    height: { type: 'string' },
    least: { type: 'string', default: '3' },
    write: { type: 'boolean', default: false }
  }
})
if (network === undefined || urls.length === 0) {
  fail('Usage: node scripts/checkpoints.js NETWORK [--height N] [--least N] [--write] SERVER...')
}
const params = chainParams(network)
if (params === undefined) fail(`There is no network '${network}'.`)
const height = values.height === undefined ? params.checkpoint?.height : Number(values.height)
if (!Number.isSafeInteger(height) || height < 1) {
  fail('Give the height with --height: there is no checkpoint yet.')
}
if (height % PERIOD < 11) {
  fail(
    `Block ${height} is among the first eleven of its period of difficulty: take one that is ${11 - (height % PERIOD)} higher.`
  )
}

const answers = await Promise.all(
  urls.map(async (url) => ({
    url,
    ...(await ask(url).catch((error) => ({ problem: error.message })))
  }))
)
console.log(`Block ${height} of ${network}, asked for on ${new Date().toISOString().slice(0, 10)}:`)
for (const { url, hash, tip, problem } of answers) {
  console.log(`  ${url}  ${problem ?? `${hash}, its tip is at ${tip}`}`)
}

const told = answers.filter(({ hash }) => hash !== undefined)
const hashes = new Set(told.map(({ hash }) => hash))
if (told.length < Number(values.least)) {
  fail(`${told.length} of ${urls.length} have answered; at least ${values.least} are needed.`)
}
if (hashes.size > 1) {
  fail('They do not agree. Find out which of them follow another chain before anything is written.')
}
const [hash] = hashes
if (values.height === undefined && hash !== params.checkpoint.hash) {
  fail(`All of them have another block than ${params.checkpoint.hash}, which is the checkpoint.`)
}
console.log(values.height === undefined ? 'All agree with the checkpoint.' : 'All agree.')
if (values.height !== undefined && values.write) write()

/** The hash that a server gives, with its proof of work. */
async function ask(url) {
  let client
  try {
    return await new Promise((resolve, reject) => {
      const timeout = setTimeout(() => {
        reject(new Error('has not answered within 30 s'))
      }, 30_000)
      client = new ElectrumClient(
        {
          endpoint: parseEndpoint(url),
          trust: {},
          clock: systemClock,
          random: systemRandom,
          connectTimeout: 10_000,
          requestTimeout: 20_000,
          silence: 20_000,
          pingInterval: 60_000,
          backoff: { firstMs: 60_000, mostMs: 60_000 }
        },
        {
          onSession: async (session) => {
            const { height: tip } = await session.subscribeHeaders()
            if (tip - height < LEAST_DEPTH && network !== 'regtest') {
              throw new Error(`its tip is at ${tip}: block ${height} is not ${LEAST_DEPTH} deep`)
            }
            const header = await session.headers(height, 1)
            const hash = hashText(headerHash(header))
            const target = targetFromBits(bitsOf(header))
            if (target === undefined || BigInt(`0x${hash}`) > target) {
              throw new Error(`gives block ${hash}, which has no proof of work`)
            }
            clearTimeout(timeout)
            resolve({ hash, tip })
          },
          onTip: () => {},
          onStatus: () => {},
          onDown: (reason) => {
            clearTimeout(timeout)
            reject(reason)
          }
        }
      )
      client.start()
    })
  } finally {
    await client?.stop()
  }
}

function write() {
  const before = readFileSync(FILE, 'utf8')
  const entry = new RegExp(
    `(?:  // .*\\n)*  ${network}: \\{ height: [\\d_]+, hash: '[0-9a-f]{64}' \\}`
  )
  if (!entry.test(before)) fail(`There is no checkpoint of ${network} in ${FILE.pathname}.`)
  const grouped = String(height).replace(/\B(?=(\d{3})+$)/g, '_')
  const how = `  // Asked of ${told.map(({ url }) => new URL(url).hostname).join(', ')} on ${new Date().toISOString().slice(0, 10)}.`
  writeFileSync(
    FILE,
    before.replace(entry, `${how}\n  ${network}: { height: ${grouped}, hash: '${hash}' }`)
  )
  console.log(`Written to ${FILE.pathname}. Build, and run test/chain/checkpoint.test.ts.`)
}

function fail(sentence) {
  console.error(sentence)
  process.exit(1)
}
