# Sourced: programs out of Debian's packages, without installing any. Exit code 3, and the reason on
# standard error, where there is none to be had.
none () { echo "$1" >&2; exit 3; }

CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/paychan-test"

# debian_unpack NAME SUITE PACKAGE...: downloads packages, and what they depend on, from the mirror that
# this machine uses, and unpacks them into $CACHE/NAME/root. SUITE `own` is the machine's release: then
# what is installed already is left out. `apt-get` checks the signatures with Debian's keyring.
debian_unpack () {
  local name="$1" suite="$2" cache="$CACHE/$1" tool mirror status
  shift 2
  for tool in apt-get dpkg-deb; do command -v $tool > /dev/null || none "there is no $tool to fetch Debian's packages with"; done
  rm -rf "$cache/root"
  mkdir -p "$cache/state/lists/partial" "$cache/archives/partial" "$cache/root"
  local apt=(-o Dir::State="$cache/state" -o Dir::State::lists="$cache/state/lists" -o Dir::Cache="$cache" -o Dir::Cache::archives="$cache/archives"
    -o APT::Sandbox::User= -o Debug::NoLocking=1 -o Acquire::Languages=none -o Acquire::Retries=3)
  if [ "$suite" = own ]; then
    apt+=(-o Dir::State::status=/var/lib/dpkg/status)
  else
    mirror="$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2> /dev/null | grep -v '^#' | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1 | tr -d ' ' || true)"
    [ -n "$mirror" ] || none 'no Debian mirror is configured'
    [ -r /usr/share/keyrings/debian-archive-keyring.gpg ] || none "Debian's keyring is missing"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" > "$cache/sources.list"
    : > "$cache/status"
    apt+=(-o Dir::State::status="$cache/status" -o Dir::Etc::sourcelist="$cache/sources.list" -o Dir::Etc::sourceparts=-)
  fi
  apt-get "${apt[@]}" update > "$cache/log" 2>&1 || none "Debian's package lists cannot be had: $(tail -n 1 "$cache/log")"
  apt-get "${apt[@]}" install --yes --no-install-recommends --download-only "$@" >> "$cache/log" 2>&1 || none "Debian's $* cannot be had: $(tail -n 1 "$cache/log")"
  for package in "$cache"/archives/*.deb; do dpkg-deb -x "$package" "$cache/root" 2>> "$cache/log" || none "$(basename "$package") cannot be unpacked"; done
  rm -rf "$cache/archives" "$cache/state"
}

# The folder of libraries below a root, such as .../usr/lib/x86_64-linux-gnu.
library_folder () {
  local found
  found="$(find "$1/usr/lib" -name "$2" 2> /dev/null | head -n 1)"
  [ -n "$found" ] && dirname "$found"
}
