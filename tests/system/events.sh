#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# stor events: what happens is told, in order, once, to whoever asks later and to whoever waits.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/detached_lib.sh
. "$TOP/tests/detached_lib.sh"

actions() { run_stor events --filter type=container --format '{{.Action}}' "$@" | tr '\n' ' '; }

test_the_life_of_a_container() {
	expect 0 run_stor create --name box sleep 1000
	expect 0 run_stor start box
	expect 0 run_stor exec box true
	expect 0 run_stor pause box
	expect 0 run_stor resume box
	expect 0 run_stor rename box tin
	expect 0 run_stor update --pids-limit 50 tin
	expect 0 run_stor restart -t 0 tin
	expect 0 run_stor kill tin
	wait_for has_status tin exited
	expect 0 run_stor rm tin
	same "$(actions)" 'create start exec pause unpause rename update kill kill die stop start restart kill die destroy '
	expect 0 run_stor events --filter event=die --format '{{.Name}} {{.ExitCode}} {{.Image}}'
	out_is $'tin 137 busybox\ntin 137 busybox'
	expect 0 run_stor events --filter event=rename
	out_has '^20..-..-..T..:..:..\.[0-9]{9}Z container rename [0-9a-f]{12} \(name=tin, image=busybox, old_name=box\)$'
	# In the order of their times.
	run_stor events --format '{{.Time}}' >moments
	sort -c moments || fail 'not in order'
}

test_ends_of_every_kind() {
	local backend
	expect 7 run_stor run --rm -- sh -c 'exit 7'
	same "$(actions)" 'create start die destroy '
	expect 0 run_stor events --filter event=die --format json
	same "$(jq -r '.details.exit_code' "$OUT")" 7
	expect 0 run_stor run --name kept -- true
	expect 0 run_stor rm kept
	same "$(actions --filter container=kept)" 'create start die destroy '
	expect 137 run_stor run --name small --memory 16M --memory-swap 16M -- tail /dev/zero
	same "$(actions --filter container=small)" 'create start oom die '
	expect 0 run_stor rm small
	# A killed stor: who notices says so.
	expect 0 run_stor run -d --rm --name orphan sleep 1000
	kill -KILL "$(monitor_of orphan)"
	kill -KILL "$(pid_of orphan)" 2>/dev/null || true
	run_stor gc >/dev/null
	is_gone() { [[ "$(actions --filter container=orphan)" == *'die destroy ' ]]; }
	wait_for is_gone
	# What never started was never there.
	expect 127 run_stor run --rm --name never -- /no/such/program
	same "$(actions --filter container=never)" ''
}

# Its memory limit has killed processes: also one that it got while it ran, also when its monitor did not stay, and
# only then.
test_out_of_memory() {
	local fill='while [ ! -e /go ]; do sleep 0.05; done; tail /dev/zero; true'
	expect 0 run_stor run -d --name box sh -c "$fill"
	expect 0 run_stor run -d --name bare sh -c "$fill"
	expect 0 run_stor run -d --name adopted sh -c "$fill"
	expect 0 run_stor run -d --name limited --memory 16M --memory-swap 16M sh -c "$fill"
	expect 0 run_stor update --pids-limit 50 bare
	expect 0 run_stor update --memory 16M --memory-swap 16M box adopted
	kill -KILL "$(monitor_of adopted)" "$(monitor_of limited)"
	expect 0 run_stor ps
	for name in box adopted limited; do
		run_stor exec "$name" touch /go
		expect 0 run_stor wait "$name"
		same "$(actions --filter "container=$name" --filter event=oom --filter event=die)" 'oom die '
	done
	run_stor exec bare sh -c 'kill $(pidof sleep); exit 0'
	expect 0 run_stor kill bare
	expect 0 run_stor wait bare
	same "$(actions --filter container=bare --filter event=oom --filter event=die)" 'die '
	expect 0 run_stor rm box bare adopted limited
	nothing_left
}

test_images_and_volumes() {
	expect 0 run_stor volume create one
	expect 0 run_stor volume clone one two
	expect 0 run_stor run --rm -v three:/v -- true
	expect 0 run_stor volume rm one two three
	same "$(run_stor events --filter type=volume --format '{{.Action}} {{.ID}} {{.Details}}' | tr '\n' ,)" \
		'create one ,create two source=one,create three ,destroy one ,destroy two ,destroy three ,'
	mkdir tree
	expect 0 run_stor image import tree mine
	expect 0 run_stor image rm mine
	same "$(run_stor events --filter image=mine --format '{{.Action}}' | tr '\n' ' ')" 'import delete '
}

