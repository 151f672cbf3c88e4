#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# stor bench: what it writes, of what it measured, and what it leaves.
# shellcheck disable=SC2016 # scripts for the shell inside
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/bench_lib.sh
. "$TOP/tests/bench_lib.sh"

# Its folders are below $T, where leftovers are found.
bench() { TMPDIR=$T run_stor bench "$@"; }
# lines TYPE [FILTER]: of the data file.
lines() { jq -c "select(.type == \"$1\") | ${2:-.}" data.jsonl; }
nothing_is_left() {
	no_folders_are_left
}

test_a_short_bench() {
	: >began
	expect 0 bench --backends dir,loop:discard=on -w start -w 'echo ready; exit 0' -n 6 --seed 7 -o data.jsonl
	same "$(cat "$OUT")" data.jsonl
	nothing_is_left
	same "$(lines experiment '.seed, .format, .command[-1]')" "$(printf '7\n1\n"data.jsonl"')"
	same "$(lines experiment '.environment.kernel')" "\"$(uname -r)\""
	same "$(lines experiment '.environment | has("cpu", "cores", "memory_bytes", "filesystem", "disk", "load")' | sort -u)" true
	same "$(lines experiment '.environment.versions | keys')" '["stor"]'
	same "$(lines case '[.case, .workload, .subject, .kind]')" \
		'[0,"start","floor","floor"]
[1,"start","host","host"]
[2,"start","dir","stor"]
[3,"start","loop:discard=on","stor"]
[4,"echo ready; exit 0","floor","floor"]
[5,"echo ready; exit 0","host","host"]
[6,"echo ready; exit 0","dir","stor"]
[7,"echo ready; exit 0","loop:discard=on","stor"]'
	# Each round has each case once, and warm-ups beside them.
	same "$(lines sample 'select(.warmup) | .case' | sort -n | tr '\n' ' ')" '0 1 2 3 4 5 6 7 '
	for round in 1 2 3 4 5 6; do
		same "$(lines sample "select(.round == $round and (.warmup | not)) | .case" | sort -n | tr '\n' ' ')" '0 1 2 3 4 5 6 7 '
	done
	# Each in an order of its own.
	[ "$(lines sample .case | split_rounds | sort -u | wc -l)" -gt 3 ] || fail 'the order is always the same'
	same "$(lines sample '.values.seconds > 0 and .values.cpu_seconds > 0' | sort -u)" true
	same "$(lines end '[.interrupted, .reason]')" '[false,"repeats done"]'
	# And the report tells what is in it.
	expect 0 run_stor bench report --format json data.jsonl
	same "$(jq '.rows | length' "$OUT")" 2
	expect 0 run_stor bench report data.jsonl
	out_has '\*\*start\*\*, busybox'
}
split_rounds() { paste -sd' ' | xargs -n 8; }

test_the_seed_gives_the_order() {
	: >began
	expect 0 bench --backends dir -w start -n 3 --seed 11 -o data.jsonl
	lines sample .case >first
	rm data.jsonl
	expect 0 bench --backends dir -w start -n 3 --seed 11 -o data.jsonl
	same "$(lines sample .case)" "$(cat first)"
}

# A run of every form, whose figures are compared with those that other code computes from its samples.
test_every_form_of_a_short_bench() {
	: >began
	expect 0 bench --backends dir,loop -w start -w 'sleep 0.02; true' -w 'echo; echo' -n 7 --seed 5 -o data.jsonl
	nothing_is_left
	local form
	for form in 'json host' csv 'markdown host'; do
		expect 0 run_stor bench report --format "${form% *}" data.jsonl
		python3 "$TOP/tests/report/judge.py" "${form% *}" data.jsonl "$OUT" $(echo "$form" | cut -s -d' ' -f2)
	done
	expect 0 run_stor bench report -o page.html data.jsonl
	python3 "$TOP/tests/report/judge.py" html page.html
	# Bars and samples of each row.
	same "$(grep -c '<svg ' page.html)" 6
}

