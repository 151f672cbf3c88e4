#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Version 1 of the backend ABI stays. tests/abi/v1 is its header as it was when it was settled, never
# to be changed: backends built against it pass the suite on today's stor, and today's header has
# nothing different but what was appended. So do backends of a later header, on today's stor.
. "$(dirname "$0")/../lib.sh"
CC=${CC:-gcc}
V1=$TOP/tests/abi/v1
TODAY=$TOP/plugins/include
EXAMPLE=$TOP/plugins/examples/snapdir

test_the_frozen_header_is_as_it_was() {
	(cd "$V1/stor" && sha256sum --quiet -c -) <<-END || fail "the copy of version 1 was changed"
		0a8dc6391e17bd4fd9798f6e99cf3931e45efc86b3c5fe48b06c3a303ac98c77  backend.h
		0d48140c29c935789725e8b5fd09de8080a7535ef02170d5b76e43a6a3c5bcaf  util.h
	END
}

# --- today's header against the frozen one ---------------------------------------------------------

# On a machine of 32 bits structs have other gaps.
compare() {
	"$TOP/tests/abi/compare" "$V1/stor/backend.h" "$1" "$CC" &&
		{ [ "$(uname -m)" != x86_64 ] ||
			"$TOP/tests/abi/compare" "$V1/stor/backend.h" "$1" "$CC" -m32 -ffreestanding; }
}

test_todays_header_only_appends() { expect 0 compare "$TODAY/stor/backend.h"; }

# changed SCRIPT: later/stor/backend.h, today's with a change by a script of sed.
changed() {
	mkdir -p later/stor
	cp "$TODAY/stor/util.h" later/stor/
	sed -E "$1" "$TODAY/stor/backend.h" >later/stor/backend.h
	! cmp -s later/stor/backend.h "$TODAY/stor/backend.h" || fail "no change: $1"
}

# differs SCRIPT REPORT
differs() {
	changed "$1"
	expect 1 compare later/stor/backend.h
	out_has "$2"
}

in_struct() { echo "/^struct $1 \\{/,/^\\};/ { $2 }"; }

test_a_changed_struct_is_found() {
	differs "$(in_struct stor_attach_req '/busy_wait_ms/ d')" 'stor_attach_req: busy_wait_ms is gone'
	differs "$(in_struct stor_attach_req '/flags;/ { h; d }; /busy_wait_ms;/ G')" \
		'stor_attach_req: busy_wait_ms lies elsewhere'
	differs "$(in_struct stor_create_req 's/uint32_t flags;/uint64_t flags;/')" 'stor_create_req: flags has another type'
	differs "$(in_struct stor_resize_req 's/int root_fd;/unsigned root_fd;/')" 'stor_resize_req: root_fd has another type'
	differs "$(in_struct stor_clone_req 's/\bsource;/origin;/')" 'stor_clone_req: source is gone'
	differs "$(in_struct stor_info 's/^(\tbool in_use;)/\1 bool is_new;/')" \
		'stor_info: is_new is new and lies within the frozen struct'
	differs "$(in_struct stor_host 's/^\tvoid \(\*log\)/\tint (*trace)(void);\n&/')" 'stor_host: log lies elsewhere'
	differs 's/^struct stor_detach_req \{/struct stor_undo_req {/' 'struct stor_detach_req: gone'
	differs "$(in_struct stor_backend 's/\*load\)\(const struct stor_host \*host,/*load)(struct stor_host *host,/')" \
		'stor_backend: load has another type'
	differs "$(in_struct stor_backend '/uint32_t value_size/ d')" 'stor_backend: value_size is gone'
}

test_changed_values_are_found() {
	differs 's/(STOR_CLONE_COPY) = 2/\1 = 7/' 'STOR_CLONE_COPY: other value'
	differs 's/^(\tSTOR_PARAM_BOOL) = 1,/\tSTOR_PARAM_DATE = 1, STOR_PARAM_BOOL,/; s/^(\tSTOR_PARAM_UINT) = 2/\1/' \
		'STOR_PARAM_UINT: other value'
	differs 's/(define STOR_ATTACH_READ_ONLY) 1u/\1 4u/' 'STOR_ATTACH_READ_ONLY: other value'
	differs 's/(define STOR_CHECK_REPAIR) 1u/\1 1ul/' 'STOR_CHECK_REPAIR: other type'
	differs '/define STOR_TOKEN_MAX/ d' 'STOR_TOKEN_MAX: the macro is gone'
	differs 's/(define STOR_ABI_VERSION) 1u/\1 2u/' 'STOR_ABI_VERSION: other value'
	differs '/^\t\t\(table\)\.param_size/ d' 'STOR_REGISTER_BACKEND\(\): gone, or something of it'
	differs 's/>= (offsetof\(__typeof__)/> \1/' 'STOR_HAS\(\): gone, or something of it'
	differs 's/stor_emit_fn\)\(void \*ctx/stor_emit_fn)(const void *ctx/' 'typedef stor_emit_fn: other arguments'
}

