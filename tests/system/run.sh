#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# stor run: what the command gets, what it must not get, how it ends, and what is left then.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# What a backend can change is tested over dir and loop, the rest over dir.
# inside STATUS [OPTION…] COMMAND…: run it in a container on backend $b that goes afterwards.
b=dir
inside() {
	local want=$1
	shift
	expect "$want" run_stor run --rm --backend "$b" "$@"
}
out_is() { same "$(cat "$OUT")" "$1"; }
# Nothing of a container is left: no folder, nothing half made, no user of a volume.
nothing_left() {
	same "$(find "$STOR_STORE/containers" "$STOR_STORE/tmp" -mindepth 1 2>/dev/null)" ""
	same "$(find "$STOR_STATE/users" -type f 2>/dev/null)" ""
	expect 0 run_stor ps -aq
	out_is ""
}

test_exit_statuses() {
	for b in dir loop; do
		inside 0 true
		inside 42 sh -c 'exit 42'
		inside 255 sh -c 'exit 255'
		inside 127 no-such-command
		err_has 'command "no-such-command" not found'
		inside 126 /etc
		inside 126 /etc/passwd
		err_has 'cannot execute /etc/passwd'
		inside 137 --init sh -c 'kill -KILL $$'
		inside 143 --init sh -c 'kill -TERM $$'
		inside 127 --init no-such-command
		inside 126 --init /etc/passwd
	done
	inside 125 --no-such-option true
	inside 125 --image no-such-image true
	inside 125 --workdir relative true
	expect 125 run_stor run --backend no-such-backend true
	nothing_left
}

test_only_its_own_processes() {
	for b in dir loop; do
		# shellcheck disable=SC2016 # the container's shell expands it
		inside 0 sh -c 'echo $$; cd /proc; for p in [0-9]*; do echo "process $p"; done'
		out_is "1
process 1"
	done
}

test_environment() {
	printf '# a comment\n\nFROM_FILE=one two\nTWICE=file\nPASSED\n' >list
	export PASSED=passed KEPT=secret
	inside 0 --env-file list -e TWICE=option --env EMPTY= -e PASSED -e NOT_SET env
	out_has '^FROM_FILE=one two$'
	out_has '^TWICE=option$'
	out_has '^EMPTY=$'
	out_has '^PASSED=passed$'
	out_has '^HOME=/root$'
	out_has '^PATH=.*/bin'
	out_lacks 'KEPT|NOT_SET|STOR_STORE'
	inside 125 -e =x true
	inside 125 --env-file missing true
}

test_users_are_those_of_the_root() {
	for b in dir loop; do
		expect 0 run_stor volume create --backend $b --image busybox "root-$b"
		expect 0 run_stor run --rm --root "root-$b" sh -c \
			'echo app-of-root:x:1234:1235::/srv/app:/bin/sh >>/etc/passwd
			echo extra:x:1300:app-of-root >>/etc/group; chmod 700 /root'
		expect 0 run_stor run --rm --root "root-$b" --user app-of-root sh -c \
			'id -u; id -g; id -G; echo "$HOME"; grep -E "^Cap(Eff|Prm)" /proc/self/status'
		out_is "$(printf '1234\n1235\n1235 1300\n/srv/app\nCapPrm:\t%016d\nCapEff:\t%016d' 0 0)"
		expect 0 run_stor run --rm --root "root-$b" -u app-of-root:extra --group-add users sh -c \
			'id -u; id -g; id -G'
		out_is "$(printf '1234\n1300\n1300 100')"
		expect 0 run_stor run --rm --root "root-$b" -u 77:88 sh -c 'id -u; id -g'
		out_is "$(printf '77\n88')"
		expect 1 run_stor run --rm --root "root-$b" -u app-of-root ls /root
		expect 125 run_stor run --rm --root "root-$b" -u nobody-there true
		err_has nobody-there
		expect 125 run_stor run --rm --root "root-$b" -u root:nogroup-there true
	done
}

