/**
 * The rules between the parts of a scenario: impossible combinations, and what to write instead.
 */
import { defaultPolicy, type Policy } from '../../channel/policy.js'
import { PAYMENT_MARGIN, TURN_MARGIN } from '../../channel/schedule.js'
import { didYouMean } from '../../types/amount.js'
import { formatAmount } from '../../types/units.js'
import type { Path } from './problems.js'
import { meanOf } from './quantities.js'
import { MOST_NODES, type ScenarioFile } from './schema.js'

/** Reports an error at a path. */
type Tell = (path: Path, sentence: string, at?: 'key' | 'value') => void

type Channels = ScenarioFile['channels'][number]
type Group = ScenarioFile['nodes'][string]

const DAY = 86_400
const MOST_CHANNELS = 10_000_000
const MOST_PAYMENTS = 1_000_000_000

/** The policy that the nodes of a group have; the simulated network is a regtest. */
function policyOf(group: Pick<Group, 'policy'>): Policy {
  return { ...defaultPolicy('regtest'), ...group.policy }
}

/** The default duration of channels in blocks: what their clients ask for by default. */
export function blocksOf(channels: Channels, client: Group): number {
  return channels.blocks ?? policyOf(client).defaultBlocks
}

export function checkMeaning(file: ScenarioFile, tell: Tell): void {
  const groups = new Map(Object.entries(file.nodes))
  const known = (name: string, path: Path): Group | undefined => {
    const group = groups.get(name)
    if (group === undefined) {
      tell(path, `There is no group '${name}' under nodes.${didYouMean(name, [...groups.keys()])}`)
    }
    return group
  }
  checkNodes(groups, tell)
  let total = 0
  const needs = new Map<string, bigint>()
  for (const [i, channels] of file.channels.entries()) {
    const path = ['channels', i]
    const from = known(channels.from, [...path, 'from'])
    const to = known(channels.to, [...path, 'to'])
    if (channels.opens.until > file.days * DAY) {
      tell([...path, 'opens'], `The scenario lasts ${file.days} days; write times within it.`)
    }
    if (from === undefined || to === undefined) continue
    checkTerms(channels, from, to, path, tell)
    const each = channelsEach(channels, to, path, tell)
    total += each * from.count
    needs.set(channels.from, (needs.get(channels.from) ?? 0n) + BigInt(each) * channels.capacity)
  }
  if (total > MOST_CHANNELS) {
    tell(
      ['channels'],
      `These are ${total.toLocaleString('en')} channels, and at most ${MOST_CHANNELS.toLocaleString('en')} can be simulated; lower the degrees or the counts.`,
      'key'
    )
  }
  for (const [name, needed] of needs) {
    const coins = groups.get(name)?.coins ?? 0n
    if (coins <= needed) {
      tell(
        ['nodes', name, 'coins'],
        `Each '${name}' funds channels of ${formatAmount(needed)} and pays fees, and begins with ${formatAmount(coins)}; give it more than ${formatAmount(needed)}.`
      )
    }
  }
  checkTraffic(file, known, tell)
  checkOthers(file, known, tell)
}

function checkNodes(groups: ReadonlyMap<string, Group>, tell: Tell): void {
  if (groups.size === 0) {
    tell(
      ['nodes'],
      'There are no nodes; name a group, such as customer: { count: 20, coins: 0.1btc }.',
      'key'
    )
  }
  let total = 0
  for (const [name, { count, policy }] of groups) {
    total += count
    if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/i.test(name) || name.length > 40) {
      tell(
        ['nodes', name],
        'A name is made of letters, digits and hyphens, begins with a letter and has at most 40 characters, such as customer.',
        'key'
      )
    }
    const [, stem = '', number] = /^(.*)-([1-9]\d*)$/.exec(name) ?? []
    if (
      count === 1 &&
      Number(number) <= (groups.get(stem)?.count ?? 0) &&
      groups.get(stem)?.count !== 1
    ) {
      tell(
        ['nodes', name],
        `One of the nodes of '${stem}' is called '${name}', too; choose another name.`,
        'key'
      )
    }
    const settings = policyOf({ policy })
    if (settings.minCapacity > settings.maxCapacity) {
      tell(
        ['nodes', name, 'policy'],
        `minCapacity (${formatAmount(settings.minCapacity)}) is above maxCapacity (${formatAmount(settings.maxCapacity)}).`
      )
    }
  }
  if (total > MOST_NODES) {
    tell(
      ['nodes'],
      `These are ${total.toLocaleString('en')} nodes, and at most ${MOST_NODES.toLocaleString('en')} can be simulated; lower the counts.`,
      'key'
    )
  }
}

