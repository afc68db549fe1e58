#!/bin/sh
# SPDX-License-Identifier: MIT
#
# guest-images/tiny: a driver written from the specification alone, with either
# backend and every plumbing.  Also without vhost_net, and on a KVM that emulates
# each instruction: such a machine has the user-space half of this.
[ -e /dev/kvm ] || { echo "1..0 # SKIP there is no /dev/kvm"; exit; }
NO_LINUX=yes
. "$(dirname "$0")/tap.sh"

TINY=$TREE/guest-images/tiny/tiny.bzImage
if [ -e /dev/vhost-net ]; then
	BACKENDS="vhost=on vhost=off"
else
	echo "# no /dev/vhost-net: with the user-space backend only"
	BACKENDS="vhost=off"
fi

# tiny_start NAME COMMAND [LAUNCHER-OPTION]...: as guest_launch.
tiny_start() {
	name=$1 append=$2
	shift 2
	rm -f "$guests/$name.in"
	mkfifo "$guests/$name.in"
	: >"$guests/$name.log"
	"$TREE/launcher" -m 16M --append "$append" "$@" "$TINY" \
		<"$guests/$name.in" >"$guests/$name.log" 2>"$guests/$name.err" &
	echo "$!" >"$guests/$name.pid"
	# For both: whoever writes to a guest that has ended must not wait.
	exec 9<>"$guests/$name.in"
}

# tiny NAME COMMAND [LAUNCHER-OPTION]...: and wait for its end.
tiny() {
	tiny_start "$@"
	guest_end "$1"
}

# passes WHAT COMMAND [LAUNCHER-OPTION]...: it says PASS and powers off.
passes() {
	what=$1
	shift
	tiny a "$@"
	tiny_status=$?
	said=$(tr -d '\r' <"$guests/a.log" | grep -aE '^(PASS|FAIL)')
	is "$what" "$tiny_status $said" "0 PASS"
}

make_tap tap0 10.0.0.1/24
make_tap tap1 10.0.1.1/24
"$TREE/build/traffic" udp-echo 5003 >/dev/null &
echo_pid=$!

tiny a hello
is "hello: status 0" $? 0
like "hello: it found the CPU, and no card" "$guests/a.log" \
	'^hello: 1 CPUs, 0 cards'
tiny a hello --cpus 3 --tap tap0 --tap tap1
like "hello: it found three CPUs and two cards" "$guests/a.log" \
	'^hello: 3 CPUs, 2 cards'
like "and passed" "$guests/a.log" '^PASS'
tiny a hello --cpus 7
like "hello: it found more CPUs than it uses" "$guests/a.log" \
	'^hello: 7 CPUs, 0 cards'
# Without a /proc of its own nothing is known there of any thread.
unshare -p -f --kill-child "$TREE/launcher" -a hello --stats "$TINY" \
	</dev/null >"$guests/a.log" 2>"$guests/a.err"
like "a vCPU's thread that could not be seen, and has ended: said" \
	"$guests/a.err" '^  vcpu0  *not to be seen'
# Nobody reads it, so the launcher waits, but not for ever.
mkfifo "$guests/report"
timeout -k 5 2 "$TREE/launcher" -a hello --stats="$guests/report" "$TINY" \
	</dev/null >"$guests/a.log" 2>&1
is "a launcher that waits for a reader of its --stats can be ended" $? 124
tiny a "jump"
like "what it does not know it says" "$guests/a.log" '^FAIL: hello, echo'
tiny a "ping ip=10.0.0.2"
like "and what it lacks" "$guests/a.log" '^FAIL: there is no network card'

for backend in $BACKENDS; do
	for plumbing in "page direct" "trap direct" "page relay" "trap relay"; do
		with="$backend, $plumbing"
		set -- --tap "tap0,$backend" --registers "${plumbing% *}" \
			--irq "${plumbing#* }"
		passes "$with: regs" regs "$@"
		passes "$with: ping" "ping ip=10.0.0.2 count=5" "$@"
		passes "$with: rr" "rr ip=10.0.0.2 port=5003 bytes=1000 count=20" "$@"
	done
	set -- --tap "tap0,$backend"
	for mask in 0x0 0x8000 0x10000000 0x20000000 0x30008000; do
		passes "$backend: features $mask" \
			"features ip=10.0.0.2 mask=$mask" "$@"
		accepted=$(printf 'accepted %x' $((mask | 0x100000000)))
		like "$backend: those and VERSION_1 were accepted" \
			"$guests/a.log" "$accepted"
	done
	passes "$backend: ten resets" "reset ip=10.0.0.2 count=10" "$@"
	passes "$backend: a small ring" "rr ip=10.0.0.2 port=5003 count=20" \
		--tap "tap0,$backend,ring=32"

	received() { awk '$1 == "tap0:" { print $3 }' /proc/net/dev; }
	before=$(received)
	passes "$backend: flood" "flood ip=10.0.0.2 count=500 bytes=1000" "$@"
	ok "$backend: all of it came out of the tap" \
		[ $(($(received) - before)) -ge 500 ]

	tiny_start e "echo ip=10.0.0.2" "$@" --tap "tap1,$backend"
	wait_for "$guests/e.log" ready 30
	ok "$backend: echo, pings of 1400 bytes" \
		ping -q -c 3 -i 0.2 -W 5 -s 1400 10.0.0.2
	ok "$backend: echo, on the second card too" \
		ping -q -c 3 -i 0.2 -W 5 10.0.1.2
	ip link set tap1 mtu 9000
	is "$backend: echo, larger than it has room for: no answer" \
		"$(ping -q -c 2 -i 0.2 -W 1 -s 8000 10.0.1.2 |
			sed -n 's/.* \([0-9]*\) received.*/\1/p')" 0
	ok "$backend: and what is not" \
		ping -q -c 3 -i 0.2 -W 5 -s 1400 10.0.1.2
	ip link set tap1 mtu 1500
	"$TREE/build/traffic" udp-rr 10.0.0.2 5004 20 >"$guests/rr" 2>&1
	like "$backend: echo, UDP" "$guests/rr" '20 round trips, 0 lost'
	printf q >"$guests/e.in"
	guest_end e
	is "$backend: echo ended with status 0" $? 0
	like "$backend: and passed" "$guests/e.log" '^PASS'

	tiny_start s "sink ip=10.0.0.2 count=200" "$@"
	wait_for "$guests/s.log" ready 30
	ping -q -c 1 -W 5 10.0.0.2 >/dev/null	# so that ARP is done with
	"$TREE/build/traffic" udp-send 10.0.0.2 5005 300 200 1000 \
		>/dev/null 2>&1 &
	sender=$!
	guest_end s
	is "$backend: sink ended with status 0" $? 0
	kill "$sender" 2>/dev/null
	like "$backend: it had taken 200 datagrams" "$guests/s.log" \
		'^200 datagrams taken'
done
kill "$echo_pid"

tiny a speed
like "speed" "$guests/a.log" '^speed: end'
ok "under 64 KiB ($(stat -c %s "$TINY") bytes)" \
	[ "$(stat -c %s "$TINY")" -lt 65536 ]
done_testing
