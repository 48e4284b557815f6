/**
 * The shape of a scenario file, key by key, with the defaults. `meaning.ts` checks the rules
 * between the parts.
 */
import { z } from 'zod'
import { ofEachSetting, POLICY_KEYS, type Policy } from '../../channel/policy.js'
import type { FeeRate } from '../../types/units.js'
import {
  inside,
  readAmount,
  readBlocks,
  readBoolean,
  readChoice,
  readCoins,
  readCount,
  readDistribution,
  readDuration,
  readHours,
  readInterval,
  readLatency,
  readNumber,
  readPart,
  readRate,
  readSatoshis,
  readSpan,
  readText,
  Unreadable,
  type Reader
} from './quantities.js'

/** Most nodes; more of them take days. */
export const MOST_NODES = 1_000_000

/** A value that a reader parses. */
function of<T>(read: Reader<T>): z.ZodType<T> {
  return z.unknown().transform((value, context): T => {
    try {
      return read(value)
    } catch (error) {
      context.issues.push(issueOf(error, value))
      return z.NEVER
    }
  })
}

/** The same with a default. */
function or<T>(fallback: T, read: Reader<T>): z.ZodType<T> {
  return of(read).default(() => fallback as z.core.util.NoUndefined<T>)
}

/** An optional mapping; without it all of its defaults apply. */
function orEmpty<T extends z.ZodType>(shape: T): z.ZodType<z.output<T>> {
  return z
    .unknown()
    .transform((value) => value ?? {})
    .pipe(shape as unknown as z.ZodType<z.output<T>, object>)
    .default(() => shape.parse({}) as z.core.util.NoUndefined<z.output<T>>)
}

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/i
const readName: Reader<string> = (value) => {
  if (typeof value !== 'string' || value.length > 40 || !NAME.test(value)) {
    throw new Unreadable(
      'A name is made of letters, digits and hyphens, begins with a letter and has at most 40 characters, such as customer.'
    )
  }
  return value
}

const duration = readDistribution(readInterval)
const policyReaders = ofEachSetting((setting): Reader<unknown> => {
  switch (setting.unit) {
    case 'sat':
      return readAmount
    case 'blocks':
      return readBlocks
    default:
      return readCount(setting.least, setting.most)
  }
})

const policy = z
  .strictObject(
    Object.fromEntries(
      Object.entries(policyReaders).map(([key, read]) => [key, of<unknown>(read).optional()])
    )
  )
  .transform(
    (settings) =>
      Object.fromEntries(
        Object.entries(settings).filter(([, value]) => value !== undefined)
      ) as Partial<Policy>
  )

const group = z.strictObject({
  count: or(1, readCount(1, MOST_NODES)),
  coins: of(readCoins),
  policy: orEmpty(policy)
})

const channels = z.strictObject({
  from: of(readName),
  to: of(readName),
  shape: or('each', readChoice(['each', 'random', 'ring', 'scale-free'])),
  degree: of(readCount(1, 10_000)).optional(),
  capacity: of(readAmount),
  blocks: of(readBlocks).optional(),
  step: of(readBlocks).optional(),
  opens: or({ from: 0, until: 0 }, readSpan),
  then: or('nothing', readChoice(['nothing', 'reopen', 'renew']))
})

const activity = z.strictObject({
  from: of(readName),
  to: of(readName),
  every: of(duration),
  amount: of(readDistribution(readSatoshis)),
  back: or(0, readPart),
  payee: or('partner', readChoice(['partner', 'any'])),
  during: of(readSpan).optional(),
  hours: of(readHours).optional()
})

/** `steps` of a fee: the value from each given block on. */
const readSteps: Reader<ReadonlyArray<{ readonly height: number; readonly rate: FeeRate }>> = (
  value
) => {
  if (
    typeof value !== 'object' ||
    value === null ||
    Array.isArray(value) ||
    Object.keys(value).length === 0
  ) {
    throw new Unreadable('Write from which block on the fee is what, as in { 0: 5, 144: 120.5 }.')
  }
  return Object.entries(value).map(([height, rate]) => {
    if (!/^\d{1,7}$/.test(height)) {
      throw new Unreadable('A block is a whole number from 0 on, as in { 0: 5, 144: 120.5 }.', [
        height
      ])
    }
    return { height: Number(height), rate: inside(height, readRate, rate) }
  })
}

const fees = z.union(
  [
    z.strictObject({ congested: of(readCount(0, 4_294_967_295)) }),
    z.strictObject({ trace: of(readText(200)), from: or(0, readCount(0, 10_000_000)) }),
    z.strictObject({ steps: of(readSteps) }),
    of(readRate)
  ],
  {
    error:
      'It must be a fee rate in sat/vB such as 5, { congested: SEED }, { trace: FILE.csv } or { steps: { BLOCK: RATE } }.'
  }
)

