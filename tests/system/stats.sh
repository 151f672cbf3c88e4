#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# stor stats as a view: once a second, in place on a terminal and plain elsewhere, until its containers
# have ended; and its readings of networks. Those of limits are in cgroup.sh.
# shellcheck source=tests/net_lib.sh
. "$(dirname "$0")/../net_lib.sh"
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/detached_lib.sh
. "$TOP/tests/detached_lib.sh"

network() { run_stor stats --no-stream --format json "$1" | jq -c ".[0].network$2"; }

test_networks_are_measured() {
	local before address
	stand_in
	expect 0 run_stor run -d --name web --net veth --pids-limit 50 sleep 1000
	expect 0 run_stor run -d --name none --pids-limit 50 sleep 1000
	expect 0 run_stor run -d --name host --net host --pids-limit 50 sleep 1000
	address=$(nsenter -n -t "$(pid_of web)" ip -4 -o address show eth0 | awk '{ sub("/.*", "", $4); print $4 }')
	before=$(network web .received_bytes)
	# 20 echo requests of 1000 bytes, and as many answers; lo does not count.
	ping -q -c 20 -i 0.01 -s 1000 "$address" >/dev/null
	nsenter -n -t "$(pid_of web)" ping -q -c 20 -i 0.01 -s 1000 127.0.0.1 >/dev/null
	network web '' >seen
	jq -e --argjson before "$before" '(.received_bytes - $before) as $in | $in >= 20000 and $in < 40000 and
		.sent_bytes >= 20000 and .sent_bytes < 40000 and .received_packets >= 20 and .sent_packets >= 20' seen ||
		fail "received $before before, then: $(cat seen)"
	same "$(network none '')" '{"received_bytes":0,"received_packets":0,"sent_bytes":0,"sent_packets":0}'
	same "$(network host '')" null
	expect 0 run_stor stats --no-stream web none host
	same "$(awk '{ print $(NF - 1), $NF }' "$OUT" | sed '2s/[0-9.]*K/nK/g')" $'RECEIVED SENT\nnK nK\n0B 0B\n- -'
	expect 0 run_stor rm -f web none host
	nothing_left
}

# By the device of the root volume, whose count from before the start is not the container's.
test_volumes_are_measured() {
	local backend life
	for backend in loop ploop; do
		expect 0 run_stor run -d --name $backend --backend $backend --memory 128M sh -c 'dd if=/dev/urandom of=/file bs=1M count=20 && sync && echo done; sleep 1000'
	done
	expect 0 run_stor run -d --name dir --memory 128M sleep 1000
	for life in 1 2; do
		for backend in loop ploop; do
			wait_for eval '[ "$(run_stor logs '$backend' 2>&1 | grep -c ^done)" = $life ]'
			run_stor stats --no-stream --format json $backend | jq '.[0]' >seen
			jq -e '.root_volume | .write_bytes >= 20000000 and .write_bytes < 40000000 and .read_bytes < 20000000 and .write_ops > 0 and
				.write_ops < 20000' seen || fail "$backend: $(jq -c .root_volume seen)"
		done
		# And what the process that serves it wrote to the disk below.
		jq -e '.server.write_bytes >= 20000000' seen || fail "$(jq -c .server seen)"
		[ $life = 2 ] || expect 0 run_stor restart -t 0 loop ploop
	done
	same "$(run_stor stats --no-stream --format json dir | jq '.[0].root_volume')" null
	expect 0 run_stor stats --no-stream dir loop
	same "$(awk '{ print $(NF - 3), $(NF - 2) }' "$OUT" | sed '3s/[0-9.]*[KM] 2[0-9.]*M$/some 2xM/')" $'ROOT-READ ROOT-WRITTEN\n- -\nsome 2xM'
	expect 0 run_stor rm -f loop ploop dir
	nothing_left
}

