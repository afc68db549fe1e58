#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The transcript of a guest that comes, binds its driver anew and goes: what it
# says of vhost is the order in which rings are to be wired (vhost/vhost.h), the
# same features are at every level, and packets add nothing to it.
. "$(dirname "$0")/tap.sh"

make_tap tap0 10.0.0.1/24
log=$guests/trace.log
guest_start a guest.ip=10.0.0.2/24 --tap tap0 --vhost --trace="$log" ||
	bail "no guest"
ok "ping" pings 5 10.0.0.2
sink_start a
lines=$(wc -l <"$log")
ok "ping again" pings 20 10.0.0.2
ok "and a megabyte" bytes 10.0.0.2 1M
is "packets add no line" "$(wc -l <"$log")" "$lines"
guest_sh a 'cd /sys/bus/virtio/drivers/virtio_net
	echo virtio0 >unbind; echo virtio0 >bind; cd /
	ip addr add 10.0.0.2/24 dev eth0; ip link set eth0 up' >/dev/null
ok "ping after unbind and bind" pings 5 10.0.0.2
echo exit >"$guests/a.in"
guest_end a
is "powered off: status 0" $? 0
is "standard error has none of it" "$(wc -c <"$guests/a.err")" 0
is "each line has its time and its kind" \
	"$(grep -cvE '^ *[0-9]+\.[0-9]{6} (run|kvm|tap|vhost|regs|card) ' "$log")" 0
ok "and times go up" sort -c -n -k 1,1 "$log"
like "first, the command line" "$log" "run   launcher .* --tap tap0 --vhost "
is "and last, the status" "$(tail -n 1 "$log" | sed 's/.* run   //')" \
	"the end, status 0"

# --- The wiring ---------------------------------------------------------------

# All that a register write leads to stands between it and the next, since there
# is one vCPU.  So: what is before the guest, and what is after DRIVER_OK or a
# reset, by their number.
awk -v file="$guests/piece" '
	BEGIN				{ piece = "create" }
	/ run +the guest starts/	{ piece = "rest" }
	/ regs /			{ piece = "rest" }
	/ regs .* Status = 0xf /	{ piece = "start" ++starts }
	/ regs .* Status = 0$/		{ piece = "stop" ++stops }
	{ print >(file "." piece) }' "$log"

# fd_of WORDS: the descriptor that the card's lines name so.
fd_of() { sed -n "s/.* card  card 0 (tap0): .*$1 fd \([0-9]*\)[:,].*/\1/p" "$log"; }
tap=$(fd_of '\<tap')
rx_kick=$(fd_of 'RX kick') rx_call=$(fd_of 'RX .*call') rx_err=$(fd_of 'RX .*err')
tx_kick=$(fd_of 'TX kick') tx_call=$(fd_of 'TX .*call') tx_err=$(fd_of 'TX .*err')
is "the card's descriptors are named, and differ" \
	"$(printf '%s\n' "$tap" "$rx_kick" "$rx_call" "$rx_err" "$tx_kick" \
		"$tx_call" "$tx_err" | grep '^[0-9]*$' | sort -u | wc -l)" 7

# steps PIECE: what vhost and the tap were told.  Left out: the times, the
# result 0, numbers that differ from run to run, and what netlink makes us ask
# of the tap whenever it likes.
steps() {
	grep -E ' (tap|vhost) ' "$guests/piece.$1" | grep -vE 'TUNGETIFF|SIOCG' |
		sed -E 's/^.* fd [0-9]+ ([A-Z])/\1/; s/ = 0(: [0-9]+)?$//
			s/(SET_MEM_TABLE|SET_FEATURES|OFFLOAD) [0-9]x?.+/\1/
			s/ hva 0x[0-9a-f]+/ hva/g'
}

is "at creation" \
	"$(steps create | sed -n 's/ = 0: .*//; /^VHOST/p')" \
	"VHOST_SET_OWNER
VHOST_GET_FEATURES
VHOST_SET_MEM_TABLE"

