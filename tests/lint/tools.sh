#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Other people's checkers over the whole source.
. "$(dirname "$0")/../lib.sh"
TIME_LIMIT=1800

c_sources() { (cd "$TOP" && find core backends modules net cgroup plugins tests -name '*.[ch]' 2>/dev/null); }
c_files() { c_sources | grep '\.c$'; }

# As the Makefile: what each folder may include, and what its libraries need.
includes_for() {
	case $1 in
	plugins/conformance/*) echo "-I. -Iplugins/include" ;;
	backends/* | plugins/*) echo "-Ibackends -Iplugins/include" ;;
	*) echo "-I. -Iplugins/include -Ibackends" ;;
	esac
}
language() { echo "-std=gnu11 -D_GNU_SOURCE -DSTOR_VERSION=\"0\" $(pkg-config --cflags json-c libseccomp ext2fs blkid expat libarchive nettle cmocka)"; }

test_clang_tidy() {
	local flags
	flags=$(language)
	export -f includes_for
	cd "$TOP"
	# shellcheck disable=SC2016
	c_files | grep -v '^tests/unit/' | xargs -P 2 -I{} bash -c 'clang-tidy --quiet "$1" -- $2 $(includes_for "$1") >"$3/$$" 2>&1 ||
		{ grep -E "error:" "$3/$$"; exit 1; }' _ {} "$flags" "$T"
}

# It does not follow cleanup attributes either: leaks are for make check-asan.
test_cppcheck() {
	cd "$TOP"
	cppcheck --quiet --error-exitcode=1 -j2 --std=c11 --enable=warning,performance,portability \
		--inline-suppr --suppress=missingIncludeSystem --suppress=unknownMacro \
		--suppress=varFuncNullUB --suppress=memleak -I. -Iplugins/include -Ibackends -D_GNU_SOURCE -D__linux__ \
		$(c_files)
}

# SC2010, SC2011: what a store holds has plain names, and ls sorts them.
test_shellcheck() {
	cd "$TOP"
	find .ci docs plugins tests -type f | while read -r file; do
		if [[ $file == *.sh || $file == *.bash ]] || head -c 40 "$file" | grep -qaE '^#!.*\b(ba)?sh\b'; then
			echo "$file"
		fi
	done | xargs shellcheck -S warning -e SC2034,SC2154,SC2164,SC2046,SC1090,SC1091,SC2010,SC2011
}

run_tests "$@"
