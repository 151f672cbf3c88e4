#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# stor prune: what nobody uses goes, after a question, and nothing else does.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/detached_lib.sh
. "$TOP/tests/detached_lib.sh"

containers() { run_stor ps -a --format '{{.Name}}' | sort | tr '\n' ' '; }
images() { run_stor image ls -q | sort | tr '\n' ' '; }
volumes() { run_stor volume ls -q | sort | tr '\n' ' '; }
make_image() {
	mkdir -p "tree-$1/bin"
	head -c 300000 /dev/urandom >"tree-$1/content"
	cp "$STOR_STORE/images/busybox/rootfs/bin/busybox" "tree-$1/bin/"
	ln -sf busybox "tree-$1/bin/sleep"
	run_stor image import --quiet "tree-$1" "$1"
}

# Containers that run, were made, have ended; images with each kind, and without; volumes likewise.
make_all() {
	expect 0 run_stor run --rm -- true
	make_image used
	make_image ended
	make_image unused
	expect 0 run_stor volume create free
	expect 0 run_stor volume create mounted
	expect 0 run_stor volume create of-ended
	expect 0 run_stor run -d --name runs --image used -v mounted:/v sleep 1000
	expect 0 run_stor create --name made --image ended -v of-ended:/v sleep 1000
	expect 0 run_stor run -d --name over --image ended sleep 0
	expect 0 run_stor wait over
}

test_what_goes_and_what_stays() {
	make_all
	expect 0 run_stor prune --dry-run
	out_has '^container +[0-9a-f]{12} +made +[0-9.]+K'
	out_has '^image +- +unused +[0-9.]+M'
	out_lacks '( runs | used |mounted|free)'
	same "$(containers)" 'made over runs '
	expect 0 run_stor prune --force
	out_has '^[1-9][0-9.]*[KM] freed$'
	same "$(containers)" 'runs '
	same "$(images)" 'used '
	same "$(volumes)" 'free mounted of-ended '
	expect 0 run_stor prune -f --volumes
	same "$(volumes)" 'mounted '
	expect 0 run_stor prune -f --volumes
	out_is '0B freed'
	expect 0 run_stor exec runs sleep 0
	# Each is told of.
	same "$(run_stor events --filter event=destroy --filter event=delete --format '{{.Type}}' | sort | uniq -c | tr -s ' \n' ' ')" \
		' 3 container 3 image 2 volume '
	expect 0 run_stor rm -f runs
	expect 0 run_stor prune -f --volumes
	same "$(containers)$(images)$(volumes)" ''
	nothing_left
}

test_the_question() {
	make_all
	expect 2 run_stor prune </dev/null
	err_has 'nobody is there to be asked'
	err_has 'hint: --force'
	same "$(containers)" 'made over runs '
	script -qec "$STOR prune" /dev/null <<<n >answer
	grep -q 'Remove these .*\[y/N\]' answer || fail "$(cat answer)"
	same "$(containers)" 'made over runs '
	script -qec "$STOR prune" /dev/null <<<y >answer
	same "$(containers)" 'runs '
	expect 0 run_stor rm -f runs
}

test_filters() {
	local before
	expect 0 run_stor create --name one --label keep=no true
	sleep 1.1
	before=$(date -u +%FT%T)
	sleep 1.1
	expect 0 run_stor create --name two --label keep=yes true
	expect 0 run_stor create --name three true
	expect 0 run_stor volume create plain
	expect 0 run_stor prune -f --filter until="$before"
	same "$(containers)" 'three two '
	expect 0 run_stor prune -f --volumes --filter label=keep=yes
	same "$(containers)" 'three '
	same "$(volumes)" 'plain '
	expect 0 run_stor prune -f --filter label=keep
	same "$(containers)" 'three '
	expect 2 run_stor prune -f --filter color=red
	err_has 'keys are until'
	expect 2 run_stor prune -f --filter until=yesterday
	expect 2 run_stor prune -f three
	expect 0 run_stor rm three
	expect 0 run_stor volume rm plain
}

test_json() {
	expect 0 run_stor create --name one true
	expect 0 run_stor prune --dry-run --format json
	jq -e '.[0] | .kind == "container" and .name == "one" and (.id | length) == 12 and .bytes > 0' "$OUT" >/dev/null ||
		fail "$(cat "$OUT")"
	expect 0 run_stor prune -f --format json
	same "$(jq -c 'map(.kind)' "$OUT")" '["container","image"]'
	expect 0 run_stor prune -f --format json
	out_is '[]'
}

# One that failed stays while its monitor waits; not when that has given up, nor one that did not fail.
test_one_that_failed() {
	expect 0 run_stor run -d --name again --restart on-failure sh -c 'exit 3'
	expect 0 run_stor run -d --name gave-up --restart on-failure:1 sh -c 'exit 3'
	expect 0 run_stor run -d --name well --restart on-failure sh -c 'exit 0'
	has_waiting() { [ "$(find "$STOR_STATE/keep" -mindepth 1 | wc -l)" = "$1" ]; }
	wait_for has_waiting 1
	for i in 1 2 3; do
		expect 0 run_stor prune -f
		same "$(containers)" 'again '
		sleep 0.2
	done
	# Its monitor is killed, and the next command puts another one in its place.
	wait_for has_status again exited
	kill -9 "$(basename "$STOR_STATE"/keep/*."$(id_of again)" | cut -d. -f1)"
	expect 0 run_stor prune -f
	same "$(containers)" 'again '
	expect 0 run_stor stop -t 0 again
	expect 0 run_stor prune -f
	same "$(containers)" ''
	nothing_left
}

test_what_will_be_used_again_stays() {
	# Waiting for its next start; mounted on the host; a container that nobody can read.
	expect 0 run_stor run -d --name again --restart always sh -c 'exit 0'
	expect 0 run_stor run -d --name stopped --restart always sleep 1000
	expect 0 run_stor stop -t 0 stopped
	expect 0 run_stor volume create host
	mkdir mnt
	expect 0 run_stor volume mount host mnt
	for i in 1 2 3; do
		expect 0 run_stor prune -f --volumes
		same "$(containers)" 'again '
		same "$(volumes)" 'host '
	done
	expect 0 run_stor volume umount host
	expect 0 run_stor rm -f again
	expect 0 run_stor create --name broken -v host:/v true
	cp "$STOR_STORE/containers/$(id_of broken)/record" saved
	echo junk >"$STOR_STORE/containers/$(id_of broken)/record"
	expect 0 run_stor prune -f --volumes
	same "$(volumes)" 'host '
	cp saved "$STOR_STORE/containers/$(id_of broken)/record"
	expect 0 run_stor prune -f --volumes
	same "$(containers)$(volumes)$(images)" ''
	nothing_left
}

# Of what is started meanwhile, nothing is taken.
test_starts_at_the_same_time() {
	local i
	for i in $(seq 10); do run_stor create --name "c$i" sleep 1000 >/dev/null; done
	( for i in $(seq 10); do run_stor start "c$i" >/dev/null 2>&1; done ) &
	run_stor prune -f >/dev/null 2>&1 || true
	wait
	for i in $(run_stor ps -q); do
		expect 0 run_stor exec "$i" true
	done
	same "$(run_stor ps -q | wc -l)" "$(run_stor ps -aq | wc -l)"
	for i in $(run_stor ps -aq); do expect 0 run_stor rm -f "$i"; done
	nothing_left
}

run_tests "$@"
