#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# make compare: the report in the repository follows from the data beside it, number by number; and its
# installation asks, starts no service, and leaves policy-rc.d as it was.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
COMPARE=$TOP/tests/compare

# --- the report --------------------------------------------------------------------------------

WRITTEN='comparison.md comparison.html comparison-details.md comparison-details.html comparison.svg'

copy_report() {
	rm -rf docs
	mkdir docs
	local name
	for name in $WRITTEN comparison-data; do
		cp -r "$TOP/docs/$name" docs
	done
	cp "$TOP/README.md" .
}
check() { python3 "$COMPARE/check.py" docs; }

test_the_report_is_made_of_its_data() {
	copy_report
	rm docs/comparison*.*
	rm docs/comparison-data/{figures,views,numbers}.json
	sed -i '/<!-- what make compare/,/<!-- the end of it/s/^| start.*/| 1 ms |/' README.md
	expect 0 python3 "$COMPARE/report.py" "$STOR" docs
	cmp README.md "$TOP/README.md" || fail 'README.md has another table'
	local name
	for name in $WRITTEN comparison-data/figures.json comparison-data/views.json comparison-data/numbers.json; do
		cmp "docs/$name" "$TOP/docs/$name" || fail "$name is not what tests/compare/report.py makes"
	done
	expect 0 check
	same "$(jq -Sc 'map_values(length > 100)' docs/comparison-data/numbers.json)" '{"comparison-details.md":true,"comparison.md":true}'
}

# Each number of the texts in turn becomes another one; none passes.
test_no_other_number_passes() {
	copy_report
	python3 - "$COMPARE" >unnoticed <<-'END'
		import json, re, sys
		sys.path.insert(0, sys.argv[1])
		sys.dont_write_bytecode = True
		import check
		tried = 0
		for name in check.TEXTS:
		    whole = open("docs/" + name, encoding="utf-8").read()
		    for found in re.finditer(r"(?<![A-Za-z_\d.])\d+(\.\d+)?", whole):
		        other = str(int(found.group()[-1]) ^ 1)
		        text, wrong = whole[:found.end() - 1] + other + whole[found.end():], []
		        text = check.check_verbatim("docs", name, text, wrong)
		        check.check_numbers("docs", name, text, wrong)
		        # "stor-bench(1)" is no number, and what a command shows may have another line like it.
		        if not wrong and not whole[:found.start()].endswith("stor-bench("):
		            print(name, found.start(), found.group(), whole[max(0, found.start() - 40):found.end() + 20].replace("\n", " "))
		        tried += 1
		assert tried > 1000, tried
	END
	same "$(cat unnoticed)" ''
}

test_changed_data_is_found() {
	copy_report
	cd docs
	expect 0 python3 "$COMPARE/check.py" .
	# Samples, of which the figures are no longer made.
	python3 - <<-'END'
		import json
		lines = [json.loads(line) for line in open("comparison-data/start.jsonl")]
		for line in lines:
		    if line["type"] == "sample" and line["case"] % 2:
		        line["values"]["seconds"] *= 2
		open("comparison-data/start.jsonl", "w").write("".join(json.dumps(line) + "\n" for line in lines))
	END
	expect 1 python3 "$COMPARE/check.py" .
	out_has '^figures.json: start, .* value of seconds is not what the samples give$'
	out_has '^figures.json: start, .* ratio of seconds is not what the samples give$'
	cp "$TOP/docs/comparison-data/start.jsonl" comparison-data/
	# A figure, which the text no longer has.
	jq '.stor.mounts += 1' comparison-data/views.json >views && mv views comparison-data/views.json
	expect 1 python3 "$COMPARE/check.py" .
	out_has '^numbers.json: "[0-9]+" is [0-9]+ in views.json'
	cp "$TOP/docs/comparison-data/views.json" comparison-data/
	expect 0 python3 "$COMPARE/check.py" .
	# A line of a container's view.
	sed -i 's/^\(default via [0-9.]*\)/\19/' comparison-details.md
	expect 1 python3 "$COMPARE/check.py" .
	out_has '^comparison-details.md: "default via .*" is in no data$'
	cp "$TOP/docs/comparison-details.md" .
	# A number that somebody wrote, at the end or in the midst of others.
	local where text
	for text in comparison.md comparison-details.md; do
		for where in '$a It took 42 minutes.' '/^## .*/a It took 42 minutes.'; do
			sed -i "$where" $text
			expect 1 python3 "$COMPARE/check.py" .
			out_has "^$text: a number that is in no data: .*It took 42 minutes"
			cp "$TOP/docs/$text" .
		done
	done
}

# --- what is measured --------------------------------------------------------------------------

# What is measured is told, and what is told is measured; with limits, all that has a row without them.
test_run_files_and_rows_are_the_same() {
	local bench
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$COMPARE python3 -c '
import naming
print("\n".join(sorted("%s %s" % row for topic in naming.TOPICS for row in topic["rows"] if row[0] != "operations")))' >told
	for bench in start processor limits disk network; do
		jq -r --arg bench $bench '.workloads | if type == "string" then [.] else . end | .[] | "\($bench) \(.)"' "$TOP/docs/examples/bench/$bench.json"
	done | sort >measured
	same "$(cat told)" "$(cat measured)"
	same "$(sed -n 's/^limits //p' told)" "$(sed -nE 's/^(processor|disk|network) //p' told | sort)"
	# The same limits, and the same subjects, everywhere.
	same "$(jq -c '.backends, .peers' "$TOP"/docs/examples/bench/*.json | sort -u | wc -l)" 2
	same "$(jq -r '.limits | select(.) | if type == "string" then . else .[] end' "$TOP"/docs/examples/bench/*.json | sort -u | paste -sd' ')" 'cpus=0.5,memory=256M none'
}

