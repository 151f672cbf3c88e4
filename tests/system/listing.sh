#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# stor ps and inspect: what they show, and which containers they choose.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/detached_lib.sh
. "$TOP/tests/detached_lib.sh"

some_containers() {
	expect 0 run_stor run -d --name web --label role=front --label site sleep 1000
	expect 0 run_stor run -d --name db --backend loop --label role=back sleep 1000
	expect 7 run_stor run --name job --label role=back sh -c 'exit 7'
	expect 0 run_stor create --name later true
}
# chosen WORD…: the names that ps prints.
chosen() { run_stor ps --format '{{.Name}}' "$@" | tr '\n' ' ' | sed 's/ $//'; }

test_filters() {
	some_containers
	same "$(chosen)" 'web db'
	same "$(chosen -a)" 'web db job later'
	same "$(chosen -f name=we)" web
	same "$(chosen -a -f name=we -f name=jo)" 'web job'
	same "$(chosen -a -f label=role=back)" 'db job'
	same "$(chosen -a -f label=role=back -f status=running)" db
	same "$(chosen -f label=site)" web
	same "$(chosen -f label=sit)" ''
	same "$(chosen -f status=exited)" job
	same "$(chosen -f status=created)" later
	same "$(chosen -f exited=7)" job
	same "$(chosen -f exited=8)" ''
	same "$(chosen -a -f backend=loop)" db
	same "$(chosen -a -f image=busybox)" 'web db job later'
	same "$(chosen -f id="$(id_of db)")" db
	same "$(chosen -n 2)" 'job later'
	same "$(run_stor ps -q -f name=db)" "$(id_of db)"
	expect 2 run_stor ps -f color=red
	err_has 'keys are backend, exited'
	expect 2 run_stor ps -f status=odd
	expect 2 run_stor ps -n 0
	expect 0 run_stor pause web
	trap 'run_stor resume web >/dev/null 2>&1 || true' EXIT
	same "$(chosen -f status=paused)" web
	expect 0 run_stor ps
	out_has "^$(id_of web) +web +busybox +dir +paused "
	expect 0 run_stor rm -f web db job later
	nothing_left
}

test_templates() {
	some_containers
	same "$(run_stor ps -a -f name=job --format '{{.ID}}\t{{ .name }}|{{.Image}}|{{.Backend}}|{{.Status}}|{{.Command}}|{{.Labels}}|{{.ExitCode}}|{{.Pid}}')" \
		"$(printf '%s\tjob|busybox|dir|exited (7)|sh -c exit 7|role=back|7|' "$(id_of job)")"
	same "$(run_stor ps -f name=web --format '{{.Pid}}|{{.ExitCode}}')" "$(pid_of web)|"
	expect 2 run_stor ps --format '{{.Color}}'
	err_has 'unknown "\{\{\.Color\}\}"'
	expect 2 run_stor ps --format '{{Name}}'
	expect 2 run_stor ps --format '{{.Name'
	expect 2 run_stor ps --format xml
	expect 0 run_stor rm -f web db job later
}

test_json() {
	some_containers
	expect 0 run_stor ps -a --format json
	same "$(jq -c 'map([.name, .status, .exit_code, .detached, (.pid != null), (.started != null), (.finished != null)])' "$OUT")" \
		'[["web","running",null,true,true,true,false],["db","running",null,true,true,true,false],["job","exited",7,false,false,true,true],["later","created",null,true,false,false,false]]'
	# Once more, the end before is no end.
	expect 0 run_stor start job
	expect 0 run_stor wait job
	expect 0 run_stor rm -f web db job later
}

test_inspect() {
	expect 0 run_stor run -d --name web -e A=b -u 1:2 -w /tmp --pids-limit 50 --stop-signal INT --label x=y --backend loop sleep 1000
	expect 0 run_stor inspect web
	same "$(jq -r '.[0] | [.id, .name, .status, .pid, .monitor_pid, .user, .workdir, .stop_signal, .rm] | map(tostring) | join(" ")' "$OUT")" \
		"$(id_of web) web running $(pid_of web) $(monitor_of web) 1:2 /tmp INT false"
	same "$(jq -r '.[0].env[]' "$OUT" | grep ^A)" A=b
	same "$(jq -c '.[0].options' "$OUT")" '["pids-limit=50","backend=loop"]'
	same "$(jq -r '.[0].labels.x' "$OUT")" y
	same "$(jq -r '.[0].log_path' "$OUT")" "$STOR_STORE/containers/$(id_of web)/log"
	[ -d "$(jq -r '.[0].volume_path' "$OUT")" ] || fail 'no such volume'
	expect 3 run_stor inspect nobody web
	same "$(jq length "$OUT")" 1
	expect 0 run_stor rm -f web
	nothing_left
}

