/**
 * `npm run check:model`: what is decided about money, in every order of events of small channels
 * (docs/assurance.md).
 */
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { explore, replay, USUAL_INCIDENTS, type Bounds, type Explored } from './explore.js'
import { STORIES, storyOf, type Story } from './stories.js'

const HELP = `Usage: npm run check:model [-- OPTIONS]

  --story A,B     only these stories (default: all)
  --incidents N   lies, attacks and accidents in one story (default ${USUAL_INCIDENTS})
  --depth N       at most so many moves
  --states N      at most so many states a story
  --seconds N     at most so long a story
  --without R     leaves out the moves that this regular expression matches
  --workers N     threads (default 2); 0: none but this one
  --replay "A, B" plays these moves of one --story, and says what they come to
  --list          names the stories
`

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

function reportOf({
  story,
  incidents,
  states,
  depth,
  seconds,
  isComplete,
  sides,
  transitions,
  violation
}: Explored): string {
  const line = `${story}: ${states} states, depth ${depth}, ${seconds.toFixed(1)} s (${Math.round(states / Math.max(seconds, 0.001))} a second), ${sides} states of sides, ${transitions} transitions${isComplete ? ', all' : violation === undefined ? ', cut off' : ''}`
  if (violation === undefined) return line
  const after =
    violation.after === undefined
      ? []
      : ['  then, by itself:', ...violation.after.map((step) => `    ${step}`)]
  return [
    line,
    `  VIOLATION (${violation.rule}): ${violation.text}`,
    ...violation.moves.map((move, at) => `  ${at + 1}. ${move}`),
    ...after,
    `  npm run check:model -- --story ${story}${incidents === USUAL_INCIDENTS ? '' : ` --incidents ${incidents}`} --replay "${violation.moves.join(', ')}"`
  ].join('\n')
}

async function exploreAll(
  stories: readonly Story[],
  bounds: Bounds,
  workers: number
): Promise<Explored[]> {
  const waiting = [...stories]
  const done: Explored[] = []
  const work = async (): Promise<void> => {
    for (let story = waiting.shift(); story !== undefined; story = waiting.shift()) {
      const explored = workers === 0 ? explore(story, bounds) : await inWorker(story.name, bounds)
      say(reportOf(explored))
      done.push(explored)
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, workers) }, work))
  return done
}

function inWorker(story: string, bounds: Bounds): Promise<Explored> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), {
      workerData: { story, bounds },
      resourceLimits: { maxOldGenerationSizeMb: 6_000 }
    })
    worker.on('message', resolve)
    worker.on('error', reject)
  })
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      story: { type: 'string' },
      incidents: { type: 'string', default: String(USUAL_INCIDENTS) },
      depth: { type: 'string' },
      states: { type: 'string' },
      seconds: { type: 'string' },
      without: { type: 'string' },
      workers: { type: 'string', default: '2' },
      replay: { type: 'string' },
      list: { type: 'boolean' },
      help: { type: 'boolean' }
    }
  })
  if (values.help === true) {
    say(HELP)
    return 0
  }
  if (values.list === true) {
    for (const { name, about } of STORIES) say(`${name}: ${about}`)
    return 0
  }
  const { incidents, depth, states, seconds, workers } = values
  for (const text of [incidents, depth, states, seconds, workers]) {
    if (text !== undefined && !/^\d+$/.test(text)) {
      throw new Error(`whole numbers are asked for, not '${text}'.\n\n${HELP}`)
    }
  }
  const stories = values.story === undefined ? STORIES : values.story.split(',').map(storyOf)
  const [first] = stories
  if (values.replay !== undefined && first !== undefined) {
    const moves = values.replay
      .split(',')
      .map((move) => move.trim())
      .filter((move) => move !== '')
    const wrong = replay(first, moves, Number(incidents), (move, world, violation) => {
      say(`${move === '' ? 'begin' : move}\n    ${world}`)
      if (violation !== undefined) {
        say(
          [
            `    VIOLATION (${violation.rule}): ${violation.text}`,
            ...(violation.after?.map((step) => `      ${step}`) ?? [])
          ].join('\n')
        )
      }
    })
    return wrong === undefined ? 0 : 1
  }
  const limit = (text: string | undefined): number =>
    text === undefined ? Number.POSITIVE_INFINITY : Number(text)
  const done = await exploreAll(
    stories,
    {
      incidents: Number(incidents),
      depth: limit(depth),
      states: limit(states),
      seconds: limit(seconds),
      without: values.without
    },
    Number(workers)
  )
  const violations = done.filter(({ violation }) => violation !== undefined).length
  say(
    `${done.reduce((sum, { states }) => sum + states, 0)} states, ${violations === 0 ? 'no violation' : `violations in ${violations} stories`}`
  )
  return violations === 0 ? 0 : 1
}

if (isMainThread) process.exitCode = await main()
else {
  const { story, bounds } = workerData as { readonly story: string; readonly bounds: Bounds }
  parentPort?.postMessage(explore(storyOf(story), bounds))
}
