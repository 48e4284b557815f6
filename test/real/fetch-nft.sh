#!/usr/bin/env bash
# Prints how to start nft, which makes a network namespace a router that translates addresses:
# $PAYCHAN_TEST_NFT, one that is installed, or Debian's, which is fetched once into the user's cache.
# Only where there may be network namespaces.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

for tool in unshare nsenter ip; do command -v $tool > /dev/null || none "there is no $tool to make networks with"; done
unshare --user --map-root-user --net --mount true 2> /dev/null || none 'network namespaces are not allowed here'
if [ -n "${PAYCHAN_TEST_NFT:-}" ]; then echo "$PAYCHAN_TEST_NFT"; exit 0; fi
if command -v nft; then exit 0; fi

root="$CACHE/nft/root"
launcher () {
  local libraries
  [ -x "$root/usr/sbin/nft" ] || return 1
  libraries="$(library_folder "$root" 'libnftables.so*')" || return 1
  echo "env LD_LIBRARY_PATH=$libraries $root/usr/sbin/nft"
}
launcher || { debian_unpack nft own nftables; launcher; } || none 'the unpacked nft has not what it needs'
