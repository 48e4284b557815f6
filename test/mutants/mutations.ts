/** What can be changed in a module's compiled code, one thing at a time, by its syntax alone. */
import ts from 'typescript'

/** One change: `text`, from `at` on, becomes `by`. */
export interface Mutation {
  readonly at: number
  readonly text: string
  readonly by: string
  /** What runs wherever the change could make a difference: of an operator its whole expression. */
  readonly within: Extent
}

/** An expression or a statement of a module's text. */
export interface Extent {
  readonly begin: number
  readonly end: number
  readonly isStatement: boolean
}

const BINARY: ReadonlyMap<ts.SyntaxKind, string> = new Map([
  [ts.SyntaxKind.LessThanToken, '<='],
  [ts.SyntaxKind.LessThanEqualsToken, '<'],
  [ts.SyntaxKind.GreaterThanToken, '>='],
  [ts.SyntaxKind.GreaterThanEqualsToken, '>'],
  [ts.SyntaxKind.EqualsEqualsEqualsToken, '!=='],
  [ts.SyntaxKind.ExclamationEqualsEqualsToken, '==='],
  [ts.SyntaxKind.AmpersandAmpersandToken, '||'],
  [ts.SyntaxKind.BarBarToken, '&&'],
  [ts.SyntaxKind.PlusToken, '-'],
  [ts.SyntaxKind.MinusToken, '+'],
  [ts.SyntaxKind.AsteriskToken, '/'],
  [ts.SyntaxKind.SlashToken, '*'],
  [ts.SyntaxKind.PercentToken, '*'],
  [ts.SyntaxKind.LessThanLessThanToken, '>>'],
  [ts.SyntaxKind.GreaterThanGreaterThanToken, '<<'],
  [ts.SyntaxKind.GreaterThanGreaterThanGreaterThanToken, '<<'],
  [ts.SyntaxKind.AmpersandToken, '|'],
  [ts.SyntaxKind.BarToken, '&']
])

/** Nothing is changed in what only makes a text. */
const isText = (node: ts.Node): boolean =>
  ts.isTemplateExpression(node) || ts.isStringLiteralLike(node)

/** All mutations of a module, in the order of its text. */
export function mutationsOf(source: string): Mutation[] {
  const file = ts.createSourceFile(
    'module.js',
    source,
    ts.ScriptTarget.ES2022,
    true,
    ts.ScriptKind.JS
  )
  const found: Mutation[] = []
  const replace = (node: ts.Node, by: string, whole = node): void => {
    const at = node.getStart(file)
    const text = source.slice(at, node.getEnd())
    const isStatement = ts.isExpressionStatement(node) || ts.isThrowStatement(node)
    const within = { begin: whole.getStart(file), end: whole.getEnd(), isStatement }
    found.push({ at, text, by, within })
  }
  const visit = (node: ts.Node): void => {
    if (isText(node) || ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return
    if (ts.isBinaryExpression(node) && !isText(node.left) && !isText(node.right)) {
      const by = BINARY.get(node.operatorToken.kind)
      if (by !== undefined) replace(node.operatorToken, by, node)
    }
    if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken) {
      replace(node, node.operand.getText(file))
    }
    if (ts.isIfStatement(node)) {
      for (const by of ['true', 'false']) replace(node.expression, by)
    }
    if (ts.isConditionalExpression(node)) {
      for (const by of ['true', 'false']) replace(node.condition, by)
    }
    if (ts.isExpressionStatement(node) || ts.isThrowStatement(node)) replace(node, ';')
    node.forEachChild(visit)
  }
  visit(file)
  return found.sort((a, b) => a.at - b.at)
}

/** The code with a change in it. */
export function mutated(source: string, { at, text, by }: Mutation): string {
  return source.slice(0, at) + by + source.slice(at + text.length)
}

/**
 * The code, with a statement or an expression of `markOf` run right before each of these places.
 */
export function marked<Place extends Extent>(
  source: string,
  places: readonly Place[],
  markOf: (place: Place) => string
): string {
  const inserts = places.flatMap((place) => {
    const size = place.end - place.begin
    const [open, close] = place.isStatement
      ? [`{ ${markOf(place)}; `, ' }']
      : [`(${markOf(place)}, `, ')']
    // At one position what ends comes before what begins, and what is inside within what is around
    // it.
    return [
      { at: place.begin, order: 1 / size, text: open },
      { at: place.end, order: size - source.length, text: close }
    ]
  })
  inserts.sort((a, b) => (a.at === b.at ? a.order - b.order : a.at - b.at))
  const ends = inserts.map(({ at }, n) => source.slice(at, inserts[n + 1]?.at))
  return (
    source.slice(0, inserts[0]?.at) + inserts.map(({ text }, n) => text + (ends[n] ?? '')).join('')
  )
}
