#!/usr/bin/perl
# SPDX-License-Identifier: MIT
#
# run.t - start hostile guests and see that only they suffer
#
# usage: run.t [NAME]...	as in guest-images/hostile/NAME.c; default: all
#
# With TEST_QUICK in the environment, as scripts/check has it, reset-storm does a
# few hundred resets under traffic, and ports leaves most of them out; else it is
# ten thousand, and all of them, which takes minutes.
#
# Card 0 is vhost's and card 1 the user-space backend's, where there is
# vhost_net; else both are the latter's.  The launcher is the one with
# AddressSanitizer.  What must hold is in each guest's head, in the form that
# guest-images/hostile/hostile.h gives.

use strict;
use warnings;
no warnings 'portable';	# addresses have 64 bits
use Cwd qw(abs_path);
use Fcntl;
use File::Basename;
use File::Temp qw(tempdir);
use IO::File;
use IO::Handle;
use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use Net::Ping;
use POSIX qw(:sys_wait_h);
use Test::More;
use Time::HiRes qw(time sleep);

my $tree = abs_path(dirname(__FILE__) . '/../..');
my $quick = $ENV{TEST_QUICK};	# where others wait for it: fewer resets
# Seconds; only a test that fails waits so long, or so many resets.
my $patience = $quick ? 200 : 600;
my $ram_mib = 16;

unless ($ENV{TEST_NAMESPACE}) {
	$ENV{TEST_NAMESPACE} = 'mine';
	exec 'unshare', '-n', abs_path(__FILE__), @ARGV or die "unshare: $!";
}
plan skip_all => 'there is no /dev/kvm' unless -e '/dev/kvm';

my $vhost = -e '/dev/vhost-net';
my @backend = ($vhost ? 'vhost' : 'user', 'user');
diag 'no /dev/vhost-net: both cards are of the user-space backend'
	unless $vhost;
$SIG{PIPE} = 'IGNORE';	# a launcher that is gone fails its test, not us
my $work = tempdir(CLEANUP => 1);

