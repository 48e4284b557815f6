/**
 * The dashboard as the API on TCP serves it: three files, made from `page/` by `npm run build`
 * (scripts/bundle-page.js) beside this module.
 */
import { readFileSync } from 'node:fs'

/** The policy of the page: it loads from this server, asks this server, and nobody else. */
export const DASHBOARD_POLICY = {
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  connectSrc: ["'self'"],
  imgSrc: ["'self'", 'data:']
}

interface DashboardFile {
  readonly path: string
  readonly type: string
  readonly content: string
}

/** The files, and where they are served. */
export function dashboardFiles(): DashboardFile[] {
  return [
    { path: '/ui/', type: 'text/html; charset=utf-8', content: asset('index.html') },
    { path: '/ui/page.js', type: 'text/javascript; charset=utf-8', content: asset('page.js') },
    { path: '/ui/page.css', type: 'text/css; charset=utf-8', content: asset('page.css') }
  ]
}

function asset(name: string): string {
  return readFileSync(new URL(`./assets/${name}`, import.meta.url), 'utf8')
}
