/** The walks of ARCHITECTURE.md: what they name is there, and their counts are right. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Step {
  readonly file: string
  readonly counted: readonly string[]
  readonly aside: readonly string[]
}

interface Walk {
  readonly title: string
  readonly functions: number
  readonly files: number
  readonly steps: readonly Step[]
}

const text = readFileSync('ARCHITECTURE.md', 'utf8')
const section = text.split(/^## /m).find((part) => part.startsWith('Three walks')) ?? assert.fail()

const WALKS: readonly Walk[] = section
  .split(/^### /m)
  .slice(1)
  .map((part) => {
    const [, title = '', functions, files] =
      /^(.*): (\d+) functions in (\d+) files$/m.exec(part) ?? assert.fail(part.slice(0, 80))
    const steps = part.split(/^\d+\. /m).slice(1)
    return {
      title,
      functions: Number(functions),
      files: Number(files),
      steps: steps.map((step) => stepOf(step.split('\n\n')[0] ?? ''))
    }
  })

function stepOf(step: string): Step {
  const [, file = ''] = /^`([^`]+)`/.exec(step) ?? assert.fail(step)
  const said = step.slice(file.length + 2)
  const brackets = [...said.matchAll(/\([^)]*\)/g)].map(([words]) => words).join()
  return {
    file,
    counted: namesIn(said.replace(/\([^)]*\)/g, '')),
    aside: namesIn(brackets)
  }
}

/** Functions: what is a type or a message begins with a capital letter. */
function namesIn(words: string): string[] {
  return [...words.matchAll(/`(#?[a-z]\w*)`/g)].map(([, name = '']) => name)
}

function sourcesIn(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(directory, name), 'utf8'))
}

/** True when a source defines the name, or calls a method by it. */
function has(source: string, name: string): boolean {
  return new RegExp(`(^|[^\\w#])${name}\\b\\s*[(<=:\\]]`, 'm').test(source)
}

describe('architecture / walks', () => {
  const all = ['src', 'protocols'].flatMap(sourcesIn)

  it('are three', () => {
    assert.equal(WALKS.length, 3)
  })

  for (const { title, functions, files, steps } of WALKS) {
    it(`${title}: each function is in its file`, () => {
      for (const { file, counted } of steps) {
        const source = readFileSync(file, 'utf8')
        assert.ok(counted.length > 0, file)
        for (const name of counted) assert.ok(has(source, name), `${file}: ${name}`)
      }
    })

    it(`${title}: what is called on the way is there`, () => {
      for (const { file, aside } of steps) {
        for (const name of aside) {
          assert.ok(
            all.some((source) => has(source, name)),
            `${file}: ${name}`
          )
        }
      }
    })

    it(`${title}: is as long as it says`, () => {
      assert.equal(
        steps.reduce((sum, { counted }) => sum + counted.length, 0),
        functions
      )
      assert.equal(new Set(steps.map(({ file }) => file)).size, files)
    })
  }
})
