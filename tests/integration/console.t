#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Standard input of every kind, and none of them spins; a break arrives.
. "$(dirname "$0")/tap.sh"

start() { guest_launch "$1" "$2" && wait_for "$guests/$1.log" '^guest: ready'; }

# Clock ticks of processor time that the launcher's main thread has used.
ticks() { awk '{ print $14 + $15 }' "/proc/$1/task/$1/stat"; }
idle() {	# NAME: less than a fifth of a second in two seconds
	pid=$(cat "$guests/$1.pid")
	before=$(ticks "$pid")
	sleep 2
	used=$(($(ticks "$pid") - before))
	echo "used $used ticks"
	[ "$used" -lt 20 ]
}

# The name of an input redirection is not a variable's to give; hence eval.
input() {	# NAME WHAT REDIRECTION
	eval "'$TREE/launcher' -a 'quiet panic=-1 guest.run=tests' -i '$INITRD' \
		'$KERNEL_DIR/vmlinuz' $3 >'$guests/$1.log' 2>'$guests/$1.err' &"
	echo $! >"$guests/$1.pid"
	ok "$2: the guest boots" wait_for "$guests/$1.log" '^guest: ready'
	ok "$2: the main thread does not spin" idle "$1"
	kill -TERM "$(cat "$guests/$1.pid")"
	guest_end "$1"
	is "$2: ended by SIGTERM" $? 143
}
input n /dev/null '</dev/null'
input x "closed" '<&-'
echo 'echo from a "file"' >"$guests/file"
input f "a file" "<'$guests/file'"
like "a file's line was read" "$guests/f.log" 'from a file'

guest_start b "sysrq_always_enabled" || bail "no guest"
ok "a pipe: the main thread does not spin" idle b
printf '\001bh' >"$guests/b.in"
ok "Ctrl-A b, h: a break and a sysrq" wait_for "$guests/b.log" 'sysrq: HELP' 20
printf '\001h' >"$guests/b.in"
ok "Ctrl-A h lists what there is" wait_for "$guests/b.err" 'Ctrl-A x *quit' 20
exec 9>&-
ok "a pipe whose writer left: no spinning" idle b
kill -TERM "$(cat "$guests/b.pid")"
guest_end b
is "ended by SIGTERM" $? 143

# More than the chip and the console hold, and every byte of it.
guest_start m "" || bail "no guest"
line=$(printf '%01000d' 0)
is "a line of 1,000 characters comes through" \
	"$(guest_sh m "printf %s $line | wc -c")" 1000
echo exit >"$guests/m.in"
guest_end m
is "powered off: status 0" $? 0
# At a terminal: raw while the guest runs, and as it was however that ends.
terminal() {	# WHAT SIGNAL
	rm -f "$guests/after"
	cat >"$guests/session" <<-END
		stty -g >'$guests/before'
		sh -c 'echo \$\$ >"$guests/pid"
			exec "$TREE/launcher" -a quiet "$KERNEL_DIR/vmlinuz"'
		stty -g >'$guests/after'
	END
	script -qc "sh '$guests/session'" /dev/null </dev/null >"$guests/script" 2>&1 &
	wait_for "$guests/script" 'Linux version\|PCI: Fatal' 30
	terminal=$(readlink "/proc/$(cat "$guests/pid")/fd/0")
	during=$(stty -g -F "$terminal")
	kill "-$2" "$(cat "$guests/pid")"
	wait_for "$guests/after" . 20
	ok "$1: the terminal was raw" [ "$during" != "$(cat "$guests/before")" ]
	is "$1: and is as it was" "$(cat "$guests/after")" "$(cat "$guests/before")"
}
terminal "SIGTERM" TERM
terminal "SIGSEGV, as from a flaw of ours" SEGV
terminal "SIGHUP" HUP
done_testing
