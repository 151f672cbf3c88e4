#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Which system calls a container may make: the default filter, and profiles of the user's own.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

run_rm() { run_stor run --rm "$@"; }
out_is() { same "$(cat "$OUT")" "$1"; }
# calls RESULTS OPTION… -- CALL…: the test program's answers.
calls() {
	local want=$1
	shift
	expect 0 run_rm -v "$TOOLS:/tools:ro" "$@"
	out_is "$want"
}

test_default_filter() {
	local b
	for b in dir loop; do
		# getpid, clone3, keyctl, bpf, unshare of nothing, one that no kernel has, getpid of x32.
		calls '39: done
435: ENOSYS
250: EPERM
321: EPERM
272: EPERM
9999: ENOSYS
x32:39: ENOSYS' --backend $b /tools/calls 39 435 250 321 272 9999 x32:39
	done
	# As they are without it.
	calls '435: another error
250: another error
272: done' --security-opt seccomp=unconfined /tools/calls 435 250 272
	# The capability opens the calls that it is for.
	calls '272: done
250: EPERM' --cap-add SYS_ADMIN /tools/calls 272 250
	expect 1 run_rm --security-opt no-new-privileges=false --cap-add SYS_CHROOT unshare -U true
	err_has 'Operation not permitted'
}

# The usual filters are made when stor is built; libseccomp is loaded for others.
test_usual_filters_cost_nothing() {
	local options
	# The leak detector cannot be traced.
	export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
	printf '{"defaultAction":"SCMP_ACT_ALLOW"}' >profile.json
	expect 0 run_rm true
	for options in '' '--cap-drop ALL' '--cap-add SYS_ADMIN' '--cap-add NET_ADMIN --cap-drop CHOWN' '--security-opt seccomp=unconfined'; do
		# shellcheck disable=SC2086 # words
		expect 0 strace -f -o trace -e trace=openat "$STOR" run --rm $options true
		! grep -q seccomp trace || fail "$options: $(grep seccomp trace)"
	done
	expect 0 strace -f -o trace -e trace=openat "$STOR" run --rm --security-opt "seccomp=$T/profile.json" true
	grep -q 'internal/seccomp.so.* = [0-9]' trace || fail 'a profile is not compiled'
	grep -q 'libseccomp.so.* = [0-9]' trace || fail 'libseccomp is not used'
}

test_32_bit_calls() {
	local status=0
	"$TOOLS/calls" i386:20 >host 2>&1 || status=$?
	if [ $status != 0 ]; then
		# This kernel has no such gate, not for a container either.
		expect $((status)) run_rm -v "$TOOLS:/tools:ro" /tools/calls i386:20
		out_is 'i386:20: '
		return
	fi
	# getpid, keyctl, bpf, clone3 and one that no kernel has.
	calls 'i386:20: done
i386:288: EPERM
i386:357: EPERM
i386:435: ENOSYS
i386:9999: ENOSYS' /tools/calls i386:20 i386:288 i386:357 i386:435 i386:9999
}

# own_calls RESULTS OPTION… -- CALL…: the same under ./profile.json, which is standard input.
own_calls() {
	cat >profile.json
	calls "$1" --security-opt "seccomp=$T/profile.json" "${@:2}"
}

