/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table inet stor: see rules.h. */
#include "core/net/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/module.h"
#include "core/net/bridge.h"

int net_publish(struct net_state *state, const char *id, const char *end,
                const struct net_address *to, const struct net_port *ports, size_t count,
                struct stor_err *err)
{
	cleanup_free char *path = xasprintf("publish/%s", id);
	cleanup_record struct record record = RECORD_INIT;
	char from[NET_ADDRESS_TEXT], address[NET_ADDRESS_TEXT];

	record_set(&record, "end", end);
	for (size_t i = 0; i < count; i++) {
		for (int f = 0; f < NET_FAMILIES; f++) {
			cleanup_free char *rule = NULL, *to_address = NULL;
			const struct net_port *p = &ports[i];
			const char *ip = f == NET_IP4 ? "ip" : "ip6";

			if (!to[f].family ||
			    (p->from.family && net_family(&p->from) != (enum net_family)f))
				continue;
			net_address_format(&to[f], false, address);
			to_address = f == NET_IP4 ? xstrdup(address) : xasprintf("[%s]", address);
			rule = xasprintf("%s%s%s%s%s dport %u dnat %s to %s:%u",
			                 p->from.family ? ip : "", p->from.family ? " daddr " : "",
			                 p->from.family ? net_address_format(&p->from, false, from)
			                                : "",
			                 p->from.family ? " " : "", p->is_udp ? "udp" : "tcp",
			                 p->from_port, ip, to_address, p->to_port);
			record_add(&record, f == NET_IP4 ? "rule" : "rule6", rule);
		}
	}
	return record_save(&record, state->fd, path, false, err);
}

bool net_unpublish(struct net_state *state, const char *id)
{
	cleanup_free char *path = xasprintf("publish/%s", id);

	return unlinkat(state->fd, path, 0) == 0;
}

/* --- the table ---------------------------------------------------------------------------- */

/* What the rules are made of: elements of sets, and rules for ports. */
struct parts {
	struct strbuf bridges; /* made by stor */
	struct strbuf ends;    /* of these and of single pairs with published ports */
	struct strbuf nets[NET_FAMILIES];
	struct strbuf ports;
	bool is_needed;
};

static void free_parts(struct parts *parts)
{
	strbuf_free(&parts->bridges);
	strbuf_free(&parts->ends);
	strbuf_free(&parts->nets[NET_IP4]);
	strbuf_free(&parts->nets[NET_IP6]);
	strbuf_free(&parts->ports);
}

/* Elements are words of our own, so only names of links need quotes. */
static void add_element(struct strbuf *set, const char *element, bool quoted)
{
	strbuf_printf(set, quoted ? "%s\"%s\"" : "%s%s", set->length ? ", " : "", element);
}

