#!/usr/bin/env bash
# Prints how to start a bitcoind: $PAYCHAN_TEST_BITCOIND, one that is installed, or that of Debian's
# package bitcoin-knots, which is fetched once into the user's cache. For regtest only.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

if [ -n "${PAYCHAN_TEST_BITCOIND:-}" ]; then echo "$PAYCHAN_TEST_BITCOIND"; exit 0; fi
if command -v bitcoind; then exit 0; fi

root="$CACHE/bitcoind/root"
# The release that has the package; older ones run it with its own libraries, through its own loader.
launcher () {
  local loader libraries
  loader="$(find "$root" -name 'ld-linux-*.so.*' 2> /dev/null | head -n 1)"
  libraries="$(library_folder "$root" 'libevent_core-*.so*')" || return 1
  [ -n "$loader" ] && [ -x "$root/usr/bin/bitcoind" ] || return 1
  echo "$loader --library-path $libraries $root/usr/bin/bitcoind"
}
launcher || { debian_unpack bitcoind sid bitcoin-knots; launcher; } || none 'the unpacked bitcoind has not what it needs'
