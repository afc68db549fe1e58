#!/bin/sh
# SPDX-License-Identifier: MIT
#
# One guest, two cards, one with vhost and one without, in each of the four ways
# to plug in registers and interrupts: the guest sees the same, the launcher has
# more or less to do with it.
. "$(dirname "$0")/tap.sh"

make_tap tap0 10.0.0.1/24
make_tap tap1 10.0.1.1/24
"$TREE/build/traffic" tcp-sink 5002 >"$guests/sink" &
sink=$!

# features N: what the driver of card N accepted, a digit for each bit.
features() { guest_sh a "cat /sys/bus/virtio/devices/virtio$1/features"; }

# after REGISTER: how often it reached the launcher while a driver ran, per card.
after() {
	awk -v name="$1" '
		/^[^ ]/ { here = /registers .* after DRIVER_OK/; card = $2 }
		here && $1 == name { n[card] += $2 + $3 }
		END { print n[0] + 0, n[1] + 0 }' "$guests/stats"
}

# policies: of the launcher's worker and of its main thread, as sched(7) counts.
policies() {
	for task in /proc/[0-9]*/comm "/proc/$guest_pid/task"/*/comm; do
		! grep -qx "vhost-$guest_pid" "$task" 2>/dev/null ||
			policy "${task%/comm}"
	done
	policy "/proc/$guest_pid"
}
policy() { sed 's/.*) //' "$1/stat" | cut -d ' ' -f 39; }

plumbing() {	# REGISTERS IRQ [,TAP-OPTION [,TAP-OPTION-WITH-VHOST]]
	wired="$1 + $2${3:+ + }${3:-}"
	guest_start a "guest.ip=10.0.0.2/24 guest.ip1=10.0.1.2/24" \
		--registers "$1" --irq "$2" --tap "tap0,vhost=on${3:-}${4:-}" \
		--tap "tap1,vhost=off${3:-}" || bail "no guest"
	is "$wired: the same features with vhost and without" \
		"$(features 0)" "$(features 1)"
	sink_start a
	for i in 0 1; do
		how=$([ $i = 0 ] && echo vhost || echo "user space")
		ok "$wired, $how: ping" pings 10 10.0.$i.2
		ok "$wired, $how: 4 MB to the guest" bytes 10.0.$i.2 4M
		ok "$wired, $how: 4 MB from the guest" \
			guest_sh a "traffic tcp-send 10.0.$i.1 5002 4M"
	done
	guest_stats a >"$guests/stats"
	is "$wired: no interrupt that nobody cared for" \
		"$(guest_sh a 'dmesg | grep -c "nobody cared"')" 0
}

# many WHAT COUNTS: both cards' counts are above a hundred.
many() { ok "$1 ($2)" [ "${2% *}" -gt 100 -a "${2#* }" -gt 100 ]; }

end() {
	echo exit >"$guests/a.in"
	guest_end a
	is "$wired: powered off: status 0" $? 0
}

plumbing page direct ,tx-delay=0
is "$wired: nothing reached the launcher" "$(after QueueNotify) $(after InterruptACK) $(after InterruptStatus)" "0 0 0 0 0 0"
end
plumbing page relay
is "$wired: no kick reached the launcher, and no look" "$(after QueueNotify) $(after InterruptStatus)" "0 0 0 0"
many "$wired: ACKs did" "$(after InterruptACK)"
end
plumbing trap direct
many "$wired: kicks reached the launcher" "$(after QueueNotify)"
many "$wired: looks did" "$(after InterruptStatus)"
end
plumbing trap relay
many "$wired: kicks reached the launcher" "$(after QueueNotify)"
many "$wired: looks did" "$(after InterruptStatus)"
many "$wired: ACKs did" "$(after InterruptACK)"
end
plumbing page direct ,tx-delay=2000 ,worker=batch
is "worker=batch: SCHED_BATCH for vhost's worker, not for us" "$(policies)" "3
0"
end
kill "$sink"
done_testing
