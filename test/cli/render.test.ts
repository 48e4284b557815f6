/** CSV as RFC 4180 has it, and what spreadsheets make of it. */
import assert from 'node:assert/strict'
import { stripVTControlCharacters } from 'node:util'
import fc from 'fast-check'
import pc from 'picocolors'
import { type FactUnit, NEWS } from '../../src/channel/effects.js'
import { createOutput } from '../../src/cli/output.js'
import {
  renderBalance,
  renderChannel,
  renderChannels,
  renderInfo,
  renderOpened,
  renderPayments,
  renderPeers
} from '../../src/cli/render.js'
import {
  type CsvCell,
  type CsvColumn,
  renderCsv,
  renderFields,
  renderTable
} from '../../src/cli/table.js'
import { momentBy, parseDuration } from '../../src/cli/options.js'
import type { ChannelInfo, News } from '../../src/node/api.js'
import { channelId, txid } from '../../src/types/bytes.js'
import { blockDelta, blockHeight, satoshi } from '../../src/types/units.js'
import { closedWords, plainWords, protocolWords } from '../../src/words/channels.js'
import { leftAfter, paidWords } from '../../src/words/payments.js'
import { formatTime, printable, shortPeer } from '../../src/words/text.js'
import {
  balance,
  channel,
  CHANNEL,
  FUNDING,
  info,
  paid,
  payment,
  PEER,
  peer
} from '../daemon/fake-node.js'
import { testWorld } from './world.js'

