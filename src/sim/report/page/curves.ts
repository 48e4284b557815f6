/** The curves, drawn by uPlot; their time is the one of the picture. */
import Plot from 'uplot'
import { count, curveValue, moment } from '../format.js'
import type { Curve } from '../page-data.js'
import type { Clock } from './player.js'
import { colour, element, need, onColours } from '../../../browser/dom.js'

const HEIGHT = 190
const DAY = 86_400

/** `1.2M`: as short as the numbers beside an axis must be. */
function short(value: number): string {
  return new Intl.NumberFormat('en-US', {
    notation: 'compact',
    maximumSignificantDigits: 3
  }).format(value)
}

/**
 * uPlot gives values that its types do not know: null where a curve has a gap, undefined where
 * there is no curve.
 */
function known(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

function legendText(value: unknown, unit: string): string {
  const number = known(value)
  // The unit is in the title, but a percentage must be visible as one.
  return number === undefined ? '–' : curveValue(number, unit === '%' ? unit : '')
}

function axis(extra: Plot.Axis): Plot.Axis {
  const line = { stroke: () => colour('grid'), width: 1 }
  return {
    stroke: () => colour('quiet'),
    font: '12px system-ui, sans-serif',
    grid: line,
    ticks: { ...line, size: 4 },
    ...extra
  }
}

/** A logarithmic axis with a line for every digit is a grey field. */
function powersOfTen(_: Plot, splits: number[]): Array<number | null> {
  return splits.map((split) =>
    Number.isInteger(Math.round(Math.log10(split) * 1e6) / 1e6) ? split : null
  )
}

function options(curve: Curve, width: number): Plot.Options {
  return {
    width,
    height: HEIGHT,
    cursor: { sync: { key: 'time' }, drag: { x: true, y: false }, points: { size: 6 } },
    scales: {
      x: { time: false },
      y: curve.log
        ? { distr: 3 }
        : { range: (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.05 : 1] }
    },
    axes: [
      axis({ values: (_, days) => days.map((day) => `${count(day, 2)} d`), size: 28 }),
      axis({
        size: 54,
        ...(curve.log
          ? { grid: { stroke: () => colour('grid'), width: 1, filter: powersOfTen } }
          : {}),
        values: (_, values) =>
          values.map((value) => (known(value) === undefined ? '' : short(value)))
      })
    ],
    legend: { live: true, markers: { width: 3 } },
    series: [
      { label: 'time', value: (_, day) => (known(day) === undefined ? '–' : moment(day * DAY)) },
      ...curve.lines.map(({ label, colour: number }) => ({
        label,
        stroke: () => colour(`line-${number}`),
        width: 1.6,
        points: { show: false },
        value: (_: Plot, value: number | null) => legendText(value, curve.unit)
      }))
    ]
  }
}

export function showCurves(curves: readonly Curve[], clock: Clock): void {
  const days = clock.times.map((seconds) => seconds / DAY)
  const drawn = curves.map((curve, at) => {
    const place = need(`curve-${at}`, HTMLDivElement)
    const plot = new Plot(
      options(curve, place.clientWidth),
      [days, ...curve.lines.map(({ values }) => [...values])],
      place
    )
    const now = element('div', { class: 'now' })
    plot.over.append(now)
    const mark = (): void => {
      const left = plot.valToPos(days[clock.sample] ?? 0, 'x')
      now.style.transform = `translateX(${left}px)`
      now.hidden = left < 0 || left > plot.over.clientWidth
      if (plot.cursor.left === undefined || plot.cursor.left < 0) {
        plot.setLegend({ idx: clock.sample })
      }
    }
    // A click, not the end of a drag: that one zooms.
    let pressed: number | undefined
    plot.over.addEventListener('mousedown', (event) => {
      pressed = event.offsetX
    })
    plot.over.addEventListener('mouseup', (event) => {
      if (pressed !== undefined && Math.abs(event.offsetX - pressed) < 3) {
        clock.set(plot.posToIdx(event.offsetX))
      }
    })
    plot.over.addEventListener('mouseleave', mark)
    plot.hooks.setScale = [mark]
    clock.listen(mark)
    new ResizeObserver(() => {
      if (place.clientWidth > 0 && place.clientWidth !== plot.width) {
        plot.setSize({ width: place.clientWidth, height: HEIGHT })
      }
      mark()
    }).observe(place)
    return plot
  })
  onColours(() => {
    for (const plot of drawn) plot.redraw(false, true)
  })
}
