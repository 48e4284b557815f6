/**
 * For `sort`: the first difference that decides, 0 when none does. Every order of the report ends
 * in one that always decides, so that it is the same on every machine.
 *
 *     losses.sort((a, b) => inOrder(b.amount - a.amount, a.height - b.height))
 */
export function inOrder(...differences: readonly number[]): number {
  return differences.find((difference) => difference !== 0) ?? 0
}
