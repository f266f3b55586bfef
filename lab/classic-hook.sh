#!/bin/sh
# /etc/libvirt/hooks/qemu as guides and forums have it: one guest's ports forwarded by hand.
# libvirt calls it with the guest's name and what happens to it.
GUEST=@GUEST@
PUBLIC_IP=@PUBLIC_IP@
PRIVATE_IP=@PRIVATE_IP@
# protocol:public port:guest's port
PORTS="@PORTS@"

[ "$1" = "$GUEST" ] || exit 0

rules() {
  iptables "$1" FORWARD -d "$PRIVATE_IP" -m conntrack --ctstate NEW,ESTABLISHED,RELATED -j ACCEPT
  for entry in $PORTS; do
    protocol=${entry%%:*}
    ports=${entry#*:}
    iptables -t nat "$1" PREROUTING -d "$PUBLIC_IP" -p "$protocol" --dport "${ports%:*}" \
      -j DNAT --to-destination "$PRIVATE_IP:${ports#*:}"
  done
}

case $2 in
  start) rules -I ;;
  stopped) rules -D ;;
  reconnect)
    rules -D
    rules -I
    ;;
esac
exit 0
