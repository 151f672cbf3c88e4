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

# --- what the report says ----------------------------------------------------------------------

# Printed on A4 with default margins by Chromium, more words, lines or rows than these fill a third page.
test_the_report_is_two_pages() {
	copy_report
	is_two_pages
	alter 'middle ** 2 / (value or 1)'
	is_two_pages
	copy_report
	# As with very many rounds, which show each difference.
	alter mine
	is_two_pages
}
is_two_pages() {
	local words lines rows
	rows=$(grep -c '^|' docs/comparison.md)
	sed -E '/^\|/d; s/\]\([^)]*\)//g' docs/comparison.md >text
	words=$(wc -w <text)
	[ "$words" -le 1525 ] || fail "$words words outside of tables"
	lines=$(fold -s -w 115 text | grep -c .)
	[ "$lines" -le 95 ] || fail "$lines lines outside of tables"
	# Two tables, each with a head of two lines.
	[ "$rows" -le 26 ] || fail "$rows lines of tables"
	! grep -q '^```' docs/comparison.md || fail 'output of containers is for the details'
	grep -q '(comparison-details.md)' docs/comparison.md || fail 'no link to the details'
}

# alter EXPRESSION: a report of other samples. value is what was measured, of a subject at a workload; middle
# is the median of all values there, and mine of that subject's.
alter() {
	(cd docs/comparison-data && python3 - "$1" <<-'END'
		import json, statistics, sys
		for name in ("start", "processor", "limits", "disk", "network", "operations"):
		    lines = [json.loads(line) for line in open(name + ".jsonl")]
		    cases = {line["case"]: line for line in lines if line["type"] == "case"}
		    samples = [(line, cases[line["case"]]) for line in lines if line["type"] == "sample"]
		    there = {}
		    for line, case in samples:
		        for metric, value in line["values"].items():
		            there.setdefault((case["workload"], metric), []).append(value or 1)
		            there.setdefault((case["case"], metric), []).append(value)
		    for line, case in samples:
		        for metric, value in line["values"].items():
		            line["values"][metric] = eval(sys.argv[1], {
		                "value": value, "subject": case["subject"], "workload": case["workload"],
		                "middle": statistics.median(there[case["workload"], metric]),
		                "mine": statistics.median(there[case["case"], metric])})
		    open(name + ".jsonl", "w").write("".join(json.dumps(line) + "\n" for line in lines))
	END
	)
	expect 0 python3 "$COMPARE/report.py" "$STOR" docs
	expect 0 check
}

# Prints each verdict that the figures give, as it finds it by itself, and fails where the text says another
# thing, or gives a reason for what is not so.
verdicts() {
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$COMPARE python3 - <<-'END'
		import json, re, check, naming, reasons
		text = open("docs/comparison.md", encoding="utf-8").read()
		sections = {found: re.search(r"^## Where stor %s, and why\n\n(.*?)\n\n##" % word, text, re.S | re.M).group(1)
		            for found, word in (("better", "is better"), ("worse", "loses"))}
		all_verdicts, great, small, shown, ratios = [], [], [], set(), {}
		for bench, by_base in json.load(open("docs/comparison-data/figures.json")).items():
		    for peer in "lxc", "docker":
		        better = {metric["name"]: metric["better"] for metric in by_base[peer]["metrics"]}
		        for row in by_base[peer]["rows"]:
		            for cell in row["cells"]:
		                ratio = cell["metrics"].get(row["metric"], {}).get("ratio")
		                if cell["subject"] in naming.NAMES or not ratio:
		                    continue
		                limits = " with limits" if "cpus" in row["conditions"] else ""
		                shown.add((row["workload"] + limits, peer, cell["subject"]))
		                if ratio["low"] <= 1 <= ratio["high"]:
		                    continue
		                is_more = ratio["median"] > 1
		                ratios.setdefault((row["workload"], naming.BACKENDS[cell["subject"]]), []).append(ratio["median"])
		                found = "better" if is_more == (better[row["metric"]] == "more") else "worse"
		                all_verdicts.append((found, row["workload"] + limits, peer, cell["subject"]))
		                kind = small if 0.95 < ratio["median"] < 1 / 0.95 else great
		                kind.append((found, row["workload"], peer, cell["subject"], is_more, limits))
		for found, section in sections.items():
		    items = section.split("\n")
		    for workload, says in naming.SAYS.items():
		        mine = [claim for claim in great if claim[:2] == (found, workload)]
		        item = [item for item in items if item.startswith("- " + says)]
		        assert len(item) == bool(mine), (found, workload, item)
		        if not mine:
		            continue
		        said = re.split("[,;] because|; no cause|, for the same", item[0])[0]
		        for peer in "lxc", "docker":
		            assert (naming.NAMES[peer] + "'s" in said) == any(claim[2] == peer for claim in mine), (found, workload, peer)
		        # Less is told as "0.5 of", more as "2 times", and of hundreds the figures; each beside its own backend.
		        is_near = any(0.01 < ratio < 100 for claim in mine for ratio in ratios[workload, naming.BACKENDS[claim[3]]])
		        assert (" times " in said) == (is_near and mine[0][4]), (found, workload, said)
		        for number, backend in re.findall(r"([\d.]+)(?: \[[^]]*\])? \((%s)\)" % "|".join(naming.BACKENDS.values()), said):
		            assert number in [check.significant(ratio, digits) for ratio in ratios[workload, backend] for digits in (2, 3)], said
		        named = set(re.findall("|".join(naming.BACKENDS.values()), re.sub(r"all but [a-z ]*|\(on [^)]*\)", "", said)))
		        claimed = {naming.BACKENDS[claim[3]] for claim in mine}
		        assert named <= claimed, (found, workload, named, claimed)
		        assert named == claimed or re.search(" to |every backend|all but", said), (found, workload, named, claimed)
		        lacking = [{naming.BACKENDS[subject] for row, its, subject in shown if (row, its) == (workload + limits, peer)} -
		                   {naming.BACKENDS[claim[3]] for claim in mine if (claim[2], claim[5]) == (peer, limits)}
		                   for peer in ("lxc", "docker") for limits in ("", " with limits")
		                   if any((claim[2], claim[5]) == (peer, limits) for claim in mine)]
		        assert "every backend" not in said or set() in lacking, said
		        assert all({name} in lacking for name in re.findall("all but (ploop [a-z]+|[a-z]+)", said)), said
		        # Where a verdict is one of only those without limits, or with them.
		        differs = any((workload + " with limits", *claim[2:4]) in shown and
		                      (found, workload + " with limits", *claim[2:4]) not in all_verdicts if not claim[5] else
		                      (*claim[:5], "") not in great for claim in mine)
		        assert ("with" in said) == differs, (found, workload, said)
		    little = [item for item in items if item.startswith("- By less than a twentieth")]
		    assert len(little) == any(claim[0] == found for claim in small), found
		    for reason in reasons.REASONS:
		        holds = any(reasons.explains(reason, found, *claim[1:4]) for claim in great if claim[0] == found)
		        assert (reason.text in section) == holds, (found, reason)
		print("\n".join(sorted(" ".join(verdict) for verdict in all_verdicts)))
	END
}

