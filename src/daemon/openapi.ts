/**
 * OpenAPI 3.1 of the API on TCP, and the same for people: both are made from the table of verbs.
 */
import { VERSION } from '../node/system.js'
import { ERROR_KINDS } from '../types/error-codes.js'
import { type JsonSchema, publishedSchema, withParts } from './dialect.js'
import type { Verb } from './verb.js'
import { isShown, VERBS } from './verbs.js'
import { nodeEvent } from './wire.js'

const INTRODUCTION =
  'Amounts are whole numbers of satoshis, feerates are in sat/vB, times in milliseconds since 1970; the unit is part of the name. What is not known is null. Every call but this page, `/health` and `/ready` has `Authorization: Bearer TOKEN`; `paychan token create` makes a token. Send an `Idempotency-Key` with what must not be done twice, and ask again with the same key when the answer is lost.'

/** The whole document; the same for every node of this release. */
export function openApi(): object {
  const named = new Names()
  const paths = Object.fromEntries(
    [...VERBS.values()].map((verb) => [
      `/v1/${verb.name}`,
      isShown(verb) ? { get: operationOf(verb, named) } : { post: operationOf(verb, named) }
    ])
  )
  const event = named.hoist({ ...publishedSchema(nodeEvent), title: 'Event' })
  return {
    openapi: '3.1.0',
    info: {
      title: 'paychan',
      version: VERSION,
      description: INTRODUCTION,
      license: { name: 'MIT', identifier: 'MIT' }
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    paths: { ...paths, '/v1/events': { get: eventsOperation(event) } },
    webhooks: { event: { post: webhookOperation(event) } },
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: { ...named.schemas, Problem: PROBLEM }
    }
  }
}

const PROBLEM: JsonSchema = {
  type: 'object',
  title: 'Problem',
  description: 'RFC 9457. `code` says which; `detail` says what to do; `facts` has the values.',
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string' },
    facts: { type: 'object', additionalProperties: { type: ['string', 'number', 'boolean'] } }
  },
  required: ['type', 'title', 'status', 'detail', 'code', 'facts']
}

/** Moves schemas that have a name to one place, so that a client has one class for each. */
class Names {
  readonly schemas: Record<string, JsonSchema> = {}

  hoist(schema: JsonSchema): JsonSchema {
    const inside = withParts(schema, (part) => this.hoist(part))
    const { title } = schema
    if (title === undefined) return inside
    this.schemas[title] = inside
    return { $ref: `#/components/schemas/${title}` }
  }
}

function operationOf(verb: Verb, named: Names): object {
  const { name, meaning, scope } = verb
  const answer = named.hoist(publishedSchema(verb.answer))
  const request = publishedSchema(verb.request)
  return {
    operationId: name,
    tags: [tagOf(verb)],
    summary: sentence(meaning),
    description: `Needs the scope \`${scope}\`.`,
    ...(isShown(verb) ? { parameters: queryOf(request) } : bodyOf(verb, request, named)),
    responses: {
      ...(answer.type === 'null'
        ? { 204: { description: 'Done.' } }
        : {
            200: { description: 'Done.', content: { 'application/json': { schema: answer } } }
          }),
      default: {
        description: 'It was refused, or it failed.',
        content: {
          'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } }
        }
      }
    }
  }
}

function bodyOf(verb: Verb, request: JsonSchema, named: Names): object {
  const once = {
    name: 'Idempotency-Key',
    in: 'header',
    required: false,
    description:
      'A name for this request, of at most 128 characters: asked again, it is done once.',
    schema: { type: 'string', maxLength: 128 }
  }
  if (Object.keys(request.properties ?? {}).length === 0) return { parameters: [once] }
  return {
    parameters: [once],
    requestBody: {
      required: true,
      content: {
        'application/json': {
          schema: named.hoist({ ...request, title: `${capital(verb.name)}Body` })
        }
      }
    }
  }
}

function queryOf({ properties = {}, required = [] }: JsonSchema): object[] {
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema
  }))
}

function eventsOperation(event: JsonSchema): object {
  return {
    operationId: 'events',
    tags: ['events'],
    summary: 'Everything that happens, as server-sent events.',
    description:
      'Needs the scope `read`. Payments, requests, channels and alarms have a number (`id`), which only grows: connect again with `Last-Event-ID`, and nothing is missed or seen twice. What passes (the chain, servers, risks) has none.',
    parameters: [
      {
        name: 'Last-Event-ID',
        in: 'header',
        required: false,
        schema: { type: 'string', pattern: '^[0-9]{1,15}$' }
      },
      {
        name: 'after',
        in: 'query',
        required: false,
        description: 'The same, for whoever cannot set a header.',
        schema: { type: 'string', pattern: '^[0-9]{1,15}$' }
      }
    ],
    responses: {
      200: {
        description: 'For as long as the reader stays.',
        content: { 'text/event-stream': { schema: event } }
      }
    }
  }
}

