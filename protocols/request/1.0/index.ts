/** Payment requests and receipts: what other programs read and write (spec.md). */
export * from './request.js'
