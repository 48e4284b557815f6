/** A real electrs in front of a real bitcoind. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { freePorts, type Bitcoind } from './bitcoind.js'

/** Set by `run.sh` where electrs can be had. */
const COMMAND = 'PAYCHAN_TEST_ELECTRS'

/** It may hold a small reply for a second, and longer while it reads blocks. */
const PATIENCE_MS = 4_000

export const hasElectrs = (process.env[COMMAND] ?? '') !== ''

export interface Electrs {
  readonly url: string
  readonly stop: () => Promise<void>
}

/** Starts one; it serves once this resolves. The bitcoind must have a block beside the first. */
export async function startElectrs(bitcoind: Bitcoind): Promise<Electrs> {
  const [program = '', ...args] = (process.env[COMMAND] ?? '').split(' ')
  if (program === '') throw new Error(`${COMMAND} is not set: run npm run test:real`)
  const [port, monitoring] = await freePorts()
  const errors: string[] = []
  let isStopped = false
  let isStarting = true
  let child = run()
  while (!(await answers(port))) {
    if (child.exitCode !== null) throw new Error(`electrs has ended: ${errors.join('')}`)
    await new Promise((resolve) => {
      setTimeout(resolve, 100)
    })
  }

  /**
   * It ends when bitcoind takes a block back under its hands; whoever runs it has it started again
   * (systemd, docker).
   */
  function run(): ChildProcess {
    const made = spawn(
      program,
      [
        ...args,
        '--skip-default-conf-files',
        '--network',
        'regtest',
        '--log-filters',
        'WARN',
        '--daemon-dir',
        bitcoind.directory,
        '--cookie-file',
        join(bitcoind.directory, 'regtest', '.cookie'),
        '--daemon-rpc-addr',
        `127.0.0.1:${bitcoind.rpcPort}`,
        '--daemon-p2p-addr',
        `127.0.0.1:${bitcoind.p2pPort}`,
        '--db-dir',
        join(bitcoind.directory, 'electrs'),
        '--electrum-rpc-addr',
        `127.0.0.1:${port}`,
        '--monitoring-addr',
        `127.0.0.1:${monitoring}`,
        // How often it looks into the mempool, in seconds.
        '--wait-duration-secs',
        '1'
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] }
    )
    made.stderr.setEncoding('utf8').on('data', (text: string) => errors.push(text))
    made.once('exit', (code) => {
      if (isStopped || isStarting) return
      process.stdout.write(
        `electrs has ended with ${code ?? 'a signal'}, and is started again: ${errors.at(-1) ?? ''}\n`
      )
      child = run()
    })
    return made
  }
  isStarting = false
  // 0.10.10 can also hang for good, with every connection, when blocks come while it takes one
  // back. Whoever watches over it restarts it then; the nodes have to live with that.
  const watchdog = setInterval(() => {
    const watched = child
    void repliesWithin(port, PATIENCE_MS).then((isAlive) => {
      if (isAlive || isStopped || watched !== child || watched.exitCode !== null) return
      errors.push(`it has not answered for ${PATIENCE_MS / 1_000} s\n`)
      watched.kill('SIGKILL')
    })
  }, PATIENCE_MS)
  return {
    url: `tcp://127.0.0.1:${port}`,
    stop: async () => {
      isStopped = true
      clearInterval(watchdog)
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    }
  }
}

/** Whether it says which version it speaks, on a connection of its own. */
async function repliesWithin(port: number, ms: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port })
  const replied = new Promise<boolean>((resolve) => {
    socket
      .once('data', () => {
        resolve(true)
      })
      .once('error', () => {
        resolve(false)
      })
      .setTimeout(ms, () => {
        resolve(false)
      })
  })
  socket.write(
    `${JSON.stringify({ id: 0, method: 'server.version', params: ['watchdog', '1.4'] })}\n`
  )
  const isAlive = await replied
  socket.destroy()
  return isAlive
}

async function answers(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port })
  const reached = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => {
      resolve(true)
    })
    socket.once('error', () => {
      resolve(false)
    })
  })
  socket.destroy()
  return reached
}
