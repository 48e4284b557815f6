/**
 * The JSON of the API over TCP, for programs in any language: the local API's (wire.ts) with a unit
 * in the name of each field that has one (`amountSat`, `feeRateSatPerVb`, `timeMs`), and amounts as
 * whole numbers: all bitcoin are 2.1 * 10^15 sat, and JSON numbers are exact up to 9 * 10^15. Names
 * and shapes are made from the schemas of the table of verbs, so there is no second list of them.
 */
import { z } from 'zod'
import { PaychanError } from '../types/errors.js'
import { didYouMean } from '../types/amount.js'
import type { Wire } from './wire.js'

/** The part of JSON Schema that the schemas of the table come to. */
export interface JsonSchema {
  readonly type?: string | readonly string[]
  readonly title?: string
  readonly const?: Wire
  readonly enum?: readonly Wire[]
  readonly anyOf?: readonly JsonSchema[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly items?: JsonSchema
  readonly additionalProperties?: JsonSchema | boolean
  /** The unit of the value, which becomes part of its name. */
  readonly unit?: string
  readonly [keyword: string]: unknown
}

/** The ending of a name for a value of each unit. */
const ENDINGS: Readonly<Record<string, string>> = {
  sat: 'Sat',
  height: 'Height',
  blocks: 'Blocks',
  confirmations: 'Confirmations',
  ms: 'Ms',
  seconds: 'Seconds',
  percent: 'Percent'
}

/** The schema of what a zod schema reads, in the words of the local API. */
const local = new WeakMap<z.ZodType, JsonSchema>()

function localSchema(schema: z.ZodType): JsonSchema {
  const known = local.get(schema)
  if (known !== undefined) return known
  const made = Object.fromEntries(
    Object.entries(z.toJSONSchema(schema, { io: 'input' })).filter(([key]) => key !== '$schema')
  ) as JsonSchema
  local.set(schema, made)
  return made
}

/** The schema of what crosses the API over TCP. */
export function publishedSchema(schema: z.ZodType): JsonSchema {
  return published(localSchema(schema))
}

/** Turns an answer of the local API into one of the API over TCP. */
export function publish(schema: z.ZodType, value: Wire): Wire {
  return outward(localSchema(schema), value)
}

/**
 * The body of a request as the local API takes it.
 *
 * @throws PaychanError `ERR_UNKNOWN_FIELD`, `ERR_INVALID_REQUEST` (facts: field)
 */
export function readPublished(schema: z.ZodType, value: unknown): unknown {
  return inward(localSchema(schema), value, '')
}

/** A field that this API names or writes otherwise than the local one. */
export interface PublishedField {
  readonly local: string
  readonly isAmount: boolean
}

/**
 * The fields of some schemas by their names here, for a client that reads answers back into the
 * types of `NodeApi`: that takes no schema, as long as no name stands for two fields.
 */
export function publishedFields(
  schemas: Iterable<z.ZodType>
): Readonly<Record<string, PublishedField>> {
  const fields = new Map<string, PublishedField>()
  const look = (schema: JsonSchema): void => {
    withParts(schema, (part) => {
      look(part)
      return part
    })
    for (const [local, part] of Object.entries(schema.properties ?? {})) {
      const name = publishedName(local, part)
      const field = { local, isAmount: unitOf(part) === 'sat' }
      const known = fields.get(name)
      if (known !== undefined && (known.local !== local || known.isAmount !== field.isAmount)) {
        throw new Error(`the name ${name} stands for ${known.local} and for ${local}`)
      }
      fields.set(name, field)
    }
  }
  for (const schema of schemas) look(localSchema(schema))
  return Object.fromEntries(
    [...fields].filter(([name, { local, isAmount }]) => name !== local || isAmount)
  )
}

/** An error of a request, with the name that the field has here. */
export function renameField(schema: z.ZodType, error: unknown): unknown {
  if (!(error instanceof PaychanError) || typeof error.facts.field !== 'string') return error
  const { field } = error.facts
  const property = localSchema(schema).properties?.[field]
  if (property === undefined) return error
  const name = publishedName(field, property)
  const text = error.message.replace(`'${field}'`, `'${name}'`)
  return PaychanError.of(error.code, text, { ...error.facts, field: name })
}

function unitOf({ unit, anyOf = [] }: JsonSchema): string | undefined {
  return unit ?? anyOf.map(unitOf).find((each) => each !== undefined)
}

export function publishedName(name: string, schema: JsonSchema): string {
  const rate = name.replace(/satPerVByte$/i, '')
  if (rate !== name) return `${rate}${rate === '' ? 'f' : 'F'}eeRateSatPerVb`
  const ending = ENDINGS[unitOf(schema) ?? '']
  if (ending === undefined || name.toLowerCase().endsWith(ending.toLowerCase())) return name
  return name + ending
}

/** A schema whose parts are changed; where there are none, none are added. */
export function withParts(
  schema: JsonSchema,
  change: (part: JsonSchema) => JsonSchema
): JsonSchema {
  const { anyOf, items, additionalProperties, properties } = schema
  return {
    ...schema,
    ...(anyOf && { anyOf: anyOf.map(change) }),
    ...(items && { items: change(items) }),
    ...(typeof additionalProperties === 'object' && {
      additionalProperties: change(additionalProperties)
    }),
    ...(properties && {
      properties: Object.fromEntries(
        Object.entries(properties).map(([name, part]) => [name, change(part)])
      )
    })
  }
}

function published(schema: JsonSchema): JsonSchema {
  const { unit, ...inWords } = withParts(schema, published)
  if (unit === 'sat') return { type: 'integer' }
  const kinds = [...new Set((schema.enum ?? []).map((value) => typeof value))]
  // Makers of clients take no list of values of several types.
  if (kinds.length > 1) {
    return { anyOf: kinds.map((kind) => ({ type: kind === 'number' ? 'integer' : kind })) }
  }
  const { properties, required } = inWords
  const nameOf = (name: string): string => publishedName(name, schema.properties?.[name] ?? {})
  return {
    ...inWords,
    ...(properties && {
      properties: Object.fromEntries(
        Object.entries(properties).map(([name, part]) => [nameOf(name), part])
      )
    }),
    ...(required && { required: required.map(nameOf) })
  }
}

function outward(schema: JsonSchema, value: Wire): Wire {
  if (value === null) return null
  if (schema.anyOf !== undefined) {
    const fitting = schema.anyOf.find((each) => fits(each, value))
    return fitting === undefined ? value : outward(fitting, value)
  }
  if (schema.unit === 'sat') return Number(value)
  if (Array.isArray(value)) {
    const { items } = schema
    return items === undefined ? value : value.map((each) => outward(items, each))
  }
  const { properties } = schema
  if (typeof value !== 'object' || properties === undefined) return value
  return Object.fromEntries(
    Object.entries(properties).flatMap(([name, each]) => {
      const field = value[name]
      // What may be left out is null in the local API's JSON.
      if (field === undefined || (field === null && !mayBeNull(each))) return []
      return [[publishedName(name, each), outward(each, field)]]
    })
  )
}

function mayBeNull({ type, anyOf = [] }: JsonSchema): boolean {
  return type === 'null' || (Array.isArray(type) && type.includes('null')) || anyOf.some(mayBeNull)
}

/**
 * True when a value is of this branch of a union: by its type, and by the fields that name a kind.
 */
function fits(schema: JsonSchema, value: Wire): boolean {
  if (schema.anyOf !== undefined) return schema.anyOf.some((each) => fits(each, value))
  if (schema.const !== undefined) return schema.const === value
  if (schema.enum !== undefined) return schema.enum.includes(value)
  if (schema.type === 'object') {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
    return Object.entries(schema.properties ?? {}).every(
      ([name, each]) => each.const === undefined || each.const === value[name]
    )
  }
  if (schema.type === 'array') return Array.isArray(value)
  if (schema.type === 'integer' || schema.type === 'number') return typeof value === 'number'
  if (schema.type === 'string') return typeof value === 'string'
  if (schema.type === 'boolean') return typeof value === 'boolean'
  return true
}

function inward(schema: JsonSchema, value: unknown, field: string): unknown {
  if (schema.anyOf !== undefined) {
    const constant = schema.anyOf.find((each) => each.const === value)
    if (constant !== undefined) return value
    const other = schema.anyOf.find((each) => each.const === undefined && each.type !== 'null')
    return other === undefined || value === null ? value : inward(other, value, field)
  }
  if (schema.unit === 'sat') {
    if (Number.isSafeInteger(value)) return String(value)
    throw new PaychanError(
      'ERR_INVALID_REQUEST',
      `The field '${field}' is wrong: a whole number of satoshis, such as 1000, and no text.`,
      { field }
    )
  }
  const { properties } = schema
  if (
    properties === undefined ||
    typeof value !== 'object' ||
    value === null ||
    Array.isArray(value)
  ) {
    return value
  }
  const names = new Map(
    Object.entries(properties).map(([name, each]) => [publishedName(name, each), name])
  )
  return Object.fromEntries(
    Object.entries(value).map(([given, each]) => {
      const name = names.get(given)
      if (name === undefined) throw unknownField(given, [...names.keys()])
      return [name, inward(properties[name] ?? {}, each, given)]
    })
  )
}

function unknownField(field: string, names: readonly string[]): PaychanError {
  const said = field.slice(0, 64)
  const near = didYouMean(field, names)
  return new PaychanError(
    'ERR_UNKNOWN_FIELD',
    `This verb has no field '${said}'.${near === '' && names.length > 0 ? ` It takes ${names.join(', ')}.` : near}`,
    { field: said }
  )
}