const chain = z.strictObject({
  interval: or({ kind: 'exponential', mean: 600 }, duration),
  blockVsize: or(1_000_000, readCount(10_000, 1_000_000)),
  fees: z
    .unknown()
    .transform((value, context): z.output<typeof fees> => {
      // A union says only that nothing fits; the form that was meant gives the reason.
      const meant =
        typeof value === 'object' && value !== null && !Array.isArray(value)
          ? fees.options.find(
              (option) =>
                option instanceof z.ZodObject &&
                Object.keys(option.shape)[0] === Object.keys(value)[0]
            )
          : of(readRate)
      const result = (meant ?? fees).safeParse(value)
      if (result.success) return result.data
      context.issues.push(
        ...result.error.issues.map((issue) => ({ ...issue, input: value }) as z.core.$ZodRawIssue)
      )
      return z.NEVER
    })
    .default(readRate(5)),
  relay: or(readRate(1), readRate),
  reorgs: z
    .strictObject({
      every: of(duration),
      depth: or({ kind: 'constant', value: 1 }, readDistribution(readCount(1, 99)))
    })
    .optional()
})

const network = z.strictObject({
  latency: or({ kind: 'constant', value: 50 }, readDistribution(readLatency)),
  loss: or(0, readPart),
  partitions: z
    .array(
      z.strictObject({
        between: of((value): readonly [string, string] => {
          if (!Array.isArray(value) || value.length !== 2) {
            throw new Unreadable('Name the two groups, as in [customer, merchant].')
          }
          return [inside(0, readName, value[0]), inside(1, readName, value[1])]
        }),
        during: of(readSpan)
      }),
      { error: 'It must be a list.' }
    )
    .max(1_000)
    .default([])
})

const spell = { who: of(readName), every: of(duration), down: of(duration) }

/** The faults, by their kind. */
const FAULTS = {
  crash: z.strictObject({
    kind: z.literal('crash'),
    ...spell,
    orderly: or(false, readBoolean),
    losesWrites: or(0, readCount(0, 1_000))
  }),
  'disk-full': z.strictObject({ kind: z.literal('disk-full'), ...spell }),
  'electrum-outage': z.strictObject({ kind: z.literal('electrum-outage'), ...spell }),
  'electrum-hides': z.strictObject({
    kind: z.literal('electrum-hides'),
    ...spell,
    all: or(false, readBoolean)
  }),
  'clock-skew': z.strictObject({
    kind: z.literal('clock-skew'),
    who: of(readName),
    seconds: of(readDistribution(readDuration))
  })
}

/** The adversaries, by their kind. */
const ADVERSARIES = {
  'publish-old': z.strictObject({
    kind: z.literal('publish-old'),
    who: of(readName),
    upTo: or(1, readPart)
  }),
  'phantom-state': z.strictObject({
    kind: z.literal('phantom-state'),
    who: of(readName),
    input: or('unconfirmed', readChoice(['unknown', 'unconfirmed'])),
    direct: or(false, readBoolean),
    upTo: or(1, readPart)
  }),
  'premature-rival': z.strictObject({ kind: z.literal('premature-rival'), who: of(readName) }),
  'chosen-output': z.strictObject({ kind: z.literal('chosen-output'), who: of(readName) }),
  bluff: z.strictObject({ kind: z.literal('bluff'), who: of(readName), upTo: or(0.9, readPart) }),
  'fat-state': z.strictObject({ kind: z.literal('fat-state'), who: of(readName) }),
  'dear-close': z.strictObject({
    kind: z.literal('dear-close'),
    who: of(readName),
    spend: or('close', readChoice(['close', 'state'])),
    shown: or('mempools', readChoice(['mempools', 'server', 'blinking'])),
    left: or(1, readCount(1, 1_000))
  }),
  'direct-miner': z.strictObject({
    kind: z.literal('direct-miner'),
    who: of(readName),
    upTo: or(1, readPart)
  }),
  'pinning-renewal': z.strictObject({ kind: z.literal('pinning-renewal'), who: of(readName) }),
  'draining-renewal': z.strictObject({ kind: z.literal('draining-renewal'), who: of(readName) }),
  'free-peers': z.strictObject({
    kind: z.literal('free-peers'),
    who: of(readName),
    perHour: or(6, readNumber(0.01, 10_000))
  }),
  'refuse-turns': z.strictObject({ kind: z.literal('refuse-turns'), who: of(readName) }),
  'refuse-acks': z.strictObject({ kind: z.literal('refuse-acks'), who: of(readName) }),
  silent: z.strictObject({ kind: z.literal('silent'), who: of(readName), from: of(readDuration) }),
  flood: z.strictObject({
    kind: z.literal('flood'),
    who: of(readName),
    perSecond: of(readNumber(0.001, 10_000))
  })
}