describe('what people read', () => {
  const plain = pc.createColors(false)

  it('info', () => {
    assert.equal(
      renderInfo(
        { ...info, chain: { ...info.chain, status: 'down', lastError: 'connection refused' } },
        plain,
        200
      ),
      [
        'version       0.1.0',
        'network       regtest',
        `peer id       ${PEER}`,
        `peer address  /ip4/127.0.0.1/tcp/4001/p2p/${PEER}`,
        'chain         down at block 120, tcp://127.0.0.1:50001 (connection refused)',
        'channels      1 open, 2 in all',
        'takes         channels of 10,000 sat to 1,300,000 sat, for 55 to 8064 blocks, 64 a peer; payments after 1 confirmation',
        'payments      first payment worth settling, at most 1,300,000 sat at stake; in flight 16 updates, 1,300,000 sat',
        'data          /home/alice/.paychan',
        'ecdsa         secp256k1'
      ].join('\n')
    )
  })

  it('info while histories are being read', () => {
    assert.match(
      renderInfo(
        { ...info, chain: { ...info.chain, histories: { known: 3_200, total: 10_000 } } },
        plain,
        200
      ),
      /^chain .*, reading histories: 3,200 of 10,000$/m
    )
  })

  it('what no server tells of: in the info, the balance and the channels (UPD-20)', () => {
    assert.match(
      renderInfo({ ...info, channels: { open: 1, total: 2, unwatched: 1 } }, plain, 200),
      /^channels .*, 1 not watched: no server tells what happens to it$/m
    )
    assert.match(
      renderBalance({ ...balance, unwatched: satoshi(1_000n) }, plain),
      /^ {2}of it not watched +1,000 sat$/m
    )
    assert.match(
      renderChannels([{ ...channel, watched: false }], plain, 200),
      /not watched: no server tells what happens to it, and nothing is paid/
    )
    assert.doesNotMatch(
      renderChannels([{ ...channel, watched: false, status: 'closed' }], plain, 200),
      /not watched/
    )
  })

  it('balance, the amounts aligned and with their unit', () => {
    assert.equal(
      renderBalance(balance, plain),
      [
        'confirmed         1,000,000 sat',
        '  of it reserved     70,000 sat',
        '  of it locked        5,000 sat',
        'pending                   0 sat',
        'in channels         250,000 sat',
        'unswept                 330 sat',
        'total             1,250,330 sat'
      ].join('\n')
    )
  })

  it('a two-way channel: whose turn it is, how many are left, what can come in, and when states mature', () => {
    const turns = {
      number: 1,
      payer: 'peer',
      left: 6,
      step: 20,
      oursMatures: blockHeight(660),
      theirsMatures: blockHeight(680)
    } as const
    const line =
      renderChannels(
        [
          {
            ...channel,
            mode: 'two-way',
            turns,
            receivable: satoshi(40_000n),
            lastPaymentHeight: blockHeight(648)
          }
        ],
        plain,
        200
      ).split('\n')[2] ?? ''
    assert.match(
      line,
      /turn 1: the peer pays, 6 more; receivable 40,000 sat; close by block 648; our state matures at 660, theirs at 680/
    )
  })

  it('a channel without its peer: by what our share comes home, and from when on', () => {
    const alone = { by: 'refund', from: blockHeight(1_048) } as const
    const note = (status: ChannelInfo['status']): string =>
      renderChannels([{ ...channel, status, alone }], plain, 200)
    assert.match(
      note('offline'),
      /without the peer our share comes home by the refund, from block 1048 on/
    )
    assert.doesNotMatch(note('open'), /comes home/)
  })

  it('peers', () => {
    assert.equal(
      renderPeers(
        [
          peer,
          {
            ...peer,
            connected: false,
            paychan: true,
            multiaddrs: [`/ip4/127.0.0.1/tcp/1/p2p/${PEER}`]
          }
        ],
        plain,
        100
      ),
      [
        'PEER                                                  CONNECTED  PAYCHAN  ADDRESS',
        `${PEER}  yes        ?`,
        `${PEER}  no         yes      /ip4/127.0.0.1/tcp/1`
      ].join('\n')
    )
    assert.match(renderPeers([], plain, 100), /paychan connect/)
  })

  it('channels, with short ids and what there is to know', () => {
    const waiting = {
      ...channel,
      id: channelId('ff'.repeat(32)),
      role: 'server' as const,
      status: 'confirming' as const,
      confirmations: 0,
      minDepth: 3,
      ourBalance: satoshi(0n),
      atRisk: satoshi(200n),
      inFlight: satoshi(50n)
    }
    assert.equal(
      renderChannels([channel, waiting], plain, 200),
      [
        'CHANNEL   PEER       ROLE    STATUS           CAPACITY         OURS       THEIRS    SPENDABLE   REFUND AT',
        '1a2b3c4d  ' +
          shortPeer(PEER) +
          '  client  open        1,000,000 sat  750,000 sat  250,000 sat  749,000 sat  block 1048',
        'ffffffff  ' +
          shortPeer(PEER) +
          '  server  confirming  1,000,000 sat        0 sat  250,000 sat  749,000 sat  block 1048',
        '    0 of 3 confirmations; 50 sat not acknowledged; 200 sat at risk: not worth the fee of settling alone'
      ].join('\n')
    )
    assert.match(renderChannels([], plain, 200), /paychan open/)
  })

  it('channels in 80 columns, whatever there is to say of them', () => {
    const turns = {
      number: 1,
      payer: 'peer',
      left: 6,
      step: 20,
      oursMatures: blockHeight(660),
      theirsMatures: blockHeight(680)
    } as const
    const large = satoshi(20_999_999_999_999n)
    const busy: ChannelInfo = {
      ...channel,
      status: 'confirming',
      turns,
      watched: false,
      reason: 'the peer says that it is too late',
      renewFor: blockDelta(1_008),
      inFlight: satoshi(50n),
      atRisk: satoshi(200n),
      risk: 0.5
    }
    for (const listed of [
      [channel],
      [channel, busy],
      [{ ...busy, capacity: large, ourBalance: large, theirBalance: large, spendable: large }]
    ]) {
      const lines = renderChannels(listed, plain, 80).split('\n')
      for (const line of lines) assert.ok(line.length <= 80, `${line.length}: ${line}`)
      assert.match(lines[0] ?? '', /^CHANNEL +PEER .*STATUS .*OURS .*SPENDABLE/)
    }
    assert.ok(
      renderChannels([busy], plain, 80)
        .replace(/\n +/g, ' ')
        .includes(renderChannels([busy], plain, 2_000).split('\n')[2]?.trim() ?? '?'),
      'nothing of the note is lost'
    )
  })

  it('all of one channel', () => {
    const text = renderChannel(
      {
        ...channel,
        spend: { kind: 'close', txid: FUNDING, height: undefined },
        reason: 'the peer is gone'
      },
      plain,
      200
    )
    for (const line of [
      `channel        ${CHANNEL}`,
      `peer           ${PEER}`,
      'capacity       1,000,000 sat',
      'ours           750,000 sat',
      `funding        ${FUNDING}:1`,
      `spent by       close ${FUNDING}, in no block yet`,
      'settled at     block 1012',
      'refund at      block 1048',
      'payments       12 sent, 0 received',
      'note           the peer is gone'
    ]) {
      assert.ok(text.split('\n').includes(line), `${line}\n${text}`)
    }
  })

  it('what is left to pay: on the channel, and on all to that peer', () => {
    const other = { ...channel, id: channelId('ee'.repeat(32)), spendable: satoshi(1_000n) }
    const stranger = { ...channel, peerId: 'another', id: channelId('dd'.repeat(32)) }
    assert.match(
      paidWords(paid, leftAfter(paid, [channel, stranger])),
      / on channel 1a2b3c4d\. 749,000 sat are left to pay on it\.$/
    )
    assert.match(
      paidWords(paid, leftAfter(paid, [channel, other])),
      / 749,000 sat are left to pay on it, 750,000 sat on all channels to that peer\.$/
    )
    assert.match(
      paidWords(paid, leftAfter(paid, [{ ...channel, spendable: satoshi(0n) }])),
      / 0 sat are left to pay on it\.$/
    )
  })

  it('payments, their memos harmless', () => {
    assert.equal(
      renderPayments(
        [payment, { ...payment, direction: 'received', status: 'unknown', memo: '\u001b[31mred' }],
        plain,
        100
      ),
      [
        'TIME                  CHANNEL   PEER       DIRECTION     AMOUNT  STATUS        MEMO',
        `2027-01-15 08:00:00Z  1a2b3c4d  ${shortPeer(PEER)}  sent       1,000 sat  acknowledged  coffee`,
        `2027-01-15 08:00:00Z  1a2b3c4d  ${shortPeer(PEER)}  received   1,000 sat  unknown       \ufffd[31mred`
      ].join('\n')
    )
  })

  it('payments in 80 columns, their memos below them where they do not fit', () => {
    const long = {
      ...payment,
      memo: 'a memo of some words that are too many for the line of its payment, and yet all of them are shown'
    }
    const lines = renderPayments(
      [payment, { ...long, amount: satoshi(1_300_000n) }],
      plain,
      80
    ).split('\n')
    for (const line of lines) assert.ok(line.length <= 80, line)
    assert.equal(lines.slice(3).join(' ').replace(/ +/g, ' ').includes(long.memo), true)
    assert.match(
      renderPayments([payment], plain, 80),
      /^TIME {18}PEER.*STATUS +MEMO\n.*acknowledged +coffee$/
    )
  })

  it('the outcome of open, pay and close', () => {
    assert.match(
      renderOpened(channel),
      /1,000,000 sat.*block 1048\.\nPay with: paychan pay 1a2b3c4d AMOUNT/
    )
    assert.match(renderOpened({ ...channel, status: 'confirming' }), /It is confirming/)
    assert.match(paidWords(paid), /^Paid 1,000 sat to …/)
    assert.match(
      paidWords({ ...paid, already: true }),
      /^1,000 sat were paid already to …\S+, at \d{4}-.*Z; nothing was paid now\./
    )
    assert.match(
      paidWords({
        ...paid,
        amount: satoshi(3_000n),
        parts: [
          payment,
          { ...payment, channel: channelId('ffeeddcc'.repeat(8)), amount: satoshi(2_000n) }
        ]
      }),
      /^Paid 3,000 sat to …\S+ in 2 parts: 1,000 sat on channel 1a2b3c4d, 2,000 sat on channel ffeeddcc\.$/
    )
    assert.match(
      closedWords({ channel: CHANNEL, kind: 'close', txid: FUNDING }),
      /closed by both sides in transaction f0f0/
    )
    assert.match(
      closedWords({ channel: CHANNEL, kind: 'settlement', txid: FUNDING }),
      /settled alone/
    )
    assert.match(closedWords({ channel: CHANNEL, kind: 'abandoned', txid: undefined }), /abandoned/)
  })

  it('times, the same everywhere, and no crash for one that is none', () => {
    assert.equal(formatTime(0), '1970-01-01 00:00:00Z')
    assert.equal(formatTime(Number.MAX_VALUE), '?')
  })
})

