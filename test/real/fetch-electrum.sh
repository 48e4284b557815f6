#!/usr/bin/env bash
# Prints how to start Electrum, the wallet, on the command line: $PAYCHAN_TEST_ELECTRUM, one that is
# installed, or Debian's, which is fetched once into the user's cache.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

if [ -n "${PAYCHAN_TEST_ELECTRUM:-}" ]; then echo "$PAYCHAN_TEST_ELECTRUM"; exit 0; fi
if command -v electrum; then exit 0; fi

root="$CACHE/electrum/root"
launcher () {
  local libraries
  [ -x /usr/bin/python3 ] && [ -e "$root/usr/bin/electrum" ] || return 1
  libraries="$(library_folder "$root" 'libsecp256k1.so*')" || return 1
  echo "env LD_LIBRARY_PATH=$libraries PYTHONPATH=$root/usr/lib/python3/dist-packages /usr/bin/python3 $root/usr/bin/electrum"
}
launcher || { debian_unpack electrum own electrum; launcher; } || none 'the unpacked Electrum has not what it needs'
