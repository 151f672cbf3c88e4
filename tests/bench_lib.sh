# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# For tests of stor bench, which note when they began in the file `began`.

_are_gone() {
	local folder
	for folder in "$@"; do [ ! -e "$folder" ] || return 1; done
}
# What experiments keep elsewhere; those of a test that runs beside this one go when they end.
no_folders_are_left() {
	same "$(find "$T" -maxdepth 1 -name 'stor-bench-*')" ''
	# shellcheck disable=SC2046 # names without spaces
	wait_for _are_gone $(find /run -maxdepth 1 -name 'stor-bench-*' -newer "$T/began")
}
