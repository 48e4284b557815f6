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
import { NodeMetrics } from '../src/daemon/metrics.js'
import { METRICS, type MetricName } from '../src/daemon/metrics-table.js'
import { dataPaths, DEFAULT_API } from '../src/daemon/paths.js'
import { testWorld } from './cli/world.js'
import { FakeNode } from './daemon/fake-node.js'

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

interface Dashboard {
  readonly panels: ReadonlyArray<{
    readonly id: number
    readonly type: string
    readonly title: string
    readonly gridPos: {
      readonly x: number
      readonly y: number
      readonly w: number
      readonly h: number
    }
    readonly targets?: ReadonlyArray<{ readonly expr: string }>
  }>
  readonly templating: unknown
}

interface Scraping {
  readonly rule_files: readonly string[]
  readonly scrape_configs: ReadonlyArray<{
    readonly authorization: { readonly credentials_file: string }
    readonly static_configs: unknown
  }>
}

interface Alerts {
  readonly groups: ReadonlyArray<{
    readonly rules: ReadonlyArray<{
      readonly alert: string
      readonly expr: string
      readonly labels: { readonly severity: string }
      readonly annotations: { readonly summary: string }
    }>
  }>
}

/** The metrics that an expression of Prometheus names. */
function metricsIn(expr: string): string[] {
  const outsideOfBraces = expr.replace(/\{[^}]*\}/g, '{}').replace(/by \([^)]*\)/g, '')
  return [...outsideOfBraces.matchAll(/\b(?:paychan|process|nodejs|libp2p)_\w+/g)].map(([name]) =>
    name.replace(/_bucket$/, '')
  )
}

/** The metrics of the node and of its process. */
async function servedMetrics(): Promise<Set<string>> {
  const page = await new NodeMetrics().of(new FakeNode()).text()
  return new Set([...page.matchAll(/^# TYPE (\S+) /gm)].map(([, name = '']) => name))
}

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

  describe('grafana-dashboard.json', () => {
    const { panels, templating } = JSON.parse(read('grafana-dashboard.json')) as Dashboard
    const shown = panels.filter(({ type }) => type !== 'row')
    const asked = shown.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))

    it('asks for metrics that a node has, and for all of its own', async () => {
      const served = await servedMetrics()
      const named = new Set(asked.flatMap(metricsIn))
      for (const name of named) assert.ok(served.has(name) || name.startsWith('libp2p_'), name)
      const missing = Object.keys(METRICS).filter((name) => !named.has(name))
      assert.deepEqual(missing, ['paychan_info'], 'which names the nodes to choose from')
      assert.ok(JSON.stringify(templating).includes('paychan_info'))
    })

    it('asks for labels that they have', () => {
      for (const expr of asked) {
        for (const [, labels = '', , metric = ''] of expr.matchAll(
          /by \(([^)]*)\) \((?:rate\()?((paychan_\w+?)(?:_bucket)?)\{/g
        )) {
          const known: readonly string[] = [...METRICS[metric as MetricName].labels, 'le']
          for (const label of labels.split(', ')) assert.ok(known.includes(label), expr)
        }
      }
    })

    it('has a place and a title for each panel, none over another', () => {
      assert.ok(shown.length > 10)
      assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
      const taken = new Set<string>()
      for (const { title, gridPos } of panels) {
        assert.ok(title.length > 0)
        assert.ok(gridPos.x + gridPos.w <= 24, title)
        for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
          for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
            assert.ok(!taken.has(`${x} ${y}`), title)
            taken.add(`${x} ${y}`)
          }
        }
      }
    })
  })

  describe('prometheus.yml and prometheus-alerts.yml', () => {
    const { scrape_configs: scrapes, rule_files: files } = parse(read('prometheus.yml')) as Scraping
    const { groups } = parse(read('prometheus-alerts.yml')) as Alerts
    const rules = groups.flatMap((group) => group.rules)

    it('asks where the API listens, with a token that a shown line makes', () => {
      const [scrape] = scrapes
      assert.deepEqual(scrape?.static_configs, [{ targets: [DEFAULT_API] }])
      const [line = [], ...others] = linesIn(read('prometheus.yml').replace(/^[^#]*$/gm, ''))
      assert.deepEqual(others, [])
      assert.deepEqual(line.slice(-2), ['>', scrape?.authorization.credentials_file])
      assert.deepEqual(line.slice(0, 2), ['token', 'create'])
      assert.deepEqual(line.slice(4, 6), ['--scope', 'read'])
      assert.deepEqual(files, ['prometheus-alerts.yml'])
    })

    it('alerts by metrics that a node has, each with what to do', async () => {
      const served = await servedMetrics()
      for (const { alert, expr, labels, annotations } of rules) {
        for (const name of metricsIn(expr)) assert.ok(served.has(name), `${alert}: ${name}`)
        assert.ok(expr === 'up{job="paychan"} == 0' || metricsIn(expr).length > 0, alert)
        assert.match(labels.severity, /^(critical|warning)$/)
        assert.match(annotations.summary, /[.]$/)
      }
    })

    it('alerts when a deadline is near, the chain or a server is lost, and at an alarm', () => {
      const all = rules.map(({ expr }) => expr).join()
      for (const name of [
        'paychan_nearest_deadline_blocks',
        'paychan_chain_synced',
        'paychan_electrum_servers',
        'paychan_alarms_total'
      ]) {
        assert.ok(all.includes(name), name)
      }
      const page = readFileSync('docs/metrics.md', 'utf8')
      for (const { alert } of rules) assert.ok(page.includes(`\`${alert}\``), alert)
    })
  })
})