function webhookOperation(event: JsonSchema): object {
  const number: JsonSchema = {
    type: 'object',
    properties: { id: { type: 'integer' } },
    required: ['id']
  }
  return {
    operationId: 'webhook',
    tags: ['webhooks'],
    summary: 'An event with its number, as webhooks are sent it.',
    description:
      'Signed by the Standard Webhooks specification (`webhook-id`, `webhook-timestamp`, `webhook-signature`). Posted until it is answered 2xx, under the same `webhook-id`.',
    requestBody: {
      required: true,
      content: {
        'application/json': { schema: { allOf: [event, number] } }
      }
    },
    responses: { '2XX': { description: 'It was taken.' }, 410: { description: 'No more, please.' } }
  }
}

function tagOf({ call, name }: Verb): string {
  return call?.includes('.') === true ? (call.split('.')[0] ?? name) : 'node'
}

function sentence(text: string): string {
  return `${capital(text)}.`
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}

/* The page for people. */

/** One page without a script, and without anything from outside. */
export function readablePage(): string {
  const verbs = [...VERBS.values()]
  const tags = [...new Set(verbs.map(tagOf))]
  const sections = tags.map((tag) => {
    const rows = verbs.filter((verb) => tagOf(verb) === tag).map(rowOf)
    return `<section aria-labelledby="${tag}"><h2 id="${tag}">${tag}</h2>${rows.join('')}</section>`
  })
  const kinds = Object.entries(ERROR_KINDS).map(
    ([kind, { status, means }]) =>
      `<tr><td>${kind}</td><td>${status}</td><td>${escaped(means)}</td></tr>`
  )
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>paychan ${VERSION}: the API</title><style>${STYLE}</style></head><body><main>
<h1>paychan ${VERSION}: the API</h1>
<p>${markup(INTRODUCTION)} For programs that make clients: <a href="/openapi.json">openapi.json</a>.</p>
${sections.join('\n')}
<section aria-labelledby="events"><h2 id="events">events</h2><article><h3><code>GET /v1/events</code> <small>read</small></h3><p>${markup(
    'Everything that happens, as server-sent events. Payments, requests, channels and alarms have a number (`id`): connect again with `Last-Event-ID`, and nothing is missed or seen twice.'
  )}</p></article></section>
<section aria-labelledby="metrics"><h2 id="metrics">metrics</h2><article><h3><code>GET /metrics</code> <small>read</small></h3><p>Figures of the node, in the text format of Prometheus.</p></article></section>
<section aria-labelledby="errors"><h2 id="errors">errors</h2><p>${markup(
    'Problem details (RFC 9457): `code` says which, `detail` what to do, `facts` has the values.'
  )}</p><table><thead><tr><th>kind</th><th>status</th><th>means</th></tr></thead><tbody>${kinds.join('')}</tbody></table></section>
</main></body></html>`
}

function rowOf(verb: Verb): string {
  const { properties = {}, required = [] } = publishedSchema(verb.request)
  const fields = Object.entries(properties).map(
    ([name, schema]) =>
      `<tr><td><code>${name}</code></td><td>${escaped(typeOf(schema))}</td><td>${required.includes(name) ? 'needed' : ''}</td></tr>`
  )
  const answer = typeOf(publishedSchema(verb.answer))
  return `<article><h3><code>${isShown(verb) ? 'GET' : 'POST'} /v1/${verb.name}</code> <small>${verb.scope}</small></h3><p>${escaped(sentence(verb.meaning))} Answers ${escaped(answer === 'null' ? 'nothing (204)' : answer)}.</p>${fields.length === 0 ? '' : `<table><tbody>${fields.join('')}</tbody></table>`}</article>`
}

function typeOf({ type, title, anyOf, items, enum: values, const: only }: JsonSchema): string {
  if (title !== undefined) return title
  if (only !== undefined) return JSON.stringify(only)
  if (values !== undefined) return values.map((value) => JSON.stringify(value)).join(' or ')
  if (anyOf !== undefined) return anyOf.map(typeOf).join(' or ')
  if (items !== undefined) return `list of ${typeOf(items)}`
  return Array.isArray(type) ? type.join(' or ') : String(type ?? 'anything')
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`)
}

/** Text between backquotes becomes code. */
function markup(text: string): string {
  return escaped(text).replace(/`([^`]*)`/g, '<code>$1</code>')
}

const STYLE = `:root{color-scheme:light dark;--line:#8884}
body{font:16px/1.5 system-ui,sans-serif;margin:0}
main{max-width:46rem;margin:0 auto;padding:1.5rem}
h2{margin-top:2.5rem;border-bottom:1px solid var(--line)}
h3{margin:1.5rem 0 0;font-size:1rem}
small{font-weight:normal;border:1px solid var(--line);border-radius:.6rem;padding:0 .5rem}
p{margin:.3rem 0}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.15rem .6rem .15rem 0;vertical-align:top;border-top:1px solid var(--line)}
code{font-family:ui-monospace,monospace;overflow-wrap:anywhere}`
