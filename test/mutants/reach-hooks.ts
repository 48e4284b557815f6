/**
 * Marks places of modules while they are loaded, so that a process can tell which of them it has
 * reached.
 */
import type { InitializeHook, LoadHook } from 'node:module'
import { marked } from './mutations.js'
import type { Place } from './reach.js'

let numbered: ReadonlyArray<Place & { readonly number: number }> = []

export const initialize: InitializeHook<readonly Place[]> = (places) => {
  numbered = places.map((place, number) => ({ ...place, number }))
}

export const load: LoadHook = async (url, context, nextLoad) => {
  const loaded = await nextLoad(url, context)
  const ours = numbered.filter((place) => place.url === url)
  if (ours.length === 0) return loaded
  const source = Buffer.from(loaded.source as Uint8Array).toString('utf8')
  return { ...loaded, source: marked(source, ours, ({ number }) => `reachedPlaces[${number}] = 1`) }
}
