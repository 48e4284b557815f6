/**
 * The dashboard in the browser: it asks the API of the node that has served it, and nobody else.
 */
import { need } from '../../browser/dom.js'
import { messageOf } from '../../types/errors.js'
import { prepareChannels, showBalances } from './channels.js'
import { Client, currentToken, isRefused, onToken } from './client.js'
import { EventStream } from './event-stream.js'
import { prepareDialogs } from './parts.js'
import { prepareTheme, showConnection, showNode, showNotice } from './header.js'
import { Known } from './known.js'
import { prepareOpening } from './opening.js'
import { Payments } from './payments.js'
import { preparePaying } from './paying.js'
import { prepareRequests } from './requests.js'
import './styles.css'

let token = currentToken()
const client = new Client(() => token)

let isToBeShown = false

/** Shows everything as it is now, in the next frame: once, however much has changed. */
function show(): void {
  if (isToBeShown) return
  isToBeShown = true
  requestAnimationFrame(() => {
    isToBeShown = false
    showNode(known)
    showBalances(known)
    channels.show()
    requests.show()
    payments.showChannels()
    payments.show()
  })
}

const known = new Known(client, {
  onChange: show,
  onLoaded: () => {
    payments.load()
  },
  onPayment: (payment) => {
    payments.add(payment)
  },
  onNotice: showNotice,
  onError: (error) => {
    if (isRefused(error)) showConnection('refused')
  }
})
const payments = new Payments(known, client)
const opening = prepareOpening(known, client)
const paying = preparePaying(client, payments, opening.begin)
const channels = prepareChannels(known, client, paying.begin)
const requests = prepareRequests(known, client)

const events = new EventStream(client, {
  onEvent: known.onEvent,
  onConnection: (connection) => {
    showConnection(connection)
    if (connection !== 'live') return
    // Once the events come nothing is missed between them and what is asked for now.
    known.load().catch((error: unknown) => {
      if (isRefused(error)) showConnection('refused')
      else showNotice({ text: messageOf(error), isAlarm: false })
    })
  }
})

for (const [id, begin] of [
  ['pay', () => paying.begin()],
  ['request', requests.begin],
  ['open', () => opening.begin()]
] as const) {
  need(id, HTMLButtonElement).addEventListener('click', begin)
}
onToken(() => {
  token = currentToken()
  events.start()
})
prepareTheme()
prepareDialogs()
events.start()
