#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# stor bench --peers: other runtimes beside stor, and what they leave. Those that the machine may not
# have are stand-ins: programs of the same names that note what they are asked, and do it without a
# container.
# shellcheck disable=SC2016,SC2317 # scripts for other shells; functions that others call
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/bench_lib.sh
. "$TOP/tests/bench_lib.sh"

bench() { TMPDIR=$T PATH=$T/bin:$PATH run_stor bench "$@"; }
lines() { jq -c "select(.type == \"$1\") | ${2:-.}" data.jsonl; }

# program NAME SCRIPT: a stand-in, which tells its version; its other words go to NAME.log.
program() {
	mkdir -p bin
	printf '#!/bin/sh\n[ "$1" != --version ] || exec echo 1.0\necho "$@" >>%s/%s.log\n%s\n' "$T" "$1" "$2" >"bin/$1"
	chmod 755 "bin/$1"
}
# What a server starts has an argument of its own, by which it is found.
MARK=86399.$$
server_is_there() { grep -qsz "^$MARK\$" /proc/[0-9]*/cmdline; }
# docker [SERVER]: a server and a client; the client's commands take the words after the image.
docker() {
	program dockerd "${1:-trap 'echo asked to end >>$T/dockerd.end; exit 0' TERM
		for folder in run etc opt var/lib dev/shm; do : >/\$folder/of-dockerd-$$; done
		: >$T/up
		sleep $MARK & while :; do i=0; while [ \$i -lt 2000 ]; do i=\$((i + 1)); done; sleep 0.01; done}"
	program docker "
		case \"\$*\" in
		*' version') [ -e $T/up ] || { echo 'no server' >&2; exit 1; } ;;
		*' import '*) tar -tf \"\${5}\" >$T/archive ;;
		*) while [ \"\$1\" != localhost/stor-bench:0 ]; do shift; done; shift; exec \"\$@\" ;;
		esac"
}
nothing_is_left() {
	local folder
	for folder in run etc opt var/lib dev/shm; do
		[ ! -e "/$folder/of-dockerd-$$" ] || fail "a peer has written to /$folder"
	done
	! server_is_there || fail 'a server is left'
	no_folders_are_left
	# Others' experiments have such ones too.
	[ ! -e name ] || same "$(find /sys/fs/cgroup -maxdepth 3 -name "peers.$(cat name)")" ''
}
# The name of the experiment's folder, as the server was told it.
note_name() { sed -n "s|.*--data-root=$T/\([^/]*\)/.*|\1|p" dockerd.log | head -n 1 >name; }

test_a_server_begins_and_ends_with_the_experiment() {
	: >began
	docker
	expect 0 bench --backends dir --peers docker -w 'sleep 0.2' -n 2 -o data.jsonl
	note_name
	[ -s name ] || fail 'dockerd was not told where its data go'
	nothing_is_left
	same "$(cat dockerd.end)" 'asked to end'
	# Nothing of the machine's settings, folders, networks.
	for word in --config-file= --data-root= --exec-root= --pidfile= '-H unix:///run/' --bridge=none --iptables=false --ip-forward=false native.cgroupdriver=cgroupfs; do
		grep -qF -e "$word" dockerd.log || fail "dockerd was not told $word"
	done
	grep -q '^\./bin/busybox$\|^bin/busybox$' archive || fail "no image was given to docker: $(head archive)"
	same "$(lines case 'select(.subject == "docker") | .kind')" '"peer"'
	same "$(lines sample 'select(.case == 3 and (.warmup | not)) | .values.seconds > 0.2')" "$(printf 'true\ntrue')"
	# The server's work is the sample's.
	same "$(lines sample 'select(.case == 3) | .values.server_cpu_seconds > 0' | sort -u)" true
	same "$(lines sample 'select(.case != 3) | .values.server_cpu_seconds < 0.001' | sort -u)" true
	grep -q -- '--network=none --cgroup-parent=/peers.stor-bench-.* localhost/stor-bench:0 sh -c' docker.log
	expect 0 bench --backends dir --peers docker -w start --limits cpus=0.5,memory=64M -n 1 -o more.jsonl
	grep -q -- '--memory=67108864 --cpus=0.5 ' docker.log || fail 'docker was told no limits'
}