# killed_by SIGNAL: an experiment gets it midway, alone or as from a terminal; the status of its end.
killed_by() {
	TMPDIR=$T setsid env --default-signal=INT "$STOR" bench --backends dir -w 'sleep 0.1' -n 6 --seed 3 -o data.jsonl >log 2>&1 &
	local bench=$! status=0
	# Its commands know the folder of its state.
	state_is_known() {
		state=$(grep -lsz "^STOR_STORE=$T/stor-bench-" /proc/[0-9]*/environ | head -n 1) || return 1
		state=$(tr '\0' '\n' 2>/dev/null <"$state" | sed -n 's/^STOR_STATE=//p') && [ -n "$state" ]
	}
	wait_for state_is_known
	has_samples() { [ "$(lines sample | wc -l)" -ge 7 ]; }
	wait_for has_samples
	kill "-$1" -- "$([ "$1" = TERM ] || echo -)$bench"
	wait $bench || status=$?
	echo "$state" >state
	return $status
}
test_interrupted_and_resumed() {
	: >began
	local signal status
	for signal in TERM INT KILL; do
		rm -f data.jsonl
		status=0
		killed_by $signal 2>/dev/null || status=$?
		same $status $((128 + $(kill -l $signal)))
		[ "$(lines sample | wc -l)" -lt 21 ] || fail 'it was not interrupted'
		if [ $signal = KILL ]; then
			# What a killed program cannot remove.
			STOR_STORE=$(echo "$T"/stor-bench-*)/store STOR_STATE=$(cat state) "$STOR" gc
			rm -rf "$T"/stor-bench-* "$(cat state)"
		else
			nothing_is_left
			same "$(lines end '[.interrupted, .reason]')" '[true,"interrupted"]'
		fi
		lines sample >before
		# As after a crash: a line that is not whole.
		printf '{"type":"sam' >>data.jsonl
		expect 0 bench --resume data.jsonl
		same "$(lines end .interrupted | tail -n 1)" false
		# What was measured is kept, and the rest was taken.
		same "$(lines sample | head -n "$(wc -l <before)")" "$(cat before)"
		for round in 1 2 3 4 5 6; do
			same "$(lines sample "select(.round == $round and (.warmup | not)) | .case" | sort -n | tr '\n' ' ')" '0 1 2 '
		done
		nothing_is_left
		expect 0 run_stor bench report --format json data.jsonl
	done
}

# Killed when hardly anything was written; or the file is none of stor's.
test_resumed_from_the_first_line() {
	: >began
	expect 0 bench --backends dir -w start -n 1 --warm-up 0 -o data.jsonl
	sed -i '2,$d' data.jsonl
	truncate -s -1 data.jsonl
	expect 0 bench --resume data.jsonl
	same "$(lines sample .case | sort | paste -sd' ')" '0 1 2'
	expect 0 run_stor bench report --format json data.jsonl
	same "$(jq '.rows | length' "$OUT")" 1
	echo '{"type": "experiment", "format": 1, "command": [null]}' >data.jsonl
	expect 1 bench --resume data.jsonl
	err_has 'data.jsonl:1: "command" has what is not a word'
	nothing_is_left
}

test_a_run_file_and_volumes() {
	: >began
	cat >run.json <<-'END'
		{ "backends": ["dir", "loop:discard=on"], "workloads": ["create", "snapshot"], "sizes": ["16M", "32M"],
		  "repeat": 2, "warm-up": 0, "caches": "cold", "limits": ["none", "cpus=1,memory=64M"] }
	END
	expect 0 bench -o data.jsonl run.json
	nothing_is_left
	# 2 workloads, 2 sizes, 2 limits, 4 subjects.
	same "$(lines case | wc -l)" 32
	same "$(lines case '[.size_bytes, .cache]' | sort -u)" '[16777216,"cold"]
[33554432,"cold"]'
	same "$(lines case '.limits' | sort -u)" '{"cpus":"1","memory":"64M"}
{}'
	same "$(lines sample .case | wc -l)" 16
	same "$(lines blank .reason | grep -c 'cannot take snapshots')" 8
	same "$(lines blank .reason | grep -c 'is not measured')" 16
}

