#!/usr/bin/env bash
# `npm run test:real`: our nodes, our Electrum server and our devnet beside the real programs: bitcoind,
# electrs, Electrum, and nodes behind routers of the kernel. What cannot be had is left out, and the
# reason printed. FILES...: only these.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export PAYCHAN_TEST_SIZE=all

# have NAME VARIABLE: how to start it, in an environment variable.
have () {
  local command reason
  reason="$(mktemp)"
  if command="$("test/real/fetch-$1.sh" 2> "$reason")"; then
    export "$2=$command"
    echo "$1: $command"
  else
    echo "SKIPPED $1: $(cat "$reason")"
  fi
  rm -f "$reason"
}

have bitcoind PAYCHAN_TEST_BITCOIND
if [ -z "${PAYCHAN_TEST_BITCOIND:-}" ]; then exit 0; fi
have core PAYCHAN_TEST_CORE
have electrs PAYCHAN_TEST_ELECTRS
have electrum PAYCHAN_TEST_ELECTRUM
have nft PAYCHAN_TEST_NFT
if [ -z "${PAYCHAN_TEST_CORE:-}" ]; then echo 'The rules of Core 31 are judged by the devnet alone.'; fi
if [ -z "${PAYCHAN_TEST_ELECTRS:-}" ]; then echo 'What goes through electrs goes through our own Electrum server instead.'; fi

mocha () { npx mocha --no-config --require ./dist/test/setup.js --exit=false --timeout 180000 --forbid-only --forbid-pending "$@"; }

if [ $# -gt 0 ]; then mocha "$@"; exit; fi
mocha 'dist/test/real/*.real.js'
real=$?
# A line that begins with === tells .ci/run that another mocha begins.
echo '=== End-to-end tests that are written for the devnet, on bitcoind'
# Without those that have transactions forgotten, or servers that charge, which bitcoind does not do.
mocha --require ./dist/test/real/on-bitcoind.js dist/test/node/{node,paying,recovering,wallet,check-records}.test.js dist/test/reorgs/reorgs.test.js
[ $? -eq 0 ] && [ "$real" -eq 0 ]
