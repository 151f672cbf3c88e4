/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chains of others that drop forwarded packets: see rules.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "core/base/log.h"
#include "core/module.h"
#include "core/net/bridge.h"
#include "core/net/rules.h"

static const char *const families[] = { "ip", "ip6" };

/* Where a bridge's packets are let pass: marked, so that they are found again. */
#define COMMENT "stor "

/* The next line of a text, without its newline; NULL at the end. */
static char *next_line(char **rest)
{
	char *line = strsep(rest, "\n");

	return line ? line + strspn(line, " \t") : NULL;
}

static void warn(const char *bridge, const char *table, const char *chain, bool has_docker)
{
	log_warn("network: chain %s of table %s drops forwarded packets that no rule accepts, "
	         "perhaps those of the containers on %s",
	         chain, table, bridge);
	if (has_docker)
		log_warn("network: --net bridge,firewall=docker-user lets them pass, as would "
		         "iptables -I DOCKER-USER -i %s -j ACCEPT, and the same with -o",
		         bridge);
	else
		log_warn(
			"network: nft insert rule %s %s iifname %s accept would let them pass, and "
			"the same with oifname",
			table, chain, bridge);
}

/* Has it a rule that drops or refuses all that comes to it? */
static bool drops_the_rest(const struct net_nft_module *nft, const char *table, const char *chain)
{
	cleanup_free char *command = xasprintf("list chain %s %s", table, chain);
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_free char *rules = nft->list(command, false, &ignored);
	char *rest = rules, *line;

	err_clear(&ignored);
	while (rules && (line = next_line(&rest))) {
		int counter = 0;

		sscanf(line, "counter packets %*u bytes %*u %n", &counter);
		line += counter;
		if (!strcmp(line, "drop") || !strcmp(line, "reject") ||
		    str_starts(line, "reject with "))
			return true;
	}
	return false;
}

/* Looks through what `list chains` prints: "table FAMILY NAME {", "chain NAME {", and "type … hook
 * forward …; policy drop;" within. */
static void warn_of_drops(const struct net_nft_module *nft, char *chains, const char *bridge)
{
	bool has_docker = strstr(chains, "chain DOCKER-USER {") != NULL;
	const char *table = "", *chain = "";
	char *rest = chains, *line;

	while ((line = next_line(&rest))) {
		bool opens = str_ends(line, " {");

		if (opens)
			line[strlen(line) - 2] = '\0';
		if (opens && str_starts(line, "table "))
			table = line + strlen("table ");
		else if (opens && str_starts(line, "chain "))
			chain = line + strlen("chain ");
		else if (str_starts(table, "i") && strstr(line, "hook forward ") &&
		         (strstr(line, "policy drop") || drops_the_rest(nft, table, chain)))
			warn(bridge, table, chain, has_docker);
	}
}

/* Is the chain in that table? */
static bool has_docker_user(const char *chains, const char *family)
{
	cleanup_free char *title = xasprintf("table %s filter {\n", family);
	const char *table = strstr(chains, title);
	const char *end = table ? strstr(table, "\n}") : NULL;
	const char *chain = table ? strstr(table, "\tchain DOCKER-USER {") : NULL;

	return chain && end && chain < end;
}

static int open_docker_user(const struct net_nft_module *nft, const char *chains,
                            const char *bridge, struct stor_err *err)
{
	static const char *const ways[] = { "iifname", "oifname" };
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	for (int f = 0; f < NET_FAMILIES; f++)
		for (int way = 0; way < 2 && has_docker_user(chains, families[f]); way++)
			strbuf_printf(&text,
			              "insert rule %s filter DOCKER-USER %s \"%s\" counter accept "
			              "comment \"" COMMENT "%s\"\n",
			              families[f], ways[way], bridge, bridge);
	if (text.length)
		return nft->apply(text.text, err);
	err_fail(err, STOR_FAILED, 0,
	         "firewall=docker-user: there is no chain DOCKER-USER in the table ip filter");
	err_hint(err, "Docker makes it when it starts; without Docker, leave the key out");
	return -1;
}

/* Removes the rules with the bridge's mark from one table's chain. */
static int close_one(const struct net_nft_module *nft, const char *family, const char *bridge,
                     struct stor_err *err)
{
	cleanup_free char *command = xasprintf("list chain %s filter DOCKER-USER", family);
	cleanup_free char *mark = xasprintf("comment \"" COMMENT "%s\"", bridge);
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_free char *rules = nft->list(command, true, &ignored);
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	char *rest = rules, *line;

	/* No such chain, no such rule. */
	while (rules && (line = next_line(&rest))) {
		const char *handle = strstr(line, mark) ? strstr(line, "# handle ") : NULL;

		if (handle)
			strbuf_printf(&text, "delete rule %s filter DOCKER-USER handle %s\n",
			              family, handle + strlen("# handle "));
	}
	return text.length ? nft->apply(text.text, err) : 0;
}

int net_rules_open_forward(const char *bridge, bool docker_user, struct stor_err *err)
{
	const struct net_nft_module *nft = module_load("net", "nft", err);
	cleanup_free char *chains = nft ? nft->list("list chains", false, err) : NULL;

	if (!chains)
		return -1;
	if (docker_user) {
		/* Those of a start that was killed. */
		for (int f = 0; f < NET_FAMILIES; f++)
			if (close_one(nft, families[f], bridge, err) < 0)
				return -1;
		return open_docker_user(nft, chains, bridge, err);
	}
	warn_of_drops(nft, chains, bridge);
	return 0;
}

int net_rules_close_forward(struct net_state *state, struct stor_err *err)
{
	cleanup_strv struct strv names = STRV_INIT;
	const struct net_nft_module *nft;

	if (store_list(state->fd, "going", &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		cleanup_free char *path = xasprintf("going/%s", names.items[i]);
		cleanup_record struct record record = RECORD_INIT;
		struct stor_err ignored = STOR_ERR_INIT;

		if (record_load(&record, state->fd, path, &ignored) < 0 ||
		    !record_get(&record, "firewall"))
			continue;
		nft = module_load("net", "nft", err);
		for (int f = 0; nft && f < NET_FAMILIES; f++)
			if (close_one(nft, families[f], names.items[i], err) < 0)
				return -1;
		if (!nft)
			return -1;
	}
	return 0;
}