# It ends with its containers; each reading is whole.
test_a_stream() {
	local first
	expect 0 run_stor run -d --name one --pids-limit 50 sh -c 'while [ ! -e /end ]; do i=0; while [ $i -lt 5000 ]; do i=$((i+1)); done; sleep 0.01; done'
	expect 0 run_stor run -d --name two --pids-limit 50 sleep 1000
	"$STOR" stats --format json >json &
	"$STOR" stats one two >table &
	have() { [ "$(grep -c "$1" "$2")" -ge "$3" ]; }
	wait_for have '"name": "one"' json 3
	wait_for have '^one ' table 3
	expect 0 run_stor rm -f two
	first=$(grep -c '^one ' table)
	wait_for have '^one ' table $((first + 2))
	run_stor exec one touch /end
	wait_for eval '! jobs %1 %2 2>/dev/null | grep -q Running'
	wait %1 || fail 'json'
	wait %2 || fail 'table'
	same "$(jq -s 'map(type) | unique' -c json)" '["array"]'
	jq -se '.[0] | map(.name) == ["one", "two"] or map(.name) == ["two", "one"]' json >/dev/null || fail 'not both'
	same "$(jq -sc 'map(map(select(.name == "one") | .payload.cpu_us)) | flatten | . == sort' json)" true
	# In a pipe there is nothing but the tables, each with its heading.
	! grep -q $'\033' table || fail 'it moves the cursor'
	[ "$(grep -c '^NAME ' table)" -ge 5 ] || fail "$(cat table)"
	# The share of a processor is known from the second reading on.
	same "$(awk '$1 == "one" { print $3 }' table | head -n 1)" -
	awk '$1 == "one" { print $3 }' table | sed -n 2,3p | grep -qE '^[1-9][0-9.]*%$' || fail "$(cat table)"
	expect 0 run_stor rm -f one
	nothing_left
}

# On a terminal each reading begins where the one before did.
test_a_terminal_is_redrawn_in_place() {
	expect 0 run_stor run -d --name one --pids-limit 50 sleep 1000
	timeout -s INT 60 script -qfec "$STOR stats one" seen >/dev/null </dev/null &
	redrawn() { [ "$(grep -ac $'^\033\\[H\033\\[JNAME ' seen)" -ge 3 ]; }
	wait_for redrawn
	# And only there.
	same "$(grep -a NAME seen | grep -avc $'\033\\[H\033\\[JNAME ')" 0
	expect 0 run_stor rm -f one
	wait $! || true
	nothing_left
}

# One reading is of those that there are; the rest is said.
test_some_that_are_not_there() {
	expect 0 run_stor run -d --name one --pids-limit 50 sleep 1000
	expect 0 run_stor create --name made true
	expect 3 run_stor stats --no-stream nobody one made
	same "$(awk '{ print $1 }' "$OUT" | xargs)" 'NAME one'
	same "$(grep -c ^stor: "$ERR")" 2
	err_has '^stor: no container nobody'
	err_has '^stor: container made does not run$'
	expect 1 run_stor stats --no-stream --format json one made
	same "$(jq -c 'map(.name)' "$OUT")" '["one"]'
	expect 3 run_stor stats --no-stream nobody
	out_is ''
	expect 3 run_stor stats --no-stream --format json nobody
	same "$(jq -c . "$OUT")" '[]'
	# A view would show them for ever, and nobody see that one is missing.
	expect 3 timeout 20 "$STOR" stats one nobody
	out_is ''
	expect 0 run_stor rm -f one made
	nothing_left
}

test_wrong_usage() {
	expect 3 run_stor stats nobody
	err_has '^stor: no container nobody'
	err_has 'hint: stor ps -a'
	expect 0 run_stor create --name made true
	expect 1 run_stor stats made
	err_has '^stor: container made does not run$'
	err_has '^  hint: stor start made starts it'
	expect 2 run_stor stats --format xml
	# There is nothing to show.
	expect 0 run_stor stats --no-stream --format json
	same "$(jq -c . "$OUT")" '[]'
	expect 0 run_stor rm made
}

run_tests "$@"