# size_of NAME [KEY]…: what inspect has of it.
size_of() {
	expect 0 run_stor inspect --size "$1"
	shift
	jq -r '.[0].size | [.[$ARGS.positional[]]] | map(tostring) | join(" ")' --args "$@" <"$OUT"
}
allocated() { run_stor volume inspect "$1" | jq '.[0].allocated'; }
# Of one on this backend that has written 3 MiB: what it has, whether it runs or not.
has_sizes() {
	local golden virtual all own shared
	golden=$(allocated "$(run_stor inspect "$1" | jq -r '.[0].golden')")
	read -r virtual all own shared < <(size_of "$1" virtual allocated exclusive shared)
	same "$1: $virtual" "$1: $2"
	same "$1: $shared" "$1: $golden"
	same "$1: $all" "$1: $((own + golden))"
	# The image is not its own; its file is, with what a filesystem and clusters of ploop have beside it.
	[ "$own" -ge 3145728 ] && [ "$own" -lt 40000000 ] || fail "$1: $own bytes are its own"
}

test_sizes_of_roots() {
	local name write='dd if=/dev/urandom of=/file bs=1M count=3; sync; echo written'
	mkdir -p tree/bin
	cp /bin/busybox tree/bin
	for name in sh dd sync sleep; do ln -s busybox tree/bin/$name; done
	head -c 40000000 /dev/urandom >tree/big
	expect 0 run_stor image import -q tree big
	for name in dir loop ploop; do
		expect 0 run_stor run -d --name $name --backend $name --image big sh -c "$write; sleep 1000"
	done
	for name in dir loop ploop; do wait_for logged $name written; done
	for name in 1 2; do
		has_sizes dir null
		has_sizes loop 10737418240
		has_sizes ploop 10737418240
		# The clone reads these from the golden volume's files.
		[ "$(size_of ploop shared)" -gt 40000000 ] || fail 'a golden volume of 40 MB is not counted'
		same "$(size_of ploop details | jq -r '.shared_bytes, .chain_files' | paste -sd' ')" "$(size_of ploop shared) 2"
		expect 0 run_stor stop -t 0 dir loop ploop
	done
	expect 0 run_stor rm dir loop ploop
	# One of its own shares nothing; a copy does not, either; one that has not begun has a root already.
	expect 0 run_stor volume create --backend loop --size 64M --image busybox own
	expect 0 run_stor create --name placed --root own true
	expect 0 run_stor create --name copied --backend loop -o clone=copy true
	same "$(size_of placed virtual allocated exclusive shared)" "67108864 $(allocated own) $(allocated own) 0"
	same "$(size_of copied shared)" 0
	same "$(run_stor inspect placed | jq '.[0] | has("size")')" false
	expect 3 run_stor inspect -s nobody placed
	same "$(jq length "$OUT")" 1
	# What it was on is gone.
	expect 0 run_stor volume rm own
	expect 3 run_stor inspect --size placed
	err_has '^stor: size of container placed: .*own'
	expect 0 run_stor rm placed copied
	nothing_left
}

test_top() {
	expect 0 run_stor run -d --name web -u 65534 sh -c 'sleep 1000 & sleep 1000 & wait'
	wait_for has_three
	expect 0 run_stor top --format json web
	same "$(jq -r 'map(.command) | sort | join(",")' "$OUT")" \
		"sh -c sleep 1000 & sleep 1000 & wait,sleep 1000,sleep 1000"
	same "$(jq -r '.[0] | [.pid, .inner_pid, .uid] | map(tostring) | join(" ")' "$OUT")" "$(pid_of web) 1 65534"
	same "$(jq -r '.[1].parent_pid' "$OUT")" "$(pid_of web)"
	expect 0 run_stor top web
	out_has "^$(pid_of web) +1 +65534 +S +0:00 +[0-9.]+[KM] +sh -c"
	expect 0 run_stor stop -t 0 web
	expect 1 run_stor top web
	err_has 'does not run'
	expect 0 run_stor rm web
}
has_three() { [ "$(run_stor top --format json web | jq length)" = 3 ]; }

test_rename() {
	local id
	expect 0 run_stor run -d --name one sleep 1000
	expect 0 run_stor create --name other true
	id=$(id_of one)
	expect 4 run_stor rename one other
	expect 2 run_stor rename one 'no name'
	expect 2 run_stor rename one "$id"x/
	expect 3 run_stor rename nobody two
	expect 0 run_stor rename one two
	expect 0 run_stor rename two two
	same "$(chosen -a)" 'two other'
	expect 3 run_stor inspect one
	expect 0 run_stor inspect two
	# The old one is free; the new one stays over its end and a start.
	expect 0 run_stor rename other one
	expect 0 run_stor stop -t 0 two
	expect 0 run_stor start two
	same "$(chosen -f name=two)" two
	expect 0 run_stor rename "${id:0:8}" three
	expect 0 run_stor rm -f three one
	# One that takes itself away takes its new name along.
	expect 0 run_stor run -d --rm --name gone sleep 1000
	expect 0 run_stor rename gone going
	expect 0 run_stor rm -f going
	nothing_left
	"$STOR" run --rm --name front sleep 1000 &
	wait_for has_status front running
	expect 4 run_stor rename front back
	expect 0 run_stor kill front
	wait || true
	nothing_left
}

run_tests "$@"
