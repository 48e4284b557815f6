#!/usr/bin/env bash
# Prints how to start electrs: $PAYCHAN_TEST_ELECTRS, or the one that this builds once in the user's
# cache with `cargo install`. Its database, RocksDB, comes from Debian's packages: compiling that too
# would take a quarter of an hour.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

# The last one that builds with the RocksDB 7.8 of Debian 12; it speaks 1.4, as 0.11 and 0.12 do.
VERSION=0.10.10

if [ -n "${PAYCHAN_TEST_ELECTRS:-}" ]; then echo "$PAYCHAN_TEST_ELECTRS"; exit 0; fi

cache="$CACHE/electrs"
launcher () {
  local libraries
  [ -x "$cache/$VERSION/bin/electrs" ] || return 1
  libraries="$(library_folder "$cache/root" 'librocksdb.so.*')" || return 1
  echo "env LD_LIBRARY_PATH=$libraries $cache/$VERSION/bin/electrs"
}
if launcher; then exit 0; fi

for tool in cargo gcc; do command -v $tool > /dev/null || none "there is no $tool to build electrs with"; done
# bindgen wants a libclang; the one whose LLVM is here already is the smallest to fetch.
clang=14
for version in $(apt-cache pkgnames libclang1- 2> /dev/null | sed -nE 's/^libclang1-([0-9]+)$/\1/p' | sort -n); do
  clang=$version
  if [ -d "/usr/lib/llvm-$version" ]; then break; fi
done
debian_unpack electrs own librocksdb-dev "libclang1-$clang"
rocksdb="$(library_folder "$cache/root" 'librocksdb.so')" || none 'the unpacked RocksDB has not what it needs'
libclang="$(find "$cache/root/usr/lib" -type f -name 'libclang-*.so*' | head -n 1)"
mkdir -p "$cache/clang"
ln -sf "$libclang" "$cache/clang/libclang.so"
export LIBCLANG_PATH="$cache/clang" BINDGEN_EXTRA_CLANG_ARGS="-I$(gcc -print-file-name=include)"
export ROCKSDB_INCLUDE_DIR="$cache/root/usr/include" ROCKSDB_LIB_DIR="$rocksdb" LIBRARY_PATH="$rocksdb" LD_LIBRARY_PATH="$rocksdb"
cargo install --locked --version "$VERSION" --root "$cache/$VERSION" --target-dir "$cache/target" electrs >> "$cache/log" 2>&1 ||
  none "electrs $VERSION cannot be built: $(grep -E '^error' "$cache/log" | head -n 1) (see $cache/log)"
rm -rf "$cache/target"
launcher || none 'electrs was built but cannot be found'
