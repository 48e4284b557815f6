/** `paychan check`: tests that a data directory is undamaged. */
import type { Command } from 'commander'
import type { Network } from '../../../protocols/paychan/1.0/index.js'
import type { CheckReport, Section } from '../../node/check.js'
import { PaychanError } from '../../types/errors.js'
import { contextOf, withCommonOptions, type World } from '../context.js'
import { type Colors, EXIT, Exit } from '../output.js'
import { askPassphrase } from '../passphrase.js'
import { printable } from '../../words/text.js'

/** Milliseconds without output; longer than a person waits without asking. */
const SILENT_MS = 1_000

const PROGRESS_EVERY = 1_000

export function addCheck(program: Command, world: World): void {
  withCommonOptions(
    program.command('check').summary('check the data directory of a node that is stopped')
  )
    .description(
      'Reads the seed, the configuration and every record of a data directory, and says what is damaged, what that means for the money, and what to do next. For whoever restored a backup, or saw an error of the disk. It changes no record, and needs neither peers nor the chain; stop the node first.\n\nExit code: 0 all is well, or only what is shown to people is incomplete; 1 something is broken.'
    )
    .addHelpText('after', '\nExamples:\n  paychan check\n  paychan check --data ./backup --json')
    .action(async (_options: object, command: Command) => {
      const { io, output, dataDir } = contextOf(world, command)
      let silent = true
      const stop = io.after(SILENT_MS, () => {
        silent = false
      })
      const { network, config } = await readConfig(dataDir, io.env)
      const { checkData } = await import('../../node/check.js')
      const report = await checkData({
        dataDir,
        network,
        passphrase: async (attempt) => await askPassphrase(io, attempt, { fromInput: true }),
        onProgress: (records) => {
          if (!silent && records % PROGRESS_EVERY === 0) {
            output.progress(`checking: ${records} records ...`)
          }
        }
      }).finally(stop)
      const ok = report.ok && config.ok
      output.result({ ...report, ok, config }, (colors) => render(report, config, ok, colors))
      if (!ok) throw new Exit(EXIT.refused)
    })
}

/** True when only the servers are missing; `start` takes them with `--electrum` too. */
function isLeftToFlags({ facts }: PaychanError): boolean {
  return facts.key === 'electrum' && facts.where === "the default of 'electrum'"
}

async function readConfig(
  dataDir: string,
  env: World['io']['env']
): Promise<{ network: Network; config: Section }> {
  try {
    const { loadConfig } = await import('../../daemon/config.js')
    // It only reads, so nothing is at risk.
    const { network } = await loadConfig(dataDir, env, { iUnderstandTheRisk: true })
    return { network, config: { ok: true, findings: [] } }
  } catch (error) {
    if (!(error instanceof PaychanError)) throw error
    if (error.code === 'ERR_CONFIG_UNREADABLE') {
      return {
        network: 'regtest',
        config: {
          ok: true,
          findings: [{ severity: 'incomplete', text: `It could not be checked: ${error.message}` }]
        }
      }
    }
    if (isLeftToFlags(error)) return { network: 'regtest', config: { ok: true, findings: [] } }
    return {
      network: 'regtest',
      config: {
        ok: false,
        findings: [
          {
            severity: 'broken',
            text: `${error.message} The node does not start with it; no money depends on it.`
          }
        ]
      }
    }
  }
}

function render(report: CheckReport, config: Section, ok: boolean, colors: Colors): string {
  const { channels, records, dataDir } = report
  const lines: string[] = []
  const add = (title: string, { ok: whole, findings }: Section, advice?: string): void => {
    lines.push(`${whole ? colors.green('ok     ') : colors.red('BROKEN ')} ${title}`)
    for (const { severity, text } of findings) {
      lines.push(`          ${severity}: ${printable(text)}`)
    }
    if (advice !== undefined) lines.push(`          ${printable(advice)}`)
  }
  add('seed', report.seed)
  add('configuration', config)
  add('store', report.store)
  add('wallet', report.wallet)
  for (const channel of channels) add(`channel ${channel.id}`, channel, channel.advice)
  add('payments', report.payments)
  for (const text of report.notChecked) {
    lines.push(`${colors.dim('not checked')}  ${printable(text)}`)
  }
  const damaged = channels.filter((channel) => !channel.ok).length
  lines.push(
    '',
    ok
      ? `${dataDir}: nothing is broken in ${records} records of ${channels.length} channels and the wallet.`
      : `${dataDir}: damaged (${damaged} of ${channels.length} channels are broken; ${records} records were read).`
  )
  return lines.join('\n')
}
