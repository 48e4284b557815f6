#!/usr/bin/env bash
# Prints how to start a Bitcoin Core of release 31 or newer: $PAYCHAN_TEST_CORE, one that is installed, or that of
# Debian's package bitcoind, which is fetched once into the user's cache. For regtest only.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

if [ -n "${PAYCHAN_TEST_CORE:-}" ]; then echo "$PAYCHAN_TEST_CORE"; exit 0; fi

# The release of a bitcoind, such as 31; nothing of Knots, whose mempool is another one.
release () {
  "$@" -version 2> /dev/null | sed -nE '1s/^Bitcoin Core.* version v([0-9]+)\..*/\1/p' | grep -v knots || true
}

installed="$(command -v bitcoind || true)"
if [ -n "$installed" ] && [ "$(release "$installed")" -ge 31 ] 2> /dev/null; then echo "$installed"; exit 0; fi

root="$CACHE/core/root"
launcher () {
  local loader libraries
  loader="$(find "$root" -name 'ld-linux-*.so.*' 2> /dev/null | head -n 1)"
  libraries="$(library_folder "$root" 'libevent_core-*.so*')" || return 1
  [ -n "$loader" ] && [ -x "$root/usr/bin/bitcoind" ] || return 1
  echo "$loader --library-path $libraries $root/usr/bin/bitcoind"
}
command="$(launcher || true)"
if [ -z "$command" ]; then
  # What it says of Debian's packages is only half of the reason.
  echo -n 'no Bitcoin Core of release 31 is installed (PAYCHAN_TEST_CORE says how to start one), and ' >&2
  debian_unpack core sid bitcoind
  command="$(launcher || true)"
fi
[ -n "$command" ] || none 'the unpacked bitcoind has not what it needs'
# shellcheck disable=SC2086
version="$(release $command)"
[ "${version:-0}" -ge 31 ] || none "Debian's bitcoind is of release ${version:-unknown}, and this needs 31: set PAYCHAN_TEST_CORE to how one is started"
echo "$command"
