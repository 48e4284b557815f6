/** `paychan start`: a node in the foreground, until somebody stops it. */
import { readFile, rm } from 'node:fs/promises'
import type { Command } from 'commander'
import { DEPRECATED_NETWORKS } from '../../bitcoin/network-names.js'
import type { ApiConfig } from '../../daemon/config.js'
import { DEFAULT_LOG, LOG_LEVELS } from '../../daemon/config-schema.js'
import { dataPaths, DEFAULT_API } from '../../daemon/paths.js'
import type { LocalNode, NodeEvent } from '../../node/api.js'
import type { MetricsPage } from '../../daemon/metrics.js'
import type { ApiServer } from '../../daemon/server.js'
import type { TcpApi, TcpApiOptions } from '../../daemon/tcp-api.js'
import { codeOf, PaychanError, STORE_FAILED } from '../../types/errors.js'
import { replacePrivateFile } from '../../wallet/private-file.js'
import {
  type Context,
  contextOf,
  VERBOSE_HELP,
  type Watching,
  withCommonOptions,
  type World
} from '../context.js'
import {
  answeredEntry,
  deprecatedEntry,
  detailEntry,
  entryOf,
  Log,
  paymentsEntry,
  startedEntry,
  STOPPED,
  stoppingEntry
} from '../event-lines.js'
import { askPassphrase } from '../passphrase.js'
import { renderInfo } from '../render.js'
import { untilInterrupted } from '../output.js'
import { paymentLines } from '../../words/payments.js'

interface StartOptions {
  readonly network?: string
  readonly iUnderstandTheRisk?: boolean
  readonly electrum?: string[]
  readonly electrumProxy?: string
  readonly electrumFingerprint?: string
  readonly electrumCa?: string
  readonly listen?: string[]
  readonly announce?: string[]
  readonly relay?: string[] | true
  readonly mdns?: boolean
  readonly nat?: boolean
  readonly api?: string | true
  readonly apiCert?: string
  readonly apiKey?: string
  readonly apiHost?: string[]
  readonly logLevel?: string
  readonly logFormat?: string
  readonly ui?: boolean
  readonly verbose?: boolean
}

