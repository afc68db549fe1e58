#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Every way to end, and the status that belongs to it.
. "$(dirname "$0")/tap.sh"

make_tap tap0 10.0.0.1/24

ends() {	# WHAT STATUS APPEND
	guest_launch e "$3"
	guest_end e
	is "$1: status $2" $? "$2"
}
ends "power off" 0 guest.run=poweroff
ends "reboot" 3 guest.run=reboot
ends "panic" 3 guest.run=panic
# A kernel told that its hardware is not reduced tries a triple fault at last.
guest_start f "reboot=t" || bail "no guest"
echo 'reboot -f' >"$guests/f.in"
guest_end f
is "triple fault: status 4" $? 4
like "and a line that says so" "$guests/f.err" 'triple fault, at rip'

guest_start c "" || bail "no guest"
printf '\001x' >"$guests/c.in"
guest_end c
is "Ctrl-A x: status 0" $? 0

guest_start t "" || bail "no guest"
kill -TERM "$(cat "$guests/t.pid")"
guest_end t
is "SIGTERM: status 128 + 15" $? 143

# Killed in mid-traffic, the tap is free at once.
guest_start k guest.ip=10.0.0.2/24 --tap tap0 --vhost || bail "no guest"
sink_start k
"$TREE/build/traffic" tcp-send 10.0.0.2 5001 1000M >/dev/null 2>&1 &
load=$!
sleep 1
sent=$(awk '$1 == "tap0:" { print $11 }' /proc/net/dev)
sleep 0.5
ok "there is traffic ($sent packets so far)" \
	[ "$(awk '$1 == "tap0:" { print $11 }' /proc/net/dev)" -gt "$sent" ]
kill -KILL "$(cat "$guests/k.pid")"
guest_end k 2>/dev/null
is "SIGKILL: status 128 + 9" $? 137
kill "$load" 2>/dev/null
guest_start l guest.ip=10.0.0.2/24 --tap tap0 --vhost || bail "the tap is not free"
# The load's last bytes kept the host asking for the guest while it booted; a
# ping that joins the last of those questions fails with it, unasked again.
ip neigh flush dev tap0
ok "the tap works again at once" pings 5 10.0.0.2
echo exit >"$guests/l.in"
guest_end l
is "powered off: status 0" $? 0
done_testing