# All that need no program of their own.
test_workloads_of_containers_and_volumes() {
	: >began
	local workloads=start,untar,compile-tree,metadata,dd-write,create,clone,snapshot,delete,import
	expect 0 bench --backends dir,ploop -w $workloads --size 512M -n 1 --warm-up 0 -o data.jsonl
	nothing_is_left
	same "$(lines failure)" ''
	same "$(lines case .workload | uniq | tr -d '"' | paste -sd,)" $workloads
	# In containers on all four; of volumes on the two backends, but that dir has no snapshots.
	same "$(lines sample 'select(.values.seconds > 0) | .case' | wc -l)" $((5 * 4 + 5 * 2 - 1))
	# The process that serves a volume of ploop works for its sample.
	local served
	served=$(lines case 'select(.subject == "ploop" and .workload == "dd-write") | .case')
	same "$(lines sample "select(.case == $served) | .values.server_cpu_seconds > 0")" true
	served=$(lines case 'select(.subject == "dir" and .workload == "dd-write") | .case')
	same "$(lines sample "select(.case == $served) | .values.server_cpu_seconds")" 0
}

# The experiment's own files alone leave the page cache.
test_cold_is_without_a_cache() {
	: >began
	command -v fincore >/dev/null || skip 'no fincore'
	[ "$(stat -f -c %T .)" != tmpfs ] || skip 'what is in memory has no cache'
	mkdir -p root/bin
	cp /bin/busybox root/bin/
	ln -s busybox root/bin/sh
	ln -s busybox root/bin/cat
	cp "$(command -v fincore)" root/bin/fincore
	ldd root/bin/fincore | grep -o '/[^ ]*' | while read -r library; do cp --parents "$library" root; done
	dd if=/dev/urandom of=root/big bs=1M count=1 status=none
	cp root/big other
	cat other >/dev/null
	local ask='[ $(fincore --noheadings --bytes --output RES /big) = 0 ] || { echo cached >&2; exit 9; }; cat /big >/dev/null'
	expect 0 bench --backends dir,loop --image "$T/root" -w "$ask" --cache cold -n 3 -o data.jsonl
	# The warm-up makes the golden volumes of the image.
	same "$(lines failure 'select(.warmup | not) | [.case, .text]')" ''
	same "$(lines sample 'select(.warmup | not)' | wc -l)" 12
	same "$(fincore --noheadings --bytes --output RES other | tr -d ' ')" 1048576
	rm data.jsonl
	expect 0 bench --backends dir --image "$T/root" -w "$ask" --cache warm -n 3 -o data.jsonl
	same "$(lines failure 'select(.warmup | not) | [.status, .text]' | sort | uniq -c | sed 's/^ *//')" '9 [9,"cached\n"]'
	nothing_is_left
}

test_progress_tells_what_is_left() {
	: >began
	TMPDIR=$T expect 0 script -qec "'$STOR' bench --backends dir -w start -n 3 -o data.jsonl" /dev/null
	tr '\r' '\n' <"$OUT" | sed 's/\x1b\[K//g' >shown
	grep -qE '^warm-up 1, start on [a-z]+: 0 of at most 12 samples$' shown || fail "it showed $(cat shown)"
	grep -qE '^round 3, start on [a-z]+: 11 of at most 12 samples, at most [0-9]+ s left$' shown || fail "it showed $(cat shown)"
	nothing_is_left
	# And nothing where nobody reads it.
	expect 0 bench --backends dir -w start -n 1 -o more.jsonl
	same "$(cat "$ERR")" ''
}

