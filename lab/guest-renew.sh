#!/bin/busybox sh
# /cgi-bin/renew: asks the DHCP server at once whether the lease still holds; with `?anew` asks for another one under another client
# identifier, as another system on the same nic does. Answers before that is settled.
printf 'Content-Type: text/plain\r\n\r\n'
case ${QUERY_STRING:-} in
  anew)
    killall udhcpc
    udhcpc -i eth0 -t 60 -T 1 -A 1 -b -S -C -x 0x3d:0076776c -s /bin/lease </dev/null >/dev/console 2>&1 &
    echo asked
    ;;
  *) killall -USR1 udhcpc && echo asked ;;
esac
