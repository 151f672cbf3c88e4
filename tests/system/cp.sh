#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# stor cp: both ways, of containers that run and that do not, by the rules of cp, with all that a file has; and nothing
# that a container does leads out of it.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/detached_lib.sh
. "$TOP/tests/detached_lib.sh"

inside() { run_stor exec box "$@"; }
list() { (cd "$1" && find . | sort | tr '\n' ' '); }
make_tree() {
	mkdir -p d/sub
	echo text >d/file
	ln d/file d/hard
	ln -s /etc/hostname d/link
	truncate -s 8M d/sparse
	printf x | dd of=d/sparse bs=1 seek=5000000 conv=notrunc status=none
	setfattr -n user.note -v kept d/file
	mkfifo d/fifo
	touch -d '2001-02-03 04:05:06.123456789' d/file d/sub
}
# same_tree A B: all but owners.
same_tree() {
	local what=(-printf '%P %y %m %s %l %n %T@\n')
	same "$(cd "$1" && find . -mindepth 1 "${what[@]}" | sort)" "$(cd "$2" && find . -mindepth 1 "${what[@]}" | sort)"
	diff -r --no-dereference -x fifo "$1" "$2" || fail "$1 and $2 differ"
	same "$(stat -c %i "$2/file")" "$(stat -c %i "$2/hard")"
	same "$(getfattr --only-values -n user.note "$2/file")" kept
	[ "$(stat -c %b "$2/sparse")" -lt 1000 ] || fail "holes were filled: $(stat -c %b "$2/sparse") blocks"
}

test_there_and_back() {
	local backend
	make_tree
	for backend in dir loop; do
		expect 0 run_stor run -d --name box --backend $backend sleep 1000
		expect 0 run_stor cp d box:/tree
		expect 0 run_stor cp box:/tree back
		same_tree d back
		rm -r back
		# Of one that does not run the same, both ways.
		expect 0 run_stor stop -t 0 box
		expect 0 run_stor cp box:/tree back
		same_tree d back
		rm -r back
		expect 0 run_stor cp d box:/more
		expect 0 run_stor cp box:/more/. back
		same_tree d back
		rm -r back
		expect 0 run_stor start box
		same "$(inside cat /more/file /tree/file)" $'text\ntext'
		expect 0 run_stor rm -f box
	done
	nothing_left
}

test_never_started() {
	echo text >file
	expect 0 run_stor create --name box sleep 1000
	expect 0 run_stor cp file box:/etc/own
	expect 0 run_stor start box
	same "$(inside cat /etc/own)" text
	expect 0 run_stor rm -f box
	nothing_left
}

test_the_rules_of_cp() {
	make_tree
	echo other >file
	expect 0 run_stor run -d --name box sh -c 'mkdir /old /old/inner; echo was >/was; sleep 1000'
	wait_for inside test -e /was
	# A file: a new name, in place of another, into a directory.
	expect 0 run_stor cp file box:/new
	expect 0 run_stor cp file box:/was
	expect 0 run_stor cp file box:/old
	expect 0 run_stor cp file box:/old/inner/
	same "$(inside cat /new /was /old/file /old/inner/file | sort -u)" other
	# A directory: a new name, into a directory, its content alone.
	expect 0 run_stor cp d box:/fresh
	same "$(inside cat /fresh/file)" text
	expect 0 run_stor cp d box:/old
	same "$(inside cat /old/d/file)" text
	expect 0 run_stor cp d/. box:/old/inner
	same "$(inside cat /old/inner/file)" text
	expect 0 run_stor cp d/ box:/slash
	same "$(inside cat /slash/file)" text
	# Relative to the container's root.
	expect 0 run_stor cp file box:relative
	same "$(inside cat /relative)" other
	# The other way.
	mkdir there
	expect 0 run_stor cp box:/fresh there
	expect 0 run_stor cp box:/fresh there/renamed
	expect 0 run_stor cp box:/fresh/. there
	expect 0 run_stor cp box:/was there/was2
	expect 0 run_stor cp box:/was there
	same "$(cat there/fresh/file there/renamed/file there/file)" $'text\ntext\ntext'
	same "$(cat there/was there/was2)" $'other\nother'
	# What cannot be.
	expect 3 run_stor cp box:/none there
	err_has '/none: No such file'
	expect 3 run_stor cp none box:/
	expect 3 run_stor cp file box:/none/
	err_has 'no directory /none/'
	expect 3 run_stor cp file box:/none/below
	expect 2 run_stor cp d box:/was
	err_has '/was is no directory'
	expect 3 run_stor cp box:/was/ there
	same "$(inside cat /was)" other
	inside mkdir /old/inner/below /clash
	inside sh -c 'rm /old/inner/file; mkdir /old/inner/file; echo >/clash/d'
	expect 1 run_stor cp file box:/old/inner/
	err_has 'there is a directory, which nothing else replaces'
	expect 1 run_stor cp d box:/clash
	err_has 'there is something else, no directory'
	expect 2 run_stor cp file file2
	err_has 'NAME:PATH'
	expect 2 run_stor cp box:/a box:/b
	expect 3 run_stor cp file nobody:/
	expect 2 run_stor cp file
	# A colon in a name of the host.
	cp file a:b
	expect 0 run_stor cp ./a:b box:/
	same "$(inside cat /a:b)" other
	expect 0 run_stor rm -f box
	nothing_left
}

