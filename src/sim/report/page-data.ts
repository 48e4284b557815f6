/**
 * The JSON for the page in the browser: the contract between `src/sim/report` and
 * `src/sim/report/page`.
 */

export type CellKind = 'text' | 'count' | 'sat' | 'percent' | 'height'

export interface Column {
  readonly title: string
  readonly kind: CellKind
  /** Its meaning, when the title does not suffice. */
  readonly hint?: string
}

export type Cell = string | number | null

export interface TableData {
  /** The id of the element for the table. */
  readonly id: string
  readonly caption: string
  readonly columns: readonly Column[]
  readonly rows: readonly (readonly Cell[])[]
  /** Number of rows in all, when some are left out. */
  readonly outOf: number
  /** The kind of the rows in the picture, if any: the first column then selects it there. */
  readonly selects: 'node' | 'channel' | null
}

export interface CurveLine {
  readonly label: string
  readonly colour: number
  readonly values: ReadonlyArray<number | null>
}

export interface Curve {
  readonly title: string
  /** Empty when the title names the unit. */
  readonly unit: string
  /** True when the vertical axis is logarithmic. */
  readonly log: boolean
  readonly lines: readonly CurveLine[]
}

interface Group {
  readonly name: string
  readonly honest: boolean
}

export interface PictureNode {
  /** Row in the table of nodes. */
  readonly row: number
  readonly group: number
  readonly x: number
  readonly y: number
  readonly channels: number
}

export interface PictureChannel {
  /** Row in the table of channels. */
  readonly row: number
  /** Positions in `nodes`. */
  readonly client: number
  readonly server: number
  readonly capacity: number
  /** 0 to 4, by capacity. */
  readonly width: number
  /**
   * Channels between the same two nodes at the same time lie side by side: 0 in the middle, 1 and
   * -1 beside it, ...
   */
  readonly lane: number
  /** The samples in which it exists. */
  readonly from: number
  readonly until: number
  /** The client's balance when it changes: sample, balance, sample, balance, ... */
  readonly changes: readonly number[]
}

export interface Picture {
  readonly width: number
  readonly height: number
  readonly nodes: readonly PictureNode[]
  readonly channels: readonly PictureChannel[]
}

export interface PageData {
  /** Seconds and heights of the samples. */
  readonly times: readonly number[]
  readonly heights: readonly number[]
  /** The sample that is shown first. */
  readonly shown: number
  readonly groups: readonly Group[]
  readonly picture: Picture
  readonly curves: readonly Curve[]
  readonly nodes: TableData
  readonly channels: TableData
}
