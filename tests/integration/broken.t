#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A guest breaks its ring on purpose, on a real vhost_net: the ring is named in
# one line, the card wants a reset and gets it, everything else goes on.
. "$(dirname "$0")/tap.sh"

make_tap tap0 10.0.0.1/24
make_tap tap1 10.0.1.1/24
guest_start a "guest.ip=10.0.0.2/24 guest.ip1=10.0.1.2/24" \
	--tap tap0 --tap tap1 --vhost || bail "no guest"
guest_sh a 'card() { echo LNRO0005:00 >/sys/bus/platform/drivers/virtio-mmio/$1; }
up() { ip addr add 10.0.0.2/24 dev eth0; ip link set eth0 up; }' >/dev/null

for misdeed in head loop address avail-jump; do
	guest_sh a "card unbind; breakring 0 $misdeed" >"$guests/said"
	is "$misdeed: the device wanted a reset" $? 0
	like "$misdeed: and said so" "$guests/said" \
		'status 0x4f, interrupt status 0x3'
	ok "$misdeed: the other card lives" pings 3 10.0.1.2
	guest_sh a 'card bind; sleep 1; up' >/dev/null
	ok "$misdeed: after a reset the card works" pings 3 10.0.0.2
done
is "said in one line" "$(wc -l <"$guests/a.err")" 1
like "that names card, ring and reason" "$guests/a.err" \
	'card 0 (tap0): TX ring broken: avail entry 0 names descriptor 8, and the ring has 8;'
guest_stats a >"$guests/stats"
like "the others were counted" "$guests/stats" 'broken and stopped  *4 times'
echo exit >"$guests/a.in"
guest_end a
is "powered off: status 0" $? 0
done_testing
