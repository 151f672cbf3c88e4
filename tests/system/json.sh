#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The JSON of every listing, of real things in all their situations, has the members that stor-json(5) lists, and no other.
# shellcheck source=tests/net_lib.sh
. "$(dirname "$0")/../net_lib.sh"
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/detached_lib.sh
. "$TOP/tests/detached_lib.sh"

# printed N COMMAND…: what it printed in one more situation, of the statuses that are no failure N.
printed() {
	local want=$1
	shift
	expect "$want" "$@"
	jq -e . "$OUT" >/dev/null || fail "$*: not JSON: $(cat "$OUT")"
	cp "$OUT" "printed$((++SITUATION))"
}
# compare [--less PATTERN]… SECTION…: with the page.
compare() {
	local words=()
	while [ "${1:-}" = --less ]; do words+=("$1" "$2") && shift 2; done
	for section; do words+=(--of "$section"); done
	"$TOP/tests/tools/json-keys" "${words[@]}" printed* || fail 'stor-json(5) and what is printed differ'
	rm printed*
}
SITUATION=0

# Modules among which one backend cannot be used.
with_broken_backend() {
	mkdir -p modules/backends
	ln -s "$B/modules/internal" modules/internal
	ln -s "$B/modules/backends/"*.so modules/backends/
	echo none >modules/backends/stor-broken.so
	export STOR_MODULES=$T/modules
}

test_containers() {
	stand_in
	expect 0 run_stor run -d --name web --net bridge -u 1:2 --label a.b=c --label x --stop-signal INT --stop-timeout 3 -e A=b sleep 1000
	expect 7 run_stor run --name job sh -c 'exit 7'
	expect 0 run_stor create --name made true
	expect 0 run_stor volume create --image busybox v
	expect 0 run_stor run -d --rm --name placed --root v -- sleep 1000
	printed 0 run_stor inspect web job made placed
	printed 0 run_stor inspect --size web job made placed
	expect 0 run_stor run --name chained --backend ploop true
	printed 0 run_stor inspect --size chained
	expect 0 run_stor rm chained
	# One that was killed before its root was made.
	cp "$STOR_STORE/containers/$(id_of made)/record" saved
	sed -i '/^!\?volume\./d' "$STOR_STORE/containers/$(id_of made)/record"
	printed 0 run_stor inspect --size made
	cp saved "$STOR_STORE/containers/$(id_of made)/record"
	# What the backends of the tree always know, others need not.
	compare --less .size.allocated --less .size.exclusive --less .size.shared 'stor ps' 'stor inspect'
	printed 0 run_stor ps -a --format json
	cp "$STOR_STORE/containers/$(id_of made)/record" saved
	echo junk >"$STOR_STORE/containers/$(id_of made)/record"
	printed 0 run_stor ps -a --format json
	compare 'stor ps'
	cp saved "$STOR_STORE/containers/$(id_of made)/record"
	printed 0 run_stor top --format json web
	compare 'stor top'
	expect 0 run_stor rm -f web job made placed
	expect 0 run_stor volume rm v
	nothing_left
}

# Which readings there are is the kernel's choice.
test_stats() {
	expect 0 run_stor run -d --name web -m 64M --pids-limit 50 --cpus 0.5 sleep 1000
	expect 0 run_stor run -d --name served --backend ploop -m 64M sleep 1000
	expect 0 run_stor run -d --name host --net host -m 64M sleep 1000
	expect 0 run_stor pause web
	trap 'run_stor resume web >/dev/null 2>&1 || true' EXIT
	printed 0 run_stor stats --no-stream --format json
	compare --less '.payload.*' --less '.server.*' --less '.sum.*' 'stor stats'
	expect 0 run_stor resume web
	expect 0 run_stor rm -f web served host
	nothing_left
}

test_events() {
	expect 0 run_stor create --name first sleep 1000
	expect 0 run_stor rename first web
	expect 0 run_stor start web
	expect 0 run_stor kill web
	expect 0 run_stor wait web
	expect 0 run_stor rm web
	expect 0 run_stor volume create --backend ploop --size 64M a
	expect 0 run_stor volume clone a b
	expect 0 run_stor volume snapshot a one
	expect 0 run_stor volume rm a b
	printed 0 run_stor events --format json
	same "$(wc -l <printed1)" "$(jq -s length printed1)"
	compare 'stor events'
}

