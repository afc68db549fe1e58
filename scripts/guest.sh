#!/bin/sh
# SPDX-License-Identifier: MIT
#
# guest.sh - starting a Linux guest and talking to it.  Sourced, after lib.sh,
# by what runs on a host that has KVM and vhost_net: the demo and the tests.
#
# The guest's shell reads the serial console without echo and without a prompt
# (guest.run=tests).  guest_sh sends it a line and waits for the line's end,
# which it marks with the time.
#
# In the environment: KERNEL_DIR, what fetch-kernel printed; INITRD.

guests=${TMPDIR:-/tmp}/guest.$$
mkdir -p "$guests"

# What a guest may take, in seconds.  Emulated ones are slow; a test that is
# about to fail is the only one that waits this long.
PATIENCE=${PATIENCE:-120}

# wait_for FILE PATTERN [SECONDS]: until a line of FILE matches, or fail.
wait_for() {
	tries=$((${3:-$PATIENCE} * 5))
	until grep -aq -e "$2" "$1"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.2
	done
}

# make_tap NAME ADDRESS/BITS: a tap of ours, up.
make_tap() {
	ip tuntap add "$1" mode tap
	# Nothing on the wire that nobody asked for: tests count packets.
	echo 1 >"/proc/sys/net/ipv6/conf/$1/disable_ipv6"
	ip address add "$2" dev "$1"
	ip link set "$1" up
}

# guest_launch NAME APPEND [LAUNCHER-OPTION]...: start one in the background;
# its console is in $guests/NAME.log, the launcher's own words in NAME.err.
# LAUNCHER can be a command that ends in running ./launcher.
guest_launch() {
	name=$1 append=$2
	shift 2
	rm -f "$guests/$name.in"
	mkfifo "$guests/$name.in"
	: >"$guests/$name.log"
	# shellcheck disable=SC2086 # LAUNCHER may be several words
	${LAUNCHER:-$TREE/launcher} --append "quiet panic=-1 $append" \
		--initrd "$INITRD" "$@" "$KERNEL_DIR/vmlinuz" \
		<"$guests/$name.in" >"$guests/$name.log" 2>"$guests/$name.err" &
	guest_pid=$!
	echo "$guest_pid" >"$guests/$name.pid"
	# For both: whoever writes to a guest that has ended must not wait.
	eval "exec 9<>'$guests/$name.in'"
}

# guest_start NAME APPEND [LAUNCHER-OPTION]...: and wait until its shell reads.
guest_start() {
	name=$1 append=$2
	shift 2
	guest_launch "$name" "guest.run=tests $append" "$@"
	wait_for "$guests/$name.log" '^guest: ready' || {
		tail -n 20 "$guests/$name.log" "$guests/$name.err" >&2
		return 1
	}
}

# guest_sh NAME LINE [SECONDS]: run LINE there; prints what it prints and
# returns its status, or 99 if its end did not come.
guest_sh() {
	mark="#$(date +%s%N)"
	guest_before=$(wc -c <"$guests/$1.log")
	printf '%s\necho "%s:$?"\n' "$2" "$mark" >"$guests/$1.in"
	wait_for "$guests/$1.log" "^$mark:" "${3:-$PATIENCE}" || return 99
	tail -c "+$((guest_before + 1))" "$guests/$1.log" | sed "/^$mark:/d"
	return "$(sed -n "s/^$mark:\([0-9]*\).*/\1/p" "$guests/$1.log")"
}

# guest_end NAME: wait for its launcher's end and return its exit status.
guest_end() {
	ended=0
	pid=$(cat "$guests/$1.pid")
	tries=$((PATIENCE * 5))
	while kill -0 "$pid" 2>/dev/null; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || {
			say "$1 does not end; its last words:"
			tail -n 15 "$guests/$1.log" "$guests/$1.err" >&2
			kill -KILL "$pid"
			break
		}
		sleep 0.2
	done
	wait "$pid" || ended=$?
	rm -f "$guests/$1.pid"
	return "$ended"
}

# guest_stats NAME: have the launcher print its statistics now, and print them.
guest_stats() {
	guest_before=$(wc -c <"$guests/$1.err")
	kill -USR1 "$(cat "$guests/$1.pid")"
	tries=25
	until tail -c "+$((guest_before + 1))" "$guests/$1.err" | grep -q '^stats end'; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.2
	done
	tail -c "+$((guest_before + 1))" "$guests/$1.err"
}

# stats_cell TITLE ROW N: from guest_stats' output, the N-th number of a row in
# the section whose title matches.
stats_cell() {
	awk -v title="$1" -v row="$2" -v n="$3" '
		/^[^ ]/ { here = $0 ~ title }
		here && $1 == row { print $(n + 1); exit }'
}

# total_returns: from guest_stats' output, all returns of KVM_RUN.
total_returns() { stats_cell '^returns from KVM_RUN' total 1; }

# card_returns: all accesses that reached the launcher after DRIVER_OK.
card_returns() {
	awk '/^[^ ]/ { here = /registers .* after DRIVER_OK/ }
	     here && $1 == "total" { n += $2 + $3; seen = 1 }
	     END { print seen ? n : "none seen" }'
}

# Whatever happens, no launcher of ours stays behind.
guest_cleanup() {
	for pid_file in "$guests"/*.pid; do
		[ -e "$pid_file" ] || continue
		kill -KILL "$(cat "$pid_file")" 2>/dev/null || true
	done
	rm -rf "$guests"
}
trap guest_cleanup EXIT
trap 'exit 1' HUP INT TERM
