#!/usr/bin/env bash
# The harness itself: a status that is wanted, and one that is not.
. "$(dirname "$0")/../lib.sh"

test_version_is_printed() {
	expect 0 run_stor version
	out_has '^stor [0-9]+\.[0-9]+\.[0-9]+$'
	expect 2 run_stor no-such-command
	err_has 'unknown command'
}

run_tests "$@"
