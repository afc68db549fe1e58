#!/bin/sh
# SPDX-License-Identifier: MIT
#
# lib.sh - what the scripts share.  Sourced, not run:
#
#	TREE=$(cd "$(dirname "$0")/.." && pwd)
#	. "$TREE/scripts/lib.sh"
#
# Downloads and things made from them live in cache_dir; removing it costs
# nothing but the next download.

: "${TREE:?set it to the top of the source tree before sourcing lib.sh}"

cache_dir=$TREE/.cache
os_release=/etc/os-release

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$@"; exit 1; }

# Is this machine one that installs .deb packages?
is_debian() { grep -qsE '^ID(_LIKE)?=.*(debian|ubuntu)' "$os_release"; }
is_ubuntu() { grep -qs '^ID=ubuntu' "$os_release"; }

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# lacking PKG...: those that are not installed, each after a space.
lacking() {
	for package; do
		dpkg -s "$package" 2>/dev/null | grep -q '^Status: .* installed' ||
			printf ' %s' "$package"
	done
}

# need_packages PKG...: make sure that they are installed, or say what to do.
# Elsewhere than on Debian and its like nobody but the user can tell.
need_packages() {
	[ -z "${HAVE_PACKAGES:-}" ] || return 0
	is_debian || die "please install what Debian calls $*;" \
		"then set HAVE_PACKAGES=yes"
	[ -n "$(lacking "$@")" ] || return 0
	[ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
		die "not root and no sudo; please run: apt-get install$(lacking "$@")"

	# One of us at a time, and whoever waited may find the work done.
	mkdir -p "$cache_dir"
	exec 8>"$cache_dir/.packages.lock"
	flock 8
	missing=$(lacking "$@")
	[ -z "$missing" ] || install_missing
	exec 8>&-
}

# First as things are; then with fresh lists, which may be stale or absent.
# Somebody else's apt may be at work: wait for it.
install_missing() {
	say "installing$missing"
	# Word splitting is meant: $missing is a list.
	# shellcheck disable=SC2086
	set -- apt-get install -y -q --no-install-recommends \
		-o DPkg::Lock::Timeout=300 $missing
	as_root env DEBIAN_FRONTEND=noninteractive "$@" >/dev/null 2>&1 8>&- &&
		return
	as_root apt-get update -q >&2 8>&- || die "apt-get update failed"
	as_root env DEBIAN_FRONTEND=noninteractive "$@" >&2 8>&- ||
		die "could not install:$missing"
}

# qemu_plugin QEMU NAME: compile scripts/NAME.c as a plugin for that QEMU; prints
# what came of it.
qemu_plugin() {
	major=$("$1" --version | sed -n 's/.* version \([0-9]*\)\..*/\1/p')
	[ "$major" -ge 9 ] && interface=2 || interface=1
	plugin=$cache_dir/plugins/$2-$interface.so
	need_packages gcc libc6-dev
	mkdir -p "${plugin%/*}"
	[ -n "$(find "$plugin" -newer "$TREE/scripts/$2.c" 2>/dev/null)" ] ||
		gcc -O2 -Wall -Wextra -shared -fPIC -DPLUGIN_VERSION="$interface" \
			-o "$plugin.$$" "$TREE/scripts/$2.c" >&2 &&
		{ [ ! -e "$plugin.$$" ] || mv "$plugin.$$" "$plugin"; } || return
	echo "$plugin"
}

# mirror SUITE: where this machine's apt gets that suite from, if it does.
# Reads both formats of its sources: one line each, and deb822 stanzas.
mirror() {
	{
		cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
			sed -n 's/^deb[[:space:]]\{1,\}\(\[[^]]*\]\)\{0,1\}[[:space:]]*//p'
		cat /etc/apt/sources.list.d/*.sources 2>/dev/null |
			awk '/^Enabled:/ && tolower($2) == "no" { uri = "" }
			     /^URIs:/ { uri = $2 }
			     /^Suites:/ { suites = $0 }
			     /^$/ { show() }
			     END { show() }
			     function show(n, i, word) {
				n = split(suites, word)
				for (i = 2; uri != "" && i <= n; i++)
					print uri, word[i]
				uri = suites = ""
			     }'
	} | awk -v suite="$1" '$2 == suite { print $1; exit }'
}

# private_apt SUITE...: afterwards private_get and private_cache know these Debian
# suites and nothing else, and the machine's own lists stay as they are.
private_apt() {
	keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	[ -e "$keyring" ] || need_packages debian-archive-keyring
	codename=$(sed -n 's/^VERSION_CODENAME=//p' "$os_release")
	main=$(mirror "$codename")
	security=$(mirror "$codename-security")
	[ -n "$main" ] || die "apt's sources name no mirror for $codename"

	apt_dir=$cache_dir/apt/$(echo "$*" | tr ' ' +)
	mkdir -p "$apt_dir/state/lists/partial" "$apt_dir/cache/archives/partial"
	: >"$apt_dir/status"		# nothing is installed, as far as it knows
	for suite; do
		case $suite in
		*-security) uri=$security ;;
		*)	    uri=$main ;;
		esac
		[ -z "$uri" ] || echo "deb [signed-by=$keyring] $uri $suite main"
	done >"$apt_dir/sources.list"
	cat >"$apt_dir/apt.conf" <<-END
		Dir::State "$apt_dir/state";
		Dir::State::status "$apt_dir/status";
		Dir::Cache "$apt_dir/cache";
		Dir::Etc::sourcelist "$apt_dir/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		Acquire::Languages "none";
		APT::Sandbox::User "root";
		APT::Get::AllowUnauthenticated "false";
	END
	private_get update -qq >&2 || die "cannot read the package lists of: $*"
}
private_get() { APT_CONFIG=$apt_dir/apt.conf apt-get "$@"; }
private_cache() { APT_CONFIG=$apt_dir/apt.conf apt-cache "$@"; }

# Can this machine do the main job itself?  ./launcher has to be built: it tells
# a KVM that can carry Linux from one that emulates every instruction.
has_vhost_host() {
	[ "$(id -u)" = 0 ] && "$TREE/launcher" --probe >/dev/null
}