/**
 * Terms that the server, or the client, would refuse (OPEN-2, OPEN-3, OPEN-4, RENEW-11), before
 * anything runs.
 */
function checkTerms(channels: Channels, from: Group, to: Group, path: Path, tell: Tell): void {
  const policy = policyOf(to)
  const { capacity, step, to: server } = channels
  if (capacity < policy.minCapacity || capacity > policy.maxCapacity) {
    tell(
      [...path, 'capacity'],
      `A '${server}' takes channels of ${formatAmount(policy.minCapacity)} to ${formatAmount(policy.maxCapacity)}; write an amount between them, or change minCapacity or maxCapacity of its policy.`
    )
  }
  if (step !== undefined && step < policy.minStep) {
    tell(
      [...path, 'step'],
      `The turns of a two-way channel are at least ${policy.minStep} blocks apart for a '${server}'; write ${policy.minStep} or more, or change minStep of its policy.`
    )
  }
  const margin = step ?? policy.settleMargin
  const least = Math.max(policy.minBlocks, margin + PAYMENT_MARGIN + policy.minDepth + 1)
  const blocks = blocksOf(channels, from)
  if (blocks < least || blocks > policy.maxBlocks) {
    tell(
      [...path, 'blocks'],
      `A '${server}' takes channels of ${least} to ${policy.maxBlocks} blocks${step === undefined ? '' : ` at a step of ${step}`}; ${blocks} is not one of them.`
    )
  } else if (step !== undefined && blocks - policy.minDepth < 2 * step + TURN_MARGIN) {
    tell(
      [...path, 'blocks'],
      `In ${blocks} blocks a two-way channel with a step of ${step} never changes its turn: it takes ${2 * step + TURN_MARGIN + policy.minDepth} blocks or more. Write more blocks, or a smaller step.`
    )
  }
  const renewable = 2 * (margin + PAYMENT_MARGIN + policy.minDepth)
  if (channels.then === 'renew' && blocks >= least && blocks < renewable) {
    tell(
      [...path, 'then'],
      `Of ${blocks} blocks less than half are left for payments, and such a channel does not renew itself; write ${renewable} blocks or more, or another end.`
    )
  }
}

/** Most channels that each client of the group opens. */
function channelsEach(
  { shape, degree, from: client, to: server }: Channels,
  to: Group,
  path: Path,
  tell: Tell
): number {
  const isWithin = client === server
  const others = isWithin ? to.count - 1 : to.count
  if (shape === 'random' || shape === 'scale-free') {
    if (degree === undefined) {
      tell(
        path,
        `How many channels each one opens is missing: write degree: 2, for instance, beside shape: ${shape}.`
      )
    } else if (degree > others) {
      tell(
        [...path, 'degree'],
        `There are only ${others} others to have channels with; write a degree of at most ${others}, or raise the count of '${server}'.`
      )
    }
    return Math.min(degree ?? 0, others)
  }
  if (degree !== undefined) {
    tell(
      [...path, 'degree'],
      'A degree is for the shapes random and scale-free; take it away, or change the shape.',
      'key'
    )
  }
  if (shape === 'ring') {
    if (!isWithin) tell([...path, 'to'], `A ring is within one group; write to: ${client}.`)
    else if (to.count < 2) {
      tell([...path, 'shape'], `A ring takes two nodes or more; raise the count of '${client}'.`)
    }
    return 1
  }
  if (others < 1) {
    tell(
      [...path, 'to'],
      `There is only one '${client}', and nobody else to have a channel with; raise its count, or name another group.`
    )
  }
  return others
}

