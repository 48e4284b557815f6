/**
 * A YAML file as plain data, with the line and column of each part. Only JSON's features: no
 * anchors (a few lines of them make gigabytes), no tags, no two keys of the same name.
 */
import {
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document
} from 'yaml'
import { messageOf } from '../../types/errors.js'
import { ScenarioError, type Path, type Problem } from './problems.js'

/** A scenario of a hundred groups takes a tenth of it. */
export const MOST_BYTES = 200_000
/** Deeper than any scenario by far; the parser recurses. */
const MOST_DEPTH = 50

export interface YamlFile {
  readonly file: string
  readonly data: unknown
  /**
   * A problem with the value at a path, or with its key; for a missing value, with the enclosing
   * one.
   */
  readonly problem: (path: Path, sentence: string, at?: 'key' | 'value') => Problem
  /** Puts a value at a path, as if it stood in the file. */
  readonly set: (path: Path, value: unknown) => void
}

/**
 * Reads a YAML file.
 *
 * @throws ScenarioError with every error in its form
 * @example readYaml('days: 30', 'month.yaml').data // { days: 30 }
 */
export function readYaml(text: string, file: string): YamlFile {
  if (text.length > MOST_BYTES) {
    throw new ScenarioError([
      {
        file,
        line: 1,
        column: 1,
        sentence: `A scenario has at most ${MOST_BYTES.toLocaleString('en')} characters, and this file has ${text.length.toLocaleString('en')}; describe groups of nodes instead of single ones.`
      }
    ])
  }
  const lines = new LineCounter()
  const at = (offset: number): { readonly line: number; readonly column: number } => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  const nesting = deepest(text)
  if (nesting !== undefined) {
    throw new ScenarioError([
      {
        file,
        ...lineOf(text, nesting),
        sentence: `Nothing in a scenario is nested ${MOST_DEPTH} deep; check the brackets.`
      }
    ])
  }
  const document = parsed(text, file, lines)
  const problems = [
    ...[...document.errors, ...document.warnings].map(({ message, pos }) => ({
      file,
      ...at(pos[0]),
      sentence: `This is not YAML: ${tidy(message)}`
    })),
    ...unwanted(document).map(([offset, sentence]) => ({ file, ...at(offset), sentence }))
  ]
  if (problems.length > 0) throw new ScenarioError(problems)
  return {
    file,
    get data() {
      return document.toJS() as unknown
    },
    problem: (path, sentence, part = 'value') => ({
      file,
      ...at(offsetOf(document, path, part)),
      sentence
    }),
    set: (path, value) => {
      document.setIn(path, document.createNode(value))
    }
  }
}

function parsed(text: string, file: string, lineCounter: LineCounter): Document.Parsed {
  try {
    // Keys of the same name are found below: the parser compares each with each.
    return parseDocument(text, {
      lineCounter,
      uniqueKeys: false,
      merge: false,
      schema: 'core',
      prettyErrors: false
    })
  } catch (error) {
    throw new ScenarioError([
      {
        file,
        line: 1,
        column: 1,
        sentence: `This is not YAML that can be read: ${messageOf(error)}`
      }
    ])
  }
}

/**
 * The position where brackets, or lists within lists on one line, are nested too deep: a bound on
 * the recursion of the parser.
 */
function deepest(text: string): number | undefined {
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const letter = text[i]
    if (letter === '[' || letter === '{') depth++
    else if (letter === ']' || letter === '}') depth = Math.max(0, depth - 1)
    if (depth > MOST_DEPTH) return i
  }
  const dashes = /(?:(?:-|\?|:|[\w]+:)[ \t]+){50}/.exec(text)
  if (dashes !== null) return dashes.index
  const indented = /^ {500}/m.exec(text)
  return indented?.index
}

function lineOf(text: string, offset: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, offset).split('\n')
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
}

/** The first line of the parser's message. */
function tidy(message: string): string {
  const line = message.split('\n')[0] ?? ''
  return /[.!?]$/.test(line) ? line : `${line}.`
}

/**
 * YAML's features that a scenario excludes. Meaningful tags are unknown to the parser's schema,
 * too.
 */
function unwanted(document: Document.Parsed): Array<readonly [offset: number, sentence: string]> {
  const found: Array<readonly [number, string]> = []
  visit(document, (_key, node) => {
    if (!isNode(node)) return
    const offset = node.range?.[0] ?? 0
    if (isAlias(node)) {
      found.push([
        offset,
        `There are no aliases in a scenario; write what '*${node.source}' stands for.`
      ])
    } else if (node.anchor !== undefined) {
      found.push([
        offset,
        `There are no anchors in a scenario; take '&${node.anchor}' away, and write the value wherever it is meant.`
      ])
    }
    if (isMap(node)) {
      const keys = new Set<unknown>()
      for (const { key } of node.items) {
        const at = isNode(key) ? (key.range?.[0] ?? offset) : offset
        if (!isScalar(key) || (typeof key.value !== 'string' && typeof key.value !== 'number')) {
          found.push([at, 'A key is a word, such as `days`.'])
        } else if (key.value === '__proto__') {
          found.push([at, "There is no key '__proto__' in a scenario; take it away."])
        } else if (keys.has(String(key.value))) {
          found.push([at, `'${String(key.value)}' stands here twice; keep one of them.`])
        } else keys.add(String(key.value))
      }
    }
  })
  return found
}

function offsetOf(document: Document.Parsed, path: Path, part: 'key' | 'value'): number {
  let node: unknown = document.contents
  let offset = 0
  for (const [depth, step] of path.entries()) {
    offset = isNode(node) ? (node.range?.[0] ?? offset) : offset
    const isLast = depth === path.length - 1
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step))
      if (pair === undefined) return offset
      const key = isNode(pair.key) ? (pair.key.range?.[0] ?? offset) : offset
      if (isLast && (part === 'key' || pair.value === null)) return key
      offset = key
      node = pair.value
    } else if (isSeq(node) && typeof step === 'number') {
      node = node.items[step]
    } else return offset
  }
  return isNode(node) ? (node.range?.[0] ?? offset) : offset
}