test_workdir_and_hostname() {
	inside 0 --workdir /var/log --hostname some-host sh -c 'pwd; hostname'
	out_is "/var/log
some-host"
	inside 125 --hostname 'bad name' true
}

test_read_only_root() {
	for b in dir loop; do
		inside 1 --read-only touch /tmp/file
		err_has 'Read-only file system'
		inside 0 --read-only --tmpfs /tmp sh -c 'touch /tmp/file; ls /tmp'
		out_is file
		inside 1 --read-only mount -o remount,rw /
	done
}

test_binds() {
	mkdir source
	echo content >source/file
	for b in dir loop; do
		inside 0 -v "$T/source:/deep/place" sh -c "cat /deep/place/file; echo $b >/deep/place/new"
		out_is content
		same "$(cat source/new)" $b
		inside 1 -v "$T/source:/place:ro" touch /place/other
		err_has 'Read-only file system'
		inside 1 --mount "type=bind,src=$T/source,dst=/place,readonly" touch /place/other
		inside 0 -v "$T/source/file:/etc/motd:ro" cat /etc/motd
		out_is content
		inside 0 --tmpfs /scratch:size=1M,mode=700 sh -c 'stat -c %a /scratch; df -k /scratch'
		out_has '^700$'
		out_has '^tmpfs +1024 '
	done
	inside 0 --tmpfs /one --tmpfs /two:exec,suid --tmpfs /three:ro grep -E ' /(one|two|three) ' /proc/self/mounts
	out_has '^tmpfs /one tmpfs rw,nosuid,nodev,noexec,'
	out_has '^tmpfs /two tmpfs rw,nodev,relatime'
	out_has '^tmpfs /three tmpfs ro,nosuid,nodev,noexec,'
	inside 125 -v "$T/missing:/place" true
	err_has 'must exist'
	inside 125 -v "$T/source:/proc/sys" true
	inside 125 -v "$T/source:/x/../../etc" true
}

# Links in the root, made by somebody evil, to places of the host.
test_links_in_the_root_stay_in_it() {
	local marker=stor-test-$$-$RANDOM
	mkdir source outside
	echo content >source/file
	for b in dir loop; do
		expect 0 run_stor volume create --backend $b --image busybox "root-$b"
		expect 0 run_stor run --rm --root "root-$b" sh -c \
			"ln -s /etc absolute; ln -s ../../../../../../../../etc relative
			ln -s $T/outside outside; mkdir -p $T/outside; ln -s /proc/1/root magic"
		for link in absolute relative; do
			expect 0 run_stor run --rm --root "root-$b" -v "$T/source:/$link/$marker" \
				cat "/etc/$marker/file"
			out_is content
			[ ! -e "/etc/$marker" ] || fail "made something in the host's /etc by $link"
		done
		expect 0 run_stor run --rm --root "root-$b" -v "$T/source:/outside" cat "$T/outside/file"
		out_is content
		expect 125 run_stor run --rm --root "root-$b" -v "$T/source:/magic/place" true
		same "$(ls outside)" ""
	done
}

test_mount_makes_a_volume_and_keeps_it() {
	local more
	for b in dir loop; do
		more=
		[ $b = dir ] || more=,size=64M
		inside 0 --mount "type=volume,src=data-$b,dst=/data,backend=$b$more" sh -c "echo $b >/data/file"
		expect 0 run_stor volume ls
		out_has "^data-$b +$b +named +$([ $b = dir ] && echo '- +- ' || echo 'ext4 +64.0M ')"
		# Where nothing is said, it is on the backend that the root is on.
		inside 0 -v "too-$b:/data" true
		expect 0 run_stor volume ls
		out_has "^too-$b +$b +named "
		inside 0 -v "data-$b:/data:ro" cat /data/file
		out_is $b
		inside 1 -v "data-$b:/data:ro" touch /data/new
	done
	nothing_left
	expect 0 run_stor volume rm data-dir data-loop too-dir too-loop
}