test_filters_and_times() {
	local before
	expect 0 run_stor run --name one -- true
	before=$(date -u +%FT%T.%N)
	expect 0 run_stor run --name two -- true
	same "$(actions --filter container=one --filter container=two --filter event=die --filter event=create)" \
		'create die create die '
	same "$(actions --since "$before")" 'create start die '
	same "$(actions --until "$before" --filter event=start)" 'start '
	same "$(actions --since 10m)" 'create start die create start die '
	same "$(actions --since 2100-01-01)" ''
	same "$(actions --filter "container=$(id_of two)")" 'create start die '
	expect 2 run_stor events --filter color=red
	err_has 'keys are container, event'
	expect 2 run_stor events --since yesterday
	expect 2 run_stor events --format '{{.Colour}}'
	expect 2 run_stor events one
	expect 0 run_stor rm one two
}

# A path of somebody's, with what parts lines and words in it.
test_names_that_try_to_be_lines() {
	local root=$'a\tb\nc\\d'
	expect 0 run_stor run --rm -- true
	cp -a "$STOR_STORE/images/busybox/rootfs" "$root"
	expect 0 run_stor run --rm --root "$PWD/$root" -- true
	expect 0 run_stor events --format json --filter event=start
	same "$(jq -rs '.[1].details.image' "$OUT")" "$PWD/$root"
	same "$(jq -s length "$OUT")" 2
}

# Whoever waits gets each event once, in order, over all changes of the file.
test_following() {
	local i
	expect 0 run_stor create --name old true
	"$STOR" events --follow --format '{{.Action}} {{.ID}}' --filter type=volume >followed &
	"$STOR" events --follow --since 1 --format '{{.Action}}' --filter container=old >all &
	have() { grep -qx 'create first' followed; }
	watching() { run_stor volume create first >/dev/null 2>&1; sleep 0.1; have || { run_stor volume rm first >/dev/null 2>&1; false; }; }
	wait_for watching
	: >"$T/expected"
	for i in $(seq 20); do
		run_stor volume create "v$i" >/dev/null
		echo "create v$i" >>"$T/expected"
	done
	whole() { grep -q 'create v20$' followed; }
	wait_for whole
	same "$(grep 'create v' followed)" "$(cat "$T/expected")"
	has_old() { grep -qx create all; }
	wait_for has_old
	kill %1 %2
	wait
	expect 0 run_stor rm old
	expect 0 run_stor volume rm first $(seq -f 'v%g' 20)
}

test_the_file_stays_small() {
	local i size
	"$STOR" events --follow --format '{{.ID}}' --filter type=volume >followed &
	watching() { run_stor volume create w >/dev/null; run_stor volume rm w; sleep 0.1; [ -s followed ]; }
	wait_for watching
	# As many as a megabyte takes, but for a few.
	awk 'BEGIN { for (i = 0; i < 13000; i++) printf "2026-01-01T00:00:00.%09dZ\tcontainer\tstart\tfiller%d\tname=filler\timage=busybox\n", i, i }' \
		>>"$STOR_STATE/events"
	for i in 1 2 3; do
		expect 0 run_stor volume create "after$i"
	done
	[ -s "$STOR_STATE/events.1" ] || fail 'it was not cut'
	[ "$(stat -c %s "$STOR_STATE/events")" -lt 1000 ] || fail 'the present one is large'
	# Nothing is lost to whoever reads both, or waited.
	same "$(run_stor events --filter volume=after1 --filter volume=after2 --filter volume=after3 --format '{{.ID}}' | tr '\n' ' ')" \
		'after1 after2 after3 '
	got_all() { grep -qx after3 followed; }
	wait_for got_all
	same "$(grep after followed | tr '\n' ' ')" 'after1 after2 after3 '
	kill %1
	wait
	expect 0 run_stor volume rm after1 after2 after3
}

# Lines of many writers are whole, and none is lost.
test_many_at_once() {
	local i
	for i in $(seq 8); do
		( for j in $(seq 10); do run_stor run --rm --name "n$i-$j" -- true; done ) &
	done
	wait
	same "$(run_stor events --filter event=die --format '{{.Name}}' | sort -u | wc -l)" 80
	same "$(run_stor events --filter event=destroy | wc -l)" 80
	expect 0 run_stor events --format json
	same "$(jq -s 'map(select(.type == "container")) | length' "$OUT")" 320
}

test_a_reader_that_goes_away() {
	"$STOR" events --follow | head -n 1 >first &
	some() { run_stor volume create x >/dev/null; run_stor volume rm x; sleep 0.1; [ -s first ]; }
	wait_for some
	wait
}

run_tests "$@"
