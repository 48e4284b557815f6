/**
 * What the public calls of a node say of themselves: errors that are there, examples that compile.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import ts from 'typescript'
import { ERROR_CODES } from '../../src/types/error-codes.js'
import { VERBS } from '../../src/daemon/verbs.js'
import { itInAll } from '../size.js'

const FILES = ['api', 'answers', 'access', 'wallet', 'webhooks', 'channels', 'requests-api'].map(
  (name) => `src/node/${name}.ts`
)

/** Where the implementation of a facet, with types of its own, stands beside what is public. */
const PARTLY_PUBLIC = new Set(FILES.filter((file) => !/\/(api|answers)\.ts$/.test(file)))

/** Where the types of what the calls take and return stand, beside those files. */
const TOLD_BY_CALLS = [
  'channel/summary',
  'engine/payments',
  'node/plan-payment',
  'node/waiting'
].map((name) => `src/${name}.ts`)

interface Docstring {
  /** `ChannelsApi.open`. */
  readonly name: string
  readonly text: string
  readonly throws: string
  readonly example: string
}

/** The docstrings of the calls in all interfaces named `...Api`. */
function docstrings(): Docstring[] {
  const found: Docstring[] = []
  for (const file of FILES) {
    const source = ts.createSourceFile(
      file,
      readFileSync(file, 'utf8'),
      ts.ScriptTarget.ES2022,
      true
    )
    for (const part of source.statements) {
      if (!ts.isInterfaceDeclaration(part) || !part.name.text.endsWith('Api')) continue
      for (const member of part.members) {
        if (!ts.isPropertySignature(member) || member.type?.kind !== ts.SyntaxKind.FunctionType) {
          continue
        }
        const tags = ts.getJSDocTags(member)
        const tag = (name: string): string =>
          ts.getTextOfJSDocComment(tags.find(({ tagName }) => tagName.text === name)?.comment) ?? ''
        const [comment] = ts.getJSDocCommentsAndTags(member).filter(ts.isJSDoc)
        found.push({
          name: `${part.name.text}.${member.name.getText()}`,
          text: ts.getTextOfJSDocComment(comment?.comment) ?? '',
          throws: tag('throws'),
          example: tag('example')
        })
      }
    }
  }
  return found
}

const isExport = ({ kind }: ts.Node): boolean => kind === ts.SyntaxKind.ExportKeyword

/** The names of all that `NodeApi` tells its users of, whichever file of the node it stands in. */
function published(): ReadonlySet<string> {
  const lists = readFileSync('src/node/api.ts', 'utf8').matchAll(/^export type \{([^}]*)\}/gm)
  return new Set(
    [...lists].flatMap(([, names = '']) => names.split(',').map((name) => name.trim()))
  )
}

/** Published interfaces and types, and the properties of interfaces, that say nothing of themselves. */
function silent(): string[] {
  const names = published()
  assert.ok(names.has('ChannelsApi') && names.has('SendResult'))
  return [...FILES, ...TOLD_BY_CALLS].flatMap((file) => {
    const source = ts.createSourceFile(
      file,
      readFileSync(file, 'utf8'),
      ts.ScriptTarget.ES2022,
      true
    )
    return source.statements.flatMap((part) => {
      const isType = ts.isInterfaceDeclaration(part) || ts.isTypeAliasDeclaration(part)
      if (!isType || part.modifiers?.some(isExport) !== true) return []
      if (PARTLY_PUBLIC.has(file) && !names.has(part.name.text)) return []
      const members = ts.isInterfaceDeclaration(part) ? [...part.members] : []
      return [part, ...members]
        .filter((each) => ts.getJSDocCommentsAndTags(each).length === 0)
        .map((each) => `${file}: ${part.name.text}.${each === part ? '' : each.name?.getText()}`)
    })
  })
}

/** The errors of the compiler in a module that is only here. */
function errorsIn(code: string): string[] {
  // Beside the sources, so that it finds them and the packages.
  const file = resolve('test', 'node', 'examples.of.docstrings.ts')
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: true,
    noEmit: true,
    types: ['node']
  }
  const host = ts.createCompilerHost(options)
  const { getSourceFile, fileExists } = host
  host.fileExists = (name) => name === file || fileExists(name)
  host.getSourceFile = (name, ...rest) =>
    name === file
      ? ts.createSourceFile(name, code, ts.ScriptTarget.ES2022)
      : getSourceFile(name, ...rest)
  const program = ts.createProgram([file], options, host)
  const source = program.getSourceFile(file)
  return [
    ...program.getSyntacticDiagnostics(source),
    ...program.getSemanticDiagnostics(source)
  ].map(
    ({ messageText, start = 0 }) =>
      `${code.slice(start, code.indexOf('\n', start))}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`
  )
}

describe('the docstring of each public call', () => {
  const all = docstrings()

  it('is there, for as many calls as there are verbs, and four beside them', () => {
    const calls = [...VERBS.values()].filter(({ call }) => call !== undefined)
    assert.equal(
      all.length,
      calls.length + ['chain.untilHeight', 'events.after', 'events.newest', 'events.on'].length
    )
    assert.deepEqual(
      all.filter(({ text, example }) => text.length < 40 || example === '').map(({ name }) => name),
      []
    )
  })

  it('is there, too, for all that the calls take and return, and for each property of it', () => {
    assert.deepEqual(silent(), [])
  })

  it('names codes of errors that are in the table', () => {
    const named = all.flatMap(({ name, throws }) =>
      [...throws.matchAll(/`(ERR_[A-Z_]+)`/g)].map(([, code = '']) => ({ name, code }))
    )
    assert.ok(named.length > 50)
    assert.deepEqual(
      named.filter(({ code }) => !(code in ERROR_CODES)),
      []
    )
  })

  itInAll('has an example that compiles against the package', () => {
    const examples = all.map(
      ({ example }, index) => `export async function example${index}() {\n${example}\n}\n`
    )
    const code = [
      "import { satoshi, type LocalNode } from '../../dist/src/index.js'",
      "import type { Devnet } from '../../dist/src/devnet/index.js'",
      'declare const node: LocalNode, devnet: Devnet\n',
      ...examples
    ].join('\n')
    assert.deepEqual(errorsIn(code), [])
    assert.equal(errorsIn(`${code}export const wrong: bigint = node.pay\n`).length, 1)
  })
})
