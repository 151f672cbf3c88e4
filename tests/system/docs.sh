#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What is written about commands and options is what the program has: --help, the man pages and the
# completion are compared with each other, both ways.
. "$(dirname "$0")/../lib.sh"

pods() { find "$TOP/docs" "$TOP/plugins" "$TOP/backends" -name '*.[0-9].pod'; }

# Commands that `stor [GROUP] --help` lists.
commands() { run_stor "$@" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p'; }
# All commands, those of groups as "image ls".
all_commands() {
	local command inner
	for command in $(commands); do
		if [ "$command" = version ]; then continue; fi
		inner=$(commands "$command")
		if [ -z "$inner" ]; then
			echo "$command"
		else
			printf '%s\n' "$inner" | sed "s/^/$command /"
		fi
	done
}
help_options() {
	run_stor "$@" --help | sed -n '/^Options:/,/^$/p' | grep -oE '^ +(-[A-Za-z], )?--[a-z0-9-]+' |
		grep -oE -e '-(-[a-z0-9-]+|[A-Za-z]\b)' | sort -u
}
# The page with the options: those of create are those of run.
page_of() {
	case $1 in create) set -- run ;; esac
	local page=$TOP/docs/stor-$1.1.pod
	[ -e "$page" ] || page=$TOP/docs/stor.1.pod
	echo "$page"
}
page_options() { grep '^=item' "$1" | grep -oE 'B<-(-[a-z0-9-]+|[A-Za-z])>' | sed 's/B<\(.*\)>/\1/' | sort -u; }

test_pages_have_their_sections() {
	local pod section sections
	for pod in $(pods); do
		podchecker -warnings "$pod" >log 2>&1 || { cat log >&2; fail "$pod: podchecker"; }
		! grep -E 'WARNING|ERROR' log >&2 || fail "$pod: podchecker"
		sections='NAME SYNOPSIS DESCRIPTION SEE.ALSO'
		case $pod in *.1.pod) sections="$sections OPTIONS EXIT.STATUS EXAMPLES" ;; esac
		for section in $sections; do
			grep -q "^=head1 $section\$" "$pod" || fail "$pod: no section $section"
		done
	done
}

test_pages_are_made() {
	local pod page name
	for pod in $(pods); do
		name=$(basename "$pod" .pod)
		page=$B/man/$name
		[ -s "$page" ] || fail "$page is missing"
		grep -q '^\.TH ' "$page" || fail "$page has no title"
	done
}

test_every_command_answers_for_help() {
	local command
	while read -r command; do
		# shellcheck disable=SC2086 # words
		expect 0 run_stor $command --help
		out_has "^Usage: stor $command"
		same "$(cat "$ERR")" ""
	done < <(all_commands)
}

test_commands_stand_in_the_pages() {
	local listed written command group
	listed=$(commands | sort)
	written=$(sed -n '/^=head1 COMMANDS/,/^=head1 OPTIONS/s/^=item B<\([a-z-]*\)>.*/\1/p' \
		"$TOP/docs/stor.1.pod" | sort)
	same "$written" "$listed"
	for group in $listed; do
		for command in $(commands "$group"); do
			grep -Eq "^=(head2|item) .*B<(stor )?($group )?$command>|^=head2 (stor )?($group )?$command\b" \
				"$(page_of "$group")" || fail "stor $group $command is in no page"
		done
	done
}

test_options_stand_in_the_pages() {
	local command page pages
	mkdir help
	help_options >help/stor.1.pod
	echo --version >>help/stor.1.pod
	while read -r command; do
		# shellcheck disable=SC2086
		help_options $command >>"help/$(basename "$(page_of $command)")"
	done < <(all_commands)
	pages=$(ls help)
	for page in $pages; do
		page_options "$TOP/docs/$page" >written
		sort -u "help/$page" >options
		diff options written >difference ||
			fail "$page (<: only --help has it, >: only the page): $(grep '^[<>]' difference | tr '\n' ' ')"
	done
}