# Its output is fio's; what it prints stands in the data.
test_fio_is_read() {
	: >began
	mkdir -p root/bin root/tmp
	cp /bin/busybox root/bin/
	for name in sh rm mkdir cat echo printf; do ln -s busybox root/bin/$name; done
	cat >root/bin/fio <<-'SCRIPT'
		#!/bin/sh
		[ "$1" != --version ] || { echo fio-3.33; exit; }
		echo "$@" >/words
		cat <<END
		fio: a note
		{"jobs": [{"read": {"iops": 100.5, "bw_bytes": 4096, "total_ios": 7, "clat_ns": {"percentile": {"50.000000": 1000, "99.900000": 5000000}}},
		"write": {"iops": 20, "bw_bytes": 100}}, {"read": {"iops": 1}}]}
		END
		printf '250, 100, 0, 0, 0\n250, 50, 1, 0, 0\n500, 200, 0, 0, 0\n' >/bench/log_bw.1.log
		printf '300, 30, 1, 0, 0\nno line\n500, 100, 1, 0, 0, 0\n750, 1, 7, 0, 0' >/bench/log_bw.2.log
	SCRIPT
	chmod 755 root/bin/fio
	expect 0 bench --backends dir --image "$T/root" -w fio-randread -n 1 --warm-up 0 -o data.jsonl
	same "$(lines sample '[.values.iops, .values.bandwidth]' | sort -u)" '[121.5,4196]'
	same "$(lines experiment ".environment.versions[\"fio in $T/root\"]")" '"fio-3.33"'
	same "$(lines sample '.percentiles.latency | [.unit, (."50" * 1e9 | round), (."99.9" * 1e9 | round)]' | sort -u)" '["s",1000,5000000]'
	# Throughput over time: all jobs and directions. A line of the second job comes late: 180 KiB/s,
	# then those 200, and 30 for 50 ms and 100 for 200 ms.
	same "$(lines sample '.series.throughput | .unit, (.points[] | [.[0], (.[1] / 1024 * 1e6 | round)])' | sort -u)" '"bytes/s"
[0.25,180000000]
[0.5,286000000]'
	expect 0 run_stor bench report --format html -o report.html data.jsonl
	grep -q '>throughput of fio-randread: over time</title>' report.html || fail "no plot: $(grep -o '<title>[^<]*' report.html)"
	# Logs of a job file; and times that no fio would print.
	printf '[one]\nrw=read\n' >jobs.fio
	sed -i 's|^printf .250.*|cat >/dev/null; echo "999999999999, 1, 0" >/bench/log_bw.1.log|; s|^printf .251.*|echo "8, 99999999999999999999, 0" >>/bench/log_bw.1.log|' root/bin/fio
	expect 0 bench --backends dir --image "$T/root" -w fio:jobs.fio -n 1 --warm-up 0 -o more.jsonl
	same "$(jq -c 'select(.type == "sample") | .series.throughput.points | length' more.jsonl | sort -u)" 2048
	expect 0 run_stor bench report more.jsonl
	nothing_is_left
}

# What sysbench 1.0.20 prints of each test.
test_sysbench_is_read() {
	: >began
	mkdir -p root/bin root/tmp
	cp /bin/busybox root/bin/
	for name in sh rm mkdir cat; do ln -s busybox root/bin/$name; done
	cat >root/bin/sysbench <<-'SCRIPT'
		#!/bin/sh
		case "$*" in
		--version) echo 'sysbench 1.0.20'; echo more ;;
		'cpu --cpu-max-prime=20000 run') echo '    events per second:  1234.56' ;;
		'memory run') printf 'Total operations: 300 (99.00 per second)\n\nGeneral statistics:\n    total time:                          2.0000s\n    total number of events:              300\n' ;;
		'threads --threads=8 run') printf '    total time:                          10.0s\n    total number of events:              25\n' ;;
		'fileio --file-total-size=128M prepare') : >file ;;
		'fileio --file-total-size=128M --file-test-mode=rndrw --time=5 run')
			[ -e file ] && printf '    total time:                          4.0s\n    total number of events:              10\n' ;;
		esac
	SCRIPT
	chmod 755 root/bin/sysbench
	expect 0 bench --backends dir --image "$T/root" -w sysbench-cpu,sysbench-memory,sysbench-threads,sysbench-fileio -n 1 --warm-up 0 -o data.jsonl
	same "$(lines failure)" ''
	same "$(lines sample '[.case, .values.events]' | sort -V | paste -sd' ')" \
		'[0,1234.56] [1,1234.56] [2,1234.56] [3,150] [4,150] [5,150] [6,2.5] [7,2.5] [8,2.5] [9,2.5] [10,2.5] [11,2.5]'
	same "$(lines experiment ".environment.versions[\"sysbench in $T/root\"]")" '"sysbench 1.0.20"'
	nothing_is_left
}

