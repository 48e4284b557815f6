/**
 * Installs what `npm pack` makes into an empty project, as a user would, and uses it there: the
 * command line tells its version, a program imports each of the exports, the examples compile
 * against the types, and two nodes pay each other. Then mppx is installed beside it, which is no
 * devDependency since it brings a hundred megabytes: each side of it meets each side of ours. Without a
 * registry it says SKIPPED, since an installation needs the packages beside ours.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../', import.meta.url))
const { name, version, exports, devDependencies, peerDependencies } = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8')
)
const project = mkdtempSync(join(tmpdir(), `${name}-package-`))

/** What mppx loads, of versions that ask for no newer mppx than there is. */
const VIEM = 'viem@2.57.0'

/** The messages of npm and of its network when nobody answers. */
const NO_REGISTRY = /ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|ENOTCACHED/

/** Our methods are entries of its lists, by its own types. */
const WITH_MPPX = `
import { Errors } from 'mppx'
import { Mppx as Client } from 'mppx/client'
import { Mppx as Server, Transport } from 'mppx/server'
import type { NodeApi } from 'paychan'
import { satoshi } from 'paychan'
import { MppxBuyer, MppxSeller } from 'paychan/metering'

export async function sell(node: NodeApi, secretKey: string, request: Request): Promise<Response> {
  const seller = new MppxSeller({ node, secretKey, Errors, transport: Transport.http() })
  const result = await Server.create({ methods: [seller], secretKey }).session({ amount: '2' })(request)
  return result.status === 402 ? result.challenge : result.withReceipt(new Response('rain'))
}

export async function buy(node: NodeApi, place: string): Promise<Response> {
  const buyer = new MppxBuyer({ node, mostPerRequest: satoshi(5n), budget: satoshi(1_000n) })
  return await Client.create({ methods: [buyer], fetch: buyer.fetch }).fetch(place)
}
`

function run(command, args, cwd = project) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  return { isFine: status === 0, stdout, said: `${stdout}${stderr}` }
}

function must(what, { isFine, stdout, said }) {
  if (!isFine) throw new Error(`${what} failed:\n${said}`)
  return stdout
}

/** The packages that the examples use beside ours, in the versions that are tested here. */
function besideOurs() {
  const texts = readdirSync(join(root, 'examples')).map((file) =>
    readFileSync(join(root, 'examples', file), 'utf8')
  )
  return Object.entries(devDependencies)
    .filter(([used]) => texts.some((text) => new RegExp(`from '${used}[/']`).test(text)))
    .map(([used, its]) => `${used}@${its}`)
}

function check() {
  const packed = must(
    'npm pack',
    run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', project], root)
  )
  const [{ filename, files, unpackedSize }] = JSON.parse(packed)
  console.log(`packed ${filename}: ${files.length} files, ${Math.round(unpackedSize / 1024)} kB`)

  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n')
  const options = ['--prefer-offline', '--no-audit', '--no-fund', '--fetch-retries=0']
  const isInstalled = (...packages) => {
    const installed = run('npm', ['install', ...options, ...packages])
    if (!installed.isFine && NO_REGISTRY.test(installed.said)) {
      console.log(`SKIPPED ${packages.join(', ')}: no registry answers.\n${installed.said}`)
      return false
    }
    must('npm install', installed)
    return true
  }
  if (!isInstalled(`./${filename}`, ...besideOurs())) return

  const told = must(
    'paychan --version',
    run(join('node_modules', '.bin', name), ['--version'])
  ).trim()
  if (told !== version) {
    throw new Error(`paychan --version says ${told}, and the package is ${version}`)
  }
  console.log(`paychan --version: ${told}`)

  const names = Object.keys(exports).map((path) => join(name, path))
  const program = names.map((path, n) => `import * as export${n} from '${path}'`)
  const counts = names.map((path, n) => `'${path}': Object.keys(export${n}).length`)
  writeFileSync(
    join(project, 'imports.js'),
    `${program.join('\n')}\nconsole.log({ ${counts.join(', ')} })\n`
  )
  console.log(`names that are exported: ${must('the imports', run('node', ['imports.js'])).trim()}`)

  cpSync(join(root, 'examples'), join(project, 'examples'), { recursive: true })
  const compilerOptions = {
    target: 'ES2022',
    module: 'NodeNext',
    strict: true,
    skipLibCheck: true,
    rootDir: 'examples',
    outDir: 'compiled',
    types: ['node'],
    typeRoots: [join(root, 'node_modules', '@types')]
  }
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, include: ['examples'] })
  )
  const tsc = () => run('node', [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', '.'])
  must('tsc', tsc())
  console.log('the examples compile against it')
  const payments = must('two-nodes', run('node', [join('compiled', 'two-nodes.js')]))
  console.log(`two of its nodes pay each other:\n${payments.trim()}`)

  if (!isInstalled(`mppx@${peerDependencies.mppx}`, VIEM)) return
  cpSync(join(root, 'test', 'package'), project, { recursive: true })
  writeFileSync(join(project, 'examples', 'mppx.ts'), WITH_MPPX)
  must('tsc with mppx', tsc())
  const met = must('mppx', run('node', ['--test', '--test-reporter=spec', 'mppx.js']))
  console.log(`with mppx ${peerDependencies.mppx}:\n${met.trim()}`)
}

try {
  check()
} finally {
  rmSync(project, { recursive: true })
}
