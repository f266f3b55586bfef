#!/bin/busybox sh
# Called by the guest's udhcpc: sets what the lease says.
case $1 in
  deconfig) ip -4 addr flush dev "$interface" ;;
  bound | renew)
    ip -4 addr flush dev "$interface"
    ip addr add "$ip/$mask" dev "$interface"
    for gateway in $router; do ip route replace default via "$gateway" dev "$interface"; done
    : >/etc/resolv.conf
    for server in $dns; do echo "nameserver $server" >>/etc/resolv.conf; done
    echo "guest: address $ip at $(cut -d" " -f1 /proc/uptime)"
    ;;
esac
