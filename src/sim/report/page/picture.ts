/** The canvas of the network: zooming, moving, pointing, selecting. */
import { select } from 'd3-selection'
import { zoom, zoomIdentity, type ZoomTransform } from 'd3-zoom'
import { percent, sat } from '../format.js'
import type { Clock } from './player.js'
import { need, onColours } from '../../../browser/dom.js'
import { paint, readColours } from './drawing.js'
import type { Scene, Selected, Selection, View } from './scene.js'

const MOST_ZOOM = 12
const EDGE = 8

export function showPicture(scene: Scene, clock: Clock, selection: Selection): void {
  const canvas = need('picture', HTMLCanvasElement)
  const tip = need('tip', HTMLDivElement)
  const context = canvas.getContext('2d')
  if (context === null) return
  const { picture } = scene.data
  let transform: ZoomTransform = zoomIdentity
  let hovered: Selected
  let colours = readColours()
  let waiting = false

  const view = (): View => {
    const [width, height] = [canvas.clientWidth, canvas.clientHeight]
    const fit = Math.min((width - 2 * EDGE) / picture.width, (height - 2 * EDGE) / picture.height)
    return {
      scale: fit * transform.k,
      x: ((width - picture.width * fit) / 2) * transform.k + transform.x,
      y: ((height - picture.height * fit) / 2) * transform.k + transform.y
    }
  }
  // Many changes within a frame are painted once.
  const repaint = (): void => {
    if (waiting) return
    waiting = true
    requestAnimationFrame(() => {
      waiting = false
      paint(
        context,
        scene,
        view(),
        { sample: clock.sample, selected: selection.selected, hovered },
        colours
      )
    })
  }

  const zoomer = zoom<HTMLCanvasElement, unknown>()
    .scaleExtent([1, MOST_ZOOM])
    // The wheel and a finger scroll the page, except for gestures meant for the picture.
    .filter((event: Event) =>
      event instanceof WheelEvent
        ? event.ctrlKey || event.metaKey
        : !(event instanceof TouchEvent) || event.touches.length > 1 || transform.k > 1
    )
    .on('zoom', (event: { readonly transform: ZoomTransform }) => {
      transform = event.transform
      repaint()
    })
  const selected = select<HTMLCanvasElement, unknown>(canvas).call(zoomer).on('dblclick.zoom', null)
  const zoomBy = (factor: number): void => {
    zoomer.scaleBy(selected, factor)
  }
  const fitAll = (): void => {
    zoomer.transform(selected, zoomIdentity)
  }
  need('zoom-in', HTMLButtonElement).addEventListener('click', () => {
    zoomBy(1.5)
  })
  need('zoom-out', HTMLButtonElement).addEventListener('click', () => {
    zoomBy(1 / 1.5)
  })
  need('zoom-fit', HTMLButtonElement).addEventListener('click', fitAll)
  const keys: Readonly<Record<string, () => void>> = {
    '+': () => {
      zoomBy(1.5)
    },
    '-': () => {
      zoomBy(1 / 1.5)
    },
    0: fitAll,
    Escape: () => {
      selection.set(undefined)
    },
    ArrowLeft: () => {
      zoomer.translateBy(selected, 40 / transform.k, 0)
    },
    ArrowRight: () => {
      zoomer.translateBy(selected, -40 / transform.k, 0)
    },
    ArrowUp: () => {
      zoomer.translateBy(selected, 0, 40 / transform.k)
    },
    ArrowDown: () => {
      zoomer.translateBy(selected, 0, -40 / transform.k)
    }
  }
  canvas.addEventListener('keydown', (event) => {
    const act = keys[event.key]
    if (act === undefined) return
    event.preventDefault()
    act()
  })

  const under = (event: MouseEvent): Selected =>
    scene.under({ x: event.offsetX, y: event.offsetY }, view(), clock.sample)
  canvas.addEventListener('pointermove', (event) => {
    hovered = under(event)
    canvas.style.cursor = hovered === undefined ? 'grab' : 'pointer'
    tip.hidden = hovered === undefined
    tip.textContent = textOf(scene, hovered, clock.sample)
    tip.style.left = `${Math.min(event.offsetX + 14, canvas.clientWidth - tip.offsetWidth - 4)}px`
    tip.style.top = `${Math.max(4, event.offsetY - tip.offsetHeight - 10)}px`
    repaint()
  })
  canvas.addEventListener('pointerleave', () => {
    hovered = undefined
    tip.hidden = true
    repaint()
  })
  canvas.addEventListener('click', (event) => {
    selection.set(under(event))
  })

  new ResizeObserver(() => {
    canvas.width = Math.round(canvas.clientWidth * window.devicePixelRatio)
    canvas.height = Math.round(canvas.clientHeight * window.devicePixelRatio)
    // A resized canvas is empty until painted, so it is painted at once.
    paint(
      context,
      scene,
      view(),
      { sample: clock.sample, selected: selection.selected, hovered },
      colours
    )
  }).observe(canvas)
  onColours(() => {
    colours = readColours()
    paint(
      context,
      scene,
      view(),
      { sample: clock.sample, selected: selection.selected, hovered },
      colours
    )
  })
  clock.listen(repaint)
  selection.listen(repaint)
}

/** Describes the thing under the pointer, in a line. */
function textOf(scene: Scene, what: Selected, sample: number): string {
  if (what === undefined) return ''
  if (what.kind === 'node') {
    const node = scene.nodes[what.at]
    return node === undefined
      ? ''
      : `${scene.name(node)} · ${scene.data.groups[node.group]?.name ?? ''}`
  }
  const channel = scene.channels[what.at]
  const [client, server] = [scene.nodes[channel?.client ?? -1], scene.nodes[channel?.server ?? -1]]
  if (channel === undefined || client === undefined || server === undefined) return ''
  const balance = scene.clientBalance(channel, sample)
  return `${scene.name(client)} ${sat(balance)} (${percent(balance / channel.capacity)}) · ${scene.name(server)} ${sat(channel.capacity - balance)}`
}
