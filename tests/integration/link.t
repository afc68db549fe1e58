#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The guest's link follows the tap's: down, up, and gone for good.
. "$(dirname "$0")/tap.sh"

make_tap tap0 10.0.0.1/24
make_tap tap1 10.0.1.1/24
guest_start a "guest.ip=10.0.0.2/24 guest.ip1=10.0.1.2/24" \
	--tap tap0 --tap tap1 --vhost || bail "no guest"
ok "ping" pings 5 10.0.0.2

carrier() {	# 0 or 1: what the guest sees of eth0, once it sees that
	n=0
	until [ "$(guest_sh a 'cat /sys/class/net/eth0/carrier')" = "$1" ]; do
		n=$((n + 1))
		[ $n -lt 20 ] || return 1
		sleep 0.2
	done
}
ok "carrier at first" carrier 1
ping -q -i 0.1 10.0.0.2 >/dev/null 2>&1 &
noise=$!
ip link set tap0 down
ok "tap down under traffic: no carrier" carrier 0
ip link set tap0 up
ok "tap up: carrier" carrier 1
kill "$noise"
ok "and packets" pings 5 10.0.0.2

guest_sh a 'ping -q -i 0.1 10.0.0.1 >/dev/null 2>&1 &' >/dev/null
ip link del tap0
ok "tap deleted under traffic: no carrier" carrier 0
is "said in one line" "$(wc -l <"$guests/a.err")" 1
like "that names card and tap" "$guests/a.err" 'card 0 (tap0): the tap is gone'
ok "the other card lives" pings 5 10.0.1.2
guest_sh a 'cd /sys/bus/virtio/drivers/virtio_net; echo virtio0 >unbind; echo virtio0 >bind; cd /' >/dev/null
ok "so it does after the driver tried again" pings 5 10.0.1.2
is "still one line" "$(wc -l <"$guests/a.err")" 1
echo exit >"$guests/a.in"
guest_end a
is "powered off: status 0" $? 0
done_testing
