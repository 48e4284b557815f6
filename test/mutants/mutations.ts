/** What can be changed in a module's compiled code, one thing at a time, by its syntax alone. */
import ts from 'typescript'

/** One change: `text`, from `at` on, becomes `by`. */
export interface Mutation {
  readonly at: number
  /**
   * Code that has run wherever the change could make a difference. Of `a || b` that is `a`: V8
   * counts the operator with `b`, and what `&&` would change is that `b` has not run.
   */
  readonly reachedAt: number
  readonly text: string
  readonly by: string
  /** Inside of a function: what is outside runs when the module is loaded. */
  readonly isInFunction: boolean
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
  const replace = (node: ts.Node, by: string, isInFunction: boolean, within = node): void => {
    const at = node.getStart(file)
    const text = source.slice(at, node.getEnd())
    found.push({ at, reachedAt: within.getStart(file), text, by, isInFunction })
  }
  const visit = (node: ts.Node, inFunction: boolean): void => {
    if (isText(node) || ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return
    if (ts.isBinaryExpression(node) && !isText(node.left) && !isText(node.right)) {
      const by = BINARY.get(node.operatorToken.kind)
      if (by !== undefined) replace(node.operatorToken, by, inFunction, node)
    }
    if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken) {
      replace(node, node.operand.getText(file), inFunction)
    }
    if (ts.isIfStatement(node)) {
      for (const by of ['true', 'false']) replace(node.expression, by, inFunction)
    }
    if (ts.isConditionalExpression(node)) {
      for (const by of ['true', 'false']) replace(node.condition, by, inFunction)
    }
    if (ts.isExpressionStatement(node) || ts.isThrowStatement(node)) replace(node, ';', inFunction)
    node.forEachChild((child) => {
      visit(child, inFunction || ts.isFunctionLike(node))
    })
  }
  visit(file, false)
  return found.sort((a, b) => a.at - b.at)
}

/** The code with a change in it. */
export function mutated(source: string, { at, text, by }: Mutation): string {
  return source.slice(0, at) + by + source.slice(at + text.length)
}
