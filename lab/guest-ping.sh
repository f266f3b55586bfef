#!/bin/busybox sh
# /cgi-bin/ping?ADDRESS: does ADDRESS answer a ping of the guest? Answers `open` or `closed`.
printf 'Content-Type: text/plain\r\n\r\n'
if ping -c 1 -W 2 "$QUERY_STRING" >/dev/null 2>&1; then echo open; else echo closed; fi
