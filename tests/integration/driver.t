#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The driver comes and goes: reset and DRIVER_OK any number of times, with two
# cards, of which the other one must not notice.
. "$(dirname "$0")/tap.sh"

make_tap tap0 10.0.0.1/24
make_tap tap1 10.0.1.1/24
guest_start a "guest.ip=10.0.0.2/24 guest.ip1=10.0.1.2/24" \
	--tap tap0,mac=02:00:00:00:00:01 --tap tap1,vhost=on,mtu=1400,ring=1024 --vhost ||
	bail "no guest"
ok "two cards: ping the first" pings 5 10.0.0.2
ok "two cards: ping the second" pings 5 10.0.1.2
is "the address that was asked for" \
	"$(guest_sh a 'cat /sys/class/net/eth0/address')" 02:00:00:00:00:01
is "the MTU that was asked for" "$(guest_sh a 'cat /sys/class/net/eth1/mtu')" 1400

ping -q -i 0.2 10.0.1.2 >"$guests/other" &
other=$!
ping -q -i 0.2 10.0.0.2 >/dev/null &
first=$!
guest_sh a 'up() { ip addr add 10.0.0.2/24 dev eth0; ip link set eth0 up; }' >/dev/null
guest_sh a 'cd /sys/bus/virtio/drivers/virtio_net; n=0
while [ $n -lt 20 ]; do echo virtio0 >unbind && echo virtio0 >bind && up && n=$((n+1)) || break; done; cd /; echo "bound $n times"' \
	120 >"$guests/bind"
like "unbind and bind 20 times under ping" "$guests/bind" "bound 20 times"
ok "the card answers after that" pings 5 10.0.0.2
kill -INT "$other" "$first"
wait "$other"
like "the other card lost nothing meanwhile" "$guests/other" " 0% packet loss"

guest_sh a 'rmmod virtio_net && modprobe virtio_net && sleep 1 && up &&
	ip addr add 10.0.1.2/24 dev eth1; ip link set eth1 up' >/dev/null
ok "after rmmod and modprobe: the first" pings 5 10.0.0.2
ok "after rmmod and modprobe: the second" pings 5 10.0.1.2
sink_start a
ok "and a megabyte" bytes 10.0.0.2 1M
is "nothing was broken on the way" "$(grep -c 'wants a reset' "$guests/a.err")" 0
echo exit >"$guests/a.in"
guest_end a
is "powered off: status 0" $? 0
done_testing
