#!/usr/bin/env bash
# A picture of a report: see shoot.ts. After `npm run build`.
set -euo pipefail
PAYCHAN_TEST_CHROMIUM="$("$(dirname "${BASH_SOURCE[0]}")/find-chromium.sh")"
export PAYCHAN_TEST_CHROMIUM
node "$(dirname "${BASH_SOURCE[0]}")/../../dist/test/browser/shoot.js" "$@"
