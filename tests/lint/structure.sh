#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The rules of the house that a program can check: who includes whom, what modules export, what
# `stor` links, sizes of files and functions, format, licence lines.
. "$(dirname "$0")/../lib.sh"
MAX_FILE_LINES=600
MAX_FUNCTION_LINES=80

# sources EXTENSION FOLDER…
sources() {
	local extension=$1
	shift
	(cd "$TOP" && find "$@" -name "*.$extension" -type f 2>/dev/null)
}
C_FOLDERS="core backends bench modules net cgroup plugins tests"

# Fails with the lines that a grep finds.
none() {
	local found
	found=$(cat)
	[ -z "$found" ] || fail "$1: $found"
}
includes_matching() {
	local pattern=$1
	shift
	(cd "$TOP" && grep -rnE --include='*.[ch]' "^ *# *include +$pattern" "$@" 2>/dev/null)
}

test_stor_links_libc_alone() {
	same "$(readelf -d "$B/stor" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')" libc.so.6
}

test_modules_export_one_symbol() {
	local module symbols wanted
	[ "$(find "$B/modules" -name '*.so' | wc -l)" -ge 10 ] || fail 'too few modules'
	for module in "$B"/modules/*/*.so; do
		symbols=$(nm -D --defined-only "$module" | awk '{print $3}')
		case $module in
		*/backends/*) wanted=stor_backend_init ;;
		*/modules/cgroup/*) wanted=stor_cgroup_$(basename "$module" .so) ;;
		*/modules/net/*) wanted=stor_net_$(basename "$module" .so) ;;
		*) wanted=stor_internal_$(basename "$module" .so | tr - _) ;;
		esac
		same "${module##*/}: $symbols" "${module##*/}: $wanted"
	done
}

test_backends_see_the_sdk_alone() {
	includes_matching '"(core|modules|net|cgroup)/' backends plugins | grep -v '^plugins/conformance/' |
		none "includes of core"
	includes_matching '"(\.\./)*(backends|plugins)/' backends plugins | none "includes by path"
}

test_core_base_knows_nothing_above_it() {
	includes_matching '"' core/base | grep -v '"core/base/' | none "includes of what is above"
}

test_core_services_know_no_commands_and_containers() {
	includes_matching '"core/(container/|cmd)' core | grep -E '^core/[^/]*:' |
		grep -vE '^core/(cmd[._]|main\.c)' | none "includes of what is above"
	includes_matching '"core/cmd' core/container | none "includes of what is above"
}

test_core_includes_no_backend_and_no_library() {
	includes_matching '["<](backends|common)/' core | none "includes of backends"
	includes_matching '<(archive|json-c|seccomp|blkid|ext2fs|et|netlink|nftables)' core | none "includes of libraries"
}

test_bench_sees_stor_from_outside() {
	includes_matching '"' bench | grep -vE '"(core/base|bench)/' | none "includes of stor's inside"
}

test_core_compares_no_backend_names() {
	local folder name
	for folder in "$TOP"/backends/*/; do
		name=$(basename "$folder")
		[ "$name" != common ] || continue
		(cd "$TOP" && grep -rnE "(cmp|streq|str_is|equal)[a-z_]* *\(.*\"$name\"" core modules 2>/dev/null) | grep -v record_get |
			none "compares with a backend's name"
	done
}

test_the_sdk_header_stands_alone() {
	includes_matching '"' plugins/include | none "includes of the project"
	for header in "$TOP"/plugins/include/stor/*.h; do
		echo "#include <stor/$(basename "$header")>" >x.c
		expect 0 gcc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -I "$TOP/plugins/include" -c x.c -o x.o
	done
}

test_files_are_short() {
	local file lines
	for file in $(sources '[ch]' $C_FOLDERS) $(sources sh tests) Makefile tests/run tests/vm/run; do
		lines=$(wc -l <"$TOP/$file")
		[ "$lines" -le $MAX_FILE_LINES ] || echo "$file: $lines lines"
	done | none "over $MAX_FILE_LINES lines"
}

# clang-format puts a function's braces, and nothing else's, at the beginning of a line of their own.
test_functions_are_short() {
	local file
	for file in $(sources c $C_FOLDERS); do
		awk -v max=$MAX_FUNCTION_LINES -v file="$file" '
			/^\{/ { start = NR }
			/^[a-z_].*\(/ && !/;/ { name = $0 }
			/^\}/ && start { if (NR - start + 1 > max) print file ": " NR - start + 1 ": " name; start = 0 }
		' "$TOP/$file"
	done | none "over $MAX_FUNCTION_LINES lines"
}

test_sources_are_formatted() {
	(cd "$TOP" && sources '[ch]' $C_FOLDERS | xargs clang-format --dry-run -Werror)
}

test_licences_stand_on_top() {
	local file wanted
	for file in $(sources '[ch]' $C_FOLDERS) $(sources sh tests) $(sources mk $C_FOLDERS docs) Makefile; do
		wanted='GPL-2\.0-or-later'
		case $file in
		plugins/include/* | tests/abi/v[0-9]*) wanted='BSD-3-Clause' ;;
		plugins/*) wanted='(BSD-3-Clause|GPL-2\.0-or-later)' ;;
		esac
		head -n 4 "$TOP/$file" | grep -qE "SPDX-License-Identifier: $wanted( |\$)" || echo "$file"
	done | none "no SPDX line"
}

test_nothing_is_left_to_do() {
	(cd "$TOP" && grep -rnwE --include='*.[ch]' --include='*.sh' --include='*.pod' 'TO''DO|FIX''ME|X''XX' \
		$C_FOLDERS docs) | none "unfinished"
}

# No library makes ext4 smaller: resize2fs alone does, in one place. /sbin/init is what a container boots.
test_no_shell_is_called() {
	(cd "$TOP" && grep -rnE --include='*.c' '\b(system|popen|execlp?|execle) *\(' core backends modules net cgroup \
		2>/dev/null) | none "runs programs"
	(cd "$TOP" && grep -rnE --include='*.c' '"(/[a-z/]*sbin/[a-z0-9]+|losetup|parted|mkfs[.a-z0-9]*|mke2fs|resize2fs|tune2fs)"' \
		core backends modules net cgroup 2>/dev/null) | grep -vE '^backends/common/ext4_shrink\.c:.*"resize2fs"|^core/container/config\.c:.*"/sbin/init"' |
		none "runs programs"
}

run_tests "$@"