describe('tables', () => {
  const plain = pc.createColors(false)
  const colored = pc.createColors(true)

  it('align columns two spaces apart, without trailing spaces', () => {
    const table = renderTable(
      [{ title: 'NAME' }, { title: 'AMOUNT', align: 'right' }, { title: 'NOTE' }],
      [
        ['a', '1 sat', ''],
        ['longer', '1,000 sat', 'x']
      ],
      plain
    )
    assert.equal(
      table,
      ['NAME       AMOUNT  NOTE', 'a           1 sat', 'longer  1,000 sat  x'].join('\n')
    )
  })

  it('measure a cell before it is coloured', () => {
    const rows = (colors: typeof plain): string =>
      renderTable(
        [{ title: 'S' }, { title: 'T' }],
        [
          [{ text: 'open', style: colors.green }, 'x'],
          ['closing', 'y']
        ],
        colors
      )
    assert.notEqual(rows(colored), rows(plain))
    assert.equal(stripVTControlCharacters(rows(colored)), rows(plain))
  })

  it('count letters, not bytes', () => {
    assert.equal(
      renderTable(
        [{ title: 'A' }, { title: 'B' }],
        [
          ['…é𝄞', '|'],
          ['abc', '|']
        ],
        plain
      ),
      'A    B\n…é𝄞  |\nabc  |'
    )
  })

  it('show control characters of strangers as what they are not', () => {
    assert.equal(
      renderTable([{ title: 'MEMO' }], [['\u001b[2Jgone\nnew line\u202e']], plain),
      'MEMO\n\ufffd[2Jgone\ufffdnew line\ufffd'
    )
    const { io, err } = testWorld()
    const output = createOutput(io, false)
    output.progress('the peer says: \u202eno\u001b[2J')
    output.note('Note: the server says \u009b2J')
    assert.equal(err(), 'the peer says: \ufffdno\ufffd[2J\nNote: the server says \ufffd2J\n')
    assert.equal(printable('tab\tbell\u0007 straße ₿'), 'tab\ufffdbell\ufffd straße ₿')
  })

  it('align the names of fields', () => {
    assert.equal(
      renderFields(
        [
          ['a', '1'],
          ['long', '']
        ],
        plain
      ),
      'a     1\nlong'
    )
  })
})

