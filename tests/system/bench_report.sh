#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# stor bench report: every form of a small data file, whose figures are compared with those that
# Python computes from the samples with exact fractions; hostile texts; files that are cut or wrong.
. "$(dirname "$0")/../lib.sh"

DATA=$TOP/tests/report/experiment.jsonl
JUDGE=$TOP/tests/report/judge.py
report() { "$B/modules/internal/stor-bench" report "$@"; }

# changed EXPRESSION…: the data file with lines changed by sed, as changed.jsonl.
changed() { sed "$@" "$DATA" >changed.jsonl; }

test_json_has_the_figures_of_the_samples() {
	expect 0 report --format json "$DATA"
	same "$(cat "$ERR")" ""
	python3 "$JUDGE" json "$DATA" "$OUT" host
	expect 0 report --format json --base dir "$DATA"
	python3 "$JUDGE" json "$DATA" "$OUT" dir
	changed 's/"confidence":0.95/"confidence":0.5/'
	expect 0 report --format json changed.jsonl
	python3 "$JUDGE" json changed.jsonl "$OUT" host
}

test_csv_has_every_sample() {
	expect 0 report --format csv "$DATA"
	python3 "$JUDGE" csv "$DATA" "$OUT"
}

test_markdown_shows_medians_ratios_and_verdicts() {
	expect 0 report "$DATA"
	python3 "$JUDGE" markdown "$DATA" "$OUT" host
	out_has '^\| Workload \| fork \(floor\) \| host \| dir \| ploop:attach=engine \| lxc \|$'
	out_has '^<sup>[0-9]</sup> lxc has no images of its own *$'
	out_has '^- fio-randread, dir, round 3: status 1: fio: Input/output error$'
	out_has '^\| seed \| 42 \|$'
	out_has '8 samples, 1 failed'
	out_has '9 samples, 1 outlier'
	# Five rounds are too few for any verdict.
	out_has '\*\*create\*\*, debian, 1 GiB, warm: Too few rounds for a verdict against host: dir, ploop:attach=engine\.$'
	out_has 'No difference shown from host: dir \('
	out_lacks 'interrupted|not ended|cut'
}

test_html_is_well_formed_and_alone() {
	expect 0 report -o page.html "$DATA"
	same "$(cat "$OUT" "$ERR")" ""
	python3 "$JUDGE" html page.html
	! grep -Eio '(src|href)=|https?://[^ "]*|<script|url\(|@import' page.html | grep -v '^http://www.w3.org/2000/svg$' ||
		fail "the page needs something"
	grep -q 'prefers-color-scheme:dark' page.html
	grep -q '<meta name="viewport" content="width=device-width' page.html
	# Three rows: bars and samples of each; percentiles and a series of one.
	same "$(grep -c '<svg ' page.html)" 8
	same "$(grep -c '<circle [^>]*class="hollow' page.html)" 12
	same "$(grep -c 'class="outlier' page.html)" "$(python3 "$JUDGE" outliers "$DATA")"
}

test_the_form_follows_the_name_of_the_output() {
	local form
	for form in md:markdown csv:csv json:json html:html; do
		expect 0 report -o "x.${form%:*}" "$DATA"
		expect 0 report --format "${form#*:}" "$DATA"
		cmp "$OUT" "x.${form%:*}"
	done
	expect 0 report -o x.html --format csv "$DATA"
	cmp x.csv x.html
	expect 0 report -o - "$DATA"
	cmp "$OUT" x.md
	expect 0 report "$DATA"
	cmp "$OUT" x.md
}

# A rename would put a file in place of the device.
test_an_output_that_is_no_file_stays_what_it_is() {
	mknod null c 1 3
	mknod full c 1 7
	expect 0 report -o null "$DATA"
	same "$(stat -c %F null)" 'character special file'
	: >target.html
	ln -s target.html link.html
	expect 0 report -o link.html "$DATA"
	if ! [ -L link.html ] || ! [ -s target.html ]; then fail "the link is gone"; fi
	expect 1 report -o . "$DATA"
	expect 1 report -o full "$DATA"
	same "$(stat -c %F full)" 'character special file'
}

