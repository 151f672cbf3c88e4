#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# stor run, killed at each of its steps: at once nothing of the kernel's is left, and after the next
# command nothing in the store. The steps are those that the program itself names, so that a new one
# is tested when it is there.
# shellcheck source=tests/lib.sh
TIME_LIMIT=900
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/kill.sh
. "$TOP/tests/kill.sh"

# Points that are no step of a run; tests/system/races.sh, image_kill.sh, volume_convert.sh and ploop_online.sh kill at
# most of them, and net_kill.sh at those of networks.
NOT_OF_RUN='
freeze-guard volume-frozen volume-changed clone-folder clone-made resize-device umount-done mount-attached mount-recorded mount-moved
volume-unnamed convert-folder convert-attached convert-filled convert-recorded convert-exchanged monitor-begin adopt-marked container-updates
container-named container-renamed container-claiming name-stale volume-destroyed root-destroyed golden-unnamed image-removing
image-import-begin image-import-unpacked'

points_of_source() {
	grep -rhoE 'kill_point\((child, )?"[^"]+"' "$TOP"/core "$TOP"/backends/common \
		"$TOP"/backends/dir "$TOP"/backends/loop --include='*.c' | cut -d'"' -f2 | sort -u |
		grep -v '^net-'
}

# A killed container's processes become children of this test's parent, a subreaper.
kernel_things() {
	local child children
	read -r children <"/proc/$PPID/task/$PPID/children" || true
	for child in $children; do
		[ "$child" = $$ ] || grep -qs '^State:.Z' "/proc/$child/status" || echo "process $child"
	done
	grep -F " $T/" /proc/self/mountinfo
	grep -sF "$T/" /sys/block/loop*/loop/backing_file
	true
}
store_things() {
	local dir
	find "$STOR_STORE/tmp" "$STOR_STORE/containers" "$STOR_STORE/names" "$STOR_STATE"/{live,users,cgroups,lower,upper,root} \
		-mindepth 1 2>/dev/null
	for dir in "$STOR_STORE"/golden/*/ "$STOR_STORE"/volumes/*/; do
		[ ! -d "$dir" ] || [ -s "${dir}record" ] || echo "half made: $dir"
	done
}
# gone_soon WHAT FUNCTION: up to two seconds; for the kernel ends processes and loop devices when it
# gets round to it.
gone_soon() {
	local i left
	for ((i = 0; i < 100 * ${TIME_FACTOR:-1}; i++)); do
		left=$($2)
		[ -n "$left" ] || return 0
		sleep 0.02
	done
	fail "$1: $left"
}

# cgroups_of ID…: the cgroups of these containers.
cgroups_of() {
	local id
	for id; do find /sys/fs/cgroup -type d -name "stor-$id" -prune 2>/dev/null; done
	true
}

# Containers without --rm stay, ended, until they are removed.
remove_containers() {
	local ids
	expect 0 "$KILL/stor" ps -a
	out_lacks ' (running|created) '
	ids=$("$KILL/stor" ps -aq)
	# shellcheck disable=SC2086 # words
	[ -z "$ids" ] || expect 0 "$KILL/stor" rm $ids
}

# learn_steps OPTION…: the run's steps, from the program's own list, each with how often it was
# reached by then, to ./steps; the end of the command among them.
learn_steps() {
	mkdir -p marks
	rm -f marks/points
	before
	expect 0 env STOR_KILL_LIST="$T/marks/points" "$KILL/stor" run --name victim \
		-v "$T/marks:/marks" "$@" sh -c 'sleep 0.3; echo command-ends >>/marks/points'
	remove_containers
	awk '{ print $0 ":" ++n[$0] }' marks/points >steps
	[ "$(wc -l <steps)" -ge 25 ] || fail "too few steps: $(cat steps)"
}

