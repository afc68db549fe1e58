#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Two vCPUs: the second comes up by INIT and SIPI, goes and comes back, and the
# card's interrupt moves between them under traffic without losing an edge.
. "$(dirname "$0")/tap.sh"

make_tap tap0 10.0.0.1/24
guest_start a guest.ip=10.0.0.2/24 --cpus 2 --tap tap0 --vhost || bail "no guest"

is "both CPUs are there" "$(guest_sh a nproc)" 2
guest_sh a 'dmesg' >"$guests/dmesg"
is "no complaint about APIC ids" "$(grep -ci 'apic id mismatch' "$guests/dmesg")" 0
# QEMU's emulated CPU describes its XSAVE area so that Linux warns about it, in
# any nested guest, QEMU's own included; that one is not ours.
is "no warning at boot" \
	"$(grep WARNING "$guests/dmesg" | grep -vc fpu__init_system_xstate)" 0
is "no five-level page tables" "$(guest_sh a 'grep -cw la57 /proc/cpuinfo')" 0
ok "ping with two CPUs" pings 5 10.0.0.2

# Both loops in the background, traffic in the foreground.
guest_sh a 'irq=$(grep virtio /proc/interrupts | sed "s/:.*//;s/ //g")
counts() { awk "\$1 == \"$irq:\" { print \$2, \$3 }" /proc/interrupts; }' >/dev/null
before=$(guest_sh a counts)
guest_sh a '(for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
	echo 2 >/proc/irq/$irq/smp_affinity && sleep 0.1 &&
	echo 1 >/proc/irq/$irq/smp_affinity && sleep 0.1 || exit; done; echo flipped >/tmp/1) &' >/dev/null
ok "60 pings while the interrupt's CPU flips" pings 60 10.0.0.2
after=$(guest_sh a counts)
ok "both CPUs took interrupts (from $before to $after)" \
	[ "${before% *}" -lt "${after% *}" -a "${before#* }" -lt "${after#* }" ]
guest_sh a '(for i in 1 2 3; do
	echo 0 >/sys/devices/system/cpu/cpu1/online && sleep 0.3 && nproc >>/tmp/3 &&
	echo 1 >/sys/devices/system/cpu/cpu1/online && sleep 0.3 || exit; done; echo cycled >/tmp/2) &' >/dev/null
ok "60 pings while CPU 1 goes and comes" pings 60 10.0.0.2
sleep 2
is "both loops ended" "$(guest_sh a 'cat /tmp/1 /tmp/2' | tr '\n' ' ')" "flipped cycled "
is "CPU 1 was away three times" "$(guest_sh a 'cat /tmp/3' | tr '\n' ' ')" "1 1 1 "
is "CPU 1 is back" "$(guest_sh a 'cat /sys/devices/system/cpu/online')" 0-1
ok "and packets still flow" pings 5 10.0.0.2
echo exit >"$guests/a.in"
guest_end a
is "powered off: status 0" $? 0
done_testing
