/**
 * A process in the public network of networks.sh: a relay, and the devnet's Electrum server, which
 * listens on 127.0.0.1 only. Prints the address of the relay; with each SIGUSR2 the relay goes
 * away, or comes back, and it prints `away`, or the address again. Arguments: host, the relay's
 * port, the server's.
 */
import '../../src/p2p/polyfill.js'
import { connect, createServer } from 'node:net'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Libp2p } from '@libp2p/interface'
import { addressOf } from '../p2p/hosts.js'
import { startRelay } from '../p2p/relay.js'

const [, , host = '', relayPort = '', electrumPort = ''] = process.argv
const port = Number(electrumPort)

createServer((incoming) => {
  const outgoing = connect(port, '127.0.0.1')
  incoming.pipe(outgoing).pipe(incoming)
  // One end that breaks off ends the other.
  incoming.on('error', () => outgoing.destroy())
  outgoing.on('error', () => incoming.destroy())
}).listen(port, host)

const key = await generateKeyPair('Ed25519')
const address = `/ip4/${host}/tcp/${relayPort}`
let relay: Libp2p | undefined

async function turn(): Promise<void> {
  const before = relay
  relay = before === undefined ? await startRelay(key, address, [address]) : undefined
  await before?.stop()
  process.stdout.write(`${relay === undefined ? 'away' : addressOf(relay)}\n`)
}

await turn()
process.on('SIGUSR2', () => {
  turn().catch((error: unknown) => {
    throw error
  })
})