const VALUES = {
  sat: satoshi(1_234n),
  height: blockHeight(130),
  number: 2,
  text: 'settlement',
  code: 'ERR_CANCELLED',
  channel: CHANNEL
} satisfies Record<FactUnit, unknown>

/** One of each kind. */
const ALL = Object.entries(NEWS).map(
  ([kind, facts]) =>
    ({
      kind,
      ...Object.fromEntries(
        Object.entries<FactUnit>(facts).map(([fact, unit]) => [fact, VALUES[unit]])
      )
    }) as unknown as News
)

describe('the words for what happens to a channel', () => {
  it('are those of its users, whatever it is', () => {
    assert.ok(ALL.length > 30)
    for (const news of ALL) {
      assert.doesNotMatch(
        plainWords({ news, txid: FUNDING }),
        /\b[TK]\d\b|\b(the \w+) \1\b|undefined|\[object/,
        news.kind
      )
    }
  })

  it("are the protocol's own when they are asked for", () => {
    for (const news of ALL) {
      assert.doesNotMatch(protocolWords({ news, txid: FUNDING }), /undefined|\[object/, news.kind)
    }
    const mined: News = { kind: 'spend-mined', transaction: 'refund', height: blockHeight(1) }
    const id = txid('ab'.repeat(32))
    assert.deepEqual(
      [plainWords({ news: mined, txid: id }), protocolWords({ news: mined, txid: id })],
      [`the refund ${id} is in block 1`, `the refund T2 ${id} is in block 1`]
    )
    assert.equal(
      protocolWords({ news: { kind: 'renewed-as', channel: channelId('cd'.repeat(32)) } }),
      'renewed as channel cdcdcdcd; this one takes no more payments'
    )
  })
})

const columns = (count: number): Array<CsvColumn<readonly CsvCell[]>> =>
  Array.from({ length: count }, (_, i) => ({ name: `column_${i}`, cell: (row) => row[i] }))

/** A reader of RFC 4180, section 2. */
function read(text: string): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  for (let at = 0; at < text.length;) {
    let field = ''
    if (text[at] === '"') {
      for (at += 1; text[at] !== '"' || text[at + 1] === '"'; at++) {
        if (text[at] === '"') at += 1
        field += text[at] ?? assert.fail('a quote is not closed')
      }
      at += 1
    } else {
      for (; at < text.length && !',\r\n'.includes(text[at] ?? ''); at++) field += text[at]
      assert.equal(field.includes('"'), false)
    }
    row.push(field)
    if (text[at] === ',') at += 1
    else {
      assert.equal(text.slice(at, at + 2), '\r\n')
      at += 2
      rows.push(row)
      row = []
    }
  }
  assert.deepEqual(row, [])
  return rows
}

describe('cli / csv', () => {
  it('has a line of names, CR LF behind every line, and quotes where they are needed', () => {
    const rows = [
      ['plain', 'a "quoted" word', 'one, two', 'two\nlines'],
      [1_000n, -5, true, undefined]
    ]
    assert.equal(
      renderCsv(columns(4), rows),
      'column_0,column_1,column_2,column_3\r\n' +
        'plain,"a ""quoted"" word","one, two","two\nlines"\r\n' +
        '1000,-5,true,\r\n'
    )
  })

  for (const text of ['=1+1', '+1', '-2+3', '@SUM(A1)', '\t=1', '\r=1', '=HYPERLINK("http://x")']) {
    it(`makes a text of ${JSON.stringify(text)}, not a formula`, () => {
      const field = renderCsv(columns(1), [[text]])
        .split('\r\n')
        .slice(1, -1)
        .join('\r\n')
      assert.equal(field, `"'${text.replaceAll('"', '""')}"`)
    })
  }

  it('leaves numbers with a sign alone, and texts with such a letter inside', () => {
    const [, row] = read(renderCsv(columns(4), [[-362n, -5, 'a=1', 'me@home']]))
    assert.deepEqual(row, ['-362', '-5', 'a=1', 'me@home'])
  })

  it('is read back as it was, whatever the words', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.string({ unit: 'binary' }), { minLength: 3, maxLength: 3 })),
        (rows) => {
          const defused = rows.map((row) =>
            row.map((text) => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text))
          )
          assert.deepEqual(read(renderCsv(columns(3), rows)).slice(1), defused)
        }
      )
    )
  })
})

