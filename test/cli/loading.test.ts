/** What a call of the command line loads: each package costs every call its time. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { createOutput } from '../../src/cli/output.js'
import { createProgram, GROUPS } from '../../src/cli/program.js'
import { serveApi, type ApiServer } from '../../src/daemon/server.js'
import { FakeNode } from '../daemon/fake-node.js'
import { testWorld } from './world.js'

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

const LIBRARY = fileURLToPath(new URL('../../src/index.js', import.meta.url))

/** Writes the address of every module that is loaded to standard error. */
const HOOKS =
  'import { writeSync } from "node:fs"; export async function load (url, context, next) { writeSync(2, "LOAD " + url + "\\n"); return next(url, context) }'
const WATCH = `import { register } from "node:module"; register(${JSON.stringify(asModule(HOOKS))})`

function asModule(source: string): string {
  return `data:text/javascript,${encodeURIComponent(source)}`
}

interface Loaded {
  readonly packages: string[]
  readonly rooms: string[]
  readonly output: string
}

describe('what a command loads', () => {
  let dir: string
  let server: ApiServer

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'paychan-loading-'))
    server = await serveApi(new FakeNode(), join(dir, 'api.sock'))
  })
  after(async () => {
    await server.close()
    await rm(dir, { recursive: true, force: true })
  })

  const loadedBy = async (...argv: string[]): Promise<Loaded> => await loadedByScript(MAIN, argv)

  async function loadedByScript(script: string, argv: readonly string[] = []): Promise<Loaded> {
    const [output, seen] = await new Promise<[string, string]>((resolve, reject) => {
      execFile(
        process.execPath,
        ['--import', asModule(WATCH), script, ...argv],
        { env: { PATH: process.env['PATH'], PAYCHAN_DATA: dir } },
        (error, stdout, stderr) => {
          if (error === null) resolve([stdout, stderr])
          else reject(new Error(stderr, { cause: error }))
        }
      )
    })
    const paths = [...seen.matchAll(/^LOAD file:\/\/(.*)$/gm)].map(([, path = '']) => path)
    const names = (pattern: RegExp): string[] =>
      [...new Set(paths.flatMap((path) => pattern.exec(path)?.[1] ?? []))].sort()
    return {
      packages: names(/.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//),
      rooms: names(/\/dist\/src\/([^/]+)\//),
      output
    }
  }

  it('--version: the command line, and neither the node nor what asks it', async () => {
    const { packages, rooms, output } = await loadedBy('--version')
    assert.match(output, /^\d+\.\d+\.\d+\n$/)
    assert.deepEqual(packages, ['commander', 'picocolors'])
    assert.deepEqual(
      rooms.filter((room) => !['cli', 'daemon', 'node', 'types', 'words'].includes(room)),
      []
    )
  })

  for (const argv of [
    ['info'],
    ['balance'],
    ['channels'],
    ['pay', 'ffffffff', '1000'],
    ['close', 'ffffffff'],
    ['coins'],
    ['send', 'bcrt1q', '1000'],
    ['open', 'ffffffff', '1000']
  ]) {
    it(`${argv.join(' ')}: what reads the answers beside it, and nothing of Bitcoin or libp2p`, async () => {
      const { packages, output } = await loadedBy(...argv)
      assert.notEqual(output, '')
      assert.deepEqual(packages, ['commander', 'picocolors', 'zod'])
    })
  }

  it('the library: nothing that counts for Prometheus', async () => {
    const { packages } = await loadedByScript(LIBRARY)
    assert.ok(packages.includes('libp2p'))
    for (const name of ['prom-client', '@libp2p/prometheus-metrics', 'hono', 'commander']) {
      assert.ok(!packages.includes(name), name)
    }
  })

  it('the help of all: nothing of Bitcoin or libp2p', async () => {
    assert.deepEqual(
      (await loadedBy('--help')).packages.filter(
        (name) => !['commander', 'picocolors', 'zod'].includes(name)
      ),
      []
    )
  })

  it('each group adds the commands that it is loaded for, and a line is given the ones that it may mean', async () => {
    const { io, ...outside } = testWorld()
    const world = { ...outside, io, output: createOutput(io, false) }
    for (const { names, load } of GROUPS) {
      const program = new Command()
      ;(await load())(program, world, async () => await Promise.resolve(program))
      assert.deepEqual(
        program.commands.map((command) => command.name()),
        names
      )
    }
    const given = async (...argv: string[]): Promise<number> =>
      (await createProgram(world, argv)).commands.length
    const all = GROUPS.flatMap(({ names }) => names).length
    assert.deepEqual(
      await Promise.all([
        given('--version'),
        given('-V'),
        given('coins'),
        given('--json', '--data', 'pay', 'coins'),
        given(),
        given('--help'),
        given('help', 'pay'),
        given('coin'),
        given('--version', 'coins')
      ]),
      [0, 0, 1, 1, all, all, all, all, 1]
    )
  })
})
