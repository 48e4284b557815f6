/**
 * Writes the tables of `docs/` that come from tables of the code. Each stands between two marks,
 * `<!-- NAME: made by npm run reference -->` and `<!-- /NAME -->`. With `--check`, nothing is written, and a page
 * that is not what it would be made to be ends the run with exit code 1.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { POLICY } from '../dist/src/channel/policy.js'
import { envName } from '../dist/src/daemon/config.js'
import { METRICS } from '../dist/src/daemon/metrics-table.js'
import { VERBS } from '../dist/src/daemon/verbs.js'
import { isEarlyRefusal } from '../dist/src/types/refusals.js'
import { adviceOf } from '../dist/src/types/error-advice.js'
import { ERROR_CODES, ERROR_KINDS } from '../dist/src/types/error-codes.js'
import { formatAmount } from '../dist/src/types/units.js'

const UNITS = { blocks: 'blocks', confirmations: 'confirmations', percent: '%' }

function valueOf({ unit, otherwise, byDefault }, network) {
  const value = byDefault(network)
  if (value === undefined) return otherwise
  if (unit === 'sat') return formatAmount(value)
  return [value.toLocaleString('en'), UNITS[unit]].filter(Boolean).join(' ')
}

function policyTable() {
  const rows = Object.entries(POLICY).map(([key, setting]) => {
    const [usual, regtest] = [valueOf(setting, 'mainnet'), valueOf(setting, 'regtest')]
    return `| \`policy.${key}\` | \`${envName(key)}\` | ${usual}${usual === regtest ? '' : `; on regtest ${regtest.split(' ')[0]}`} | ${setting.meaning} |`
  })
  return [
    '| key of `config.json` | environment | default | meaning |',
    '|---|---|---|---|',
    ...rows
  ].join('\n')
}

function kindTable() {
  const rows = Object.entries(ERROR_KINDS).map(
    ([kind, { exit, status, means }]) => `| ${kind} | ${exit} | ${status} | ${means} |`
  )
  return ['| kind | exit code | HTTP status | means |', '|---|---|---|---|', ...rows].join('\n')
}

function codeTable() {
  const rows = Object.entries(ERROR_CODES).map(
    ([code, [kind, means, status]]) =>
      `| \`${code}\` | ${kind} | ${isEarlyRefusal(code) ? 'early' : ''} | ${means}${status === undefined ? '' : ` (HTTP ${status})`} | ${adviceOf(code)} |`
  )
  return ['| code | kind | | means | what to do |', '|---|---|---|---|---|', ...rows].join('\n')
}

function verbTable() {
  const rows = [...VERBS.values()].map(({ name, call, scope, meaning, request }) => {
    const fields = Object.entries(request.shape)
      .filter(([field]) => name === 'cancel' || field !== 'ticket')
      .map(([field, schema]) => (schema.isOptional() ? `${field}?` : field))
    return `| \`${name}\` | ${call === undefined ? '' : `\`${call}\``} | ${scope} | ${fields.length === 0 ? '' : `\`${fields.join('`, `')}\``} | ${meaning} |`
  })
  return ['| verb | call | scope | fields | does |', '|---|---|---|---|---|', ...rows].join('\n')
}

function metricTable() {
  const rows = Object.entries(METRICS).map(
    ([name, { type, unit, labels, help }]) =>
      `| \`${name}\` | ${type} | ${unit ?? ''} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`
  )
  return ['| metric | type | unit | labels | means |', '|---|---|---|---|---|', ...rows].join('\n')
}

const TABLES = [
  { page: 'docs/api.md', name: 'verbs', make: verbTable },
  { page: 'docs/errors.md', name: 'kinds', make: kindTable },
  { page: 'docs/errors.md', name: 'codes', make: codeTable },
  { page: 'docs/metrics.md', name: 'metrics', make: metricTable },
  { page: 'docs/configuration.md', name: 'policy', make: policyTable }
]

let isStale = false
for (const { page, name, make } of TABLES) {
  const path = fileURLToPath(new URL(`../${page}`, import.meta.url))
  const text = readFileSync(path, 'utf8')
  const [open, close] = [`<!-- ${name}: made by npm run reference -->\n`, `\n<!-- /${name} -->`]
  const [from, to] = [text.indexOf(open), text.indexOf(close)]
  if (from < 0 || to < from) throw new Error(`${page} has no place for the table '${name}'.`)
  const made = text.slice(0, from + open.length) + make() + text.slice(to)
  if (made === text) continue
  isStale = true
  if (process.argv.includes('--check')) {
    console.error(`The table '${name}' of ${page} is not what the code says: npm run reference`)
  } else writeFileSync(path, made)
}
if (isStale && process.argv.includes('--check')) process.exitCode = 1
