#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The least RAM that is accepted, and more than fits below the hole.
. "$(dirname "$0")/tap.sh"

make_tap tap0 10.0.0.1/24

# The refusal names the least; believe it, and see whether it was true.
"$TREE/launcher" -m 16M -i "$INITRD" "$KERNEL_DIR/vmlinuz" 2>"$guests/refusal"
is "16M are refused as the user's mistake" $? 2
is "in one line" "$(wc -l <"$guests/refusal")" 1
least=$(sed -n 's/.*less than the \([0-9]*\)M.*/\1/p' "$guests/refusal")
ok "that names the least" [ "${least:-0}" -gt 16 ]
guest_start a guest.ip=10.0.0.2/24 -m "${least}M" --tap tap0 --vhost ||
	bail "no guest in ${least}M"
ok "ping in ${least}M" pings 5 10.0.0.2
echo exit >"$guests/a.in"
guest_end a
is "powered off: status 0" $? 0

guest_start b guest.ip=10.0.0.2/24 -m 5G --tap tap0 --vhost || bail "no guest in 5G"
kib=$(guest_sh b 'sed -n "s/MemTotal: *\([0-9]*\) kB/\1/p" /proc/meminfo')
ok "the guest sees most of 5 GB ($kib KiB)" [ "$kib" -gt 4900000 ]
like "one warning above the host's free memory" "$guests/b.err" \
	'more than the host has free'
ok "ping with buffers above 4 GiB" pings 5 10.0.0.2
sink_start b
ok "and a megabyte" bytes 10.0.0.2 1M
echo exit >"$guests/b.in"
guest_end b
is "powered off: status 0" $? 0
done_testing
