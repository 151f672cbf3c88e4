#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Options of the commands: those that are still to come, and what listings have of them.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# refused NAME WORD…: `run WORD… true` names --NAME and what can be done instead.
refused() {
	local name=$1
	shift
	expect 125 run_stor run "$@" true
	err_has "^stor: run: --$name is not supported yet$"
	err_has '^  hint: .'
	same "$(cat "$OUT")" ''
}

test_options_to_come_are_refused_by_name() {
	local option
	for option in quiet publish-all; do
		refused "$option" "--$option"
	done
	refused sysctl --sysctl 1
	refused sysctl --sysctl=1
	refused quiet -q
	refused publish-all -P
	[ ! -e "$STOR_STORE" ] || fail 'a refused run made a store'
	# After the command's first word they are the command's own.
	expect 0 run_stor run --rm echo --detach -m 1
	same "$(cat "$OUT")" '--detach -m 1'
}

test_options_to_come_are_in_the_manual() {
	local option
	for option in $(sed -n 's/^\t{ .*, "\([a-z-]*\)", .*/\1/p' "$TOP/core/cmd_run_later.c"); do
		grep -qF "C<--$option>" "$TOP/docs/stor-run.1.pod" || fail "stor-run.1 lacks --$option"
		sed -n '/^## State of the work/,$p' "$TOP/README.md" | grep -qF "\`--$option\`" || fail "the README lacks --$option"
	done
	[ "$option" = sysctl ] || fail "the table ends with $option"
}

test_listing_has_labels() {
	expect 0 run_stor run --name one --label a=b --label note --label 'x=y=z "q"' true
	expect 0 run_stor ps -a --format json
	same "$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[0]["labels"])' "$OUT")" \
		"{'a': 'b', 'note': '', 'x': 'y=z \"q\"'}"
	expect 0 run_stor rm one
}

test_a_size_without_a_filesystem_has_a_hint() {
	expect 125 run_stor run --backend dir --size 1G true
	err_has 'it takes no size$'
	err_has '^  hint: .*stor backend ls'
}

run_tests "$@"
