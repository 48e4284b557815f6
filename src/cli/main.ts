#!/usr/bin/env node
/** The `paychan` command. */
import type { NodeConfig } from '../daemon/config.js'
import type { LocalNode, NodeEvent } from '../node/api.js'
import type { AskPassphrase } from '../wallet/seed-file.js'
import type { Watching } from './context.js'
import { EXIT } from './output.js'
import { processIo } from './io.js'
import { run } from './program.js'

/** Milliseconds after its work that the process may take to close what is open. */
const LINGER_MS = 2_000

/** Loaded only by `start`: the other commands answer at once without libp2p. */
async function createNode(
  config: NodeConfig,
  passphrase: AskPassphrase,
  onEvent: (event: NodeEvent) => void,
  watching: Watching = {}
): Promise<LocalNode> {
  const node = await import('../node/create-node.js')
  const { webhooksByHttp } = await import('../daemon/webhook-sender.js')
  const { relays, mdns, nat, ...options } = config
  const isPlain = relays === undefined && mdns === undefined && nat === undefined
  const reach = isPlain ? {} : await (await import('../p2p/reachability.js')).reachability(config)
  return await node.createNode({
    ...options,
    ...watching,
    ...reach,
    keepsEvents: true,
    webhooks: webhooksByHttp(),
    passphrase,
    onEvent
  })
}

/**
 * Reports a result that could not be written: a reader of the file must know that it is missing.
 */
function onLost(error: Error): void {
  if (lost) return
  lost = true
  process.stderr.write(
    `error: the result could not be written (${error.message}). What was asked for may be done all the same. (ERR_OUTPUT_LOST)\n`
  )
  process.once('exit', () => {
    process.exitCode ||= EXIT.refused
  })
}
let lost = false

process.exitCode = await run(process.argv.slice(2), {
  io: processIo(onLost),
  createNode,
  simulator: async () => (await import('../sim/simulate.js')).simulate
})
// Pending output is finished; a forgotten handle does not delay the exit.
setTimeout(() => {
  process.exit()
}, LINGER_MS).unref()