# run_killed_at_each OPTION…: the run killed at each of ./steps.
run_killed_at_each() {
	local point seconds=1000 what ids
	for point in $(cat steps); do
		if [ "$point" = command-ends:1 ]; then
			seconds=0
			continue
		fi
		what="stor run $* killed at $point"
		before
		expect 137 env STOR_KILL_AT="$point" "$KILL/stor" run --name victim "$@" sleep $seconds
		gone_soon "$what: left in the kernel" kernel_things
		ids=$(ls "$STOR_STATE/cgroups" 2>/dev/null || true)
		expect 0 "$KILL/stor" volume ls
		# shellcheck disable=SC2086 # words
		same "$what: $(cgroups_of $ids)" "$what: "
		case " $* " in *' --rm '*) ;; *) remove_containers ;; esac
		gone_soon "$what: left in the store" store_things
		expect 0 "$KILL/stor" gc
		same "$what: $(cat "$OUT")" "$what: "
		# What is there is whole: it runs, by the same name and on the same volume.
		expect 0 "$KILL/stor" run --rm --name victim "$@" sh -c 'cat /etc/passwd /etc/group >/data/copy'
	done
}

# Without a store, so that the run makes the golden volume and the other volume, too.
before_is_nothing() {
	before() { rm -rf "$STOR_STORE" "$STOR_STATE"; }
}
before_is_the_last_store() {
	before() { :; }
}

# data_of BACKEND: a volume to mount, as an option.
data_of() {
	echo "type=volume,src=data,dst=/data,backend=$1$([ "$1" = dir ] || echo ,size=16M)"
}

# first_run BACKEND: a run that makes everything, and takes it away again.
first_run() {
	before_is_nothing
	learn_steps --rm --pids-limit 100 --backend "$1" --mount "$(data_of "$1")"
	run_killed_at_each --rm --pids-limit 100 --backend "$1" --mount "$(data_of "$1")"
}

# later_runs BACKEND: the other ways through a run.
later_runs() {
	before_is_nothing
	learn_steps --backend "$1" --mount "$(data_of "$1")"
	# What comes after the making of the golden volume is tested below.
	sed -i '/^golden-published/q' steps
	run_killed_at_each --backend "$1" --mount "$(data_of "$1")"
	before_is_the_last_store
	learn_steps --backend "$1" -v data:/data
	run_killed_at_each --backend "$1" -v data:/data
	learn_steps --rm --init --backend "$1" -o clone=copy -v data:/data
	run_killed_at_each --rm --init --backend "$1" -o clone=copy -v data:/data
}

test_killed_over_dir() {
	kill_build
	first_run dir
}

test_killed_over_loop() {
	kill_build
	first_run loop
}

# Some minutes: make check-long.
if [ -n "${STOR_LONG:-}" ]; then
	test_later_run_killed_over_dir() {
		kill_build
		later_runs dir
	}

	test_later_run_killed_over_loop() {
		kill_build
		later_runs loop
	}
fi

# With a list of points in the source, so that none is forgotten: each is reached by a run, or by
# name none of a run.
test_every_step_is_reached() {
	local b
	kill_build
	for b in dir loop; do
		rm -rf "$STOR_STORE" "$STOR_STATE"
		expect 0 env STOR_KILL_LIST="$T/points" "$KILL/stor" run --rm --name n --pids-limit 99 --backend $b \
			--mount "type=volume,src=data,dst=/data,backend=$b" true
		expect 0 env STOR_KILL_LIST="$T/points" "$KILL/stor" run --rm --backend $b \
			-o clone=copy true
	done
	sort -u points >reached
	# shellcheck disable=SC2086 # words
	printf '%s\n' $NOT_OF_RUN | sort >excused
	same "in no run: $(points_of_source | comm -23 - reached | comm -23 - excused | paste -sd' ')" \
		'in no run: '
	same "excused, but reached: $(comm -12 reached excused)" 'excused, but reached: '
	same "excused, but not there: $(points_of_source | comm -13 - excused)" 'excused, but not there: '
}

run_tests "$@"