ring() {	# NAME KICK CALL ERR
	echo "VHOST_SET_VRING_NUM $1 256
VHOST_SET_VRING_BASE $1 0
VHOST_SET_VRING_ADDR $1 desc hva avail hva used hva flags 0
VHOST_SET_VRING_KICK $1 fd $2
VHOST_SET_VRING_CALL $1 fd $3
VHOST_SET_VRING_ERR $1 fd $4"
}
start="TUNSETVNETHDRSZ 12
TUNSETVNETLE 1
TUNSETOFFLOAD
VHOST_SET_FEATURES
$(ring RX "$rx_kick" "$rx_call" "$rx_err")
$(ring TX "$tx_kick" "$tx_call" "$tx_err")
VHOST_NET_SET_BACKEND RX fd $tap
VHOST_NET_SET_BACKEND TX fd $tap"
stop="VHOST_NET_SET_BACKEND RX fd -1
VHOST_NET_SET_BACKEND TX fd -1
VHOST_GET_VRING_BASE RX
VHOST_GET_VRING_BASE TX
TUNSETOFFLOAD 0"
is "the driver's first reset finds nothing to do" "$(steps stop1)" ""
is "at DRIVER_OK" "$(steps start1)" "$start"
is "at reset, before its register write returns" "$(steps stop2)" "$stop"
is "at DRIVER_OK again" "$(steps start2)" "$start"
is "the first driver got somewhere" \
	"$(grep -cE 'GET_VRING_BASE [RT]X = 0: [1-9]' "$guests/piece.stop2")" 2

# --- Addresses ----------------------------------------------------------------

like "vhost has the RAM that KVM has" "$log" "SET_MEM_TABLE 1: $(sed -n \
	's/.*USER_MEMORY_REGION slot 0 \(.*\)/\1/p' "$log")"

# ram FILE: hva - gpa of each part of the rings, as the card's lines have it.
ram() {
	grep -oE 'gpa 0x[0-9a-f]+ hva 0x[0-9a-f]+' "$1" |
		while read -r _ gpa _ hva; do echo $((hva - gpa)); done
}
base=$(grep -o 'SET_MEM_TABLE.* hva 0x[0-9a-f]*' "$log" | sed 's/.* //')
is "rings are told by both addresses, RAM's" \
	"$(ram "$guests/piece.start1" | sort | uniq -c | sed 's/^ *//')" \
	"6 $((base))"
hvas() { grep "$1" "$guests/piece.start1" | grep -oE 'hva 0x[0-9a-f]+'; }
is "and vhost got these" "$(hvas VRING_ADDR)" "$(hvas ' ring of 256: ')"

# --- Features -----------------------------------------------------------------

# set_of PATTERN [FILE]: the words behind the number there, a line each, sorted.
set_of() {
	sed -n "s/.*$1 0x[0-9a-f]*//p" "${2:-$log}" | head -n 1 | sed 's/ = 0$//' |
		tr ' ' '\n' | grep . | sort
}
set_of "the device offers" >"$guests/offered"
set_of "the driver accepted" >"$guests/accepted"
set_of "VHOST_GET_FEATURES = 0:" >"$guests/of_vhost"
is "the driver accepts what is offered" \
	"$(comm -13 "$guests/offered" "$guests/accepted")" ""
like "VERSION_1 by all means" "$guests/accepted" '^VERSION_1$'
is "vhost is told what is accepted of its own" "$(set_of VHOST_SET_FEATURES)" \
	"$(comm -12 "$guests/accepted" "$guests/of_vhost")"
is "and the tap which offloads" \
	"$(set_of TUNSETOFFLOAD "$guests/piece.start1" | sed 's/TSO_//' | sort)" \
	"$(sed -n 's/^GUEST_\(CSUM\|ECN\|TSO.\|USO.\)$/\1/p' "$guests/accepted" | sort)"

# --- A selection, to standard error -------------------------------------------

guest_launch b guest.run=poweroff --tap tap0 --vhost --trace=vhost
guest_end b
is "powered off: status 0" $? 0
like "--trace=vhost: vhost's lines are there" "$guests/b.err" \
	'^ *[0-9.]* vhost fd [0-9]* VHOST_NET_SET_BACKEND TX'
is "and no others" "$(grep -cvE '^ *[0-9]+\.[0-9]{6} vhost ' "$guests/b.err")" 0
done_testing