export function addStart(program: Command, world: World): void {
  withCommonOptions(program.command('start').summary('run the node in the foreground'))
    .description(
      'Runs the node until Ctrl-C or `paychan stop`. With --json it prints one JSON object per line: {"event":"started",...} first, then every event, {"event":"stopped"} last.'
    )
    .option(
      '--network <name>',
      'regtest (the default), signet, testnet4, testnet (3, deprecated) or mainnet'
    )
    .option(
      '--i-understand-the-risk',
      'with mainnet: real money is at stake, and this software is young'
    )
    .option(
      '--electrum <url>',
      'an Electrum server, tls://HOST:PORT[#FINGERPRINT] or tcp://HOST:PORT; several times for several servers, which are compared (default: tcp://127.0.0.1:50001, the devnet)',
      (url: string, before: string[] = []) => [...before, url]
    )
    .option(
      '--electrum-proxy <url>',
      'reach them through this SOCKS5 proxy, such as Tor at socks5://127.0.0.1:9050'
    )
    .option(
      '--electrum-fingerprint <sha256>',
      'with tls://: trust the certificate with this fingerprint, and no other'
    )
    .option(
      '--electrum-ca <file>',
      'with tls://: trust the certificates (PEM) in this file instead of the usual authorities'
    )
    .option(
      '--listen <multiaddr...>',
      'where to listen for peers (default: /ip4/127.0.0.1/tcp/9801, or any free port if it is in use)'
    )
    .option(
      '--announce <multiaddr...>',
      'where others reach this node: a public address of the machine, or of the router that forwards the port'
    )
    .option(
      '--relay [multiaddr...]',
      'be reached over these relays (libp2p circuit relays) where nobody can dial this node; without an address: dial peers that are behind relays'
    )
    .option('--mdns', 'find peers on the local network by their peer ids')
    .option('--nat', 'ask the router for a port (UPnP)')
    .option(
      '--api [host:port]',
      `serve the API for programs over TCP (default: ${DEFAULT_API}); \`paychan token create\` makes tokens for it`
    )
    .option('--api-cert <file>', 'its certificate (PEM): needed unless it listens on 127.0.0.1')
    .option('--api-key <file>', 'the key of the certificate (PEM)')
    .option('--api-host <name...>', 'more names that it goes by, such as node.example')
    .option('--log-level <level>', `${LOG_LEVELS.join(', ')} (default: ${DEFAULT_LOG.level})`)
    .option(
      '--log-format <format>',
      'text for people (the default), or json: one object a line, with its time and level'
    )
    .option('--ui', 'serve a dashboard for people as well, and print the address to open')
    .option('--verbose', VERBOSE_HELP)
    .addHelpText(
      'after',
      '\nExamples:\n  paychan start --network regtest --electrum tcp://127.0.0.1:50001\n  paychan start --network signet --electrum tls://ONE:50002 --electrum tls://OTHER:50002\n  paychan start --data ./bob --listen /ip4/0.0.0.0/tcp/4001'
    )
    .action(
      async (
        {
          network,
          iUnderstandTheRisk,
          electrum,
          electrumProxy,
          electrumFingerprint,
          electrumCa,
          listen,
          announce,
          relay,
          mdns,
          nat,
          api,
          apiCert,
          apiKey,
          apiHost,
          logLevel,
          logFormat,
          ui,
          verbose = false
        }: StartOptions,
        command: Command
      ) => {
        const context = contextOf(world, command)
        const { loadConfig } = await import('../../daemon/config.js')
        const config = await loadConfig(context.dataDir, world.io.env, {
          network,
          iUnderstandTheRisk,
          electrum,
          electrumProxy,
          electrumFingerprint,
          electrumCa,
          listen,
          announce,
          relay: relay === true ? [] : relay,
          mdns,
          nat,
          api: api === true ? DEFAULT_API : api,
          apiCert,
          apiKey,
          apiHosts: apiHost,
          logLevel,
          logFormat,
          ui
        })
        const log = new Log(context.output, config.log)
        const instead = DEPRECATED_NETWORKS[config.network]
        if (instead !== undefined) log.note(deprecatedEntry(config.network, instead))
        // Events during the start, such as damage found, are told after the line that says that the
        // node is up.
        const early: NodeEvent[] = []
        let isUp = false
        const metrics =
          config.api === undefined
            ? undefined
            : new (await import('../../daemon/metrics.js')).NodeMetrics()
        const node = await world.createNode(
          config,
          async (attempt) => await askPassphrase(context.io, attempt),
          (event) => {
            metrics?.count(event)
            if (!isUp) early.push(event)
          },
          { ...metrics?.forNode, ...(log.takes('debug') ? await debugging(log) : {}) }
        )
        isUp = true
        await serveUntilStopped(context, node, {
          api: config.api,
          metrics: metrics?.of(node),
          log,
          early,
          verbose
        })
      }
    )
}

/** Options of the node with which libp2p, and what talks to Electrum servers, are in the log. */
async function debugging(log: Log): Promise<Watching> {
  const { libp2pLogger } = await import('../../daemon/libp2p-log.js')
  const logger = libp2pLogger((level, component, text) => {
    log.write(detailEntry(level, component, text))
  }, log.takes('trace'))
  const electrumLog = (text: string): void => {
    log.write(detailEntry('debug', 'electrum', text))
  }
  return { logger, electrumLog }
}

interface Serving {
  readonly api: ApiConfig | undefined
  readonly metrics: MetricsPage | undefined
  readonly log: Log
  /** The events that were told while the node started. */
  readonly early: NodeEvent[]
  readonly verbose: boolean
}

