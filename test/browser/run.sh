#!/usr/bin/env bash
# `npm run test:browser`: the reports and the dashboard in headless Chromium. Where there is none, the reason is printed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

reason="$(mktemp)"
trap 'rm -f "$reason"' EXIT
if ! PAYCHAN_TEST_CHROMIUM="$(test/browser/find-chromium.sh "$@" 2> "$reason")"; then
  echo "SKIPPED the pages in a browser: $(cat "$reason")"
  exit 0
fi
export PAYCHAN_TEST_CHROMIUM
echo "chromium: $PAYCHAN_TEST_CHROMIUM"
npx mocha --no-config --require ./dist/test/setup.js --exit=false --timeout 120000 --forbid-only --forbid-pending 'dist/test/browser/*.browser.js'
