#!/usr/bin/env bash
# networks.sh DIRECTORY: a public network and two private ones behind routers that translate addresses,
# in namespaces of their own; run it with `unshare --user --map-root-user --net --mount`.
#
#   the public network: 45.33.32.1 is here; alice's router is .11, bob's .12
#   alice 10.0.1.2 behind 10.0.1.1; bob 10.0.2.2 behind 10.0.2.1, which forwards port 4001 to him
#
# DIRECTORY/alice and DIRECTORY/bob are the process ids by which nsenter gets there. `ready` is printed
# once all is there; it is gone when standard input ends.
set -euo pipefail
directory="$1"
read -ra nft <<< "${PAYCHAN_TEST_NFT:?}"

members=()
trap 'kill "${members[@]}" 2> /dev/null' EXIT
# namespace NAME: its process id is in $member.
namespace () {
  unshare --net sleep infinity < /dev/null > /dev/null 2>&1 &
  member=$!
  members+=("$member")
  # unshare has its own network once it has become sleep.
  until [ "$(readlink "/proc/$member/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
  echo "$member" > "$directory/$1"
}
at () { nsenter --target "$1" --net -- "${@:2}"; }

ip link set lo up
ip link add public type bridge
ip addr add 45.33.32.1/24 dev public
ip link set public up

# private_network NAME NUMBER
private_network () {
  local router host number="$2"
  namespace "router-$1"; router=$member
  namespace "$1"; host=$member
  ip link add "public$number" type veth peer name wan netns "$router"
  ip link set "public$number" master public up
  at "$router" ip link set lo up
  at "$router" ip addr add "45.33.32.1$number/24" dev wan
  at "$router" ip link set wan up
  at "$router" ip link add lan type veth peer name eth0 netns "$host"
  at "$router" ip addr add "10.0.$number.1/24" dev lan
  at "$router" ip link set lan up
  at "$router" sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
  at "$host" ip link set lo up
  at "$host" ip addr add "10.0.$number.2/24" dev eth0
  at "$host" ip link set eth0 up
  at "$host" ip route add default via "10.0.$number.1"
  # Who is outside reaches nobody inside but by an answer, or through the forwarded port.
  at "$router" "${nft[@]}" -f - << RULES
table ip router {
  chain forwarded {
    type nat hook prerouting priority dstnat
    ${3:-}
  }
  chain translated {
    type nat hook postrouting priority srcnat
    oifname "wan" masquerade
  }
  chain passing {
    type filter hook forward priority filter; policy drop
    iifname "lan" accept
    ct state established,related accept
    ct status dnat accept
  }
}
RULES
}
private_network alice 1
private_network bob 2 'iifname "wan" tcp dport 4001 dnat to 10.0.2.2:4001'

echo ready
cat > /dev/null