test_a_server_ends_with_an_interrupted_experiment() {
	local bench status=0
	: >began
	docker
	TMPDIR=$T PATH=$T/bin:$PATH "$STOR" bench --backends dir --peers docker -w 'sleep 0.1' -n 50 -o data.jsonl >log 2>&1 &
	bench=$!
	has_samples() { [ -e data.jsonl ] && [ "$(lines sample | wc -l)" -ge 3 ]; }
	wait_for has_samples
	note_name
	server_is_there || fail 'no server runs'
	kill -TERM $bench
	wait $bench || status=$?
	same $status 143
	nothing_is_left
	same "$(cat dockerd.end)" 'asked to end'
	# Before the first sample.
	rm dockerd.log dockerd.end up data.jsonl
	program docker 'kill -TERM $PPID; exit 1'
	expect 143 bench --backends dir --peers docker -w start -o data.jsonl
	note_name
	nothing_is_left
	[ ! -e data.jsonl ] || fail "there is a file: $(cat data.jsonl)"
}

# Nothing asks the server then: the kernel ends all that it started.
test_a_server_ends_with_a_killed_experiment() {
	local bench folder
	docker
	TMPDIR=$T PATH=$T/bin:$PATH setsid "$STOR" bench --backends dir --peers docker -w 'sleep 0.1' -n 50 -o data.jsonl >log 2>&1 &
	bench=$!
	has_samples() { [ -e data.jsonl ] && [ "$(lines sample | wc -l)" -ge 3 ]; }
	wait_for has_samples
	note_name
	kill -KILL -- -$bench
	wait $bench || true
	is_gone() { ! server_is_there; }
	wait_for is_gone
	# What a killed program cannot remove.
	folder=$(sed -n 's|.*--exec-root=\(/run/stor-bench-[^/]*\)/.*|\1|p' dockerd.log | head -n 1)
	STOR_STORE=$T/$(cat name)/store STOR_STATE=$folder "$STOR" gc
	rm -rf "${T:?}/$(cat name)" "$folder"
	find /sys/fs/cgroup -maxdepth 3 -depth -type d -path "*/peers.$(cat name)*" -exec rmdir {} \;
}

test_a_server_that_does_not_run() {
	: >began
	docker 'echo working >&2; echo "failed to start: no such kernel" >&2; exit 1'
	expect 5 bench --backends dir --peers docker -w start -o data.jsonl
	err_has 'peer docker: dockerd has ended: failed to start: no such kernel'
	nothing_is_left
	[ ! -e data.jsonl ] || fail 'it left a file without anything in it'
	expect 0 bench --backends dir --peers all -w start -n 1 --warm-up 0 -o data.jsonl
	same "$(lines blank 'select(.reason | test("docker")) | .reason')" \
		'"docker does not run here: dockerd has ended: failed to start: no such kernel"'
	nothing_is_left
	mkdir others
	ln -s /usr/bin/* others/
	rm -f bin/docker others/docker
	PATH=$T/others expect 5 bench --backends dir --peers docker -w start
	err_has 'peer docker: there is no docker in PATH'
}

podman_and_nspawn() {
	program podman 'case "$*" in
		*" import "*) exit 0 ;;
		*) while [ "$1" != localhost/stor-bench:0 ]; do shift; done; shift; exec "$@" ;;
		esac'
	# As the real one: a cgroup beside its own process, which it leaves.
	program systemd-nspawn "
		while read -r line; do
			case \$line in
			*:name=systemd:*) at=/sys/fs/cgroup/systemd\${line#*=systemd:} ;;
			0::*) at=/sys/fs/cgroup/unified\${line#0::}; [ -d \$at ] || at=/sys/fs/cgroup\${line#0::} ;;
			*) continue ;;
			esac
			mkdir -p \$at/payload-$$ && echo \$at >>$T/payloads
		done </proc/self/cgroup
		while [ \"\$1\" != -- ]; do shift; done; shift; exec \"\$@\""
}
test_podman_and_nspawn() {
	: >began
	podman_and_nspawn
	expect 0 bench --backends dir --peers podman,nspawn -w start --limits none --limits cpus=1.5,memory=1G -n 1 -o data.jsonl
	nothing_is_left
	grep -q -- '^--root=.*/stor-bench-.*--runroot=/run/stor-bench-.*--cgroup-manager=cgroupfs.* run --rm .*--memory=1073741824 --cpus=1.5 localhost/stor-bench:0 /bin/true$' podman.log
	grep -q -- '--register=no --keep-unit --private-network .*--directory .*/rootfs -- /bin/true$' systemd-nspawn.log
	same "$(lines blank 'select(.case >= 4) | .reason' | grep nspawn)" "\"systemd-nspawn has no limits without systemd's manager\""
	grep -q '/peers.stor-bench-' payloads || fail "nspawn was in $(cat payloads)"
	same "$(find /sys/fs/cgroup -maxdepth 5 -name "payload-$$")" ''
	same "$(lines sample '.case' | sort -n | uniq -c | awk '{print $2}' | paste -sd' ')" '0 1 2 3 4 7 8'
}

