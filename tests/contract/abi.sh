#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The header compiles wherever a plugin may be written; what breaks the ABI is refused, with the
# reason, and never ends stor.
. "$(dirname "$0")/../lib.sh"
CC=${CC:-gcc}
INCLUDE=$TOP/plugins/include

# make_bad BAD_WHAT: m/backends/stor-bad.so with that fault.
make_bad() {
	mkdir -p m/backends
	"$CC" -std=gnu11 -D_GNU_SOURCE -Wno-unused -fPIC -shared -fvisibility=hidden -I "$INCLUDE" -D"$1" \
		-o m/backends/stor-bad.so "$TOP/tests/abi/bad.c"
	export STOR_MODULES=$T/m
}

# refuses BAD_WHAT REASON
refuses() {
	make_bad "$1"
	expect 5 "$STOR" backend info bad
	err_has "$2"
	expect 0 "$STOR" backend ls
	out_has "bad +- .*cannot be used: .*$2"
}

test_header_compiles_alone() {
	printf '#include <stor/backend.h>\n#include <stor/util.h>\nint main(void) { return 0; }\n' >x.c
	cp x.c x.cc
	for standard in gnu11 gnu17; do
		expect 0 "$CC" -std=$standard -D_GNU_SOURCE -Wall -Wextra -Werror -pedantic -I "$INCLUDE" -c x.c -o x.o
	done
	printf '#include <stor/backend.h>\n' >y.c
	expect 0 "$CC" -std=c11 -Wall -Wextra -Werror -pedantic -I "$INCLUDE" -c y.c -o y.o
	expect 0 g++ -Wall -Wextra -Werror -I "$INCLUDE" -c x.cc -o x.o
	expect 0 g++ -std=c++20 -Wall -Wextra -Werror -I "$INCLUDE" -c x.cc -o x.o
	! command -v clang >/dev/null || expect 0 clang -Wall -Wextra -Werror -I "$INCLUDE" -c x.c -o x.o
}

test_a_cxx_backend_loads() {
	mkdir -p m/backends
	cat >plus.cc <<'END'
#include <stor/backend.h>
static int create(const stor_volume *, const stor_create_req *, stor_err *) { return -1; }
static int attach(const stor_volume *, const stor_attach_req *, stor_attachment *, stor_err *) { return -1; }
static int info(const stor_volume *, stor_info *, stor_err *) { return -1; }
static int destroy(const stor_volume *, const stor_destroy_req *, stor_err *) { return -1; }
static stor_backend table() {
	stor_backend b = {};
	b.name = "plus"; b.version = "1"; b.summary = "Written in C++";
	b.create = create; b.attach = attach; b.info = info; b.destroy = destroy;
	return b;
}
static stor_backend backend = table();
extern "C" { STOR_REGISTER_BACKEND(backend) }
END
	expect 0 g++ -fPIC -shared -I "$INCLUDE" -o m/backends/stor-plus.so plus.cc
	STOR_MODULES=$T/m expect 0 "$STOR" backend info plus
	out_has '^has_clone=no$'
}

test_wrong_tables_are_refused() {
	refuses BAD_NO_ENTRY 'no symbol stor_backend_init'
	refuses BAD_NULL 'returned nothing'
	refuses BAD_KIND 'wrong kind of module: 0x1234'
	refuses BAD_VERSION 'version 8, this stor has version 1'
	expect 5 "$STOR" backend info bad
	err_has 'hint: it needs a newer stor'
	refuses BAD_VERSION_0 'made for ABI version 0, this stor has version 1'
	expect 5 "$STOR" backend info bad
	err_has 'hint: compile it again with this stor.s <stor/backend.h>'
	refuses BAD_PARAM_SIZE 'parameters have 43 bytes'
	refuses BAD_VALUE_SIZE 'their values 0'
	refuses BAD_SIZE 'the mandatory part has [0-9]+'
	refuses BAD_TINY 'has 16 bytes, too few'
	refuses BAD_HOST 'needs a newer stor: 100000 bytes'
	refuses BAD_NO_NAME 'has no name'
	refuses BAD_NAME 'bad name "Bad_name"'
	refuses BAD_OTHER_NAME 'calls itself "other"'
	refuses BAD_NO_VERSION 'no version'
	refuses BAD_NO_SUMMARY 'no summary'
	refuses BAD_FS_TYPES 'fs_types'
	refuses BAD_FLAGS 'flags that this stor does not know'
}

