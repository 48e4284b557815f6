/** The script of the report in the browser. It reads the data in the page and nothing else. */
import type { PageData } from '../page-data.js'
import { Clock, showPlayer } from './player.js'
import { showCurves } from './curves.js'
import { showDetails, showSearch } from './details.js'
import { need } from '../../../browser/dom.js'
import { showPicture } from './picture.js'
import { Scene, Selection } from './scene.js'
import { showTable } from './table.js'
import 'uplot/dist/uPlot.min.css'
import './styles.css'

const data = JSON.parse(need('data', HTMLScriptElement).text) as PageData
const clock = new Clock(data.times, data.heights, data.shown)
const scene = new Scene(data)
const selection = new Selection()

/** A function from a table row to its selection in the picture, for drawn rows. */
function selector(
  kind: 'node' | 'channel',
  items: ReadonlyArray<{ readonly row: number; readonly from?: number; readonly until?: number }>
): (row: number) => (() => void) | undefined {
  const places = new Map(items.map(({ row }, at) => [row, at]))
  return (row) => {
    const at = places.get(row)
    const item = items[at ?? -1]
    if (at === undefined || item === undefined) return undefined
    return () => {
      // A channel is shown at a time when it existed.
      clock.set(Math.max(item.from ?? 0, Math.min(item.until ?? clock.last, clock.sample)))
      selection.set({ kind, at })
      need('network', HTMLElement).scrollIntoView({ block: 'start' })
    }
  }
}

showPicture(scene, clock, selection)
showDetails(scene, clock, selection)
showSearch(scene, selection)
showPlayer(clock)
showCurves(data.curves, clock)
showTable(data.nodes, selector('node', data.picture.nodes))
showTable(data.channels, selector('channel', data.picture.channels))
