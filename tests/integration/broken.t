#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A guest breaks its ring on purpose, on a real vhost_net and in user space: the
# ring is named in one line, the card wants a reset and gets it, everything else
# goes on.
. "$(dirname "$0")/tap.sh"

make_tap tap0 10.0.0.1/24
make_tap tap1 10.0.1.1/24
guest_start a "guest.ip=10.0.0.2/24 guest.ip1=10.0.1.2/24" \
	--tap tap0,vhost=on --tap tap1,vhost=off || bail "no guest"
guest_sh a 'card() { echo LNRO0005:0$2 >/sys/bus/platform/drivers/virtio-mmio/$1; }
up() { ip addr add 10.0.$1.2/24 dev eth$1; ip link set eth$1 up; }' >/dev/null

for backend in vhost "user space"; do
	if [ "$backend" = vhost ]; then i=0 other=1; else i=1 other=0; fi
	for misdeed in head loop address avail-jump; do
		what="$backend, $misdeed"
		guest_sh a "card unbind $i; breakring $i $misdeed" >"$guests/said"
		is "$what: the device wanted a reset" $? 0
		like "$what: and said so" "$guests/said" \
			'status 0x4f, interrupt status 0x3'
		ok "$what: the other card lives" pings 3 10.0.$other.2
		guest_sh a "card bind $i; sleep 1; up $i" >/dev/null
		ok "$what: after a reset the card works" pings 3 10.0.$i.2
	done
done
is "said in one line for each card" "$(wc -l <"$guests/a.err")" 2
like "that names card, ring and reason" "$guests/a.err" \
	'card 0 (tap0): TX ring broken: avail entry 0 names descriptor 8, and the ring has 8;'
like "as the backend in user space does" "$guests/a.err" \
	'card 1 (tap1): TX ring broken: a chain leads out of its table;'
guest_stats a >"$guests/stats"
is "the others were counted" \
	"$(grep -c 'card [01] (tap[01]): rings found broken: 4$' "$guests/stats")" 2
echo exit >"$guests/a.in"
guest_end a
is "powered off: status 0" $? 0
done_testing