# Each size and parameter has a golden volume of its own, but where that lies below an overlay.
test_roots_are_as_large_as_asked() {
	local size how kib
	goldens() { find "$STOR_STORE/golden" -mindepth 1 -maxdepth 1 | wc -l; }
	b=loop
	for how in overlay copy; do
		for size in 64 128; do
			inside 0 -o clone=$how --size ${size}M df -k /
			kib=$(awk '$6 == "/" { print $2 }' "$OUT")
			[ $((kib * 10)) -gt $((size * 8192)) ] && [ "$kib" -lt $((size * 1024)) ] || fail "$how of $size MiB: $kib KiB"
		done
	done
	same "$(goldens)" 3
	inside 0 -o clone=copy --size 64M -o journal=no true
	same "$(goldens)" 4
	# A default that is written out is the default.
	inside 0 -o clone=copy --size 64M -o journal=yes true
	same "$(goldens)" 4
	nothing_left
}

test_ulimit() {
	inside 0 --ulimit nofile=100:200 --ulimit core=0 sh -c 'ulimit -Sn; ulimit -Hn; ulimit -c'
	out_is "100
200
0"
	inside 125 --ulimit nofile=3:2 true
	inside 125 --ulimit no-such=1 true
}

status_is() { same "$(sed -n "s/^$1:[[:space:]]*//p" "$OUT")" "$2"; }

test_privileges() {
	for b in dir loop; do
		inside 0 cat /proc/self/status
		status_is CapEff 00000000800425fb
		status_is CapPrm 00000000800425fb
		status_is CapBnd 00000000800425fb
		status_is CapInh 0000000000000000
		status_is CapAmb 0000000000000000
		status_is NoNewPrivs 1
		status_is Seccomp 2
		inside 0 --cap-drop ALL cat /proc/self/status
		status_is CapEff 0000000000000000
		status_is CapBnd 0000000000000000
		status_is Seccomp 2
	done
	inside 0 --cap-drop all --cap-add CAP_CHOWN cat /proc/self/status
	status_is CapBnd 0000000000000001
	inside 0 --security-opt seccomp=unconfined cat /proc/self/status
	status_is Seccomp 0
	status_is NoNewPrivs 1
	inside 0 --security-opt no-new-privileges=false cat /proc/self/status
	status_is NoNewPrivs 0
	status_is Seccomp 2
	inside 1 unshare -r true
	err_has 'Operation not permitted'
}

test_refusals_by_name() {
	inside 125 --device /dev/kmsg:/tmp/kmsg true
	err_has '/tmp/kmsg is no free place below /dev'
	inside 125 --userns auto true
	err_has 'userns auto is not supported'
	inside 125 --cap-add NO_SUCH true
	err_has 'NO_SUCH'
	inside 125 --cap-add ALL --cap-drop ALL true
	inside 1 mknod /tmp/device c 1 1
}

test_parts_of_the_kernel_are_hidden() {
	# shellcheck disable=SC2016
	inside 0 sh -c 'for f in interrupts kcore keys timer_list; do
			[ ! -e /proc/$f ] || [ "$(head -c 1 /proc/$f | wc -c)" = 0 ] || echo "read $f"
		done
		for d in /proc/acpi /proc/scsi /sys/firmware; do ls $d 2>/dev/null; done
		for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /sys/kernel/uevent_seqnum; do
			(: >>$f) 2>/dev/null && echo "wrote $f"
		done; true'
	out_is ""
}

test_devices_are_few() {
	for b in dir loop; do
		inside 0 sh -c 'cd /dev; ls; stat -c "%n %F %t:%T %a" full null random tty urandom zero; readlink fd; readlink ptmx; grep " /dev[/a-z]* " /proc/self/mounts
			echo x >/dev/shm/file && echo x >/dev/null && head -c 3 /dev/zero | wc -c; ls /dev/pts'
		same "$(sed -n '1,/^zero/p' "$OUT" | xargs)" 'fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero'
		for node in 'full 1:7' 'null 1:3' 'random 1:8' 'tty 5:0' 'urandom 1:9' 'zero 1:5'; do
			out_has "^${node% *} character special file ${node#* } 666\$"
		done
		out_has '^pts/ptmx$'
		out_has '^tmpfs /dev tmpfs rw,nosuid,noexec'
		out_has '^devpts /dev/pts devpts rw,nosuid,noexec,.*ptmxmode=666'
		out_has '^shm /dev/shm tmpfs rw,nosuid,nodev,noexec'
		same "$(tail -n 2 "$OUT" | xargs)" '3 ptmx'
	done
}

test_standard_input() {
	for b in dir loop; do
		same "$(seq 20000 | run_stor run --rm --backend $b -i sh -c 'read -r line; echo "first $line"; md5sum' | tr '\n' ' ')" \
			"first 1 $(seq 2 20000 | md5sum) "
		# Without -i it is /dev/null, and what stor has is left to others.
		seq 3 | (run_stor run --rm --backend $b cat >inside; cat >after)
		same "$(xargs <inside), $(xargs <after)" ', 1 2 3'
		inside 0 readlink /proc/self/fd/0
		out_is /dev/null
	done
}

test_no_descriptor_is_inherited() {
	echo secret >secret
	exec 9<secret 20<secret
	# Process 1 itself, looked at by its child.
	inside 0 sh -c 'ls /proc/1/fd; true'
	out_is "0
1
2"
	exec 9<&- 20<&-
}

test_no_mount_of_the_host_is_seen() {
	for b in dir loop; do
		inside 0 sh -c 'while read -r a b c d target rest; do echo "$target"; done </proc/self/mountinfo'
		same "$(grep -vE '^/(dev|proc|sys)/' "$OUT" | sort | tr '\n' ' ')" "/ /dev /proc /sys "
		inside 1 sh -c "ls -d '$T'"
	done
}

runs() { [ -e running/ready ]; }
is_gone() { [ ! -d "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }

test_kill_of_stor_ends_the_container() {
	local stor payload init
	mkdir -m 777 running
	for b in dir loop; do
		# Another user's process would outlive it, if it did not ask again to die with it.
		for init in "" --init '--user 1000:1000'; do
			rm -f running/ready
			# shellcheck disable=SC2086
			"$STOR" run --rm --backend $b $init --name victim -v "$T/running:/running" \
				-v "data-$b:/data" sh -c 'touch /running/ready; sleep 1000; true' &
			stor=$!
			wait_for runs
			wait_for grep -rqs 'status=running\|running' "$STOR_STORE/containers"
			payload=$(cat "/proc/$stor/task/$stor/children")
			[ -n "$payload" ] || fail "stor has no child"
			kill -KILL $stor
			wait $stor 2>/dev/null || true
			for payload in $payload; do wait_for is_gone "$payload"; done
			expect 0 run_stor ps -a
			out_lacks victim
			nothing_left
			# The name and the volume are free again.
			inside 0 --name victim -v "data-$b:/data" true
		done
	done
}

test_ignored_signals_are_heard_inside() {
	# And what bash cannot ignore: the C library's own, which whoever spawns by it ignores.
	cat >spawn.py <<-'EOF'
		import os, sys
		sys.exit(os.waitstatus_to_exitcode(os.waitpid(os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ), 0)[1]))
	EOF
	expect 0 bash -c 'trap "" HUP PIPE TERM USR1; "$@"' bash python3 spawn.py "$STOR" run --rm grep -E 'Sig(Blk|Ign)' /proc/self/status
	same "$(grep -v ':[[:space:]]0*$' "$OUT")" ''
}

test_deeper_mounts_lie_on_others() {
	mkdir -p outer/inner
	expect 0 run_stor run --rm --tmpfs /outer/inner -v "$T/outer:/outer:ro" sh -c 'umask; touch /outer/inner/file'
	out_is 0022
	same "$(ls outer/inner)" ''
}

test_signals_are_passed_on() {
	local stor status
	mkdir running
	rm -f running/ready
	"$STOR" run --rm --backend $b -v "$T/running:/running" sh -c \
		'trap "exit 9" TERM; touch /running/ready; while :; do sleep 0.1; done' &
	stor=$!
	wait_for runs
	kill -TERM $stor
	status=0
	wait $stor || status=$?
	same $status 9
	nothing_left
}

test_rm_leaves_nothing() {
	for b in dir loop; do
		inside 3 sh -c 'dd if=/dev/zero of=/file bs=64k count=4 2>/dev/null; exit 3'
		nothing_left
		inside 125 --name given -v "$T/missing:/x" true
		nothing_left
	done
}

test_names_and_labels() {
	for b in dir loop; do
		expect 5 run_stor run --backend $b --name "web-$b" --label tier=front --label plain sh -c 'exit 5'
		inside 125 --name "web-$b" true
		err_has "web-$b"
		expect 0 run_stor ps -a
		out_has "web-$b .*exited \(5\)"
		grep -rq 'tier=front' "$STOR_STORE/containers"/*/record || fail "the label tier is not noted"
		grep -rq 'label.*plain' "$STOR_STORE/containers"/*/record || fail "the label plain is not noted"
		expect 0 run_stor rm "web-$b"
		inside 0 --name "web-$b" true
	done
	inside 125 --label =x true
	inside 125 --name 'a/b' true
	nothing_left
}

test_init_reaps() {
	# shellcheck disable=SC2016
	inside 0 --init sh -c 'cat /proc/1/comm; (sleep 0.05 & sleep 0.05 &); sleep 0.4
		cat /proc/[0-9]*/status 2>/dev/null | grep -c "^State:.Z"; true'
	same "$(tail -n1 "$OUT")" 0
	same "$(wc -l <"$OUT")" 2
}

test_many_at_once() {
	local i pids status
	for b in dir loop; do
		pids=()
		for i in {1..20}; do
			"$STOR" run --rm --backend $b sh -c "echo $i >/file; cat /file" >"out.$i" 2>"err.$i" &
			pids+=($!)
		done
		for i in {1..20}; do
			status=0
			wait "${pids[i - 1]}" || status=$?
			[ $status = 0 ] || fail "run $i over $b: status $status: $(cat "err.$i")"
			same "$(cat "out.$i")" "$i"
		done
		nothing_left
	done
}

test_terminal() {
	cat >drive.py <<-'PYTHON'
		import fcntl, os, pty, struct, sys, termios, time
		stor, backend = sys.argv[1:]
		def size(fd, rows, columns):
		    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
		script = """stty size; tty; read line; echo got $line
		while [ "$(stty size)" = "33 101" ]; do sleep 0.1; done; stty size; exit 7"""
		master, slave = pty.openpty()
		size(master, 33, 101)
		before = termios.tcgetattr(slave)
		pid = os.fork()
		if pid == 0:
		    os.close(master)
		    os.setsid()
		    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
		    for fd in range(3):
		        os.dup2(slave, fd)
		    os.execv(stor, [stor, "run", "--rm", "--backend", backend, "-it", "sh", "-c", script])
		os.set_blocking(master, False)
		text, status, sent, end = b"", None, False, time.time() + 100
		while time.time() < end:
		    try:
		        text += os.read(master, 4096)
		        continue
		    except OSError:
		        pass
		    if status is not None:
		        break
		    if not sent and b"/dev/" in text:
		        sent = True
		        size(master, 44, 122)
		        os.write(master, b"word\n")
		    done, raw = os.waitpid(pid, os.WNOHANG)
		    if done:
		        status = os.waitstatus_to_exitcode(raw)
		    time.sleep(0.02)
		else:
		    os.kill(pid, 9)
		print(text.decode().replace("\r", ""))
		print("status", status)
		print("terminal", "restored" if termios.tcgetattr(slave) == before else "changed")
	PYTHON
	# What the first run makes, and maybe shows its progress of, is not asked here.
	inside 0 true
	expect 0 python3 drive.py "$STOR" $b
	out_has '^33 101$'
	out_has '^/dev/(pts/0|console)$'
	out_has '^got word$'
	out_has '^44 122$'
	out_has '^status 7$'
	out_has '^terminal restored$'
	# Standard input is not a terminal here.
	inside 125 -it true
	nothing_left
}

run_tests "$@"