test_profile_of_ones_own() {
	own_calls '39: EACCES
250: another error' /tools/calls 39 250 <<-'JSON'
		{ "defaultAction": "SCMP_ACT_ALLOW",
		  "syscalls": [ { "names": ["getpid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13 } ] }
	JSON
	# As Podman writes it.
	own_calls '39: EACCES
250: another error' /tools/calls 39 250 <<-'JSON'
		{ "defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 38, "defaultErrno": "ENOSYS",
		  "syscalls": [ { "names": ["getpid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13, "errno": "EACCES" } ] }
	JSON
	# getppid with a condition that holds, getuid with one that does not, getgid with one of two.
	own_calls '110: EACCES
102: done
104: EACCES
108: done' /tools/calls 110 102 104 108 <<-'JSON'
		{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
		  { "names": ["getppid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13,
		    "args": [ { "index": 0, "value": 7, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ" } ] },
		  { "names": ["getuid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13,
		    "args": [ { "index": 1, "value": 18446744073709551615, "op": "SCMP_CMP_EQ" } ] },
		  { "names": ["getgid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13,
		    "args": [ { "index": 0, "value": 5, "op": "SCMP_CMP_EQ" }, { "index": 0, "value": 5, "op": "SCMP_CMP_LT" } ] },
		  { "name": "getegid", "action": "SCMP_ACT_ERRNO", "errnoRet": 13,
		    "args": [ { "index": 0, "value": 5, "op": "SCMP_CMP_EQ" }, { "index": 1, "value": 0, "op": "SCMP_CMP_EQ" } ] } ] }
	JSON
	# What is newer than all that is named is as in an older kernel; the newest that is named is not.
	own_calls '39: EPERM
232: ENOSYS' /tools/calls 39 232 <<-'JSON'
		{ "defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
		  { "names": ["execve", "write", "exit_group"], "action": "SCMP_ACT_ALLOW" } ] }
	JSON
	expect 125 run_rm --security-opt seccomp=missing.json true
	err_has 'seccomp: open missing.json: No such file'
	# A profile that lets nothing be executed is the user's own will.
	printf '{"defaultAction":"SCMP_ACT_ERRNO"}' >nothing.json
	expect 126 run_rm --security-opt seccomp=nothing.json true
	err_has 'Operation not permitted'
}

# Written as Docker's own profile is: what it names for other machines and capabilities is nothing here.
test_profile_in_all_of_its_words() {
	docker() {
		cat <<-'JSON'
			{ "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 13,
			  "archMap": [
			    { "architecture": "SCMP_ARCH_AARCH64", "subArchitectures": [ "SCMP_ARCH_ARM" ] },
			    { "architecture": "SCMP_ARCH_X86_64", "subArchitectures": [ "SCMP_ARCH_X86", "SCMP_ARCH_X32" ] },
			    { "architecture": "SCMP_ARCH_LOONGARCH64", "subArchitectures": null } ],
			  "flags": [],
			  "syscalls": [
			    { "names": [ "execve", "write", "exit_group", "no_such_call" ], "action": "SCMP_ACT_ALLOW", "args": null },
			    { "names": [ "getpid" ], "action": "SCMP_ACT_ALLOW", "comment": "a word",
			      "includes": { "minKernel": "4.8", "arches": [ "x86", "amd64" ] }, "excludes": {} },
			    { "names": [ "getppid" ], "action": "SCMP_ACT_ALLOW", "includes": { "minKernel": "99.0" } },
			    { "names": [ "getuid" ], "action": "SCMP_ACT_ALLOW", "excludes": { "arches": [ "s390x", "amd64" ] } },
			    { "names": [ "getgid" ], "action": "SCMP_ACT_ALLOW", "includes": { "caps": [ "CAP_SYS_ADMIN" ] } },
			    { "names": [ "geteuid" ], "action": "SCMP_ACT_ALLOW", "excludes": { "caps": [ "CAP_BPF", "CAP_SYS_ADMIN" ] } },
			    { "names": [ "clone3" ], "action": "SCMP_ACT_ERRNO", "errnoRet": 38 } ] }
		JSON
	}
	docker | own_calls '39: done
110: EACCES
102: EACCES
104: EACCES
107: done
435: ENOSYS
x32:39: ENOSYS
9999: ENOSYS' /tools/calls 39 110 102 104 107 435 x32:39 9999
	docker | own_calls '104: done
107: EACCES' --cap-add SYS_ADMIN /tools/calls 104 107
}

test_32_bit_calls_of_ones_own_profile() {
	"$TOOLS/calls" i386:20 >host 2>&1 || skip "this kernel has no 32-bit calls"
	# getpid of 32 bits and of 64: what a profile names is refused of both kinds.
	deny() {
		cat <<-JSON
			{ "defaultAction": "SCMP_ACT_ALLOW", $1
			  "syscalls": [ { "names": ["getpid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13 } ] }
		JSON
	}
	deny '' | own_calls '39: EACCES
i386:20: EACCES
i386:64: done' /tools/calls 39 i386:20 i386:64
	# Where it does not list the 32-bit architecture, there are no such calls.
	for listed in '"architectures": ["SCMP_ARCH_X86_64"],' '"architectures": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],' \
		'"archMap": [{ "architecture": "SCMP_ARCH_X86_64" }, { "architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM", "SCMP_ARCH_X86"] }],'; do
		deny "$listed" | own_calls '39: EACCES
i386:20: ENOSYS
i386:64: ENOSYS' /tools/calls 39 i386:20 i386:64
	done
	deny '"architectures": ["SCMP_ARCH_X86"],' | own_calls '39: EACCES
i386:20: EACCES
i386:64: done' /tools/calls 39 i386:20 i386:64
}

# refused PROFILE TEXT: with a message that names what is not understood, and where.
refused() {
	printf '%s' "$1" >broken.json
	expect 125 run_rm --security-opt seccomp=broken.json true
	err_has "^stor: seccomp profile broken.json: $2\$"
	same "$(find "$STOR_STORE/containers" "$STOR_STATE/live" -mindepth 1)" ''
}
# of_group MEMBERS TEXT: the same of a group of calls, the second one.
of_group() {
	refused '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["getpid"],"action":"SCMP_ACT_LOG"},{'"$1"'}]}' "syscalls\[1\]: $2"
}
test_what_is_not_understood_is_refused() {
	local kill='"names":["getpid"],"action":"SCMP_ACT_KILL"' allow='"defaultAction":"SCMP_ACT_ALLOW"'
	refused '{"defaultAction":' 'not JSON: unexpected end of data'
	refused "{$allow} x" 'not JSON: .*'
	refused 'null' 'not an object'
	refused '[]' 'not an object'
	refused '{}' 'lacks "defaultAction"'
	refused '{"defaultAction":"SCMP_ACT_PLEASE"}' 'unknown action "SCMP_ACT_PLEASE"'
	refused '{"defaultAction":7}' 'wrong type of "defaultAction"'
	refused "{$allow,\"syscall\":[]}" 'unknown key "syscall"'
	refused "{$allow,\"syscalls\":{}}" 'wrong type of "syscalls"'
	refused "{$allow,\"defaultErrno\":\"EPERM\"}" 'not the name of the number beside it: "defaultErrno"'
	refused "{$allow,\"defaultErrnoRet\":38,\"defaultErrno\":\"EPERM\"}" 'not the name of the number beside it: "defaultErrno"'
	refused "{$allow,\"listenerPath\":\"/x\"}" 'not supported: "listenerPath"'
	refused "{$allow,\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\"]}" 'not supported: "flags"'
	refused "{$allow,\"architectures\":[\"SCMP_ARCH_X8664\"]}" 'unknown architecture "SCMP_ARCH_X8664"'
	refused "{$allow,\"architectures\":[5]}" 'wrong type in "architectures"'
	refused "{$allow,\"archMap\":[{}]}" 'archMap\[0\]: lacks "architecture"'
	refused "{$allow,\"archMap\":[{\"architecture\":\"SCMP_ARCH_S390\",\"subArchitectures\":[\"amd64\"]}]}" \
		'archMap\[0\]: unknown architecture "amd64"'
	refused "{$allow,\"archMap\":[{\"arch\":\"SCMP_ARCH_X86\"}]}" 'archMap\[0\]: unknown key "arch"'
	refused "{$allow,\"archMap\":[{\"architecture\":\"SCMP_ARCH_X86_64\"}],\"architectures\":[\"SCMP_ARCH_X86\"]}" \
		'besides "architectures", there is "archMap"'

	refused "{$allow,\"syscalls\":[[]]}" 'syscalls\[0\]: not an object'
	of_group '"action":"SCMP_ACT_KILL"' 'lacks "names"'
	of_group '"names":["getpid"]' 'lacks "action"'
	of_group "$kill,\"name\":\"getpid\"" 'besides "names", there is "name"'
	of_group '"names":"getpid","action":"SCMP_ACT_KILL"' 'wrong type of "names"'
	of_group '"names":["getpid",1],"action":"SCMP_ACT_KILL"' 'wrong type in "names"'
	of_group "$kill,\"errno\":1" 'wrong type of "errno"'
	of_group "$kill,\"errnoRet\":\"1\"" 'wrong type of "errnoRet"'
	of_group '"names":["getpid"],"action":"SCMP_ACT_ERRNO","errnoRet":4096' 'error number out of range for "SCMP_ACT_ERRNO"'
	of_group '"names":["getpid"],"action":"SCMP_ACT_NOTIFY"' 'unknown action "SCMP_ACT_NOTIFY"'
	# Also where the group is not for this machine.
	of_group '"names":["getpid"],"action":"SCMP_ACT_NOTIFY","includes":{"arches":["s390"]}' 'unknown action .*'
	of_group "$kill,\"includes\":{\"arch\":[]}" 'includes: unknown key "arch"'
	of_group "$kill,\"includes\":{\"arches\":[\"SCMP_ARCH_X86\"]}" 'includes: unknown architecture "SCMP_ARCH_X86"'
	of_group "$kill,\"excludes\":{\"caps\":[\"CAP_SYS_ADMINN\"]}" 'excludes: unknown capability "CAP_SYS_ADMINN"'
	of_group "$kill,\"excludes\":{\"caps\":[true]}" 'excludes: wrong type in "caps"'
	of_group "$kill,\"excludes\":{\"minKernel\":\"5\"}" 'excludes: minKernel: not MAJOR.MINOR: "5"'
	of_group "$kill,\"args\":[{\"index\":6,\"op\":\"SCMP_CMP_EQ\"}]" 'args\[0\]: not 0 to 5: "index"'
	of_group "$kill,\"args\":[{\"index\":0}]" 'args\[0\]: lacks "op"'
	of_group "$kill,\"args\":[{\"index\":0,\"op\":\"==\"}]" 'args\[0\]: unknown operator "=="'
	of_group "$kill,\"args\":[{\"index\":0,\"op\":\"SCMP_CMP_EQ\",\"value\":-1}]" 'args\[0\]: negative "value"'
	of_group "$kill,\"args\":[{\"index\":0,\"op\":\"SCMP_CMP_EQ\",\"value_two\":1}]" 'args\[0\]: unknown key "value_two"'
}

run_tests "$@"