/** Looks a group up, and reports a missing one. */
type Known = (name: string, path: Path) => Group | undefined

function checkTraffic(file: ScenarioFile, known: Known, tell: Tell): void {
  let expected = 0
  // The channels are unknown as long as a name there is wrong, which is reported already.
  const isClear = file.channels.every(
    ({ from, to }) => Object.hasOwn(file.nodes, from) && Object.hasOwn(file.nodes, to)
  )
  for (const [i, activity] of file.traffic.entries()) {
    const path = ['traffic', i]
    const { from, to, back, during } = activity
    const payers = known(from, [...path, 'from'])
    if (known(to, [...path, 'to']) === undefined || payers === undefined) continue
    const direct = file.channels.filter((channels) => channels.from === from && channels.to === to)
    const reverse = file.channels.filter((channels) => channels.from === to && channels.to === from)
    const twoWay = [...direct, ...reverse].some(({ step }) => step !== undefined)
    const between = [...direct, ...reverse]
    if (between.length === 0 && isClear) {
      tell(
        [...path, 'to'],
        `There are no channels between '${from}' and '${to}'; add some under channels, or name another group.`
      )
    } else if (isClear && back < 1 && direct.length === 0 && !twoWay) {
      tell(
        [...path, 'from'],
        `The channels between '${from}' and '${to}' are one-way, and only '${to}' pays on them; give them a step, or swap from and to.`
      )
    } else if (isClear && back > 0 && reverse.length === 0 && !twoWay) {
      tell(
        [...path, 'back'],
        `The channels between '${from}' and '${to}' are one-way, and nothing can be paid back on them; give them a step, or take back away.`
      )
    }
    const most = between.reduce((most, { capacity }) => (capacity > most ? capacity : most), 0n)
    if (between.length > 0 && meanOf(activity.amount) > Number(most)) {
      tell(
        [...path, 'amount'],
        `The mean payment is above the capacity of the channels, which is ${formatAmount(most)}; lower it, or raise the capacity.`
      )
    }
    if (during !== undefined && during.until > file.days * DAY) {
      tell([...path, 'during'], `The scenario lasts ${file.days} days; write times within it.`)
    }
    expected += (payers.count * file.days * DAY) / meanOf(activity.every)
  }
  if (expected > MOST_PAYMENTS) {
    tell(
      ['traffic'],
      `These are about ${Math.round(expected / 1e6).toLocaleString('en')} million payments; make the times between them longer.`,
      'key'
    )
  }
}

function checkOthers(file: ScenarioFile, known: Known, tell: Tell): void {
  for (const [i, { between, during }] of file.network.partitions.entries()) {
    for (const side of [0, 1] as const) {
      known(between[side], ['network', 'partitions', i, 'between', side])
    }
    if (during.until > file.days * DAY) {
      tell(
        ['network', 'partitions', i, 'during'],
        `The scenario lasts ${file.days} days; write times within it.`
      )
    }
  }
  for (const [i, { who }] of file.faults.entries()) known(who, ['faults', i, 'who'])
  for (const [i, { who }] of file.servers.entries()) known(who, ['servers', i, 'who'])
  for (const [i, { who }] of file.adversaries.entries()) known(who, ['adversaries', i, 'who'])
  if (file.sample !== undefined && (file.days * DAY) / file.sample > 100_000) {
    tell(
      ['sample'],
      'The curves would have more than 100,000 points; write a longer time, such as 1h.'
    )
  }
  const { fees } = file.chain
  // JavaScript keeps numeric keys in their order.
  if (typeof fees === 'object' && 'steps' in fees && fees.steps[0]?.height !== 0) {
    tell(
      ['chain', 'fees', 'steps'],
      'The first step is that of block 0, as in { 0: 5, 144: 120.5 }.'
    )
  }
}
