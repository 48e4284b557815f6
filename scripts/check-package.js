/**
 * Installs what `npm pack` makes into an empty project, as a user would, and uses it there: the
 * command line tells its version, a program imports each of the exports, the examples compile
 * against the types, and two nodes pay each other. Without a registry it says SKIPPED, since an
 * installation needs the packages beside ours.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../', import.meta.url))
const { name, version, exports, devDependencies } = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8')
)
const project = mkdtempSync(join(tmpdir(), `${name}-package-`))

/** The messages of npm and of its network when nobody answers. */
const NO_REGISTRY = /ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|ENOTCACHED/

function run(command, args, cwd = project) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  return { isFine: status === 0, stdout, said: `${stdout}${stderr}` }
}

function must(what, { isFine, stdout, said }) {
  if (!isFine) throw new Error(`${what} failed:\n${said}`)
  return stdout
}

/** What the examples use beside ours, in the versions that are tested here. */
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
  const installed = run('npm', ['install', ...options, `./${filename}`, ...besideOurs()])
  if (!installed.isFine && NO_REGISTRY.test(installed.said)) {
    console.log(`SKIPPED the installation: no registry answers.\n${installed.said}`)
    return
  }
  must('npm install', installed)

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
  must('tsc', run('node', [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', '.']))
  console.log('the examples compile against it')
  const payments = must('two-nodes', run('node', [join('compiled', 'two-nodes.js')]))
  console.log(`two of its nodes pay each other:\n${payments.trim()}`)
}

try {
  check()
} finally {
  rmSync(project, { recursive: true })
}