test_sentences_turn_with_the_data() {
	copy_report
	expect 0 verdicts
	sed 's/^better/x/; s/^worse/better/; s/^x/worse/' "$OUT" | sort >turned
	[ "$(wc -l <turned)" -gt 40 ] || fail 'hardly a verdict'
	# What was more is less, by as much.
	alter 'middle ** 2 / (value or 1)'
	expect 0 verdicts
	same "$(cat "$OUT")" "$(cat turned)"
	for name in comparison comparison-details; do
		! cmp -s docs/$name.md "$TOP/docs/$name.md" || fail "$name.md is as before"
	done
}

test_a_slow_backend_loses_without_others_reasons() {
	copy_report
	alter 'value * 100 if (subject, workload) == ("dir", "start") else value'
	expect 0 verdicts
	grep -q '^worse start lxc dir$' "$OUT" || fail 'dir is not slow'
	sed -n '/^## Where stor loses/,/^## Where no/p' docs/comparison.md | grep 'Starting and ending' >start
	grep -q 'no cause is known on dir beside LXC and beside Docker' start || fail "$(cat start)"
	! sed -n '/^## Where stor is better/,/^## Where stor loses/p' docs/comparison.md | grep -F 'Starting and ending' | grep -q '[(]dir[)]\|on dir' ||
		fail 'dir starts better all the same'
}

test_equal_data_give_no_verdict() {
	copy_report
	alter middle
	expect 0 verdicts
	same "$(cat "$OUT")" ''
	same "$(grep -c '^Nowhere is that shown\.$' docs/comparison.md)" 2
	! grep -q 'because\|no cause' docs/comparison.md || fail 'a difference that is none has a cause'
	grep -q 'On no backend, with limits or without, is a difference shown from LXC or Docker at start to exit' docs/comparison.md
}

test_what_is_said_of_isolation_is_seen() {
	copy_report
	local told='stor grants no more than the others|Limits of memory and processes hold in all\.'
	same "$(grep -oE "$told" docs/comparison.md | wc -l)" 2
	sed -i 's/held 0$/held 419430400/' docs/comparison-data/inside-docker.txt
	sed -i 's/^CapEff:.*/CapEff:\t000001ffffffffff/' docs/comparison-data/inside-stor.txt
	sed -i 's/started 97$/started 150/' docs/comparison-data/inside-lxc.txt
	alter value
	! grep -E "$told" docs/comparison.md || fail 'what is no longer so'
	grep -q 'The limit of memory did not hold in Docker\. The limit of processes did not hold in LXC\.' docs/comparison.md
	# One more namespace is the host's.
	jq -r '.namespaces[] | select(startswith("net:"))' docs/comparison-data/host.json >net
	sed -i "s/^net:.*/$(cat net)/" docs/comparison-data/inside-lxc.txt
	alter value
	! grep 'its own network' docs/comparison.md || fail 'a network that is shared is its own'
	grep -q '`ps` shows its own processes alone and `mount` its own mounts' docs/comparison.md
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
