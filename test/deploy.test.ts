/** What `deploy/` starts: every command and option in it is one of the program. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { parse } from 'yaml'
import { createOutput } from '../src/cli/output.js'
import { createProgram } from '../src/cli/program.js'
import { resolveConfig } from '../src/daemon/config.js'
import { dataPaths } from '../src/daemon/paths.js'
import { testWorld } from './cli/world.js'

const read = (name: string): string => readFileSync(join('deploy', name), 'utf8')

interface Service {
  readonly image?: string
  readonly command?: readonly string[]
  readonly entrypoint?: readonly string[]
  readonly profiles?: readonly string[]
  readonly volumes?: readonly string[]
  readonly depends_on?: readonly string[]
  readonly network_mode?: string
  readonly configs?: ReadonlyArray<{ readonly source: string }>
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, unknown>>
  readonly configs: Readonly<Record<string, { readonly content: string }>>
}

const compose = parse(read('compose.yaml'), { merge: true }) as Compose

/** `paychan` lines in a shell's text. */
function linesIn(text: string): string[][] {
  return [...text.matchAll(/(?<![\w/-])paychan +(?=[a-z])([^;&|`\n]*)/g)].map(([, line = '']) =>
    line.trim().split(/\s+/)
  )
}

/** The value that compose takes when nothing is set. */
const plain = (word: string): string => word.replace(/\$\{\w+:-([^}]*)\}/g, '$1')

describe('deploy', () => {
  let program: Command
  before(async () => {
    const world = testWorld()
    program = await createProgram({ ...world, output: createOutput(world.io, false) })
  })

  /** Fails for a verb, or an option, that the program does not have. */
  function assertKnown(line: readonly string[]): void {
    const [verb = '', ...words] = line
    const command = program.commands.find((each) => each.name() === verb)
    assert.ok(command, `paychan ${line.join(' ')}: no such verb`)
    for (const word of words.filter((each) => each.startsWith('--'))) {
      const name = word.split('=')[0]
      assert.ok(
        command.options.some(({ long }) => long === name),
        `paychan ${line.join(' ')}: no option ${word}`
      )
    }
  }

  /** The line of `start` means a configuration. */
  function assertStarts(line: readonly string[], env: Record<string, string> = {}): void {
    const valueOf = (name: string): string | undefined =>
      line.includes(name) ? plain(line[line.indexOf(name) + 1] ?? '') : undefined
    const [network, electrum, listen] = ['--network', '--electrum', '--listen'].map(valueOf)
    resolveConfig({
      dataDir: '/data',
      env,
      flags: {
        ...(network === undefined ? {} : { network }),
        ...(electrum === undefined ? {} : { electrum: [electrum] }),
        ...(listen === undefined ? {} : { listen: [listen] })
      }
    })
  }

  describe('compose.yaml', () => {
    it('has a node and a devnet, and a node with electrs, as profiles', () => {
      const profiles = new Map<string, string[]>()
      for (const [name, { profiles: of = [] }] of Object.entries(compose.services)) {
        for (const profile of of) profiles.set(profile, [...(profiles.get(profile) ?? []), name])
      }
      assert.deepEqual(Object.fromEntries(profiles), {
        devnet: ['devnet', 'devnet-node'],
        electrs: ['node', 'electrs', 'bitcoind']
      })
    })

    it('starts only what the program has', () => {
      let lines = 0
      for (const { image, command = [], entrypoint } of Object.values(compose.services)) {
        if (image !== 'paychan') continue
        const all = entrypoint === undefined ? [[...command]] : linesIn(command.join('\n'))
        for (const line of all) {
          lines += 1
          assertKnown(line)
          if (line[0] === 'start') assertStarts(line)
        }
      }
      assert.equal(lines, 4)
    })

    it('names only volumes, services and configurations that it has', () => {
      for (const [name, service] of Object.entries(compose.services)) {
        const others = [
          ...(service.depends_on ?? []),
          ...(service.network_mode?.startsWith('service:') === true
            ? [service.network_mode.slice('service:'.length)]
            : [])
        ]
        for (const other of others) {
          assert.ok(other in compose.services, `${name}: ${other}`)
          assert.deepEqual(compose.services[other]?.profiles, service.profiles)
        }
        for (const volume of service.volumes ?? []) {
          assert.ok((volume.split(':')[0] ?? '') in compose.volumes, `${name}: ${volume}`)
        }
        for (const { source } of service.configs ?? []) assert.ok(source in compose.configs)
      }
    })

    it('gives electrs the password that Bitcoin Core asks for', () => {
      const given = /auth = "electrs:(.*)"/.exec(compose.configs['electrs']?.content ?? '')?.[1]
      assert.ok(compose.services['bitcoind']?.command?.includes(`-rpcpassword=${given}`))
    })

    it('shows, in its comments, lines that the program takes', () => {
      const shown = linesIn(read('compose.yaml').replace(/^[^#]*$/gm, ''))
      assert.ok(shown.length >= 2)
      for (const line of shown) assertKnown(line)
    })
  })

  describe('Dockerfile', () => {
    const text = read('Dockerfile')
    const stages = text.split(/^FROM /m).slice(1)

    it('builds, takes only what runs, and runs as nobody with rights', () => {
      assert.equal(stages.length, 3)
      const [build = '', packages = '', last = ''] = stages
      assert.match(build, /npm ci\n[^]*npm run build/)
      assert.match(packages, /npm ci --omit=dev/)
      assert.match(last, /^USER node$/m)
      assert.doesNotMatch(last.slice(last.indexOf('USER node')), /^(?:RUN|COPY|USER root)/m)
      for (const stage of stages) assert.match(stage, /^node:22-slim/)
    })

    it('copies what is there, and all that the package has for running', () => {
      const copied = [...text.matchAll(/^COPY (?:--from=(\w+) )?(.*)$/gm)]
      const { files } = JSON.parse(readFileSync('package.json', 'utf8')) as { files: string[] }
      const targets = copied.flatMap(([, , words = '']) => words.split(' ').slice(0, -1))
      for (const [, from, words = ''] of copied) {
        for (const source of words.split(' ').slice(0, -1)) {
          const path = source.replace(/^\/app\//, '')
          assert.ok(from === 'packages' || existsSync(path), path)
        }
      }
      for (const path of files.filter((each) => each.startsWith('dist/') || each === 'scenarios')) {
        assert.ok(
          targets.some((target) => target.replace(/^\/app\//, '') === path),
          path
        )
      }
    })

    it('starts, checks and shows only what the program has', () => {
      const commands = [...text.matchAll(/CMD (\[.*\])$/gm)].map(
        ([, json = '']) => JSON.parse(json) as string[]
      )
      const [health, start] = commands
      assert.deepEqual(health?.[0], 'paychan')
      assertKnown(health?.slice(1) ?? [])
      assert.deepEqual(start, ['start'])
      const shown = linesIn(text.replace(/^[^#]*$/gm, '').replace(/ \\\n#/g, ''))
      assert.deepEqual(
        shown.map(([verb]) => verb),
        ['init', 'start', 'info', 'info']
      )
      for (const line of shown) assertKnown(line)
      const [, startLine = []] = shown
      assertStarts(startLine)
    })
  })

  describe('paychan.service', () => {
    const text = read('paychan.service')

    it('starts the program, with settings that it knows, in a directory of its own', () => {
      const [, line = ''] = /^ExecStart=\/usr\/local\/bin\/paychan (.*)$/m.exec(text) ?? []
      assertKnown(line.split(' '))
      const env = Object.fromEntries(
        [...text.matchAll(/(?:Environment=| )(PAYCHAN_[A-Z_]+)=(\S+)/g)].map(
          ([, name = '', value = '']) => [name, value]
        )
      )
      assert.deepEqual(Object.keys(env).sort(), [
        'PAYCHAN_DATA',
        'PAYCHAN_ELECTRUM',
        'PAYCHAN_LISTEN',
        'PAYCHAN_NETWORK',
        'PAYCHAN_PASSPHRASE_FD'
      ])
      assertStarts(['start'], env)
      assert.equal(env['PAYCHAN_DATA'], '/var/lib/paychan')
      assert.match(text, /^StateDirectory=paychan$/m)
      assert.ok(dataPaths('/var/lib/paychan').socket.startsWith('/var/lib/paychan/'))
      for (const shown of linesIn(text.replace(/^[^#]*$/gm, ''))) {
        if (!['under', 'to'].includes(shown[0] ?? '')) {
          assertKnown(shown)
        }
      }
    })

    it('has a user, no new rights, a system that it cannot write, and comes back', () => {
      for (const line of [
        'Type=exec',
        'User=paychan',
        'NoNewPrivileges=yes',
        'ProtectSystem=strict',
        'ProtectHome=yes',
        'PrivateTmp=yes',
        'CapabilityBoundingSet=',
        'Restart=on-failure',
        'StateDirectoryMode=0700',
        'UMask=0077'
      ]) {
        assert.ok(text.split('\n').includes(line), line)
      }
      // V8 writes the code that it runs; libp2p asks the kernel for addresses.
      assert.doesNotMatch(text, /^MemoryDenyWriteExecute=/m)
      assert.match(text, /^RestrictAddressFamilies=.*AF_NETLINK/m)
    })

    it('is what systemd reads, where systemd is installed', () => {
      const dir = mkdtempSync(join(tmpdir(), 'paychan-unit-'))
      try {
        const unit = join(dir, 'paychan.service')
        writeFileSync(unit, text.replace('/usr/local/bin/paychan', process.execPath))
        const { status, stderr, error } = spawnSync('systemd-analyze', ['verify', unit])
        if (error !== undefined) return
        const about = stderr
          .toString()
          .split('\n')
          .filter((line) => line.includes(unit))
        assert.deepEqual([status, about], [0, []])
      } finally {
        rmSync(dir, { recursive: true, force: true })
      }
    })
  })
})
