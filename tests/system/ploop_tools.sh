#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# libploop and the engine: each operation done by either, compared on disk; what `auto` gives to
# whom; a machine without libploop; and a libploop that crashes.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/ploop_lib.sh
. "$TOP/tests/ploop_lib.sh"

# shellcheck disable=SC2034 # lib.sh reads it
TIME_LIMIT=300
CTL=$TOOLS/ploopctl
READ=$TOP/tests/tools/ploop-read
X=DiskDescriptor.xml
M=1048576

library() { ldconfig -p | sed -n 's/.*libploop\.so\.1 .*=> //p' | head -n1; }
needs_libploop() { [ -n "$(library)" ] && command -v ploop >/dev/null || skip "no libploop"; }

# The tree of states as the descriptor has it, without the names of files.
graph() {
	python3 - "$1" <<-'END'
		import sys, xml.etree.ElementTree as ET
		root = ET.parse(sys.argv[1] + "/DiskDescriptor.xml").getroot()
		for path in ("Disk_Parameters/Disk_size", "StorageData/Storage/Start", "StorageData/Storage/End",
		             "StorageData/Storage/Blocksize", "StorageData/Storage/Preallocated", "Snapshots/TopGUID"):
		    print(path, (root.findtext(path) or "").strip())
		for image in sorted(root.iter("Image"), key=lambda i: i.findtext("GUID")):
		    print(image.findtext("GUID").strip(), image.findtext("Type").strip())
		for shot in sorted(root.iter("Shot"), key=lambda s: s.findtext("GUID")):
		    print(shot.findtext("GUID").strip(), "on", shot.findtext("ParentGUID").strip(),
		          shot.find("Temporary") is not None)
	END
}
states() { sed -n 's|.*<GUID>\(.*\)</GUID>|\1|p' "$1/$X" | sort -u; }
versions() { for f in "$1"/root.hds*; do head -c 16 "$f" | tr -d '\0'; echo; done | sort | uniq -c; }

# The two volumes have the same states and the same live content, and `ploop check` accepts both.
alike() {
	local a b
	a=$(data a) b=$(data b)
	graph "$a" >graph.a
	graph "$b" >graph.b
	diff graph.a graph.b >&2 || fail "$1: other descriptors"
	same "$(find "$a" -name 'root.hds*' | wc -l)" "$(find "$b" -name 'root.hds*' | wc -l)"
	"$CTL" dump "$a" dump.a
	"$CTL" dump "$b" dump.b
	cmp dump.a dump.b || fail "$1: the live states differ"
	ploop check "$a/$X" >ploop.log 2>&1 || fail "$1: ploop refuses libploop's: $(tail -n2 ploop.log)"
	ploop check "$b/$X" >ploop.log 2>&1 || fail "$1: ploop refuses the engine's: $(tail -n2 ploop.log)"
}
# And each of the states, read by another reader; and what is in them.
alike_inside() {
	local guid
	for guid in $(states "$(data a)"); do
		cmp <("$READ" "$(data a)" "$guid") <("$READ" "$(data b)" "$guid") || fail "state $guid is another"
	done
	expect 0 run_stor volume check a
	expect 0 run_stor volume check b
}
by() { grep -q "ploop: $1: by $2" "$ERR" || { cat "$ERR" >&2; fail "$1 was not done by $2"; }; }
# both WHAT COMMAND ARGUMENT…: on a by libploop, on b by the engine.
both() {
	local what=$1 command=$2
	shift 2
	expect 0 run_stor --debug volume "$command" -o tool=libploop a "$@"
	[ "$what" = - ] || by "$what" libploop
	expect 0 run_stor --debug volume "$command" -o tool=engine b "$@"
	! grep -q "by libploop" "$ERR" || fail "$command: tool=engine used libploop"
	alike "$command $*"
}
# The same bytes into both, beyond what the filesystem uses.
put() {
	local v
	head -c "$2" /dev/urandom >chunk
	for v in a b; do "$CTL" load "$(data $v)" chunk "$1"; done
}
make_both() {
	expect 0 run_stor --debug volume create --backend ploop --size 20M --image busybox -o tool=libploop "$@" a
	by create libploop
	expect 0 run_stor volume create --backend ploop --size 20M --image busybox -o tool=engine "$@" b
	# Two filesystems have two UUIDs and times: the content is made the same.
	"$CTL" dump "$(data b)" all
	"$CTL" load "$(data a)" all
	alike "create $*"
}

