#!/bin/busybox sh
# /cgi-bin/renew: asks the DHCP server at once whether the lease still holds. Answers before that is settled.
printf 'Content-Type: text/plain\r\n\r\n'
killall -USR1 udhcpc && echo asked
