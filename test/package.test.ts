/** What the package says of itself in `package.json`, against what there is. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import ts from 'typescript'

interface Manifest {
  readonly exports: Record<string, { readonly types: string; readonly import: string }>
  readonly files: readonly string[]
}

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest

describe('the package', () => {
  it('has the file of each export, with its types, among the files that are packed', () => {
    const targets = Object.values(manifest.exports).flatMap((target) => [
      target.types,
      target.import
    ])
    const isPacked = (path: string): boolean =>
      manifest.files.some((folder) => path.startsWith(`./${folder}/`))
    assert.equal(targets.length, 10)
    assert.deepEqual(
      targets.filter((path) => !existsSync(path) || !isPacked(path)),
      []
    )
  })

  it('documents exactly what it exports', () => {
    const { config } = ts.readConfigFile('tsconfig.json', (path) => readFileSync(path, 'utf8')) as {
      config: { typedocOptions: { entryPoints: readonly string[] } }
    }
    assert.deepEqual(
      config.typedocOptions.entryPoints,
      Object.values(manifest.exports).map(({ types }) =>
        types.replace('./dist/', '').replace(/\.d\.ts$/, '.ts')
      )
    )
  })
})
