#!/usr/bin/env bash
# The API on TCP from another language: makes a client from the OpenAPI document of a running node,
# and runs a shop with it. Says SKIPPED, and why, where there is no Python or its packages cannot be had.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

GENERATOR='openapi-python-client==0.29.1'
room="$(mktemp -d)"
devnet=
cleanup () {
  if [ -n "$devnet" ]; then kill "$devnet" 2> /dev/null || true; wait "$devnet" 2> /dev/null || true; fi
  rm -rf "$room"
}
trap cleanup EXIT

skip () { echo "SKIPPED the client in Python: $1"; exit 0; }

command -v python3 > /dev/null || skip 'there is no python3'
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || skip 'python3 is older than 3.10'
python3 -m venv "$room/venv" > "$room/log" 2>&1 || skip "no virtual environment can be made ($(tail -1 "$room/log"))"
"$room/venv/bin/pip" install -q "$GENERATOR" ruff > "$room/log" 2>&1 ||
  skip "$GENERATOR cannot be installed ($(tail -1 "$room/log"))"

node dist/src/cli/main.js devnet --port 0 --nodes alice,bob --data "$room/nodes" --json > "$room/devnet" 2>&1 &
devnet=$!
for _ in $(seq 300); do
  if grep -q '"ready"' "$room/devnet" || ! kill -0 "$devnet" 2> /dev/null; then break; fi
  sleep 0.2
done
urls=($(sed -nE 's/.*"event":"node".*"apiUrl":"([^"]+)".*/\1/p' "$room/devnet"))
if [ "${#urls[@]}" -ne 2 ]; then cat "$room/devnet"; exit 1; fi

node -e "fetch('${urls[0]}/openapi.json').then((a) => a.text()).then((text) => fs.writeFileSync('$room/openapi.json', text))"
PATH="$room/venv/bin:$PATH" openapi-python-client generate --path "$room/openapi.json" \
  --meta none --output-path "$room/paychan_client" --fail-on-warning
cp test/python/shop.py "$room"
token () { node dist/src/cli/main.js token create --scope manage --data "$room/nodes/$1"; }
"$room/venv/bin/python" "$room/shop.py" "${urls[1]}" "$(token bob)" "${urls[0]}" "$(token alice)"