test_each_operation_both_ways() {
	needs_libploop
	make_both -o format=v1
	put $((10 * M)) $M
	both snapshot snapshot one
	put $((11 * M)) $M
	both snapshot snapshot two
	put $((10 * M)) $((2 * M))
	both rollback rollback one
	put $((13 * M)) 4096
	both snapshot snapshot three
	put $((13 * M)) $M
	both delete snapshot-rm one # two lie on it
	both delete snapshot-rm two
	same "$(run_stor volume snapshots a | tail -n +2 | awk '{print $1}')" three
	both snapshot snapshot four
	put $((15 * M)) $M
	both snapshot snapshot five
	put $((15 * M)) 8192
	both snapshot snapshot six
	alike_inside
	both merge merge four
	both merge merge six --until three
	same "$(find "$(data a)" -name 'root.hds*' | wc -l)" 1
	both snapshot snapshot seven
	put $((16 * M)) 4096
	both merge snapshot-rm seven
	alike_inside
}

test_conversions_both_ways() {
	needs_libploop
	local v
	for v in a b; do
		expect 0 run_stor volume create --backend ploop --size 20M --image busybox -o format=v2 -o cluster=64K $v
	done
	"$CTL" dump "$(data b)" all
	"$CTL" load "$(data a)" all
	for v in a b; do expect 0 run_stor volume snapshot $v s; done
	put $((10 * M)) $M
	alike snapshot
	both convert convert -o format=v1
	same "$(versions "$(data a)")" "$(versions "$(data b)")"
	both convert convert -o layout=preallocated
	both convert convert -o layout=raw
	both merge merge s
	cmp "$(data a)"/root.hds* "$(data b)"/root.hds* || fail "the raw disks differ"
	alike_inside
}

test_layouts_both_ways() {
	needs_libploop
	local layout
	for layout in preallocated raw; do
		make_both -o format=v1 -o layout=$layout
		alike_inside
		expect 0 run_stor volume rm a
		expect 0 run_stor volume rm b
	done
}

# The descriptor of an image that lost it, as `ploop` and as stor write it.
test_restored_descriptors_are_alike() {
	needs_libploop
	make_both -o format=v1
	rm "$(data a)/$X" "$(data b)/$X"
	ploop restore-descriptor "$(data a)" "$(data a)/root.hds" >ploop.log 2>&1 || fail "ploop: $(tail -n2 ploop.log)"
	expect 0 run_stor volume convert -o descriptor=yes "$(data b)/root.hds"
	alike 'restore'
	alike_inside
}

# Each has its say, and is asked where the parameter says so.
test_checks_both_ways() {
	needs_libploop
	local tool
	expect 0 run_stor volume create --backend ploop --size 20M --image busybox v
	for tool in auto libploop engine; do
		expect 0 run_stor volume check -o tool=$tool v
		out_lacks '^(error|warning)'
	done
	# A mark that it takes for that of a user.
	printf '\x76\x32\x2e\x31' | dd of="$(data v)/root.hds" bs=1 seek=44 conv=notrunc status=none
	expect 0 run_stor volume check -o tool=libploop v
	out_has '^warning: root.hds: libploop refuses it \(37\): .*Dirty flag is set'
	for tool in auto engine; do
		expect 0 run_stor volume check -o tool=$tool v
		out_lacks '^(error|warning)'
	done
}

test_what_auto_means() {
	needs_libploop
	expect 0 run_stor --debug volume create --backend ploop --size 20M -o format=v1 v
	by create libploop
	expect 0 run_stor volume inspect v
	out_has '"tool": "libploop \(/.*\) and engine"'
	expect 0 run_stor --debug volume snapshot v a
	by snapshot libploop
	expect 0 run_stor --debug volume snapshot v b
	expect 0 run_stor --debug volume rollback v a
	by rollback libploop
	expect 0 run_stor --debug volume snapshot-rm v b
	by delete libploop
	# What takes long, and writes into images that exist.
	expect 0 run_stor --debug volume merge v a
	not_by_libploop
	expect 0 run_stor --debug volume convert -o format=v2 v
	not_by_libploop
	# What it refuses without its driver.
	expect 0 run_stor --debug volume snapshot v a
	by snapshot 'the engine: without its driver'
	expect 1 run_stor volume snapshot -o tool=libploop v b
	err_has 'libploop refused'
	err_has 'tool=engine does it'
	expect 0 run_stor --debug volume create --backend ploop --size 20M two
	not_by_libploop
	expect 5 run_stor volume create --backend ploop --size 20M -o tool=libploop three
	same "$(run_stor volume snapshots v | tail -n +2 | awk '{print $1}')" a
	# What it would do otherwise: a mark of newer programs that it takes for damage.
	printf '\x76\x32\x2e\x31' | dd of="$(data v)/root.hds" bs=1 seek=44 conv=notrunc status=none
	expect 5 run_stor volume snapshot -o tool=libploop v c
	err_has 'mark of another program'
	expect 0 run_stor --debug volume snapshot v c
	by snapshot 'the engine: an image carries'
}
not_by_libploop() { ! grep -q "by libploop" "$ERR" || fail "libploop did it"; }

