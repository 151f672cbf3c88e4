# bash completion for stor                                                    -*- shell-script -*-
# SPDX-License-Identifier: GPL-2.0-or-later
# It asks the program: commands and options come from --help, so they are always those of the
# installed version; names of images, volumes, backends and containers from the listings.

# Options of `stor WORDS… --help`; "-x" and "--long" each on a line, "=" behind those with a value.
_stor_options() {
	"$@" --help 2>/dev/null </dev/null | awk '
		/^Options:/ { on = 1; next }
		/^[^ ]/ { on = 0 }
		on && match($0, /^ +(-[A-Za-z], )?--[a-z0-9-]+( [A-Z][^ ]*)?/) {
			n = split(substr($0, RSTART, RLENGTH), words, /[ ,]+/)
			value = words[n] ~ /^-/ ? "" : "="
			for (i = 1; i <= n; i++)
				if (words[i] ~ /^-/) print words[i] value
		}'
}

# Commands that `stor [GROUP] --help` lists.
_stor_commands() {
	"$@" --help 2>/dev/null </dev/null | awk '
		/^Commands:/ { on = 1; next }
		/^[^ ]/ { on = 0 }
		on && /^  [a-z]/ { print $1 }'
}

# First column of a listing, without its heading.
_stor_names() {
	"$@" 2>/dev/null </dev/null | awk 'NR > 1 { print $1 }'
}

# Ids and names of the containers that run, or with --all of every one.
_stor_containers() {
	"$stor" ps "$@" 2>/dev/null </dev/null | awk 'NR > 1 { print $1; print $2 }'
}

# Candidates for the value of an option; nothing known: file names.
_stor_value() {
	case $1 in
	--backend | --to) _stor_names "$stor" backend ls ;;
	--image) _stor_names "$stor" image ls ;;
	--backends) _stor_names "$stor" backend ls ;;
	--peers) printf '%s\n' all bwrap crun runc lxc nspawn docker podman ;;
	--workload) "$stor" bench --list-workloads | awk '{ print $1 }' ;;
	--cache) printf '%s\n' warm cold ;;
	--cgroups) printf '%s\n' enabled disabled ;;
	--cgroup-ns) printf '%s\n' private host ;;
	--restart) printf '%s\n' no on-failure always unless-stopped ;;
	--net)
		printf '%s\n' none host veth bridge
		_stor_containers | sed 's/^/container:/' ;;
	*) return 1 ;;
	esac
}

# Candidates for an operand of the command.
_stor_operand() {
	case "$*" in
	"image inspect" | "image export" | "image rm") _stor_names "$stor" image ls ;;
	"volume "*) _stor_names "$stor" volume ls ;;
	"backend info" | "backend check") _stor_names "$stor" backend ls ;;
	rm | start | rename | inspect | wait | logs | restart | update | diff | export | commit)
		_stor_containers --all ;;
	pause | resume | stats | kill | stop | exec | attach | top)
		_stor_containers ;;
	cp)
		_stor_containers --all | sed 's/$/:/'
		compgen -f -- "$cur" || true ;;
	*) return 1 ;;
	esac
}

_stor() {
	local stor=${COMP_WORDS[0]} cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local words=() options word i skip=0 candidates
	COMPREPLY=()
	# The command's words so far: options and their values are not among them.
	options=$(_stor_options "$stor")
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if ((skip)); then
			skip=0
		elif [[ $word == -* ]]; then
			grep -qxF -e "$word=" <<<"$options" && skip=1
		elif ((${#words[@]} == 0)); then
			words+=("$word")
			options=$(_stor_options "$stor" "$word")
		elif ((${#words[@]} == 1)) && _stor_commands "$stor" "${words[0]}" | grep -qxF -e "$word"; then
			words+=("$word")
			options=$(_stor_options "$stor" "${words[@]}")
		fi
	done
	if ((skip)); then
		candidates=$(_stor_value "$previous") || { compopt -o default 2>/dev/null; return 0; }
	elif [[ $cur == -* ]]; then
		candidates=${options//=/}
	elif ((${#words[@]} == 0)); then
		candidates=$(_stor_commands "$stor")
	else
		candidates=
		((${#words[@]} > 1)) || candidates=$(_stor_commands "$stor" "${words[0]}")
		[[ -n $candidates ]] || candidates=$(_stor_operand "${words[@]}") ||
			{ compopt -o default 2>/dev/null; return 0; }
	fi
	mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$cur")
}

complete -F _stor stor