test_images_and_caches_are_rows() {
	: >began
	mkdir -p root/bin
	cp /bin/busybox root/bin/
	ln -s busybox root/bin/sh
	expect 0 bench --backends dir --image "busybox,$T/root" --cache warm,cold -w 'exit 0' -n 1 --warm-up 0 -o data.jsonl
	same "$(lines case 'select(.subject == "dir") | [.image, .cache]' | paste -sd' ')" \
		"[\"busybox\",\"warm\"] [\"busybox\",\"cold\"] [\"$T/root\",\"warm\"] [\"$T/root\",\"cold\"]"
	same "$(lines sample | wc -l)" 12
	nothing_is_left
}

test_failures_are_told() {
	: >began
	expect 0 bench --backends dir -w 'echo broken >&2; exit 3' -n 2 --warm-up 1 -o data.jsonl
	same "$(lines failure '[.warmup, .status, .text]' | sort | uniq -c | sed 's/^ *//')" '6 [false,3,"broken\n"]
3 [true,3,"broken\n"]'
	same "$(lines sample)" ''
	nothing_is_left
	# A warm-up is no round.
	expect 0 run_stor bench report data.jsonl
	out_has 'all 2 rounds failed'
	out_has ', dir, warm-up 1: status 3: broken'
	out_has ', dir, round 2: status 3: broken'
	expect 0 run_stor bench report --format json data.jsonl
	same "$(jq -c '[.rows[].cells[].failures]' "$OUT")" '[2,2,2]'
}

test_until_intervals_are_narrow() {
	: >began
	expect 0 bench --backends dir -w start -n 6-40 --precision 99% -o data.jsonl
	same "$(lines end .reason)" '"interval reached"'
	[ "$(lines sample "select(.warmup | not)" | wc -l)" -lt 120 ] || fail "it did not stop"
}

test_wrong_wishes() {
	: >began
	expect 2 bench -o data.jsonl
	err_has 'no workload given'
	err_has 'list-workloads'
	expect 2 bench -w nothing -o data.jsonl
	err_has 'there is no workload "nothing"'
	expect 2 bench -w start --backends loop,loop -o data.jsonl
	err_has 'loop is named twice'
	expect 2 bench -w start --backends loop:colour=red -o data.jsonl
	err_has 'loop:colour=red: backend loop has no parameter "colour"'
	expect 1 bench -w start --backends none -o data.jsonl
	err_has 'no backend "none"'
	expect 2 bench -w start --peers nobody -o data.jsonl
	err_has 'there is no peer "nobody"'
	expect 2 bench -w start -n 5-2 -o data.jsonl
	err_has 'repeat: "5-2"'
	expect 2 bench -w start --cache hot
	err_has 'neither warm nor cold'
	expect 5 bench -w fio-read -o data.jsonl
	err_has 'image busybox has no program fio'
	echo '{"colour": 1}' >run.json
	expect 2 bench run.json
	err_has 'run.json: there is no setting "colour"'
	echo '[' >run.json
	expect 2 bench run.json
	err_has 'run.json: no object of JSON'
	[ ! -e data.jsonl ] || fail 'it left a file without anything in it'
	: >there.jsonl
	expect 4 bench -w start -o there.jsonl
	err_has '--resume there.jsonl goes on'
	expect 1 bench --resume there.jsonl
	err_has 'does not begin with an experiment'
	expect 3 bench --resume nowhere.jsonl
	expect 0 bench --list-workloads
	out_has '^start +from the start'
	nothing_is_left
}

run_tests "$@"