# tests/system/json.sh compares what the sections say with what is printed.
test_every_command_with_json_has_its_section() {
	local command
	while read -r command; do
		# shellcheck disable=SC2086 # words
		if run_stor $command --help | grep -Eq -- '--format .*json|as JSON'; then echo "stor $command"; fi
	done < <(all_commands) | sort >with
	echo 'stor bench report' | sort - with >commands
	sed -n 's/^=head2 \(stor .*\)/\1/p' "$TOP/docs/stor-json.5.pod" | sort >sections
	diff commands sections || fail 'stor-json(5) has other sections than commands print JSON (<: only the command, >: only the page)'
	# Their pages lead to it.
	while read -r command; do
		grep -q 'stor-json(5)' "$(page_of "${command#stor }")" "$TOP/docs/${command// /-}.1.pod" 2>/dev/null ||
			fail "the page of $command does not name stor-json(5)"
	done <sections
}

# What a backend can have, and what it gets of stor, by the header's names.
test_callbacks_stand_in_their_page() {
	local name names
	names=$(sed -n '/^struct stor_\(backend\|host\) {/,/^};/s/.*(\*\([a-z_]*\))(.*/\1/p' "$TOP/plugins/include/stor/backend.h" | sort -u)
	[ "$(wc -w <<<"$names")" -ge 25 ] || fail "only: $names"
	for name in $names; do
		grep -qE "^=(item|head2) .*\b$name\b|C<+ ?(host->)?$name\b" "$TOP/docs/stor-backend.3.pod" || fail "stor-backend.3 lacks $name"
	done
}

# complete_words WORD…: what the completion offers for the last word.
complete_words() {
	# shellcheck disable=SC2034 # bash's interface to completions
	COMP_WORDS=("$STOR" "$@")
	COMP_CWORD=$#
	_stor
	printf '%s\n' "${COMPREPLY[@]}" | sort -u
}

# Names and ids of containers: of those that run, where the command is for these alone.
test_completion_offers_containers() {
	local command id up all
	. "$TOP/docs/completion.bash"
	expect 0 run_stor run -d --name up sleep 1000
	expect 0 run_stor create --name down true
	id=$(run_stor ps -q)
	up=$(printf '%s\n' up "$id" | sort)
	all=$(run_stor ps -a --format '{{.ID}}\n{{.Name}}' | sort)
	# Whatever command takes one.
	while read -r command; do
		run_stor $command --help | grep -q '^Usage: .* \[\?NAME|ID' || continue
		case $command in
		cp) continue ;; # below
		pause | resume | stats | kill | stop | exec | attach | top) same "$command: $(complete_words $command '')" "$command: $up" ;;
		*) same "$command: $(complete_words $command '')" "$command: $all" ;;
		esac
		same "$(complete_words $command "${id:0:3}")" "$id"
	done < <(all_commands)
	same "$(complete_words stop u)" up
	same "$(complete_words cp up)" up:
	same "$(complete_words run --net container:u)" container:up
	same "$(complete_words run --restart a)" always
	expect 0 run_stor rm -f up down
}

# Every command has a page of its own; those of volumes, images and backends share one.
test_every_command_has_a_page() {
	local command
	for command in $(commands); do
		[ "$command" = version ] || [ -e "$TOP/docs/stor-$command.1.pod" ] || fail "no page of $command"
	done
}

test_completion_offers_what_help_has() {
	local command
	. "$TOP/docs/completion.bash"
	same "$(complete_words '')" "$(commands | sort)"
	same "$(complete_words --)" "$(help_options | grep '^--')"
	while read -r command; do
		# shellcheck disable=SC2086
		same "$(complete_words $command -)" "$(help_options $command)"
	done < <(all_commands)
	# Values of options: those that the program knows.
	same "$(complete_words bench --workload '')" "$("$STOR" bench --list-workloads | awk '{ print $1 }' | sort)"
	same "$(complete_words bench --backends '')" "$("$STOR" backend ls | awk 'NR > 1 { print $1 }' | sort)"
	for peer in $(complete_words bench --peers ''); do
		[ "$peer" = all ] || grep -q "C<$peer>" "$TOP/docs/stor-bench.1.pod" || fail "no peer: $peer"
	done
	same "$(complete_words bench --cache '')" "$(printf 'cold\nwarm')"
}

run_tests "$@"