test_changes_and_what_goes() {
	expect 0 run_stor run --name web sh -c 'echo x >/new; rm /etc/shells; chmod 700 /etc'
	printed 0 run_stor diff --format json web
	same "$(jq -r '.[].change' "$OUT" | sort -u | tr '\n' ' ')" 'added changed deleted '
	compare 'stor diff'
	expect 0 run_stor volume create v
	printed 0 run_stor prune --dry-run --volumes --format json
	printed 0 run_stor prune --force --volumes --format json
	same "$(jq -r '.[].kind' "$OUT" | sort -u | tr '\n' ' ')" 'container image volume '
	compare 'stor prune'
	"$STOR" run --name killed sleep 1000 &
	wait_for has_status killed running
	kill -9 $!
	wait $! 2>/dev/null || true
	printed 0 run_stor gc --format json
	same "$(jq length "$OUT")" 1
	compare 'stor gc'
	expect 0 run_stor rm killed
	nothing_left
}

test_doctor_and_backends() {
	local b
	with_broken_backend
	printed 0 run_stor doctor --format json
	compare 'stor doctor'
	printed 0 run_stor backend ls --format json
	compare 'stor backend ls'
	for b in dir loop ploop; do printed 0 run_stor backend info --format json $b; done
	compare --less params.default 'stor backend info'
}

test_images() {
	mkdir tree
	echo x >tree/file
	expect 0 run_stor run --rm -- true
	expect 0 run_stor image import --quiet tree plain
	expect 0 run_stor image import --quiet -e A=b -l x.y=z --entrypoint /bin/sh --user 1 tree full
	expect 0 run_stor create --name box --stop-signal INT true
	expect 0 run_stor commit --quiet box signals
	printed 0 run_stor image inspect busybox plain full signals
	expect 0 run_stor rm box
	compare 'stor image inspect'
	printed 0 run_stor image ls --format json
	cp "$STOR_STORE/images/plain/record" saved
	echo junk >"$STOR_STORE/images/plain/record"
	printed 0 run_stor image ls --format json
	compare 'stor image ls'
	cp saved "$STOR_STORE/images/plain/record"
}

test_volumes() {
	expect 0 run_stor volume create --image busybox d
	expect 0 run_stor volume create --backend loop --size 16M --fs-label name l
	expect 0 run_stor volume create --backend ploop --size 64M --image busybox p
	expect 0 run_stor volume clone d copy
	truncate -s 16M empty
	mkdir mnt
	expect 0 run_stor volume mount l mnt
	expect 0 run_stor run -d --name web --root p -- sleep 1000
	printed 0 run_stor volume inspect d l p copy
	printed 0 run_stor volume inspect --backend loop "$T/empty"
	compare 'stor volume ls' 'stor volume inspect'
	cp "$STOR_STORE/volumes/copy/record" saved
	echo junk >"$STOR_STORE/volumes/copy/record"
	printed 0 run_stor volume ls -a --format json
	# What the backends of the tree always know, others need not.
	compare --less .allocated --less .exclusive --less .users.how 'stor volume ls'
	cp saved "$STOR_STORE/volumes/copy/record"
	expect 0 run_stor volume snapshot p one
	expect 0 run_stor volume snapshot p two
	printed 0 run_stor volume snapshots --format json p
	compare --less .created 'stor volume snapshots'
	expect 0 run_stor rm -f web
	expect 0 run_stor volume umount l
	printed 0 run_stor volume check --format json l
	dd if=/dev/urandom of="$(run_stor volume inspect l | jq -r '.[0].path')/image" bs=4096 seek=1 count=4 conv=notrunc status=none
	printed 1 run_stor volume check --format json l
	compare 'stor volume check'
}

test_bench_report() {
	local data=$TOP/tests/report/experiment.jsonl
	sed '1{s/"started":[^,]*,//; s/"seed":[^,]*,//; s/"command":[^]]*],//}; s/,"command":\[[^]]*\]//' "$data" >bare.jsonl
	printed 0 run_stor bench report --format json "$data"
	printed 0 run_stor bench report --format json bare.jsonl
	compare 'stor bench report'
}

run_tests "$@"