# lines_of TYPE VALUE: what such lines say of whom, below which limit of memory; sorted.
lines_of() {
	jq -rs --arg type "$1" "(map(select(.type == \"case\") | {(.case | tostring): \"\(.subject) \(.limits.memory // \"none\")\"}) | add) as \$of
		| .[] | select(.type == \$type) | \"\(\$of[.case | tostring]): \($2)\"" data.jsonl | sort | paste -sd,
}

# The same limits on all that have limits: a program that needs more than it may have is killed. On either
# version of cgroups, and on what mixes them but for crun, which refuses that.
test_limits_of_real_peers() {
	local peer peers=lxc,runc,bwrap limited="dir 32M: 137,lxc 32M: 137,runc 32M: 137"
	local all='bwrap none: true,dir none: true,floor none: true,host none: true,lxc none: true,runc none: true'
	: >began
	if [ ! -e /sys/fs/cgroup/unified ]; then
		peers+=,crun limited="crun 32M: 137,$limited" all=${all/dir/crun none: true,dir}
	fi
	for peer in lxc-execute runc bwrap; do command -v $peer >/dev/null || skip "no $peer"; done
	expect 0 bench --backends dir --peers $peers -w 'dd if=/dev/zero of=/dev/null bs=64M count=1 2>/dev/null' \
		--limits none --limits memory=32M -n 1 --warm-up 0 -o data.jsonl
	nothing_is_left
	same "$(lines_of sample '.values.seconds > 0')" "$all"
	same "$(lines_of failure .status)" "$limited"
	same "$(lines blank .reason | sort)" "$(printf '"bwrap has no limits"\n"floor has no limits"\n"host has no limits"')"
	same "$(find /sys/fs/cgroup -maxdepth 3 \( -name 'lxc*' -o -name 'peers.*' \) -newer began)" ''
}

