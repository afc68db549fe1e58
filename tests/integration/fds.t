#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A launcher with no rights but /dev/kvm, given its tap and its vhost by number;
# and what it says when it is given nothing, or the wrong thing.
. "$(dirname "$0")/tap.sh"

[ -n "${TEST_MOUNTS:-}" ] || TEST_MOUNTS=mine exec unshare -m "$0"

# A /dev/kvm and a /dev/net/tun that anybody may open, in a mount namespace of
# our own; and what nobody has to read, where nobody can.
for device in kvm net/tun; do
	copy=$guests/${device##*/}
	mknod -m 666 "$copy" c "$((0x$(stat -c %t "/dev/$device")))" \
		"$((0x$(stat -c %T "/dev/$device")))"
	mount --bind "$copy" "/dev/$device"
done
chmod 711 "$guests"
for file in "$TREE/launcher" "$KERNEL_DIR/vmlinuz" "$INITRD" \
	"$TREE/build/tests/integration/pass-fds"; do
	cp "$file" "$guests/"
done
chmod a+rX "$guests"/*
KERNEL_DIR=$guests INITRD=$guests/${INITRD##*/}

make_tap tap0 10.0.0.1/24
LAUNCHER="$guests/pass-fds tap0 $guests/launcher"
guest_start a guest.ip=10.0.0.2/24 --tap fd=3 --vhostfd 4 || bail "no guest"
is "the launcher runs as nobody" \
	"$(awk '/^Uid:/ { print $2, $3, $4 }' "/proc/$guest_pid/status")" \
	"65534 65534 65534"
is "and without a capability" \
	"$(awk '/^CapEff:/ { print $2 }' "/proc/$guest_pid/status")" 0000000000000000
ok "ping" pings 5 10.0.0.2
sink_start a
ok "and a megabyte" bytes 10.0.0.2
ip link set tap0 down
ip link set tap0 up
ok "the link is followed without rights, too" pings 5 10.0.0.2
echo exit >"$guests/a.in"
guest_end a
is "powered off: status 0" $? 0

# refused WHAT STATUS PATTERN COMMAND...: one line on stderr, that status.
refused() {
	what=$1 status=$2 pattern=$3
	shift 3
	timeout 20 "$@" >"$guests/out" 2>"$guests/why" </dev/null
	is "$what: status" $? "$status"
	is "$what: one line" "$(wc -l <"$guests/why")" 1
	like "$what: says so" "$guests/why" "$pattern"
}
run="$guests/launcher $KERNEL_DIR/vmlinuz"
# shellcheck disable=SC2086 # several words
{
refused "no permission for vhost" 1 '/dev/vhost-net: Permission denied; no permission: .*--vhostfd' \
	"$guests/pass-fds" tap0 $run --tap fd=3 --vhost
ip tuntap add own0 mode tap user 0
refused "a tap of somebody else's" 1 'own0: belongs to another user' \
	setpriv --reuid 65534 --regid 65534 --clear-groups $run --tap own0 --vhost
refused "no such tap" 1 'nosuch: does not exist; make it with: ip tuntap' \
	$run --tap nosuch --vhost
refused "a descriptor that is not open" 1 'fd=77: not an open descriptor' \
	$run --tap fd=77 --vhost
refused "a descriptor that is no tap" 1 'fd=0: not a tap' \
	$run --tap fd=0 --vhost
refused "a vhostfd that is not vhost" 1 'vhostfd=3: not /dev/vhost-net' \
	"$guests/pass-fds" tap0 sh -c "exec $run --tap fd=4 --vhostfd 3 4<&3"
ip tuntap add mq0 mode tap multi_queue
refused "a multi_queue tap" 1 'mq0: was created with multi_queue' \
	$run --tap mq0 --vhost
ip tuntap add tun0 mode tun
refused "a tun" 1 'tun0: is a tun, not a tap' $run --tap tun0 --vhost
refused "not a tap at all" 1 'lo: is not a tap' $run --tap lo --vhost
refused "no way for an interrupt" 2 'irq relayed: direct or relay is needed' \
	$run --tap tap0 --irq relayed
refused "more CPUs than there can be" 2 'cpus 255: 1 to 254' $run --cpus 255
}
done_testing
