#!/bin/sh
# SPDX-License-Identifier: MIT
#
# tap.sh - what every integration test begins with.  Sourced.
#
# These run as root on a host that has KVM and vhost_net, each in a network
# namespace of its own with nothing in it but lo.  NO_LINUX=yes: this test has
# other guests, and needs no kernel for one.

[ -n "${TEST_NAMESPACE:-}" ] || TEST_NAMESPACE=mine exec unshare -n "$0"
ip link set lo up

TREE=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib.sh
. "$TREE/scripts/lib.sh"
if [ -z "${NO_LINUX:-}" ]; then
	KERNEL_DIR=${TEST_GUEST:?run this with scripts/check}
	INITRD=$cache_dir/guest-$(cat "$KERNEL_DIR/release").cpio.gz
fi
# shellcheck source-path=SCRIPTDIR source=../../scripts/guest.sh
. "$TREE/scripts/guest.sh"

test_number=0

result() { test_number=$((test_number + 1)); echo "$1 $test_number - $2"; }

# ok WHAT COMMAND...: a line of TAP; on failure, what COMMAND printed.
ok() {
	what=$1
	shift
	if "$@" >"$guests/ok.out" 2>&1; then
		result ok "$what"
	else
		result "not ok" "$what"
		sed 's/^/# /' "$guests/ok.out"
	fi
}

# is WHAT GOT WANTED
is() {
	if [ "$2" = "$3" ]; then
		result ok "$1"
	else
		result "not ok" "$1"
		printf '# got:    %s\n# wanted: %s\n' "$2" "$3"
	fi
}

# like WHAT FILE PATTERN: some line of FILE matches.
like() {
	if grep -aq -e "$3" "$2"; then
		result ok "$1"
	else
		result "not ok" "$1"
		echo "# no line like: $3"
		tail -n 15 "$2" | sed 's/^/# /'
	fi
}

# What the host's kernel has to complain of, since it booted.
complaints() { dmesg | grep -cE 'WARNING|BUG:|Oops|hung task'; }
complaints_before=$(complaints)

done_testing() {
	is "the host's kernel found nothing to warn about" \
		"$(complaints)" "$complaints_before"
	echo "1..$test_number"
}

# bail WHAT: the rest makes no sense.
bail() {
	echo "Bail out! $*"
	exit 1
}

# pings N ADDRESS: all N come back.
pings() { ping -q -c "$1" -i 0.1 -W 5 "$2"; }

# bytes ADDRESS [SIZE]: TCP to the guest's sink, every byte checked there.
sink_start() {
	guest_sh "$1" 'traffic tcp-sink 5001 >/dev/null & sleep 1' >/dev/null
}
bytes() { "$TREE/build/traffic" tcp-send "$1" 5001 "${2:-1M}"; }