const servers = z
  .strictObject({
    who: of(readName),
    honest: or(1, readCount(0, 20)),
    lying: z
      .array(
        of(
          readChoice([
            'shows',
            'hides',
            'refuses',
            'refuses-fees',
            'swallows',
            'low-fees',
            'high-fees',
            'declines'
          ])
        ),
        { error: 'It must be a list, such as [shows, refuses]: one server for each.' }
      )
      .max(20)
      .default([])
  })
  .refine(({ honest, lying }) => honest + lying.length > 0, {
    error: 'A node asks one server at least; write honest: 1, or what the others do.'
  })

/** The fault of a value that a reader has refused; any other error is a bug. */
function issueOf(error: unknown, input: unknown): z.core.$ZodRawIssue {
  if (!(error instanceof Unreadable)) throw error
  return { code: 'custom', message: error.message, input, path: [...error.path] }
}

/** One of several shapes, chosen by its `kind`; errors are reported for that one. */
function byKind<Shapes extends Record<string, z.ZodType>>(
  shapes: Shapes
): z.ZodType<z.output<Shapes[keyof Shapes]>> {
  const readKind = readChoice(Object.keys(shapes))
  return z.unknown().transform((value, context): z.output<Shapes[keyof Shapes]> => {
    try {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        throw new Unreadable('It must be a mapping with a kind, such as { kind: ..., who: ... }.')
      }
      const shape = shapes[inside('kind', readKind, 'kind' in value ? value.kind : undefined)]
      const result = shape?.safeParse(value)
      if (result?.success === true) return result.data as z.output<Shapes[keyof Shapes]>
      context.issues.push(
        ...(result?.error.issues ?? []).map(
          (issue) => ({ ...issue, input: value }) as z.core.$ZodRawIssue
        )
      )
    } catch (error) {
      context.issues.push(issueOf(error, value))
    }
    return z.NEVER
  })
}

const list = <T extends z.ZodType>(item: T): z.ZodArray<T> =>
  z.array(item, { error: 'It must be a list: lines that begin with a hyphen.' }).max(1_000, {
    error: 'There are at most 1,000 of them; describe groups of nodes instead of single ones.'
  })

/** A scenario file. */
export const scenarioSchema = z.strictObject(
  {
    name: of(readName),
    description: or('', readText(2_000)),
    seed: or(1, readCount(0, 4_294_967_295)),
    days: of(readNumber(0.01, 3_650)),
    nodes: z.record(z.string(), group, {
      error: 'It must be a mapping of groups, such as customer: { count: 20, coins: 0.1btc }.'
    }),
    channels: list(channels),
    traffic: list(activity).default([]),
    chain: orEmpty(chain),
    network: orEmpty(network),
    faults: list(byKind(FAULTS)).default([]),
    servers: list(servers).default([]),
    adversaries: list(byKind(ADVERSARIES)).default([]),
    sample: of(readInterval).optional(),
    model: or(false, readBoolean)
  },
  {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? undefined
        : 'A scenario is a mapping: name, days, nodes, channels, and so on. See one with `paychan simulate show pair`.'
  }
)

export type ScenarioFile = z.output<typeof scenarioSchema>

export { readName }

/** The keys that may stand at a path of the file, for a suggestion. */
export function keysAt(path: ReadonlyArray<string | number>, data: unknown): readonly string[] {
  const [section, index, inner] = path
  const kindAt = (shapes: Record<string, z.ZodObject>): readonly string[] => {
    const items = (data as Record<string, unknown>)[String(section)]
    const item: unknown = Array.isArray(items) ? items[Number(index)] : undefined
    const kind =
      typeof item === 'object' && item !== null && 'kind' in item ? String(item.kind) : ''
    return Object.hasOwn(shapes, kind) ? Object.keys(shapes[kind]?.shape ?? {}) : []
  }
  switch (section) {
    case undefined:
      return Object.keys(scenarioSchema.shape)
    case 'nodes':
      return inner === 'policy' ? POLICY_KEYS : Object.keys(group.shape)
    case 'channels':
      return Object.keys(channels.shape)
    case 'traffic':
      return Object.keys(activity.shape)
    case 'chain':
      return index === 'fees'
        ? ['congested', 'trace', 'from', 'steps']
        : index === 'reorgs'
          ? ['every', 'depth']
          : Object.keys(chain.shape)
    case 'network':
      return index === 'partitions' ? ['between', 'during'] : Object.keys(network.shape)
    case 'faults':
      return kindAt(FAULTS)
    case 'servers':
      return Object.keys(servers.shape)
    case 'adversaries':
      return kindAt(ADVERSARIES)
    default:
      return []
  }
}