sub sh { system('sh', '-ec', $_[0]) == 0 or BAIL_OUT("failed: $_[0]") }
for my $i (0, 1) {
	sh("ip tuntap add tap$i mode tap
	    echo 1 >/proc/sys/net/ipv6/conf/tap$i/disable_ipv6
	    ip address add 10.0.$i.1/24 dev tap$i; ip link set tap$i up
	    ip neigh add 10.0.$i.2 dev tap$i lladdr 02:00:00:00:00:0$i \\
		nud permanent");
}
my $ping = Net::Ping->new('icmp', 2);
my @poke = map { IO::Socket::INET->new(Proto => 'udp', PeerAddr => "10.0.$_.2",
	PeerPort => 9) // die "a socket: $@" } 0, 1;

my $traffic;	# do frames come in while the misdeed is done?

# --- What must hold ---------------------------------------------------------

# head_of FILE: its expectations, by name and backend; words for the guest, the
# rows to do once more in the strict mode, and the launcher's options.
sub head_of {
	my ($file) = @_;
	my (%expect, @strict, @options);
	my $words = 'hostile';

	$traffic = 0;
	open my $in, '<', $file or die "$file: $!";
	while (<$in>) {
		push @options, split ' ', $1 if /^ \* run: (.*)/;
		$traffic = 1 if /^ \* traffic: in/;
		push @strict, split ' ', $1 if /^ \* strict: (.*)/;
		$words = "cards=$1" if /^ \* cards: (\d)/;
		next unless /^ \* expect (\S+?)(?: (vhost|user))?: (\w+) ?(\S*) ?(.*)/;
		$expect{$1}{ $2 // 'any' } =
			{ what => $3, count => $4, text => $5 };
	}
	return (\%expect, $words, \@strict, @options);
}

sub expected {
	my ($expect, $name, $backend) = @_;
	for my $n ($name, '*') {
		my $e = $expect->{$n}{$backend} // $expect->{$n}{any};
		return $e if $e;
	}
	BAIL_OUT("nothing is said of what to expect of $name");
}

# --- A launcher -------------------------------------------------------------

my %vm;		# pid, in, out, what it said; one at a time

sub launch {
	my ($image, $append, @options) = @_;
	my $json = "$work/stats.json";

	close $vm{reports} if $vm{reports};
	unlink $json;
	pipe my $in_read, my $in or die;
	pipe my $out, my $out_write or die;
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		open STDIN, '<&', $in_read;
		open STDOUT, '>&', $out_write;
		open STDERR, '>', "$work/stderr";
		my @tap = map { ('--tap', "tap$_,mac=02:00:00:00:00:0$_,vhost=" .
			($backend[$_] eq 'vhost' ? 'on' : 'off')) } 0, 1;
		exec "$tree/build/san/launcher", '-m', "${ram_mib}M", @tap,
			"--stats=$json", '-a', $append, @options, $image;
		die "launcher: $!";
	}
	$in->autoflush(1);
	%vm = (pid => $pid, in => $in, out => $out, said => '',
		json => $json, report => '');
}

# Read what the guest says until PATTERN is in it; undef if it ends or is silent.
sub wait_said {
	my ($pattern, $seconds) = @_;
	my $end = time + ($seconds // $patience);
	my $select = IO::Select->new($vm{out});

	while ($vm{said} !~ s/^.*?$pattern//s) {
		my $left = $end - time;
		return if $left <= 0 || !$select->can_read($left);
		next if sysread $vm{out}, $vm{said}, 4096, length $vm{said};
		$vm{silent} = 1;
		return;
	}
	return 1;
}

# The same, and frames for card N come in meanwhile.
sub wait_said_under_traffic {
	my ($card, $pattern) = @_;
	my $end = time + $patience;

	until (wait_said($pattern, 0.02)) {
		return if $vm{silent} || time > $end;
		send $poke[$card], "poke", 0;
	}
	return 1;
}

sub type { syswrite $vm{in}, $_[0] }

# What we want of a report: how each card fares, and vhost's thread of card 0.
# All of it is ten thousand bytes, for which JSON::PP takes as long as the guest
# for all of a misdeed.
sub report_of {
	my ($json) = @_;
	my ($i, %s) = 0;

	$s{ 'card' . $i++ } = decode_json("{$1}")
		while $json =~ /("broken":\d+,"broken_why":"(?:[^"\\]|\\.)*")/g;
	$s{threads}{vhost0} = decode_json($1)
		if $json =~ /"vhost0":(\{[^}]*\})/;
	return \%s;
}

# A fresh report, as a hash; undef if there is none within our patience.
sub stats {
	my $end = time + 10;

	kill 'USR1', $vm{pid};
	while (time < $end) {
		$vm{reports} //= IO::File->new($vm{json}) or next;
		sysread $vm{reports}, $vm{report}, 65536, length $vm{report};
		return report_of($1) if $vm{report} =~ s/^(.*)\n//;
		sleep 0.005;
	}
	return;
}

# How it ended: its exit status, 128 + signal, or undef if it did not.
sub ended {
	my ($seconds) = @_;
	my $end = time + $seconds;

	while (waitpid($vm{pid}, WNOHANG) == 0) {
		if (time > $end) {
			kill 'KILL', $vm{pid};
			waitpid $vm{pid}, 0;
			return;
		}
		# Its console must not fill up meanwhile.
		wait_said('(?!)', 0.02);
	}
	return $? & 127 ? 128 + ($? & 127) : $? >> 8;
}

sub stderr_text {
	open my $in, '<', "$work/stderr" or return '';
	local $/;
	return <$in> // '';
}

sub last_words {
	diag "the guest said: ", substr($vm{said}, -500);
	diag "the launcher said: ", substr(stderr_text(), -3000);
}

# What the launcher shares with its guest that lies between pages which nobody
# may touch: how many vCPUs, pages of registers, and pieces of RAM.
sub guarded {
	open my $in, '<', "/proc/$vm{pid}/maps" or return '';
	my @map = map { /^(\w+)-(\w+) (\S+) \S+ \S+ \S+ *(.*)/ ?
			[hex $1, hex $2, $3, $4] : () } <$in>;
	my ($cpus, $pages, $ram) = (0, 0, 0);
	for my $i (1 .. $#map - 1) {
		my ($from, $to, $rights, $name) = @{ $map[$i] };
		next unless $rights =~ /^rw/ &&
			$map[$i - 1][1] == $from && $map[$i - 1][2] =~ /^---/ &&
			$map[$i + 1][0] == $to && $map[$i + 1][2] =~ /^---/;
		$cpus++ if $name =~ /kvm-vcpu/;
		$pages++ if $name eq '' && $to - $from == 4096;
		$ram++ if $name eq '' && $to - $from == $ram_mib << 20;
	}
	return "vCPUs $cpus, pages $pages, RAM $ram";
}

# How many files it has open: what a misdeed opened is closed again.
sub files {
	opendir my $dir, "/proc/$vm{pid}/fd" or return -1;
	return scalar grep { !/^\./ } readdir $dir;
}

# --- The host's kernel ------------------------------------------------------

sysopen my $kmsg, '/dev/kmsg', O_RDONLY | O_NONBLOCK or die "/dev/kmsg: $!";
sysseek $kmsg, 0, 2;

# What it has complained of since this was last asked.
sub complaints {
	my @found;
	while (1) {
		my $n = sysread $kmsg, my $line, 8192;
		next if !defined $n && $!{EPIPE};	# overrun: go on
		last unless $n;
		push @found, $line
			if $line =~ /WARNING|BUG:|Oops|hung task|general protection/;
	}
	return @found;
}

# --- One misdeed ------------------------------------------------------------

sub answers {
	my ($card) = @_;
	for (1 .. 5) {
		return 1 if $ping->ping("10.0.$card.2");
	}
	return 0;
}

sub broken_of { my ($s, $card) = @_; return $s->{"card$card"}{broken} }

# Until card N has been found broken so often; what it was in the end.  Frames
# for it come in meanwhile, since some rings are looked at only then.
sub wait_broken {
	my ($card, $wanted) = @_;
	my $end = time + 10;
	my $s;

	do {
		send $poke[$card], "poke", 0;
		$s = stats() or return;
	} while (broken_of($s, $card) < $wanted && time < $end && (sleep(0.05), 1));
	return $s;
}

# How busy vhost's worker of card 0 is, in percent; undef if it cannot be seen.
sub busy {
	my @cpu_us;

	for (0, 1) {
		my $s = stats() // return;
		my $row = $s->{threads}{vhost0} // return;
		push @cpu_us, $row->{cpu_us}, time;
		sleep 0.3 unless $_;
	}
	return ($cpu_us[2] - $cpu_us[0]) / ($cpu_us[3] - $cpu_us[1]) / 1e4;
}

# One misdeed against one card, in a guest that is about to commit it.  Returns
# false when there is no point in going on.
sub survives {
	my ($file, $name, $card, $e) = @_;
	my $what = "$file, $name, $backend[$card]";
	my $before = $vm{last} // stats();
	my $start = $before ? broken_of($before, $card) : 0;
	my $wanted = $e->{what} eq 'spins' || $e->{count} eq 'any' ? 0 :
		     $e->{count} eq 'some' ? 1 : $e->{count};
	my $files = files();

	type(($file =~ /^serial/ ? '?' x 2000 : '') . 'g');
	my $did = "did \Q$name\E $card\r?\n";
	if (!$before || !($traffic ? wait_said_under_traffic($card, $did) :
				     wait_said($did))) {
		fail "$what: the guest did it";
		last_words();
		return 0;
	}
	my $s = wait_broken($card, $start + $wanted);
	ok answers(1 - $card), "$what: the other card answers" or last_words();
	if ($e->{what} eq 'spins') {
		my $percent = busy();
		note "$what: on this kernel vhost's worker is ",
			defined $percent ? sprintf('%.0f %% busy', $percent) :
			'not to be seen';
	}
	type('r');
	if (!wait_said("again \Q$name\E $card\r?\n")) {
		fail "$what: a card to be reset";
		last_words();
		return 0;
	}
	ok answers($card), "$what: after a reset it answers, too" or last_words();

	$s = stats();
	my $times = $s ? broken_of($s, $card) - $start : 'no report';
	my $why = $s ? $s->{"card$card"}{broken_why} : '';
	if ($e->{count} =~ /^(any|some)$/) {
		# The first one it said, the last is in its report.
		my @why = $why;
		push @why, $1 if !$start && stderr_text() =~
			/: card $card \S+: (.*); the device wants/;
		my @other = grep { !/$e->{text}/ } @why;
		note "$what: found broken $times times", $times ? ", $why" : '';
		ok $times =~ /^\d+$/ && $times >= $wanted &&
			($times == 0 || !@other),
			"$what: found broken $e->{count} times, for such reasons"
			or diag "it was $times times; $_" for @other ? @other : '';
	} else {
		is $times, $wanted, "$what: found broken so often";
		like $why, qr/$e->{text}/, "$what: and for this reason"
			if $wanted;
	}
	is files(), $files, "$what: as many files are open as before";
	is broken_of($s, 1 - $card), broken_of($before, 1 - $card),
		"$what: the other card had nothing to do with it" if $s;
	$vm{last} = $s;
	type('n');
	return 1;
}

# A misdeed that the VM does not survive, in a VM of its own.
sub ends {
	my ($file, $name, $e, @options) = @_;
	my $status;

	launch("$tree/build/guest-images/hostile/$file.bzImage", "only=$name",
		@options);
	if (wait_said("doing \Q$name\E 0\r?\n")) {
		type('g');
		if ($e->{what} eq 'hang') {
			sleep 0.3;
			ok kill(0, $vm{pid}), "$file, $name: the launcher lives";
			kill 'TERM', $vm{pid};
			$e = { count => 128 + 15, text => '' };
		}
		$status = ended($patience);
	}
	is $status // 'none', $e->{count}, "$file, $name: exit status"
		or last_words();
	like stderr_text(), qr/$e->{text}/, "$file, $name: it said why";
	unlike stderr_text(), qr/AddressSanitizer|runtime error/,
		"$file, $name: nothing outside of what is ours was touched";
}

# All rows, or those that WORDS choose, in a VM that lives.
sub rows {
	my ($file, $expect, $words, @options) = @_;
	my $strict = grep { $_ eq 'relay' } @options;
	my ($cpus) = "@options" =~ /--cpus (\d)/;
	my $looked = 0;

	$words .= ' resets=500 step=61' if $quick;
	launch("$tree/build/guest-images/hostile/$file.bzImage", $words,
		@options);
	while (wait_said('(?=(doing \S+ \d|PASS|FAIL[^\n]*)\r?\n)')) {
		last unless $vm{said} =~ s/^doing (\S+) (\d)\r?\n//;
		my ($name, $card) = ($1, $2);

		is guarded(), sprintf('vCPUs %d, pages %d, RAM 1', $cpus // 1,
				$strict ? 0 : 2),
			"$file: what it shares lies between guard pages"
			unless $looked++;
		last unless survives($strict ? "$file (strict)" : $file, $name,
			$card, expected($expect, $name, $backend[$card]));
	}
	like $vm{said}, qr/^PASS/, "$file: the guest came to its end"
		or last_words();
	is ended($patience) // 'none', 0, "$file: status 0" or last_words();
	unlike stderr_text(), qr/AddressSanitizer|runtime error/,
		"$file: nothing outside of what is ours was touched";
}

sub run_file {
	my ($file) = @_;
	my ($expect, $words, $strict, @options) =
		head_of("$tree/guest-images/hostile/$file.c");
	my @deadly = grep { my ($e) = values %{ $expect->{$_} };
			    $e->{what} =~ /^(end|hang)$/ } sort keys %$expect;

	BAIL_OUT("$file says nothing of what to expect") unless %$expect;
	ends($file, $_, $expect->{$_}{any}, @options) for @deadly;
	rows($file, $expect, $words, @options) if @deadly < keys %$expect;
	rows($file, $expect, "$words only=$_", @options,
		qw(--registers trap --irq relay)) for @$strict;
	my @complaints = complaints();
	is scalar @complaints, 0, "$file: the host's kernel is silent"
		or diag @complaints;
}

complaints();
my @files = @ARGV;
@files = map { basename($_, '.c') } grep { !/steps\.c$/ }
	sort glob "$tree/guest-images/hostile/*.c" unless @files;
for my $file (@files) {
	my $begun = time;
	run_file($file);
	note sprintf '%s took %.1f s', $file, time - $begun;
}
done_testing;
