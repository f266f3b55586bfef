#!/bin/busybox sh
# PID 1 of a lab machine: loads the modules, runs /job/run, whose words go to the second serial line, and switches off.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmpfs /run
exec >/dev/ttyS0 2>&1
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
for module in $(cat /modules/order); do
  insmod "/modules/$module" || echo "machine: no module $module"
done
ip link set lo up
stty -F /dev/ttyS1 raw
cd /job
# By its path: busybox's shell prefers its own programs, and so its own `ip`.
/bin/sh ./run </dev/null >/dev/ttyS1 2>&1
echo "machine: ended with $?" >/dev/ttyS1
poweroff -f