test_hostile_texts_stay_text() {
	python3 "$JUDGE" make-hostile "$DATA" hostile.jsonl
	expect 0 report -o page.html hostile.jsonl
	python3 "$JUDGE" html page.html
	! grep -n '<evil' page.html || fail "an element of the data file"
	grep -q '&lt;evil&gt;' page.html
	expect 0 report -o x.csv hostile.jsonl
	python3 "$JUDGE" csv hostile.jsonl x.csv
	expect 0 report -o x.json hostile.jsonl
	python3 "$JUDGE" json hostile.jsonl x.json '<evil>"&'\''|`host'
	expect 0 report hostile.jsonl
	out_lacks '<evil|[^\\]`|[^\\]\|evil'
	# Every row has the columns of the header.
	sed -n '/^| Workload |/,/^$/p' "$OUT" | sed 's/\\|//g' | grep '^|' | tr -cd '|\n' | sort | uniq -c >columns
	same "$(wc -l <columns) $(awk '{print $1}' columns)" '1 5'
}

test_a_cut_last_line_is_left_out() {
	head -c -20 "$DATA" >cut.jsonl
	expect 0 report cut.jsonl
	err_has '^stor: warning: cut.jsonl: the last line is cut'
	out_has 'The last line of the data file is cut'
	out_has 'not ended'
	head -n 60 "$DATA" >half.jsonl
	expect 0 report --format json half.jsonl
	python3 "$JUDGE" json half.jsonl "$OUT" host
	changed 's/"interrupted":false/"interrupted":true/'
	expect 0 report changed.jsonl
	out_has 'was interrupted'
}

test_unknown_types_and_members_are_passed_over() {
	expect 0 report --format json "$DATA"
	cp "$OUT" before.json
	changed -e '2i {"type":"weather","rain":true}' -e '$a {"type":"order"}' -e 's/"type":"metric"/"new":[1],&/'
	expect 0 report --format json changed.jsonl
	cmp "$OUT" before.json
}

# wrong LINE TEXT SED…: the changed file is refused with that line and text.
wrong() {
	local line=$1 text=$2
	shift 2
	changed "$@"
	rm -f out.html
	expect 1 report -o out.html changed.jsonl
	err_has "^stor: changed.jsonl:$line: .*$text"
	[ ! -e out.html ] || fail "a report was written"
}

test_wrong_lines_are_refused_with_their_number() {
	wrong 1 'not one JSON object' '1s/^/x/'
	wrong 1 'the first line is no "experiment"' 1d
	wrong 1 '"format" is missing' '1s/"format":1,//'
	wrong 1 '"confidence" is not from' '1s/"confidence":0.95/"confidence":95/'
	wrong 2 'a second "experiment"' '1p'
	wrong 3 'metric: "better" is neither' '3s/"more"/"most"/'
	wrong 7 'case: metric "second" was not told before' '7s/"metric":"seconds"/"metric":"second"/'
	wrong 7 'case: "workload" is missing' '7s/"workload"/"worklood"/'
	wrong 7 'case: "kind" is none of' '7s/"kind":"host"/"kind":"hos"/'
	wrong 7 'case: "subject" is not a text' '7s/"subject":"host"/"subject":7/'
	wrong 20 'not one JSON object' '20s/}$//'
	wrong 30 'sample: value "seconds" is not a finite number' '30s/"seconds":[0-9.]*/"seconds":"1"/'
	wrong 30 'sample: metric "joules" was not told before' '30s/"values":{/&"joules":1,/'
	wrong 30 'sample: "round" is not a whole number' '30s/"round":[-0-9]*/"round":1.5/'
	wrong 30 'sample: case 99 was not told before' '30s/"case":[0-9]*/"case":99/'
	wrong 30 '"at" is not a finite number' '30s/"at":[0-9.]*/"at":NaN/'
	wrong 30 '"at" is not a finite number' '30s/"at":[0-9.]*/"at":1e999/'
	changed '1s/"format":1/"format":2/'
	expect 5 report changed.jsonl
	err_has 'format 2 is not known'
}

test_wrong_usage_is_refused() {
	: >empty
	expect 1 report empty
	err_has 'empty: the file is empty'
	head -n 5 "$DATA" >none.jsonl
	expect 1 report none.jsonl
	err_has 'no case'
	expect 3 report missing.jsonl
	expect 2 report
	expect 2 report --format pdf "$DATA"
	expect 3 report --base docker "$DATA"
	err_has 'no subject is named "docker"'
	err_has 'hint: the subjects are: fork, host, dir, ploop:attach=engine, lxc'
	expect 1 report -o nowhere/x.html "$DATA"
	expect 1 sh -c '"$0" report "$1" >/dev/full' "$B/modules/internal/stor-bench" "$DATA"
}

run_tests "$@"
