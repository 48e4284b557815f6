#!/usr/bin/env bash
# Prints the path of a Chromium; with --install it is installed from Debian's packages where that can be
# done (root, apt). Exit code 1 and the reason when there is none.
set -uo pipefail

find () { command -v chromium || command -v chromium-browser || command -v google-chrome; }

if [ -n "${PAYCHAN_TEST_CHROMIUM:-}" ]; then echo "$PAYCHAN_TEST_CHROMIUM"; exit 0; fi
if find; then exit 0; fi
if [ "${1:-}" != '--install' ]; then echo 'no chromium on this machine; PAYCHAN_TEST_CHROMIUM can name one' >&2; exit 1; fi
if ! command -v apt-get > /dev/null; then echo 'no chromium, and no apt-get to install it' >&2; exit 1; fi
if [ "$(id -u)" -ne 0 ]; then echo 'no chromium, and not root, which apt-get needs to install it' >&2; exit 1; fi
if ! (apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium) > /dev/null 2>&1 || ! find; then
  echo 'no chromium, and apt-get could not install it' >&2
  exit 1
fi