async function serveUntilStopped(
  { io, output, dataDir }: Context,
  node: LocalNode,
  { api, metrics, log, early, verbose }: Serving
): Promise<void> {
  let tell = (event: NodeEvent): void => {
    early.push(event)
  }
  let fail: (error: PaychanError) => void = () => {}
  const failed = new Promise<PaychanError>((resolve) => {
    fail = resolve
  })
  const unsubscribe = node.events.on((event) => {
    tell(event)
    if (event.type === 'alarm' && event.code === STORE_FAILED) {
      fail(new PaychanError(event.code, event.text))
    }
  })
  const { socket, dashboard: uiFile } = dataPaths(dataDir)
  const interrupted = untilInterrupted(io)
  const payments = paymentLines(io, (several) => {
    log.write(paymentsEntry(several))
  })
  try {
    const { serveApi } = await import('../../daemon/server.js')
    const server = await serveApi(node, socket).catch(async (error: unknown) => {
      await node.stop()
      throw error
    })
    const tcp =
      api === undefined
        ? undefined
        : await serveTcpApi(node, api, {
            metrics,
            onAnswer: (answered) => {
              log.write(answeredEntry(answered))
            },
            onStop: () => {
              closeLoudly(server)
            }
          }).catch(async (error: unknown) => {
            await server.close()
            await node.stop()
            throw error
          })
    const uiUrl =
      tcp === undefined || api?.ui !== true
        ? undefined
        : dashboardUrl(tcp.url, node.gate().access.lend(DASHBOARD_TOKEN).token)
    // Who reads a terminal may use the money; who reads a journal or a log need not.
    const isSeen = !output.json && (log.isForPrograms ? io.stderr.isTTY : io.stdout.isTTY)
    if (uiUrl !== undefined && !isSeen) await replacePrivateFile(uiFile, `${uiUrl}\n`)
    const dashboard =
      uiUrl === undefined
        ? []
        : [
            `Dashboard: ${isSeen ? uiUrl : `its address is in ${uiFile}`} (for you alone: whoever has this address can use the money)`
          ]
    const info = await node.info()
    const reached = { apiSocket: socket, apiUrl: tcp?.url }
    const started = startedEntry(info, reached, (colors) =>
      [
        renderInfo(info, colors, output.width, socket),
        ...(tcp === undefined
          ? []
          : [`API for programs: ${tcp.url} (what it can do: ${tcp.url}/)`]),
        ...dashboard,
        '',
        'Running. Stop it with Ctrl-C, or with `paychan stop`.'
      ].join('\n')
    )
    log.write(started, {
      event: 'started',
      ...info,
      ...reached,
      uiFile: uiUrl === undefined || isSeen ? undefined : uiFile
    })
    if (log.isForPrograms) for (const line of dashboard) output.note(line)
    tell = (event) => {
      const { type, ...rest } = event
      const data = { event: type, ...rest }
      if (event.type !== 'payment') log.write(entryOf(event, verbose), data)
      else if (log.isEachEvent) log.write(paymentsEntry([event.payment]), data)
      else payments.add(event.payment)
    }
    early.forEach(tell)

    const signal = await Promise.race([interrupted.signal, server.closed, failed])
    if (signal instanceof PaychanError) {
      // The node stops first, so that its callers still learn the outcome of what they asked for.
      await node.stop()
      await tcp?.close(LAST_ANSWERS_MS)
      await server.close()
      throw signal
    }
    await tcp?.close()
    // Without a signal the stop came over the API, and the node has stopped already.
    if (signal !== undefined) {
      log.note(stoppingEntry(signal))
      await server.close()
      await node.stop()
    }
    payments.end()
    log.write(STOPPED)
  } finally {
    payments.end()
    interrupted.dispose()
    unsubscribe()
    await rm(uiFile, { force: true })
  }
}

/** Milliseconds in which a node that has failed gives its last answers. */
const LAST_ANSWERS_MS = 1_000

/** The scopes of the dashboard: all that its reader could do with the command line. */
const DASHBOARD_TOKEN = { name: 'the dashboard of this run', scopes: ['manage'] } as const

/** The token is in the fragment, which a browser sends to nobody. */
function dashboardUrl(api: string, token: string): string {
  return `${api}/ui/#token=${token}`
}

/** The node has stopped already: what is left is to end. */
function closeLoudly(server: ApiServer): void {
  server.close().catch((error: unknown) => {
    process.emitWarning(error instanceof Error ? error : String(error))
  })
}

async function serveTcpApi(
  node: LocalNode,
  { files, ...where }: ApiConfig,
  watching: Pick<TcpApiOptions, 'metrics' | 'onAnswer' | 'onStop'>
): Promise<TcpApi> {
  const { serveTcp } = await import('../../daemon/tcp-api.js')
  const tls =
    files === undefined ? undefined : { cert: await pem(files.cert), key: await pem(files.key) }
  return await serveTcp(node, { ...where, ...watching, tls })
}

async function pem(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new PaychanError(
      'ERR_API_LISTEN',
      `${path} cannot be read (${codeOf(error)}): the API needs it for TLS.`,
      { path },
      { cause: error }
    )
  }
}
