#!/bin/sh
# SPDX-License-Identifier: MIT
#
# --stats: the numbers are there, they are those that others see, and where
# there are none it says so.
. "$(dirname "$0")/tap.sh"

PACKETS=1000

# A name that JSON has to escape; whatever it is, it is a tap's.
TAP='t"a\p'
make_tap "$TAP" 10.0.0.1/24

# flatten FILE: a file for each of its lines, $file.1 and so on, in which a line
# is a number and the way to it: "returns MMIO total	52".
flatten() {
	perl -MJSON::PP -e '
		sub walk {
			my ($at, @way) = @_;
			if (ref $at) {
				walk($at->{$_}, @way, $_) for sort keys %$at;
			} else {
				print $out "@way\t", $at // "null", "\n";
			}
		}
		my $file = $ARGV[0];
		while (<>) {
			open($out, ">", "$file.$.") or die "$!\n";
			walk(decode_json($_));
		}' "$1"
}
# before, now KEY...: what it was in the first report, and is in the last.
of() { awk -F '\t' -v way="$2" '$1 == way { print $2 }' "$1"; }
before() { of "$file.1" "$*"; }
now() { of "$file.$(wc -l <"$file")" "$*"; }

# more NAME FILE: have its launcher add a report there.
more() {
	lines=$(wc -l <"$2")
	kill -USR1 "$(cat "$guests/$1.pid")"
	tries=50
	until [ "$(wc -l <"$2")" -gt "$lines" ]; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.2
	done
}

# What others say of the tap: field N of its line.
seen() { awk -v tap="$TAP:" -v n="$1" '$1 == tap { print $n }' /proc/net/dev; }

file=$guests/a.json
guest_start a guest.ip=10.0.0.2/24 --cpus 2 --tap "$TAP" --vhost \
	--stats="$file" || bail "no guest"
pid=$(cat "$guests/a.pid")
is "threads have names" \
	"$(sort /proc/"$pid"/task/*/comm | grep -vE '^(vhost|kvm)-' | tr '\n' ' ')" \
	"launcher vcpu0 vcpu1 "