test_the_report_names_no_machine() {
	(cd "$TOP/docs" && grep -rnE 'https?://|deb\.debian\.org|(^|[^a-z])(/work|/root|/home)/' comparison*.md comparison-data comparison.svg) >found || true
	grep -vE 'http://www\.w3\.org/2000/svg' found >strange || true
	same "$(cat strange)" ''
}

# --- the installation --------------------------------------------------------------------------

# install_here [COMMAND…]: with another /usr/sbin and other units, in which lxc is missing. apt-get notes
# what policy-rc.d answers, installs a unit, and waits where there is a file "slow".
prepare() {
	mkdir -p bin sbin/{upper,work} units/{upper,work}
	# Whatever this machine has, it lacks lxc and no other.
	cat >bin/dpkg-query <<-END
		#!/bin/sh
		$(command -v dpkg-query) "\$@" | sed '/^ii  *lxc /d'
		for package in docker.io iptables debootstrap iproute2 iperf3 procps python3 \$(cat $T/also 2>/dev/null); do echo "ii  \$package "; done
	END
	cat >bin/apt-get <<-END
		#!/bin/sh
		echo "\$*" >>$T/asked
		/usr/sbin/policy-rc.d; echo "answer \$?" >>$T/asked
		touch /usr/lib/systemd/system/new-one.service
		echo \$PPID >$T/installer
		echo \$\$ >$T/waits
		[ ! -e $T/slow ] || exec sleep 1000
		[ ! -e $T/fails ] || { echo "E: no space"; exit 100; }
	END
	printf '#!/bin/sh\necho "systemctl $*" >>%s/asked\n' "$T" >bin/systemctl
	chmod 755 bin/*
	cat >inside <<-END
		mount --make-rprivate /
		mount -t overlay -o lowerdir=/usr/sbin,upperdir=$T/sbin/upper,workdir=$T/sbin/work overlay /usr/sbin
		mount -t overlay -o lowerdir=/usr/lib/systemd/system,upperdir=$T/units/upper,workdir=$T/units/work overlay /usr/lib/systemd/system
		# One that is killed leaves its log.
		export PATH=$T/bin:\$PATH TMPDIR=$T
		"\$@"
	END
}
here() { unshare -m bash -e "$T/inside" "$@"; }
policy_is() { here sh -c 'ls /usr/sbin | grep ^policy-rc.d; cat /usr/sbin/policy-rc.d; /usr/sbin/policy-rc.d; echo $?'; }

test_nothing_is_installed_unasked() {
	prepare
	expect 1 here env -u YES "$COMPARE/install"
	out_has '^compare: these packages are missing and will be installed, with what they need: lxc$'
	err_has 'standard input is no terminal; YES=1 agrees'
	[ ! -e asked ] || fail "it asked for $(cat asked)"
	# On a terminal, without agreement.
	echo "exec env -u YES $COMPARE/install" >try
	expect 1 here script -qec "sh try </dev/null" /dev/null
	[ ! -e asked ] || fail "it asked for $(cat asked)"
	printf 'n\n' >answer
	! here script -qec 'sh try' /dev/null <answer >"$OUT" || fail 'a no is a yes'
	out_has 'nothing was installed'
	[ ! -e asked ] || fail "it asked for $(cat asked)"
	# And nothing at all is said where nothing is missing.
	echo lxc >also
	expect 0 here env -u YES "$COMPARE/install"
	same "$(cat "$OUT" "$ERR")" ''
}

test_policy_is_put_back() {
	prepare
	here sh -c 'printf "#!/bin/sh\nexit 7\n" >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d'
	policy_is >before
	same "$(tail -n 1 before)" 7
	expect 0 here env YES=1 "$COMPARE/install"
	same "$(cat asked)" "-qq update
answer 101
-qq -y --no-install-recommends install lxc
answer 101
systemctl --quiet --no-reload disable new-one.service"
	same "$(policy_is)" "$(cat before)"
	touch fails
	expect 1 here env YES=1 "$COMPARE/install"
	err_has '^E: no space$'
	same "$(policy_is)" "$(cat before)"
}

test_policy_is_put_back_when_interrupted() {
	prepare
	here sh -c 'printf "#!/bin/sh\nexit 7\n" >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d'
	policy_is >before
	touch slow
	local signal job
	for signal in TERM INT HUP KILL; do
		rm -f waits
		# What runs in the background ignores SIGINT otherwise.
		here env --default-signal=INT YES=1 "$COMPARE/install" >log 2>&1 &
		job=$!
		wait_for test -s waits
		kill -$signal "$(cat installer)"
		wait $job || true
		[ $signal = KILL ] || ! kill -0 "$(cat waits)" 2>/dev/null || fail "after SIG$signal apt-get goes on"
		kill "$(cat waits)" 2>/dev/null || true
		[ $signal = KILL ] || same "$signal: $(policy_is)" "$signal: $(cat before)"
	done
	# Killed, it could not; the next one does, before it asks.
	policy_is >after || true
	! cmp -s before after || fail 'it was not killed while it installed'
	expect 1 here env -u YES "$COMPARE/install"
	same "$(policy_is)" "$(cat before)"
}

test_no_policy_is_no_policy_again() {
	prepare
	here rm -f /usr/sbin/policy-rc.d
	expect 0 here env YES=1 "$COMPARE/install"
	same "$(grep -c 'answer 101' asked)" 2
	same "$(here sh -c 'ls /usr/sbin | grep ^policy-rc.d')" ''
}

run_tests "$@"