test_where_the_parameter_counts() {
	expect 0 run_stor volume create --backend ploop --size 20M v
	expect 2 run_stor volume snapshot -o tool=ours v d
	expect 2 run_stor volume snapshot -o format=v1 v d
	err_has 'fixed when a volume is made'
	expect 2 run_stor volume check -o discard=yes v
	err_has 'only when a volume is attached'
	expect 125 run_stor run --backend ploop -o tool=engine true
	err_has 'only when a volume is made, changed or checked'
	expect 0 run_stor backend info ploop
	out_has '^param.tool.scope=change$'
}

# What descriptors of others may lack makes libploop divide by zero.
test_a_descriptor_without_geometry() {
	needs_libploop
	expect 0 run_stor volume create --backend ploop --size 20M -o format=v1 v
	sed -i '/Cylinders/d;/Heads/d;/<Sectors>/d' "$(data v)/$X"
	expect 0 run_stor volume snapshot -o tool=libploop v a
	ploop check "$(data v)/$X" >/dev/null || fail "ploop refuses it"
}

# Somebody who holds ploop's lock is waited for by nobody: it is told.
test_busy() {
	needs_libploop
	expect 0 run_stor volume create --backend ploop --size 20M v
	expect 4 flock "$(data v)/$X.lck" "$STOR" volume snapshot -o tool=libploop v a
	expect 0 run_stor volume snapshot v a
}

# It costs milliseconds to load, and a start and an end have no use for it.
test_a_run_loads_no_libploop() {
	needs_libploop
	expect 0 run_stor volume create --backend ploop --size 20M --image busybox v
	LD_DEBUG=files LD_DEBUG_OUTPUT=$PWD/loaded expect 0 run_stor run --rm --root v true
	LD_DEBUG=files LD_DEBUG_OUTPUT=$PWD/loaded expect 0 run_stor run --rm --backend ploop true
	ls loaded.* >/dev/null
	! grep -l 'libploop\.so' loaded.* || fail "a run loads libploop"
	LD_DEBUG=files LD_DEBUG_OUTPUT=$PWD/told expect 0 run_stor volume inspect v
	grep -q 'libploop\.so' told.* || fail "the test does not see what is loaded"
}

# --- without libploop ---

# In a mount namespace that has an empty file in its place.
bare() { unshare -m sh -c 'mount --bind /dev/null "$0" && exec "$@"' "$(library)" "$@"; }

test_without_libploop() {
	local hide=bare
	[ -n "$(library)" ] || hide=
	expect 0 $hide "$STOR" --debug volume create --backend ploop --size 20M --image busybox -o format=v1 v
	by create 'the engine: libploop'
	expect 0 $hide "$STOR" volume inspect v
	out_has '"tool": "engine \(no libploop: .*\)"'
	expect 0 $hide "$STOR" --debug volume snapshot v a
	by snapshot 'the engine: libploop'
	expect 0 $hide "$STOR" volume rollback v a
	expect 0 $hide "$STOR" volume snapshot-rm v a
	expect 0 $hide "$STOR" volume convert -o format=v2 v
	expect 0 $hide "$STOR" volume check v
	expect 5 $hide "$STOR" volume check -o tool=libploop v
	err_has 'libploop cannot be loaded'
	expect 5 $hide "$STOR" volume snapshot -o tool=libploop v b
	err_has 'libploop cannot be loaded'
	err_has 'tool=engine does it'
	expect 0 $hide "$STOR" volume snapshot v b
}

# The whole suite in make check-long; with libploop it is one of the contract tests.
test_conformance_without_libploop() {
	local hide=bare only="--test create-from-tree --test snapshots --test rollback --test merge --test convert"
	[ -n "$(library)" ] || hide=
	[ -z "${STOR_LONG:-}" ] || only=
	# shellcheck disable=SC2086 # words
	expect 0 $hide "$STOR" backend check ploop $only
	out_has ', 0 failed'
}

# --- a libploop that crashes ---

