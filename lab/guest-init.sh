#!/bin/busybox sh
# PID 1 of a lab guest. The kernel command line names the guest (`guest=NAME`), its address if DHCP is not to give
# it one (`address=ADDRESS/LENGTH`; the network's first address is its gateway, unless `gateway=ADDRESS` is), and says whether it is to
# be a nuisance (`flood`). A guest whose image has a program `firewall` has its nics set up by that.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
exec >/dev/console 2>&1
export PATH=/bin:/usr/bin

for word in $(cat /proc/cmdline); do
  case $word in
    guest=*) guest=${word#guest=} ;;
    address=*) address=${word#address=} ;;
    gateway=*) gateway=${word#gateway=} ;;
    flood) perl /bin/flood.pl &
      ;;
  esac
done
hostname "$guest"

for module in $(cat /modules/order); do
  insmod "/modules/$module" || echo "guest: no module $module"
done
# busybox's httpd names this word in its page, so that a fetch tells who answered.
echo "I am $guest" >/www/index.html

ip link set lo up
ip link set eth0 up
if [ -x /bin/firewall ]; then
  firewall || echo "guest $guest: its firewall ended with $?"
elif [ -n "${address:-}" ]; then
  ip addr add "$address" dev eth0
  ip route add default via "${gateway:-${address%.*}.1}"
else
  # One try a second: libvirt's bridge forwards nothing for its first 4 s (STP), and its dnsmasq pings an address for
  # 3 s before it offers it. The offer for any try of a round is taken.
  udhcpc -i eth0 -t 60 -T 1 -A 1 -b -S -F "$guest" -x "hostname:$guest" -s /bin/lease >/dev/console 2>&1 &
fi

for port in /sys/class/virtio-ports/*; do
  case $(cat "$port/name" 2>/dev/null) in
    org.qemu.guest_agent.0) qemu-ga --path "/dev/${port##*/}" --statedir /tmp & ;;
  esac
done

# Echo on port 7: UDP by perl, since busybox's nc knows TCP only.
perl /bin/udp-echo.pl &
nc -ll -p 7 -e /bin/cat &
# The page comes last: whoever sees it finds the echo too.
until grep -q ':0007 ' /proc/net/udp6 && grep -q ':0007 ' /proc/net/tcp /proc/net/tcp6; do sleep 0.1; done
httpd -p 80 -h /www
echo "guest $guest: serving at $(cut -d" " -f1 /proc/uptime)"
# PID 1 must not end, and has to wait for the orphans of httpd and nc.
while :; do wait; sleep 1; done
