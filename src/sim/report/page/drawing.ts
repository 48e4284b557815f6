/** Paints the scene on its canvas. */
import type { PictureChannel } from '../page-data.js'
import { colour } from '../../../browser/dom.js'
import type { Scene, Selected, View } from './scene.js'

interface Colours {
  readonly groups: readonly string[]
  readonly client: string
  readonly server: string
  readonly ink: string
  readonly paper: string
  readonly quiet: string
}

export function readColours(): Colours {
  return {
    groups: Array.from({ length: 8 }, (_, at) => colour(`group-${at}`)),
    client: colour('client'),
    server: colour('server'),
    ink: colour('ink'),
    paper: colour('paper'),
    quiet: colour('quiet')
  }
}

interface Moment {
  readonly sample: number
  readonly selected: Selected
  readonly hovered: Selected
}

const FAINT = 0.12
/** Opacity of thousands of lines over each other: dense places get darker by themselves. */
const CROWDED = 0.4
const MOST_LABELS = 60

export function paint(
  context: CanvasRenderingContext2D,
  scene: Scene,
  view: View,
  moment: Moment,
  colours: Colours
): void {
  const canvas = context.canvas
  const ratio = window.devicePixelRatio
  context.setTransform(ratio, 0, 0, ratio, 0, 0)
  context.clearRect(0, 0, canvas.width / ratio, canvas.height / ratio)
  const isLit = litBy(scene, moment)
  const there = scene.channels.filter((channel) => scene.isThere(channel, moment.sample))
  paintChannels(
    context,
    scene,
    view,
    there.filter((channel) => !isLit.channel(channel)),
    moment.sample,
    colours,
    FAINT
  )
  paintChannels(
    context,
    scene,
    view,
    there.filter(isLit.channel),
    moment.sample,
    colours,
    scene.dense && moment.selected === undefined ? CROWDED : 1
  )
  for (const at of [...scene.byDegree].reverse()) {
    paintNode(
      context,
      scene,
      view,
      at,
      colours,
      isLit.node(at) ? 1 : 0.25,
      isAt(moment.selected, at) || isAt(moment.hovered, at)
    )
  }
  paintLabels(context, scene, view, moment, colours, isLit.node)
}

function isAt(what: Selected, node: number): boolean {
  return what?.kind === 'node' && what.at === node
}

/** With a selection, only that and its neighbours stand out. */
function litBy(
  scene: Scene,
  { selected, sample }: Moment
): {
  readonly node: (at: number) => boolean
  readonly channel: (channel: PictureChannel) => boolean
} {
  if (selected === undefined) return { node: () => true, channel: () => true }
  if (selected.kind === 'channel') {
    const chosen = scene.channels[selected.at]
    return {
      node: (at) => chosen?.client === at || chosen?.server === at,
      channel: (channel) => channel === chosen
    }
  }
  const near = new Set([selected.at])
  for (const channel of scene.channels) {
    if (!scene.isThere(channel, sample)) continue
    if (channel.client === selected.at) near.add(channel.server)
    if (channel.server === selected.at) near.add(channel.client)
  }
  return {
    node: (at) => near.has(at),
    channel: ({ client, server }) => client === selected.at || server === selected.at
  }
}

/**
 * The client's balance from its end on, the server's from the other: one path for each colour and
 * width, since strokes are the main cost.
 */
function paintChannels(
  context: CanvasRenderingContext2D,
  scene: Scene,
  view: View,
  channels: readonly PictureChannel[],
  sample: number,
  colours: Colours,
  opacity: number
): void {
  context.globalAlpha = opacity
  context.lineCap = 'butt'
  for (let width = 0; width < 5; width++) {
    const [clients, servers] = [new Path2D(), new Path2D()]
    for (const channel of channels) {
      if (channel.width !== width) continue
      const [from, to] = scene.ends(channel, view)
      const part =
        channel.capacity > 0
          ? Math.max(0, Math.min(1, scene.clientBalance(channel, sample) / channel.capacity))
          : 0
      const split = { x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part }
      if (part > 0) {
        clients.moveTo(from.x, from.y)
        clients.lineTo(split.x, split.y)
      }
      if (part < 1) {
        servers.moveTo(split.x, split.y)
        servers.lineTo(to.x, to.y)
      }
    }
    context.lineWidth =
      (scene.dense ? 0.6 : 1.4) *
      (1 + width * 0.55) *
      Math.max(1, Math.min(scene.dense ? 1.5 : 2.5, view.scale))
    context.strokeStyle = colours.client
    context.stroke(clients)
    context.strokeStyle = colours.server
    context.stroke(servers)
  }
  context.globalAlpha = 1
}

function outline(honest: boolean, x: number, y: number, radius: number): Path2D {
  const path = new Path2D()
  if (honest) path.arc(x, y, radius, 0, 2 * Math.PI)
  else {
    const size = radius * 1.35
    path.moveTo(x, y - size)
    path.lineTo(x + size * 0.9, y + size * 0.7)
    path.lineTo(x - size * 0.9, y + size * 0.7)
    path.closePath()
  }
  return path
}

function paintNode(
  context: CanvasRenderingContext2D,
  scene: Scene,
  view: View,
  at: number,
  colours: Colours,
  opacity: number,
  marked: boolean
): void {
  const node = scene.nodes[at]
  if (node === undefined) return
  const { x, y } = scene.place(at, view)
  const path = outline(
    scene.data.groups[node.group]?.honest ?? true,
    x,
    y,
    scene.radius(node, view)
  )
  context.fillStyle = colours.paper
  context.fill(path)
  context.globalAlpha = opacity
  context.fillStyle = colours.groups[node.group % colours.groups.length] ?? colours.quiet
  context.fill(path)
  context.lineWidth = marked ? 3 : scene.dense ? 0.6 : 1.2
  context.strokeStyle = marked ? colours.ink : colours.paper
  context.stroke(path)
  context.globalAlpha = 1
}

/**
 * Names where there is room for them: the selection first, then the nodes with the most channels.
 */
function paintLabels(
  context: CanvasRenderingContext2D,
  scene: Scene,
  view: View,
  { selected, hovered }: Moment,
  colours: Colours,
  isLit: (at: number) => boolean
): void {
  context.font = '12px system-ui, sans-serif'
  context.textAlign = 'center'
  context.lineJoin = 'round'
  const ratio = window.devicePixelRatio
  const [wide, high] = [context.canvas.width / ratio, context.canvas.height / ratio]
  const taken: Array<readonly [number, number, number, number]> = []
  const first = [selected, hovered].flatMap((what) => (what?.kind === 'node' ? [what.at] : []))
  let room = scene.dense && view.scale < 1.5 ? MOST_LABELS / 3 : MOST_LABELS
  for (const at of [...first, ...scene.byDegree]) {
    const node = scene.nodes[at]
    if (node === undefined || (!isLit(at) && !first.includes(at))) continue
    const text = scene.name(node)
    const { x, y } = scene.place(at, view)
    const width = context.measureText(text).width / 2 + 3
    const top = y + scene.radius(node, view) + 3
    const box = [x - width, top, x + width, top + 14] as const
    if (box[0] < 0 || box[2] > wide || box[1] < 0 || box[3] > high) continue
    if (
      taken.some(
        ([left, up, right, down]) => box[0] < right && box[2] > left && box[1] < down && box[3] > up
      )
    ) {
      continue
    }
    taken.push(box)
    context.lineWidth = 3
    context.strokeStyle = colours.paper
    context.strokeText(text, x, top + 11)
    context.fillStyle = colours.ink
    context.fillText(text, x, top + 11)
    if (--room === 0) return
  }
}
