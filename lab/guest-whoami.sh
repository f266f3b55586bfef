#!/bin/busybox sh
# /cgi-bin/whoami: the address under which the guest sees its client.
address=${REMOTE_ADDR#[}
address=${address%]}
address=${address#::ffff:}
printf 'Content-Type: text/plain\r\n\r\n%s\n' "$address"
