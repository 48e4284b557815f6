/** The height of the first block: a world has a past. */
export const START_HEIGHT = 1_000
