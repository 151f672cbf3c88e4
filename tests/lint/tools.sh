#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Other people's checkers over the whole source.
. "$(dirname "$0")/../lib.sh"
TIME_LIMIT=1800

test_clang_tidy() {
	make -C "$TOP" -k -s -j2 tidy
}

# It does not follow cleanup attributes either: leaks are for make check-asan. Across files it takes
# what a function fills for what it reads.
test_cppcheck() {
	cd "$TOP"
	mkdir -p "$B/cppcheck"
	cppcheck --quiet --error-exitcode=1 -j2 --cppcheck-build-dir="$B/cppcheck" --std=c11 \
		--enable=warning,performance,portability \
		--inline-suppr --suppress=missingIncludeSystem --suppress=unknownMacro \
		--suppress=varFuncNullUB --suppress=memleak --suppress=ctuuninitvar -I. -Iplugins/include -Ibackends -D_GNU_SOURCE -D__linux__ \
		$(find core backends modules net cgroup plugins tests -name '*.c' 2>/dev/null)
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
