/** Makes the codecs of protocols/ from their .proto files (`npm run gen`). */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

for (const [folder, name] of [
  [join('protocols', 'paychan', '1.0'), 'paychan'],
  [join('protocols', 'request', '1.0'), 'request']
]) {
  const output = join(folder, 'gen')
  execFileSync('protons', [join(folder, `${name}.proto`), '--output', output], { stdio: 'inherit' })
  const file = join(output, `${name}.ts`)
  const generated = readFileSync(file, 'utf8').replace(
    /\bw\.uint64\((.+)\)$/gm,
    (_, value) => `writeUint64(w, ${value})`
  )
  // The generator's own strictness is not ours.
  writeFileSync(
    file,
    `// @ts-nocheck\nimport { writeUint64 } from '../../../uint64.js'\n${generated}`
  )
}