worker=$(grep -l "^vhost-$pid\$" /proc/[0-9]*/comm /proc/"$pid"/task/*/comm |
	head -n 1)
switches() { awk '/^voluntary/ { print $2 }' "${worker%comm}status"; }
rss() { echo $(($(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status") * 1024)); }

is "the file is there before there is a report" "$(wc -c <"$file")" 0
guest_sh a 'traffic udp-echo 5003 >/dev/null & sleep 1' >/dev/null
ok "SIGUSR1: a line" more a "$file"
ok "and traffic" "$TREE/build/traffic" udp-rr 10.0.0.2 5003 $((PACKETS / 2))
sink_start a		# so that it is not the same both ways
ok "and more of it" bytes 10.0.0.2 64K
least=$(switches) rss_before=$(rss)
ok "and another one" more a "$file"
most=$(switches) rss_after=$(rss)
ok "lines of JSON" flatten "$file"
is "and what they are about" "$(cut -d ' ' -f 1 "$file.2" | cut -f 1 | uniq |
	tr '\n' ' ')" \
	"card0 guest_ram kvm_vcpus kvm_vm per returns seconds threads time when "
is "at a signal, both" "$(before when) $(now when)" "SIGUSR1 SIGUSR1"
is "the tap's name" "$(now card0 name)" "$TAP"

grew() { [ "$(now "$@")" -gt "$(before "$@")" ]; }
ok "exits grew" grew kvm_vcpus exits total
ok "interrupts grew" grew kvm_vcpus irq_injections total
ok "vhost's worker worked" grew threads vhost0 cpu_us
ok "the vCPU's thread ran" grew threads vcpu0 cpu_us
ok "the main thread ran" grew threads main cpu_us
slept=$(now threads vhost0 voluntary)
ok "it was vhost's worker that was counted ($slept, from $least to $most)" \
	[ "${slept:-0}" -ge "$least" -a "${slept:-0}" -le "$most" ]
is "of the card nothing came to user space" \
	"$(now card0 after_driver_ok total reads)" 0
# The guest may take a huge page at any time; of our own there are under 4 MB.
resident=$(now guest_ram resident)
ok "guest RAM is what the launcher has resident ($resident: $rss_before to $rss_after)" \
	[ "$resident" -le "$rss_after" -a \
		"$resident" -gt $((rss_before - (4 << 20))) ]
is "of so much" "$(now guest_ram size)" $((256 << 20))

echo exit >"$guests/a.in"
guest_end a
is "powered off: status 0" $? 0
is "three lines in all" "$(wc -l <"$file")" 3
ok "all of JSON" flatten "$file"
is "the last one at exit" "$(now when)" exit
is "packets from the guest" "$(now card0 tap from_guest packets)" "$(seen 3)"
is "bytes from the guest" "$(now card0 tap from_guest bytes)" "$(seen 2)"
is "packets to the guest" "$(now card0 tap to_guest packets)" "$(seen 11)"
is "bytes to the guest" "$(now card0 tap to_guest bytes)" "$(seen 10)"
packets=$(($(seen 3) + $(seen 11)))
ok "and they are many ($packets)" [ "$packets" -ge "$PACKETS" ]
exits=$(now kvm_vcpus exits total)
is "the vCPUs' exits add up" "$exits" \
	$(($(now kvm_vcpus exits vcpu0) + $(now kvm_vcpus exits vcpu1)))
is "exits per packet" "$(now per exits packet)" \
	"$(awk "BEGIN { print int($exits * 1000 / $packets) / 1000 }")"
is "returns by MMIO are as many as KVM says" "$(now returns MMIO total)" \
	"$(now kvm_vcpus mmio_exits total)"
ok "and by port I/O no more than that" [ "$(now returns IO total)" -le \
	"$(now kvm_vcpus io_exits total)" ]
ok "what the threads used is known after their end" \
	[ "$(now threads vcpu1 cpu_us)" -gt 0 ]
is "nothing was said on stderr" "$(wc -l <"$guests/a.err")" 0

# The table, at intervals; a tap in a network namespace that is not ours, and,
# before Linux 6.4, a worker that is not in our pid namespace.
LAUNCHER="$TREE/build/tests/integration/pass-fds --as-root $TAP unshare -n \
	unshare -p -f --kill-child --mount-proc $TREE/launcher"
guest_start b guest.ip=10.0.0.2/24 --tap fd=3 --vhostfd 4 \
	--stats-interval 1 || bail "no second guest"
tables() {	# N: until there are so many
	tries=$((PATIENCE * 5))
	until [ "$(grep -c '^stats end' "$guests/b.err")" -ge "$1" ]; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.2
	done
}
ok "tables, one after the other" tables 2
like "for that reason" "$guests/b.err" '^statistics (interval) after [0-9.]* s$'
like "with an interval's own ratios" "$guests/b.err" 'the same, of this interval'
like "a tap that cannot be seen: said" "$guests/b.err" \
	"^card 0 (.*): its tap: in another network namespace"
ok "ping" pings 5 10.0.0.2
if grep -q "^vhost-[0-9]*\$" /proc/"$(pgrep -x launcher)"/task/*/comm; then
	like "a worker that is a thread of ours: seen" "$guests/b.err" \
		'^  vhost0  *[1-9][0-9]* '
else
	like "a worker that is the kernel's: said to be out of sight" \
		"$guests/b.err" '^  vhost0  *not to be seen from this pid namespace'
fi
like "so there is no ratio" "$guests/b.err" '^  exits  * -  *[0-9]'
echo exit >"$guests/b.in"
guest_end b
is "powered off: status 0" $? 0
is "the last table is at exit" \
	"$(grep -a '^statistics' "$guests/b.err" | tail -n 1 | cut -d ' ' -f 2)" \
	"(exit)"

refused() {	# WHAT PATTERN OPTION...
	what=$1 pattern=$2
	shift 2
	"$TREE/launcher" "$@" "$KERNEL_DIR/vmlinuz" 2>"$guests/why" </dev/null
	is "$what: status 2" $? 2
	is "$what: one line" "$(wc -l <"$guests/why")" 1
	like "$what: says so" "$guests/why" "$pattern"
}
refused "a folder that is not there" '--stats=/nowhere/a: No such file' \
	--stats=/nowhere/a
refused "no time at all" '--stats-interval 0: whole seconds' --stats-interval 0
done_testing
