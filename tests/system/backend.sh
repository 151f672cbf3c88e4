#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# stor backend ls and info: what they print, for people and for programs.
. "$(dirname "$0")/../lib.sh"
SNAPDIR=$B/tests/backends/stor-snapdir.so

test_ls() {
	expect 0 "$STOR" backend ls
	out_has '^NAME +VERSION +FILESYSTEMS +CAN +SUMMARY$'
	out_has '^dir +'
	out_has '^loop +.* ext4 '
}

test_ls_json() {
	expect 0 "$STOR" backend ls --format json
	same "$(jq -r '.[] | select(.name == "dir") | .usable' "$OUT" 2>/dev/null ||
		python3 -c 'import json,sys
print(*[str(b["usable"]).lower() for b in json.load(open(sys.argv[1])) if b["name"] == "dir"])' "$OUT")" true
	expect 2 "$STOR" backend ls --format yaml
	err_has '"yaml" is not table or json'
}

test_info() {
	expect 0 "$STOR" backend info "$SNAPDIR"
	out_has "^path=$SNAPDIR\$"
	out_has '^name=snapdir$'
	out_has '^abi_version=1$'
	out_has '^has_clone=yes$'
	out_has '^has_resize=no$'
	out_has '^param.copy.type=enum$'
	out_has '^param.copy.choices=auto\|reflink\|full$'
	out_has '^param.copy.default=auto$'
	out_has '^param.atime.scope=attach$'
	# Each line is KEY=VALUE, and no key stands twice.
	same "$(grep -cvE '^[a-z0-9._-]+=' "$OUT" || true)" 0
	same "$(cut -d= -f1 "$OUT" | sort | uniq -d)" ""
}

test_info_json_agrees() {
	"$STOR" backend info "$SNAPDIR" >text
	expect 0 "$STOR" backend info --format json "$SNAPDIR"
	python3 - "$OUT" text <<-'END' || fail "the two formats differ"
		import json, sys
		info = json.load(open(sys.argv[1]))
		text = dict(line.rstrip("\n").split("=", 1) for line in open(sys.argv[2]))
		for name, is_there in info["has"].items():
		    assert text["has_" + name] == ("yes" if is_there else "no"), name
		for param in info["params"]:
		    assert text["param.%s.type" % param["key"]] == param["type"]
		    assert text["param.%s.help" % param["key"]] == param["help"]
		assert text["struct_size"] == str(info["struct_size"])
		assert len([k for k in text if k.endswith(".type")]) == len(info["params"])
	END
}

test_errors() {
	expect 2 "$STOR" backend
	expect 2 "$STOR" backend nonsense
	expect 2 "$STOR" backend info
	err_has 'missing operand'
	expect 3 "$STOR" backend info nonsense
	err_has 'no backend "nonsense"'
	err_has 'backends: .*dir'
	STOR_MODULES=$T/absent expect 3 "$STOR" backend ls
	err_has 'STOR_MODULES'
}

run_tests "$@"
