# Run in an empty network namespace, which becomes the hypervisor: the guests a and b on virbr0, c on virbr1, and the world behind
# eth0, each a network namespace. With `$1` 1 bridged frames also cross the inet chains.
set -e
echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
for bridged in iptables ip6tables; do echo "$1" >/proc/sys/net/bridge/bridge-nf-call-$bridged; done

end() { # end NAME DEVICE MAC ADDRESS4 ADDRESS6 GATEWAY4 GATEWAY6
  ip netns add "$1"
  ip netns exec "$1" sh -c 'echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad'
  ip link add "$2" type veth peer name eth0 netns "$1"
  ip link set "$2" up
  ip -n "$1" -batch - <<EOF
link set lo up
link set eth0 address $3 up
addr add $4 dev eth0
addr add $5 dev eth0 nodad
route add default via $6
route add default via $7
EOF
}

ip -batch - <<EOF
link add virbr0 type bridge
link add virbr1 type bridge
link set virbr0 up
link set virbr1 up
addr add 10.20.0.1/24 dev virbr0
addr add 10.20.1.1/24 dev virbr1
addr add fd00:0::1/64 dev virbr0 nodad
addr add fd00:1::1/64 dev virbr1 nodad
EOF
end a vnet0 52:54:00:00:00:0a 10.20.0.2/24 fd00:0::2/64 10.20.0.1 fd00:0::1
end b vnet1 52:54:00:00:00:0b 10.20.0.3/24 fd00:0::3/64 10.20.0.1 fd00:0::1
end c vnet2 52:54:00:00:00:0c 10.20.1.2/24 fd00:1::2/64 10.20.1.1 fd00:1::1
end world eth0 52:54:00:00:00:0d 198.51.100.50/24 2001:db8::50/64 198.51.100.1 2001:db8::1
ip -batch - <<EOF
link set vnet0 master virbr0
link set vnet1 master virbr0
link set vnet2 master virbr1
addr add 198.51.100.1/24 dev eth0
addr add 2001:db8::1/64 dev eth0 nodad
EOF
