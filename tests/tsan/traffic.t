#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The launcher under ThreadSanitizer: two vCPUs, the main loop with a backend in
# it, and all that makes them meet.  Its status is 66 if it has seen a race.
. "$(dirname "$0")/../integration/tap.sh"

# Its shadow wants addresses that a randomized layout may have given away.
LAUNCHER="setarch -R $TREE/build/tsan/launcher"
TSAN_OPTIONS="exitcode=66 halt_on_error=0"
export TSAN_OPTIONS

make_tap tap0 10.0.0.1/24
make_tap tap1 10.0.1.1/24
# run NAME OPTION...: the same life for each way to plug a card in.
run() {
	name=$1
	shift
	guest_start "$name" "guest.ip=10.0.0.2/24 guest.ip1=10.0.1.2/24" \
		--cpus 2 --tap tap0,vhost=on \
		--tap tap1,vhost=off,tx-delay=1000 \
		--stats="$guests/$name.json" --stats-interval 1 "$@" ||
		bail "no guest $name"
	sink_start "$name"
	ok "$name: TCP by way of vhost" bytes 10.0.0.2
	ok "$name: and of the backend in user space" bytes 10.0.1.2
	guest_sh "$name" 'irq=$(sed -n "/virtio/s/:.*//p" /proc/interrupts)
for i in 1 2 3; do for n in $irq; do
	echo 2 >/proc/irq/$n/smp_affinity; echo 1 >/proc/irq/$n/smp_affinity
done; done' >/dev/null
	ip link set tap1 down
	kill -USR1 "$(cat "$guests/$name.pid")"
	ip link set tap1 up
	ok "$name: pings, after a link was down" pings 3 10.0.1.2
	guest_sh "$name" 'cd /sys/bus/platform/drivers/virtio-mmio
echo LNRO0005:01 >unbind; echo LNRO0005:01 >bind; cd /; sleep 1
ip addr add 10.0.1.2/24 dev eth1; ip link set eth1 up' >/dev/null
	ok "$name: pings, after the driver was away" pings 3 10.0.1.2
	echo exit >"$guests/$name.in"
	guest_end "$name"
	is "$name: powered off: status 0, not 66" $? 0
	is "$name: no race was seen" \
		"$(grep -c 'WARNING: ThreadSanitizer' "$guests/$name.err")" 0
	grep -A 30 'WARNING: ThreadSanitizer' "$guests/$name.err" |
		head -n 120 | sed 's/^/# /' || true
}
# What is done without an exit in the one is done by our threads in the other.
[ -n "${TEST_QUICK:-}" ] || run page
run strict --registers trap --irq relay
done_testing