# --- backends of one header on a stor of another -----------------------------------------------------

# build NAME INCLUDE SOURCE…: ./stor-NAME.so
build() {
	"$CC" -std=gnu11 -D_GNU_SOURCE -O1 -Wall -Wextra -Werror -fPIC -shared -fvisibility=hidden -Wl,-z,defs \
		-I "$2" -I "$TOP" -o "stor-$1.so" "${@:3}" || fail "stor-$1.so does not compile"
}

# All tests of the suite, and with every callback there none is skipped.
pass_the_suite() { # INCLUDE [STOR]
	build every "$1" "$TOP/tests/abi/every.c" "$EXAMPLE/snapshots.c" "$EXAMPLE/tree.c"
	TMPDIR=$T expect 0 "${2:-$STOR}" backend check ./stor-every.so
	out_has '^# [0-9]+ passed, 0 failed, 0 skipped'
}

# A token, a server that is asked, isolated calls: with the test that has the build's own copy.
pass_the_tests_of_services() {
	mkdir backends
	build services "$1" "$TOP/tests/backends/services.c"
	mv stor-services.so backends/
	cp "$B/tests/test_backend_services" .
	expect 0 ./test_backend_services
}

describe_the_template() {
	build mine "$1" "$TOP/plugins/template/mine.c"
	expect 0 "$STOR" backend info ./stor-mine.so
	out_has '^abi_version=1$'
	out_has '^param.level.default=3$'
}

test_every_callback_of_version_1() {
	# So that it stays what it is called.
	local callback
	build every "$V1" "$TOP/tests/abi/every.c" "$EXAMPLE/snapshots.c" "$EXAMPLE/tree.c"
	expect 0 "$STOR" backend info ./stor-every.so
	out_lacks '^has_.*=no$'
	for callback in $(sed -nE '/^struct stor_backend \{/,/^\};/ s/^\tint \(\*([a-z_]+)\)\(.*/\1/p' "$V1/stor/backend.h"); do
		grep -q "\.$callback = " "$TOP/tests/abi/every.c" || fail "every.c has no $callback"
	done
	for callback in $(sed -nE '/^struct stor_host \{/,/^\};/ s/^\t(int|void) \(\*([a-z_]+)\)\(.*/\2/p' "$V1/stor/backend.h"); do
		grep -q "host->$callback(" "$TOP/tests/abi/every.c" || fail "every.c does not use $callback"
	done
}

test_backends_of_version_1_pass_the_suite() { pass_the_suite "$V1"; }
test_a_driver_of_version_1_works() { pass_the_tests_of_services "$V1"; }
test_the_template_of_version_1_loads() { describe_the_template "$V1"; }

# A header in which every struct has grown, the entries of both arrays too.
grown() { changed '/^struct [a-z_]+ \{/,/^\};/ s/^\};/\tuint64_t later_[4];\n&/'; }

test_a_later_stor_takes_backends_of_version_1() {
	grown
	mkdir source
	tar -C "$TOP" --exclude=./build --exclude=./.git -c . | tar -x -C source
	cp later/stor/backend.h source/plugins/include/stor/
	env -u MAKEFLAGS -u MFLAGS make -s -j2 -C source build/stor build/modules/stor-backend-check >log 2>&1 ||
		{ cat log >&2; fail 'stor does not compile with a header that has grown'; }
	pass_the_suite "$V1" source/build/stor
}

test_backends_of_a_later_header_pass_the_suite() {
	grown
	expect 0 compare later/stor/backend.h
	pass_the_suite later
}
test_a_driver_of_a_later_header_works() {
	grown
	pass_the_tests_of_services later
}
test_the_template_of_a_later_header_loads() {
	grown
	describe_the_template later
}

test_what_needs_a_later_stor_is_refused() {
	grown
	sed 's/^\t\.name = "mine",/&\n\t.min_host_size = STOR_SIZE_UP_TO(struct stor_host, later_),/' \
		"$TOP/plugins/template/mine.c" >mine.c
	build mine later mine.c
	expect 5 "$STOR" backend info ./stor-mine.so
	err_has 'needs a newer stor: [0-9]+ bytes of host services, this one has [0-9]+'
	err_has 'hint: this is stor [0-9]'
}

run_tests "$@"