test_links() {
	echo host >file
	echo outside >hostfile
	expect 0 run_stor run -d --name box sh -c 'mkdir /real; echo in >/real/f; ln -s f /real/link; ln -s /real /to
		ln -s /etc/none /dangling; sleep 1000'
	wait_for inside test -L /dangling
	ln -s hostfile hostlink
	# Itself, and with -L, or with a slash behind it, what it leads to.
	expect 0 run_stor cp box:/real/link out
	same "$(readlink out)" f
	expect 0 run_stor cp -L box:/real/link followed
	same "$(cat followed)" in
	expect 0 run_stor cp box:/to/ dir
	same "$(cat dir/f)" in
	expect 0 run_stor cp hostlink box:/hl
	same "$(inside readlink /hl)" hostfile
	expect 0 run_stor cp -L hostlink box:/hf
	same "$(inside cat /hf)" outside
	# A target that is a link is followed, in the container.
	expect 0 run_stor cp file box:/to
	same "$(inside cat /real/file)" host
	expect 0 run_stor cp file box:/real/link
	same "$(inside cat /real/f)" host
	expect 0 run_stor cp file box:/dangling
	same "$(inside cat /etc/none)" host
	expect 0 run_stor rm -f box
	nothing_left
}

test_owners_and_privileges() {
	echo text >file
	chown 1234:1235 file
	chmod 4755 file
	setcap cap_net_raw+ep file 2>/dev/null || true
	expect 0 run_stor run -d --name box sleep 1000
	expect 0 run_stor cp file box:/plain
	same "$(inside stat -c '%u:%g %a' /plain)" '0:0 755'
	expect 0 run_stor cp -a file box:/kept
	same "$(inside stat -c '%u:%g %a' /kept)" '1234:1235 4755'
	expect 0 run_stor cp box:/kept plain
	same "$(stat -c '%u:%g %a' plain)" '0:0 755'
	same "$(getfattr -m security.capability plain 2>/dev/null)" ''
	expect 0 run_stor cp --archive box:/kept kept
	same "$(stat -c '%u:%g %a' kept)" '1234:1235 4755'
	# A device node of a container is dead there, and would be alive here.
	expect 1 run_stor cp box:/dev/null node
	err_has 'device nodes are refused'
	[ ! -e node ] || fail 'there is a node'
	expect 0 run_stor rm -f box
}

test_streams() {
	make_tree
	expect 0 run_stor run -d --name box sleep 1000
	tar c d | run_stor cp - box:/tmp || fail 'in'
	same "$(inside cat /tmp/d/file)" text
	run_stor cp box:/tmp/d - >out.tar || fail 'out'
	same "$(tar tf out.tar | sort | head -n 3 | tr '\n' ' ')" './d/ ./d/fifo ./d/file '
	run_stor cp box:/tmp/d/. - | tar t | grep -qx ./file || fail 'content'
	# From one container to another.
	expect 0 run_stor run -d --name two sleep 1000
	run_stor cp -a box:/tmp/d - | run_stor cp -a - two:/tmp || fail 'between'
	same "$(run_stor exec two cat /tmp/d/file)" text
	expect 3 run_stor cp - box:/none <out.tar
	err_has 'no directory /none'
	head -c 5000 out.tar >cut.tar
	expect 1 run_stor cp - box:/tmp <cut.tar
	echo nonsense >junk
	expect 1 run_stor cp - box:/tmp <junk
	# All of a container, but for what the kernel makes up.
	run_stor cp box:/ - >all.tar || fail 'all'
	tar tf all.tar | grep -qx ./proc/ || fail 'no /proc'
	! tar tf all.tar | grep -q '^./proc/.' || fail '/proc is in it'
	# Whoever reads no more.
	run_stor cp box:/ - 2>/dev/null | head -c 1000 >/dev/null || true
	expect 0 run_stor rm -f box two
	nothing_left
}

