# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# For a test of the systemd machine that starts it anew: its file sources this after tests/lib.sh and has
# that one test. The disk stays, and what lay on it; the file is run once more after each reboot.

BOOTS=/var/tests-boots

# Which life of the machine this is, from 1 on.
life() { echo $(($(cat $BOOTS 2>/dev/null || echo 0) + 1)); }

# progress TEXT: whoever waits for the machine hears of it.
progress() { echo "# $*" >/dev/ttyS1; }

# next_life COMMAND…: which ends this one.
next_life() {
	life >$BOOTS.new
	mv $BOOTS.new $BOOTS
	touch /var/tests-reboot
	progress reboot
	sync
	"$@"
	sleep 1000
}
