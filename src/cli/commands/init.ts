/** `paychan init`: a seed of one's own. */
import type { Command } from 'commander'
import { dataPaths } from '../../daemon/paths.js'
import { systemRandom } from '../../node/system.js'
import { writeSeedFile } from '../../wallet/seed-file.js'
import { createSeed } from '../../wallet/seed.js'
import { contextOf, withCommonOptions, type World } from '../context.js'

export function addInit (program: Command, world: World): void {
  withCommonOptions(program.command('init').summary('make a wallet: a new seed in the data directory'))
    .description('Makes the data directory and a new seed in it. A seed that exists is never overwritten.')
    .option('--words', 'also show the 24 words, to write them down (whoever reads them can take the money)')
    .addHelpText('after', '\nExamples:\n  paychan init\n  paychan init --data ./alice --words')
    .action(async ({ words: show = false }: { words?: boolean }, command: Command) => {
      const { output, dataDir } = contextOf(world, command)
      const { seed: seedFile } = dataPaths(dataDir)
      const words = createSeed(systemRandom)
      await writeSeedFile(seedFile, words)
      output.result({ dataDir, seedFile, ...(show ? { words } : {}) }, colors => [
        `Made a wallet in ${dataDir}.`,
        `Its 24 words are in ${seedFile}: keep a copy elsewhere, and show it to nobody.`,
        ...(show ? ['', colors.bold(words), ''] : []),
        `Start the node with: paychan start --data ${dataDir} --network regtest --electrum tcp://HOST:PORT`
      ].join('\n'))
      if (show) output.note('Write the words down on paper now. Whoever reads them can take the money; they also stay in this terminal\'s history.')
    })
}