test_missing_callbacks_are_refused() {
	local callback
	for callback in CREATE ATTACH INFO DESTROY; do
		refuses "BAD_NO_$callback" "mandatory callback ${callback,,} is missing"
	done
	refuses BAD_SNAPSHOTS 'go together, and some are missing'
	refuses BAD_STREAMS 'send and receive go together'
}

test_wrong_parameters_are_refused() {
	refuses BAD_DOUBLE_KEY '"twice": the key stands twice'
	refuses BAD_KEY '"Upper": keys are lower case'
	refuses BAD_DEFAULT 'bad default "plenty"'
	refuses BAD_ENUM_DEFAULT 'bad default "three"'
	refuses BAD_CHOICES 'bad choices'
	refuses BAD_NO_CHOICES 'has choices'
	refuses BAD_HELP 'needs a help text'
	refuses BAD_SCOPE 'scope'
}

test_load_may_refuse() {
	refuses BAD_LOAD 'libnonsense is missing'
	expect 5 "$STOR" backend info bad
	err_has 'hint: install libnonsense'
	refuses BAD_SILENT_LOAD 'refused without saying why'
}

test_other_sizes_are_taken() {
	make_bad BAD_LONGER
	expect 0 "$STOR" backend info bad
	make_bad BAD_SHORTER
	expect 0 "$STOR" backend info bad
	out_has '^has_clone=no$'
	out_has '^has_destroy=yes$'
}

test_a_backend_without_clones_says_so() {
	make_bad BAD_SHORTER
	cp -a "$B/modules/internal" m/
	expect 125 "$STOR" run --rm --backend bad -o clone=copy true
	err_has 'backend "bad" cannot clone volumes'
	err_has 'hint: -o clone=overlay works on every backend'
}

test_an_internal_module_is_named_as_one() {
	make_bad BAD_INTERNAL
	cp m/backends/stor-bad.so bad.so
	expect 5 "$STOR" backend info ./bad.so
	err_has 'an internal module of stor, not a backend'
}

test_files_that_are_no_modules() {
	mkdir -p m/backends
	export STOR_MODULES=$T/m
	echo text >m/backends/stor-text.so
	mkdir m/backends/stor-folder.so
	expect 5 "$STOR" backend info text
	err_has 'invalid ELF header|file too short'
	expect 5 "$STOR" backend info folder
	err_has 'not a regular file'
	expect 3 "$STOR" backend info absent
	err_has 'no backend "absent"'
	err_has 'backends: folder, text'
	expect 3 "$STOR" backend info ./absent.so
}

test_a_missing_library_is_named() {
	mkdir -p m/backends
	echo 'int nonsense(void) { return 1; }' >lib.c
	"$CC" -fPIC -shared -Wl,-soname,libnonsense.so.4 -o libnonsense.so lib.c
	"$CC" -std=gnu11 -D_GNU_SOURCE -Wno-unused -fPIC -shared -I "$INCLUDE" -DGOOD -Wl,--no-as-needed \
		-o m/backends/stor-bad.so "$TOP/tests/abi/bad.c" ./libnonsense.so
	STOR_MODULES=$T/m expect 5 "$STOR" backend info bad
	err_has 'needs the library libnonsense.so.4, which is missing'
	err_has 'hint: install the package'
}

test_files_that_others_could_change() {
	make_bad GOOD
	expect 0 "$STOR" backend info bad
	chmod 666 m/backends/stor-bad.so
	expect 5 "$STOR" backend info bad
	err_has 'others could write .*stor-bad.so'
	chmod 644 m/backends/stor-bad.so
	chown 1234 m/backends/stor-bad.so
	expect 5 "$STOR" backend info bad
	err_has 'user 1234 owns .*stor-bad.so'
	chown 0 m/backends/stor-bad.so
	chmod 777 m
	expect 5 "$STOR" backend info bad
	err_has "others could write .*/m "
	chmod 775 m
	chgrp 1234 m
	expect 5 "$STOR" backend info bad
	err_has "others could write .*/m "
	chmod 755 m
	chown 1234 m/backends
	expect 5 "$STOR" backend info bad
	err_has 'user 1234 owns .*/m/backends'
	chown 0 m/backends
	expect 0 "$STOR" backend info bad
}

test_a_link_is_judged_by_where_it_leads() {
	make_bad GOOD
	mkdir open
	mv m/backends/stor-bad.so open/
	ln -s "$T/open/stor-bad.so" m/backends/stor-bad.so
	expect 0 "$STOR" backend info bad
	chmod 777 open
	expect 5 "$STOR" backend info bad
	err_has 'others could write .*/open '
}

run_tests "$@"