# From each that has a network to the host, which is a namespace of the experiment's own.
test_traffic_to_the_host() {
	: >began
	mkdir -p root/bin root/tmp
	cp /bin/busybox root/bin/
	for name in sh printf; do ln -s busybox root/bin/$name; done
	cat >root/bin/iperf3 <<-'END'
		#!/bin/sh
		while [ $# -gt 1 ]; do shift; done
		[ "$(busybox nc "$1" 5201 </dev/null)" = hello ] || { echo "no server at $1" >&2; exit 1; }
		echo '{"intervals": [{"sum": {"end": 0.25, "bits_per_second": 8000}}, {"sum": {}}, {"sum": {"end": 0.5, "bits_per_second": 1e4}}],'
		echo '"end": {"sum_received": {"bits_per_second": 9600}}}'
	END
	chmod 755 root/bin/iperf3
	program iperf3 "exec python3 -c '
	import socket
	server = socket.create_server((\"\", 5201))
	while True:
	    peer = server.accept()[0]
	    peer.sendall(b\"hello\")
	    peer.close()
	'"
	sed -i "s/^\t//" bin/iperf3
	command -v lxc-execute >/dev/null || skip 'no lxc-execute'
	podman_and_nspawn
	ip -o link >links
	expect 0 bench --backends dir --peers lxc,runc,bwrap,nspawn,podman --image "$T/root" -w iperf3,start -n 1 -o data.jsonl
	nothing_is_left
	same "$(cat iperf3.log)" --server
	same "$(lines sample 'select(.case < 6 and (.warmup | not)) | [.case, .values.bandwidth]' | sort)" "$(printf '[1,1200]\n[2,1200]\n[3,1200]')"
	same "$(lines sample 'select(.case < 6) | .series' | sort -u)" '{"throughput":{"unit":"bytes/s","points":[[0.25,1000],[0.5,1250]]}}'
	same "$(lines blank .reason)" "$(printf '"floor has no network"\n"runc makes no networks"\n"bwrap makes no networks"
"systemd-nspawn makes interfaces without addresses, which it leaves to systemd-networkd"
"podman leaves networks to netavark or plugins of CNI, which set rules of a firewall"')"
	# The reason stands below the table.
	expect 0 run_stor bench report data.jsonl
	out_has '^<sup>[0-9]</sup> systemd-nspawn makes interfaces without addresses, which it leaves to systemd-networkd'
	out_has '^<sup>[0-9]</sup> podman leaves networks to netavark or plugins of CNI, which set rules of a firewall'
	same "$(ip -o link)" "$(cat links)"
	# An error is told where results are.
	printf '#!/bin/sh\necho "{\\"error\\": \\"busy\\"}"; exit 1\n' >root/bin/iperf3
	rm data.jsonl
	expect 0 bench --backends dir --image "$T/root" -w iperf3 -n 1 --warm-up 0 -o data.jsonl
	same "$(lines failure .text | sort -u)" '"{\"error\": \"busy\"}\n"'
	printf '#!/bin/sh\necho "{\\"end\\": {}}"\n' >root/bin/iperf3
	rm data.jsonl
	expect 0 bench --backends dir --image "$T/root" -w iperf3 -n 1 --warm-up 0 -o data.jsonl
	same "$(lines failure .text | sort -u)" '"iperf3 printed no results"'
	# What is missing is told before anything is measured.
	rm bin/iperf3 data.jsonl root/bin/iperf3
	mkdir others
	ln -s /usr/bin/* others/
	rm -f others/iperf3
	PATH=$T/others expect 5 bench --backends dir --image "$T/root" -w iperf3 -o data.jsonl
	err_has 'workload iperf3: there is no iperf3 in PATH to serve'
	program iperf3 'echo port in use >&2; exit 1'
	expect 1 bench --backends dir --image "$T/root" -w iperf3 -o data.jsonl
	err_has 'iperf3 does not serve: port in use'
	nothing_is_left
}

test_limits_that_are_none() {
	expect 2 bench -w start --limits colour=red -o data.jsonl
	err_has 'limits: there is no limit "colour"'
	err_has 'cpus and memory are limits'
	expect 2 bench -w start --limits cpus=1,pids=3 -o data.jsonl
	err_has 'there is no limit "pids"'
	expect 2 bench -w start --limits memory=much -o data.jsonl
	err_has 'limits: "memory=much": memory is a size above 0'
	expect 2 bench -w start --limits cpus=-1 -o data.jsonl
	err_has 'limits: "cpus=-1": cpus is a number above 0'
	expect 2 bench -w start --limits cpus -o data.jsonl
	err_has 'limits: "cpus": cpus is a number above 0'
	expect 2 bench -w start --limits '' -o data.jsonl
	err_has 'there is no limit ""'
	echo '{"workloads": "start", "limits": ["none", "speed=2"]}' >run.json
	expect 2 bench run.json
	err_has 'run.json: limits: there is no limit "speed"'
}

run_tests "$@"