const NOW = Date.parse('2026-11-30T08:15:00Z')
const since = momentBy(() => NOW, false)
const until = momentBy(() => NOW, true)
const at = (iso: string): number => Date.parse(iso)

describe('cli / times', () => {
  for (const [text, moment] of [
    ['2026-11-01', '2026-11-01T00:00:00Z'],
    ['2026-11-01 07:30', '2026-11-01T07:30:00Z'],
    ['2026-11-01T07:30:15', '2026-11-01T07:30:15Z'],
    ['2026-11-01T07:30+01:00', '2026-11-01T06:30:00Z'],
    ['2026-11-01 07:30:00Z', '2026-11-01T07:30:00Z'],
    ['7d', '2026-11-23T08:15:00Z'],
    ['90s', '2026-11-30T08:13:30Z']
  ] as const) {
    it(`reads ${text}`, () => {
      assert.equal(since(text), at(moment))
    })
  }

  it('a day counts to its end where an end is asked for, a time of a day does not', () => {
    assert.equal(until('2026-11-30'), at('2026-12-01T00:00:00Z'))
    assert.equal(until('2026-11-30 00:00'), at('2026-11-30T00:00:00Z'))
    assert.equal(until('1h'), at('2026-11-30T07:15:00Z'))
  })

  for (const text of [
    '',
    'yesterday',
    '2026-11-31',
    '2026-13-01',
    '30.11.2026',
    '0d',
    '5',
    '5y',
    '2w',
    '1764489600000',
    '2026-11-30T25:00'
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => since(text), /It must be a time such as/)
      assert.equal(parseDuration(text), undefined)
    })
  }
})