static int collect_bridges(struct net_state *state, struct parts *parts, struct stor_err *err)
{
	static const char *const keys[] = { "gateway", "gateway6" };
	cleanup_strv struct strv names = STRV_INIT;

	if (net_bridge_list(state, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		cleanup_record struct record record = RECORD_INIT;
		const char *nat;

		if (net_bridge_load(state, names.items[i], &record, err) < 0)
			return -1;
		parts->is_needed = true;
		add_element(&parts->bridges, names.items[i], true);
		add_element(&parts->ends, names.items[i], true);
		nat = record_get(&record, "nat");
		for (int f = 0; f < NET_FAMILIES; f++) {
			const char *gateway = record_get(&record, keys[f]);

			if (gateway && (!nat || strcmp(nat, "no") != 0))
				add_element(&parts->nets[f], gateway, false);
		}
	}
	return 0;
}

static int collect_ports(struct net_state *state, struct parts *parts, struct stor_err *err)
{
	cleanup_strv struct strv ids = STRV_INIT;

	if (store_list(state->fd, "publish", &ids, err) < 0)
		return -1;
	for (size_t i = 0; i < ids.count; i++) {
		cleanup_free char *path = xasprintf("publish/%s", ids.items[i]);
		cleanup_record struct record record = RECORD_INIT;
		cleanup_free char *end = NULL;
		const char *value;

		if (!store_is_id(ids.items[i]))
			continue;
		if (record_load(&record, state->fd, path, err) < 0)
			return -1;
		parts->is_needed = true;
		value = record_get(&record, "end");
		end = xasprintf("\"%s\"", value ? value : "");
		if (!parts->ends.text || !strstr(parts->ends.text, end))
			add_element(&parts->ends, end, false);
		for (size_t at = 0; (value = record_next(&record, "rule", &at));)
			strbuf_printf(&parts->ports, "\t\tmeta nfproto ipv4 %s\n", value);
		for (size_t at = 0; (value = record_next(&record, "rule6", &at));)
			strbuf_printf(&parts->ports, "\t\tmeta nfproto ipv6 %s\n", value);
	}
	return 0;
}

static void add_set(struct strbuf *text, const char *name, const char *type,
                    const struct strbuf *elements)
{
	strbuf_printf(text, "\tset %s {\n\t\ttype %s\n", name, type);
	if (elements->length)
		strbuf_printf(text, "\t\telements = { %s }\n", elements->text);
	strbuf_puts(text, "\t}\n");
}

/*
 * A packet to one of the host's own addresses goes to the container that publishes the port; one
 * from the host's loopback comes back only when it has the bridge's address. What a container sends
 * to a published port of its own network must take the same way back, too. Packets from a container
 * to 127.0.0.0/8, which route_localnet lets through, are dropped before anything looks at them.
 */
static void add_chains(struct strbuf *text, const char *ports)
{
	strbuf_puts(text, "\tchain guard {\n"
	                  "\t\ttype filter hook prerouting priority raw; policy accept;\n"
	                  "\t\tiifname @ends ip daddr 127.0.0.0/8 drop\n"
	                  "\t}\n"
	                  "\tchain publish {\n");
	strbuf_puts(text, ports);
	strbuf_puts(text, "\t}\n"
	                  "\tchain incoming {\n"
	                  "\t\ttype nat hook prerouting priority dstnat; policy accept;\n"
	                  "\t\tfib daddr type local jump publish\n"
	                  "\t}\n"
	                  "\tchain own {\n"
	                  "\t\ttype nat hook output priority -100; policy accept;\n"
	                  "\t\tfib daddr type local jump publish\n"
	                  "\t}\n"
	                  "\tchain outgoing {\n"
	                  "\t\ttype nat hook postrouting priority srcnat; policy accept;\n"
	                  "\t\tip saddr 127.0.0.0/8 oifname @ends masquerade\n"
	                  "\t\tip saddr @nets4 oifname != @bridges masquerade\n"
	                  "\t\tip6 saddr @nets6 oifname != @bridges masquerade\n"
	                  "\t\tip saddr @nets4 ip daddr @nets4 ct status dnat masquerade\n"
	                  "\t\tip6 saddr @nets6 ip6 daddr @nets6 ct status dnat masquerade\n"
	                  "\t}\n"
	                  "}\n");
}

bool net_rules_may_exist(struct net_state *state)
{
	return faccessat(state->fd, "rules", F_OK, 0) == 0;
}

int net_rules_apply(struct net_state *state, struct stor_err *err)
{
	__attribute__((cleanup(free_parts))) struct parts parts = { .is_needed = false };
	const struct net_nft_module *nft;
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	if (collect_bridges(state, &parts, err) < 0 || collect_ports(state, &parts, err) < 0)
		return -1;
	/* On a kernel that has no tables, too. */
	if (!parts.is_needed && !net_rules_may_exist(state))
		return 0;
	nft = module_load("net", "nft", err);
	if (!nft)
		return -1;
	/* To delete what is not there would be an error. */
	strbuf_puts(&text, "add table inet stor\ndelete table inet stor\n");
	if (parts.is_needed) {
		if (mknodat(state->fd, "rules", S_IFREG | 0600, 0) < 0 && errno != EEXIST)
			return err_fail(err, STOR_FAILED, errno, "create %s/net/…/rules",
			                state->store->state_path);
		strbuf_puts(&text, "table inet stor {\n");
		add_set(&text, "bridges", "ifname", &parts.bridges);
		add_set(&text, "ends", "ifname", &parts.ends);
		add_set(&text, "nets4", "ipv4_addr\n\t\tflags interval\n\t\tauto-merge",
		        &parts.nets[NET_IP4]);
		add_set(&text, "nets6", "ipv6_addr\n\t\tflags interval\n\t\tauto-merge",
		        &parts.nets[NET_IP6]);
		add_chains(&text, parts.ports.text ? parts.ports.text : "");
	}
	if (nft->apply(text.text, err) < 0)
		return -1;
	kill_point("net-rules");
	if (!parts.is_needed)
		unlinkat(state->fd, "rules", 0);
	return 0;
}
