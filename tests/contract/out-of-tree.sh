#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A stranger's backend: the template and the example are built from an installed stor through
# pkg-config alone, installed, loaded and checked.
. "$(dirname "$0")/../lib.sh"

install_sdk() {
	local variables=()
	case $B in */san) variables+=('SAN=address,undefined') ;; esac
	make -s -C "$TOP" "${variables[@]}" PREFIX=/usr DESTDIR="$T/dest" "$@" install >log 2>&1 ||
		{ cat log >&2; fail "make install"; }
}

# build FOLDER: a copy of what is installed, with nothing of the source tree in reach.
build() {
	cp -r "$T/dest/usr/share/doc/stor/examples/$1" "$1"
	env -u CPATH PKG_CONFIG_PATH="$T/dest/usr/lib/pkgconfig" make -s -C "$1" CFLAGS='-O2 -Wall -Wextra -Werror' \
		>log 2>&1 || { cat log >&2; fail "build $1"; }
}

test_pkg_config_says_where() {
	install_sdk
	export PKG_CONFIG_PATH=$T/dest/usr/lib/pkgconfig
	same "$(realpath "$(pkg-config --variable=backenddir stor-backend)")" "$T/dest/usr/lib/stor/backends"
	same "$(pkg-config --variable=abi_version stor-backend)" \
		"$("$STOR" backend info dir | sed -n 's/^abi_version=//p')"
	same "$(pkg-config --libs stor-backend)" ""
	mv dest moved
	export PKG_CONFIG_PATH=$T/moved/usr/lib/pkgconfig
	same "$(realpath "$(pkg-config --variable=includedir stor-backend)")" "$T/moved/usr/include"
}

test_other_library_folder() {
	install_sdk LIBDIR=/usr/lib/x86_64-linux-gnu
	export PKG_CONFIG_PATH=$T/dest/usr/lib/x86_64-linux-gnu/pkgconfig
	same "$(realpath "$(pkg-config --variable=backenddir stor-backend)")" \
		"$T/dest/usr/lib/x86_64-linux-gnu/stor/backends"
	same "$(realpath "$(pkg-config --variable=includedir stor-backend)")" "$T/dest/usr/include"
}

test_template_builds_and_fails_usefully() {
	install_sdk
	build template
	expect 0 "$STOR" backend info template/stor-mine.so
	out_has '^name=mine$'
	out_has '^param.level.default=3$'
	expect 1 "$STOR" backend check --test create-empty template/stor-mine.so
	out_has 'mine: create .*: not written yet'
	expect 0 "$STOR" backend check --test texts template/stor-mine.so
}

test_example_is_installed_and_passes() {
	install_sdk
	build snapdir
	PKG_CONFIG_PATH=$T/dest/usr/lib/pkgconfig make -s -C snapdir install
	expect 0 "$T/dest/usr/bin/stor" backend ls
	out_has '^snapdir +1.0'
	TMPDIR=$T expect 0 "$T/dest/usr/bin/stor" backend check snapdir
	out_has '^# [0-9]+ passed, 0 failed'
}

run_tests "$@"
