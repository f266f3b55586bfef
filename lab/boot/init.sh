#!/bin/busybox sh
# PID 1 until the disk is there: what a test has brought along is laid on it once, and systemd takes over.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do
  insmod "/modules/$module" || echo "lab: no module $module"
done
mkdir -p /disk
until mount -t ext4 -o noatime /dev/vda /disk 2>/dev/null; do sleep 0.1; done
if [ ! -e /disk/lab-is-laid ]; then
  tar -xf /lab.tar -C /disk && touch /disk/lab-is-laid
fi
umount /proc /sys
exec switch_root /disk /sbin/init
