#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The main job: packets flow both ways, and the launcher has nothing to do with
# them.  Then the same with the kick's ioeventfd left out (--registers trap), so
# that the counting is seen to count.
. "$(dirname "$0")/tap.sh"

PACKETS=2000

make_tap tap0 10.0.0.1/24
guest_start a guest.ip=10.0.0.2/24 --tap tap0 --vhost || bail "no guest"

ok "ping, host to guest" pings 5 10.0.0.2
ok "ping, guest to host" guest_sh a 'ping -q -c 5 -i 0.2 10.0.0.1'
sink_start a
ok "8 MB of TCP to the guest" bytes 10.0.0.2 8M
"$TREE/build/traffic" tcp-sink 5002 >"$guests/sink" &
sink=$!
wait_for "$guests/sink" listening
ok "8 MB of TCP from the guest" \
	guest_sh a 'traffic tcp-send 10.0.0.1 5002 8M'
kill "$sink"

# Between two samples, thousands of packets apart, nothing at all comes back.
guest_sh a 'traffic udp-echo 5003 >/dev/null & sleep 1' >/dev/null
silent() {	# NAME: prints the returns to user space that $PACKETS cost
	one=$(guest_stats "$1" | total_returns)
	"$TREE/build/traffic" udp-rr 10.0.0.2 5003 $((PACKETS / 2)) >&2 || return
	two=$(guest_stats "$1" | total_returns)
	[ -n "$one" ] && [ -n "$two" ] && echo $((two - one))
}
is "$PACKETS packets without one return from KVM_RUN" \
	"$(silent a 2>"$guests/rr")" 0
like "all of those packets arrived" "$guests/rr" \
	"$((PACKETS / 2)) round trips, 0 lost"
is "nothing of the card's ever came back after DRIVER_OK" \
	"$(guest_stats a | card_returns)" 0

footprint=$("$TREE/scripts/footprint" "$(cat "$guests/a.pid")")
if [ -n "${TEST_COUNTING:-}" ]; then	# scripts/coverage
	result ok "# SKIP how much memory it takes, while it counts its lines"
else
	ok "under 2 MiB of its own ($footprint)" [ "${footprint%% *}" -lt 2048 ]
fi

echo exit >"$guests/a.in"
guest_end a
is "powered off: status 0" $? 0

sent() { awk '$1 == "tap0:" { print $3 }' /proc/net/dev; }
before=$(sent)
guest_start b guest.ip=10.0.0.2/24 --tap tap0 --vhost --registers trap --stats ||
	bail "no second guest"
guest_sh b 'traffic udp-echo 5003 >/dev/null & sleep 1' >/dev/null
returns=$(silent b 2>/dev/null)
ok "without ioeventfds and page it is not 0 ($returns)" \
	[ "$returns" -gt $((PACKETS / 2)) ]
card=$(guest_stats b | card_returns)
ok "and they are the card's ($card)" [ "$card" -gt $((PACKETS / 2)) ]
kicks=$(guest_stats b | stats_cell 'after DRIVER_OK' QueueNotify 2)
ok "a kick for every answer among them ($kicks)" \
	[ "${kicks:-0}" -ge $((PACKETS / 2)) ]
echo exit >"$guests/b.in"
guest_end b
like "--stats at exit" "$guests/b.err" '^statistics (exit)'
is "which counts the packets of this launcher only" \
	"$(sed '1,/^statistics (exit)/d' "$guests/b.err" |
		stats_cell ': its tap' from_guest 1)" $(($(sent) - before))
"$TREE/launcher" --probe >"$guests/probe"
is "--probe: this host has all it takes" $? 0
is "--probe: and says so of nine things" "$(grep -c '^ok ' "$guests/probe")" 9
done_testing