# Preloaded: dies by SIGSEGV at the Nth step since libploop was loaded: a sync, a change of a name, and
# of writes every fourth.
crasher() {
	cat >crash.c <<-'END'
		#define _GNU_SOURCE
		#include <dlfcn.h>
		#include <signal.h>
		#include <stdlib.h>
		#include <sys/types.h>
		#include <unistd.h>
		static void step(void)
		{
			static int n;
			const char *at = getenv("CRASH_AT");
			if (!at || !dlopen("libploop.so.1", RTLD_LAZY | RTLD_NOLOAD) || ++n != atoi(at))
				return;
			if (!getenv("CRASH_PARENT"))
				raise(SIGSEGV);
			kill(getppid(), SIGKILL);
			pause();
		}
		static void write_step(void)
		{
			static int n;
			if (n++ % 4 == 0)
				step();
		}
		#define NEXT(type, name) ((type)dlsym(RTLD_NEXT, name))
		int fsync(int fd) { step(); return NEXT(int (*)(int), "fsync")(fd); }
		int unlink(const char *p) { step(); return NEXT(int (*)(const char *), "unlink")(p); }
		int rename(const char *a, const char *b)
		{
			step();
			return NEXT(int (*)(const char *, const char *), "rename")(a, b);
		}
		ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
		{
			write_step();
			return NEXT(ssize_t (*)(int, const void *, size_t, off_t), "pwrite64")(fd, p, n, at);
		}
		ssize_t pwrite(int fd, const void *p, size_t n, off_t at) { return pwrite64(fd, p, n, at); }
		ssize_t write(int fd, const void *p, size_t n)
		{
			write_step();
			return NEXT(ssize_t (*)(int, const void *, size_t), "write")(fd, p, n);
		}
	END
	cc -shared -fPIC -O1 -w -o crash.so crash.c -ldl
}

# crashes COMMAND…: on copies of the volume v, at each step until it gets through. After each the
# volume is sound, and its live state is `live` (rollback: or `earlier`).
crashes() {
	local at=0 status=1 crashed=0 what=$1
	cp -a "$(data v)" v.saved
	while [ $status != 0 ]; do
		at=$((at + 1))
		[ $at -lt 400 ] || fail "$what: no end"
		rm -rf "$(data v)"
		cp -a v.saved "$(data v)"
		status=0
		CRASH_AT=$at LD_PRELOAD=$T/crash.so "$STOR" volume "$@" >"$OUT" 2>"$ERR" || status=$?
		if [ $status = 137 ]; then
			crashed=$((crashed + 1))
			wait_for library_is_gone
			# Whatever works on it next clears up.
			expect 0 run_stor volume convert -o tool=engine v
		elif [ $status != 0 ]; then
			crashed=$((crashed + 1))
			same $status 1
			err_has 'libploop: isolated call: ended by signal 11'
		fi
		expect 0 run_stor volume check v
		[ ! -e "$(data v)/$X.tmp" ] || fail "$what, step $at: a half descriptor is left"
		ploop check "$(data v)/$X" >ploop.log 2>&1 || fail "$what, step $at: ploop refuses it: $(tail -n2 ploop.log)"
		"$CTL" dump "$(data v)" now
		cmp -s now live || { [ "$what" = rollback ] && cmp now earlier; } || fail "$what, step $at: the live state is another"
	done
	[ $crashed -gt "$STEPS" ] || fail "$what crashed only $crashed times"
	rm -rf v.saved
}

library_is_gone() { ! grep -qs libploop.so /proc/[0-9]*/maps; }

crashes_of_snapshot_and_merge() {
	needs_libploop
	command -v cc >/dev/null || skip "no compiler"
	# Sanitizers would tell of the crash, and end otherwise.
	export ASAN_OPTIONS=${ASAN_OPTIONS:-}:handle_segv=0
	crasher
	expect 0 run_stor volume create --backend ploop --size 18M -o format=v1 v
	head -c $((2 * M)) /dev/urandom >chunk
	"$CTL" load "$(data v)" chunk $((12 * M))
	"$CTL" dump "$(data v)" earlier
	cp earlier live
	STEPS=3 crashes snapshot -o tool=libploop v a
	"$CTL" load "$(data v)" chunk $((13 * M))
	"$CTL" dump "$(data v)" live
	STEPS=5 crashes merge -o tool=libploop v a
}

# stor is killed, and libploop with it, at each step.
test_killed_meanwhile() {
	export CRASH_PARENT=yes
	crashes_of_snapshot_and_merge
	STEPS=5 crashes convert -o tool=libploop -o layout=raw v
}

test_crashes() {
	crashes_of_snapshot_and_merge
	cp live earlier
	expect 0 run_stor volume snapshot v a
	"$CTL" load "$(data v)" chunk $((14 * M))
	"$CTL" dump "$(data v)" live
	STEPS=4 crashes rollback -o tool=libploop v a
	cp earlier live
	expect 0 run_stor volume snapshot v b
	expect 0 run_stor volume rollback v a
	STEPS=2 crashes snapshot-rm -o tool=libploop v b
	expect 0 run_stor volume merge v a
	expect 0 run_stor volume convert -o format=v2 v
	STEPS=5 crashes convert -o tool=libploop -o format=v1 v
	STEPS=5 crashes convert -o tool=libploop -o layout=preallocated v
	STEPS=5 crashes convert -o tool=libploop -o layout=raw v
}

run_tests "$@"
