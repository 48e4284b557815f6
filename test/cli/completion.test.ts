/** Completion: what may come next on a line, and the scripts that ask for it. */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Command } from 'commander'
import { complete, SCRIPTS } from '../../src/cli/commands/completion.js'
import { createOutput } from '../../src/cli/output.js'
import { createProgram } from '../../src/cli/program.js'
import { CHANNEL, PEER, startApi, type ApiFixture } from '../daemon/fake-node.js'
import { testWorld } from './world.js'

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
const SHORT = CHANNEL.slice(0, 8)

async function wholeProgram(): Promise<Command> {
  const world = testWorld()
  return await createProgram({ ...world, output: createOutput(world.io, false) })
}

/** Every command, with the words that lead to it. */
function commandsIn(program: Command, path: readonly string[] = []): Array<[string[], Command]> {
  return program
    .createHelp()
    .visibleCommands(program)
    .filter((command) => command.name() !== 'help')
    .flatMap((command) => {
      const words = [...path, command.name()]
      return [[words, command] as [string[], Command], ...commandsIn(command, words)]
    })
}

describe('cli / completion', () => {
  let api: ApiFixture

  beforeEach(async () => {
    api = await startApi()
  })
  afterEach(async () => {
    await api.stop()
  })

  async function words(...typed: string[]): Promise<string[]> {
    const world = testWorld({ env: { PAYCHAN_DATA: api.dir } })
    assert.equal(await world.run('completion', 'words', '--', ...typed), 0)
    assert.equal(world.err(), '')
    return world
      .out()
      .split('\n')
      .slice(0, -1)
      .map((line) => line.replace(/\t.*/, ''))
  }

  it('knows every command and every option that the program has, since it asks the program', async () => {
    const program = await wholeProgram()
    const all = commandsIn(program)
    assert.ok(all.length > 40)
    for (const [path, command] of all) {
      const [name = ''] = path.slice(-1)
      const texts = (line: readonly string[]): string[] =>
        complete(program, line).candidates.map(({ text }) => text)
      assert.ok(texts([...path.slice(0, -1), name.slice(0, 2)]).includes(name), path.join(' '))
      for (const { long } of command.createHelp().visibleOptions(command)) {
        assert.ok(texts([...path, '--']).includes(long ?? ''), `${path.join(' ')} ${long}`)
      }
    }
  })

  it('completes verbs, verbs of verbs, options that are not given yet, and choices', async () => {
    assert.deepEqual(await words('paym'), ['payments', 'payment'])
    assert.deepEqual(await words('coins', ''), ['lock', 'unlock'])
    assert.deepEqual(await words('payments', '--li'), ['--limit'])
    assert.deepEqual(await words('payments', '--limit', '5', '--li'), [])
    assert.deepEqual(await words('payments', '--limit', ''), [])
    assert.deepEqual(await words('payments', '--direction', ''), ['sent', 'received'])
    assert.deepEqual(await words('payments', '--status', 'un'), ['unknown'])
    assert.deepEqual(await words('completion', 'f'), ['fish'])
    assert.equal((await words('')).includes('words'), false)
    assert.deepEqual(await words('nonsense', ''), [])
  })

  it('completes names of peers and channels where the command takes one, from the node', async () => {
    assert.deepEqual(await words('pay', ''), ['bakery', SHORT])
    assert.deepEqual(await words('pay', '--memo', 'a b', 'ba'), ['bakery'])
    assert.deepEqual(await words('open', ''), ['bakery'])
    assert.deepEqual(await words('close', ''), [SHORT])
    assert.deepEqual(await words('payments', '--peer', ''), ['bakery'])
    assert.deepEqual(await words('payments', '--channel', ''), [SHORT])
    assert.deepEqual(await words('pay', 'bakery', ''), [])
    assert.deepEqual(await words('close', '--', ''), [SHORT])
    const lines = testWorld({ env: { PAYCHAN_DATA: api.dir } })
    await lines.run('completion', 'words', '--', 'pay', 'b')
    assert.equal(lines.out(), `bakery\t${PEER}\n`)
  })

  it('asks the node of the line, and the shell for names on the disk', async () => {
    assert.deepEqual(await words('pay', '--data', '/nowhere', ''), [])
    assert.deepEqual(await words('restore', '--from', ''), [':files'])
    assert.deepEqual(await words('backup', ''), [':files'])
    assert.deepEqual(await words('info', '--data', ''), [':directories'])
  })

  it('is empty when no node answers at once', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'paychan-complete-'))
    const silent = createServer(() => {})
    await new Promise<void>((resolve) => silent.listen(join(dir, 'api.sock'), resolve))
    try {
      const world = testWorld({ env: { PAYCHAN_DATA: dir } })
      const connected = new Promise((resolve) => silent.once('connection', resolve))
      const done = world.run('completion', 'words', '--', 'pay', '')
      await connected
      world.pass()
      assert.equal(await done, 0)
      assert.equal(world.out() + world.err(), '')
    } finally {
      silent.close()
      await rm(dir, { recursive: true, force: true })
    }
  })

  describe('scripts', () => {
    for (const shell of Object.keys(SCRIPTS) as Array<keyof typeof SCRIPTS>) {
      it(`${shell}: is printed, and read by the shell where it is installed`, async () => {
        const world = testWorld()
        assert.equal(await world.run('completion', shell), 0)
        assert.equal(world.out(), SCRIPTS[shell])
        const { status, stderr, error } = spawnSync(shell, ['-n'], { input: world.out() })
        if (error === undefined) assert.deepEqual([status, stderr.toString()], [0, ''])
      })
    }

    it('another shell is refused', async () => {
      const world = testWorld()
      assert.equal(await world.run('completion', 'tcsh'), 2)
      assert.match(world.err(), /bash, zsh, fish/)
    })

    it('bash completes a line with it', async () => {
      const bin = join(api.dir, 'bin')
      await mkdir(bin)
      await writeFile(
        join(bin, 'paychan'),
        `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`
      )
      await chmod(join(bin, 'paychan'), 0o755)
      await writeFile(join(api.dir, 'alice backup'), '')
      const completed = async (...line: string[]): Promise<string[]> => {
        const script = [
          `PATH='${bin}':$PATH`,
          'source <(paychan completion bash)',
          // Outside of a completion there is nothing to set options of.
          'compopt() { :; }',
          `COMP_WORDS=(paychan ${line.map((word) => `'${word}'`).join(' ')})`,
          `COMP_CWORD=${line.length}`,
          '_paychan',
          `printf '%s\\n' "\${COMPREPLY[@]}"`
        ].join('\n')
        const { stdout } = await promisify(execFile)('bash', ['-c', script], {
          cwd: api.dir,
          env: { ...process.env, PAYCHAN_DATA: api.dir }
        })
        return stdout.split('\n').slice(0, -1)
      }
      assert.deepEqual(await completed('paym'), ['payments', 'payment'])
      assert.deepEqual(await completed('pay', ''), ['bakery', SHORT])
      assert.deepEqual(await completed('restore', '--from', 'al'), ['alice backup'])
      assert.deepEqual(await completed('payments', '--status', ''), [
        'acknowledged',
        'unknown',
        'failed'
      ])
    })
  })
})
