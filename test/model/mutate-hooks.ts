/** Replaces text of modules while they are loaded (Node's customization hooks). */
import type { InitializeHook, LoadHook } from 'node:module'
import type { Replacement } from './mutants.js'

let replacements: readonly Replacement[] = []

export const initialize: InitializeHook<readonly Replacement[]> = (data) => {
  replacements = data
}

export const load: LoadHook = async (url, context, nextLoad) => {
  const loaded = await nextLoad(url, context)
  const ours = replacements.filter(({ module }) => url.endsWith(module))
  if (ours.length === 0) return loaded
  let source = Buffer.from(loaded.source as Uint8Array).toString('utf8')
  for (const { module, text, by } of ours) {
    const found = new RegExp(patternOf(text))
    if (source.split(found).length !== 2) {
      throw new Error(
        `${module} does not have '${text}' exactly once: the mutant has to follow the code`
      )
    }
    source = source.replace(found, () => by)
  }
  return { ...loaded, source }
}

/** The text wherever its lines are broken. */
function patternOf(text: string): string {
  return text
    .split(/\s+/)
    .map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('\\s*')
}