test_volumes() {
	echo text >file
	mkdir host
	expect 0 run_stor volume create named
	expect 0 run_stor run -d --name box -v "$PWD/host:/host:ro" -v named:/vol --tmpfs /tmpfs sleep 1000
	expect 0 run_stor cp file box:/vol/
	expect 0 run_stor cp file box:/tmpfs/own
	same "$(inside cat /vol/file /tmpfs/own)" $'text\ntext'
	expect 0 run_stor cp box:/tmpfs/own back
	same "$(cat back)" text
	# Read-only is read-only.
	expect 1 run_stor cp file box:/host/
	err_has 'Read-only file system'
	expect 0 run_stor stop -t 0 box
	# It would be hidden by the volume.
	expect 5 run_stor cp file box:/vol/more
	err_has '/vol is mounted only while the container runs'
	expect 5 run_stor cp box:vol/file .
	expect 0 run_stor cp file box:/volatile
	expect 0 run_stor rm box
	expect 0 run_stor volume rm named
	nothing_left
}

# CVE-2018-15664: between the look and the copy, the container puts a link to the host in the place of a directory.
test_a_container_that_swaps_a_directory_for_a_link() {
	local i
	mkdir -p host/sub
	echo secret >host/secret
	echo planted >planted
	mkdir d
	echo planted >d/planted
	expect 0 run_stor run -d --name box sh -c "mkdir /dir; echo mine >/dir/secret
		while :; do mv /dir /real; ln -s '$PWD/host' /dir; rm /dir; mv /real /dir; done"
	mkdir got
	for i in $(seq 30); do
		run_stor cp planted box:/dir/planted >/dev/null 2>&1 || true
		run_stor cp d box:/dir/sub >/dev/null 2>&1 || true
		run_stor cp box:/dir/secret "got/$i" >/dev/null 2>&1 || true
		run_stor cp box:/dir/ "got/d$i" >/dev/null 2>&1 || true
	done
	same "$(list host)" '. ./secret ./sub '
	! grep -r secret got --include='*' -l || fail 'a file of the host was read'
	[ -n "$(ls got)" ] || fail 'nothing was ever copied'
	expect 0 run_stor rm -f box
	nothing_left
}

# The same links at rest.
test_links_that_lead_out() {
	mkdir host
	echo secret >host/secret
	echo new >file
	expect 0 run_stor run -d --name box sh -c "ln -s '$PWD/host' /abs; ln -s ../../../../../..$PWD/host /rel
		mkdir /d; ln -s '$PWD/host/secret' /d/f; touch /ready; sleep 1000"
	wait_for inside test -e /ready
	for link in abs rel; do
		expect 3 run_stor cp box:/$link/secret got
		expect 3 run_stor cp -L box:/$link got
		run_stor cp file box:/$link/new >/dev/null 2>&1 || true
		run_stor cp file box:/$link >/dev/null 2>&1 || true
	done
	expect 3 run_stor cp -L box:/d/f got
	expect 0 run_stor cp box:/d got
	[ -L got/f ] || fail 'the link was followed'
	for path in /proc/1/root/etc/passwd /proc/1/cwd/etc/passwd; do
		expect 1 run_stor cp box:$path stolen
		[ ! -e stolen ] || fail "$path"
	done
	same "$(list host)" '. ./secret '
	expect 0 run_stor rm -f box
	nothing_left
}

# CVE-2019-14271: nothing of the container is loaded: here each library of its own would tell.
test_nothing_of_the_container_is_loaded() {
	local dir
	make_tree
	expect 0 run_stor run -d --name box sleep 1000
	for dir in /lib /lib64 /usr/lib /lib/x86_64-linux-gnu /usr/lib/x86_64-linux-gnu/gconv /etc; do
		inside mkdir -p "$dir"
	done
	for file in /etc/nsswitch.conf /etc/ld.so.preload /lib/x86_64-linux-gnu/libnss_files.so.2 \
		/usr/lib/x86_64-linux-gnu/gconv/gconv-modules; do
		inside sh -c "echo trap >$file"
	done
	# Sanitizers look for leaks as strace does.
	export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
	strace -f -o trace -e trace=openat,open,execve,chroot,setns,pivot_root "$STOR" cp d box:/copied ||
		fail "cp: $(cat trace | tail -n 3)"
	strace -f -o trace2 -e trace=chroot,setns,pivot_root,execve "$STOR" cp box:/copied . || fail 'cp out'
	! grep -hE '(chroot|setns|pivot_root)\(' trace trace2 || fail 'it entered the container'
	expect 0 run_stor rm -f box
}

test_an_interrupted_copy_leaves_the_container_alone() {
	expect 0 run_stor create --name box sleep 1000
	head -c 50000000 /dev/urandom >big
	timeout -s INT 0.05 "$STOR" cp big box:/big >/dev/null 2>&1 || true
	timeout -s KILL 0.05 "$STOR" cp big box:/big >/dev/null 2>&1 || true
	expect 0 run_stor start box
	expect 0 run_stor rm -f box
	nothing_left
}

run_tests "$@"
