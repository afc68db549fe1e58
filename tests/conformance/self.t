#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Does the bench notice?  Scenarios that hang, crash, fail and leave things
# behind (self/scenarios.c), and what its report must say of them.

bench=$(dirname "$0")/../../build/tests/conformance/self/bench
log=$(mktemp)
trap 'rm -f "$log"' EXIT
n=0

# ok STATUS WHAT: one more result; on failure, with the report.
ok() {
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n $2"
	else
		echo "not ok $n $2"
		sed 's/^/# /' "$log"
	fi
}

# says PATTERN WHAT: a line of the report is like that.
says() { grep -qE "$1" "$log"; ok $? "$2"; }
silent() { ! grep -qE "$1" "$log"; ok $? "$2"; }

# Of a hang and its dump there is a second each, not more to wait for.
"$bench" --time-limit 3 --skip C12 >"$log" 2>&1
[ $? = 1 ]; ok $? "failures make the status 1"
says '^not ok 1 C1 '	"a hang is a failure"
says '^# suite.c:[0-9]+: no end after 3 s'	"... and says after how long"
says '^#   rig on conf0: features 0x100000000'	"... and shows its rig"
says '^#     avail\[0\] = 0: gpa .* len 100 '	"... with what is in flight"
says '^#     name: vhost-[0-9]+'		"... and vhost's worker"
says '^not ok 2 C2 '	"one that does not even dump is, too"
says '^# it did not even dump its state'	"... and says so"
says '^# suite.c:[0-9]+: died of signal 11 '	"a crash says the signal"
says '^not ok 3 C3 '	"... and is a failure"
says '^not ok 4 C4 '	"an exit is a failure"
says '^# scenarios.c:[0-9]+: the second$'	"EXPECT goes on"
says '^not ok 5 C5 '	"... and fails"
says '^not ok 6 C6 '	"REQUIRE fails"
silent 'not reached'	"... and does not go on"
says '^not ok 7 C7 '	"a failure of a child is one"
says '^ok 8 C8 .* # SKIP no such thing$'	"skip() gives its reason"
says '^ok 9 C9 '	"who leaves a child has passed"
! pgrep -f "^$bench" >/dev/null; ok $? "... and the child is gone"
says '^not ok 10 C10 '	"a warning of the kernel fails the scenario"
says "^# suite.c:[0-9]+: the kernel's log: WARNING: a test of the bench"	\
	"... and is shown"
says 'frame 5 of 200 bytes is shifted: byte 0 is where 2 should be' \
	"a shifted frame names its shift"
says '^ok 12 R1 passes$'	"after all that, what passes passes"
says '^# rnd [0-9]+ [0-9]+, scaled 1000 1000'	"counts are whole at scale 1"

"$bench" --run C12 --repeat 5 >"$log" 2>&1
says '^# time 2 of 5, --seed 2$' "--repeat stops at the first failure"
first=$(LC_ALL=C "$bench" --run R1 --seed 7 | grep 'rnd')
"$bench" --run R --seed 7 --scale 0.01 >"$log" 2>&1
says "^${first%,*}, scaled 10 900"	"--seed and --scale do what they say"
"$bench" --run R --seed 8 >"$log" 2>&1
silent "^${first%,*},"		"another seed is another sequence"
"$bench" --run R1,Q1 >"$log" 2>&1
[ $? = 2 ]; ok $? "a scenario that does not exist is refused"
says 'Q1: no such scenario'	"... by name"
"$bench" --list --run C --skip C1 >"$log" 2>&1
[ "$(wc -l <"$log")" = 11 ]; ok $? "--list, less --skip C1, has 11 lines"
silent '^C1 '			"... C1 not among them, C10 to C12 are"
echo "1..$n"
