/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses, leases, hosts files, and the options of networks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/container/config_net.h"
#include "core/net/clean.h"
#include "core/net/files.h"
#include "core/net/lease.h"
#include "core/net/take_over.h"
#include "tests/unit/store_fixture.h"

/* --- addresses ---------------------------------------------------------------------------- */

static struct net_address address(const char *text)
{
	struct net_address parsed;

	assert_int_equal(net_address_parse(text, &parsed), 0);
	return parsed;
}

static void addresses_are_read_and_written(void **state)
{
	static const char *const good[] = { "10.1.2.3/24", "fd00::1/64", "0.0.0.0/1", "::1/128" };
	static const char *const bad[] = { "",          "10.1.2",       "10.1.2.3/33",
		                           "10.1.2.3/", "10.1.2.3/0",   "fd00::/129",
		                           "fd00::g",   "10.1.2.3/24x", "10.1.2.03",
		                           " 10.1.2.3", "1::2::3" };
	char text[NET_ADDRESS_TEXT];
	struct net_address parsed;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		parsed = address(good[i]);
		assert_string_equal(net_address_format(&parsed, true, text), good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(net_address_parse(bad[i], &parsed), -1);
	parsed = address("10.1.2.3");
	assert_false(parsed.has_prefix);
	assert_int_equal(parsed.prefix, 32);
}

static void addresses_are_counted(void **state)
{
	struct net_address a = address("10.1.2.77/26"), b = address("fd00:1::5/64");
	struct net_address other = address("10.1.2.128");
	char text[NET_ADDRESS_TEXT];

	(void)state;
	assert_int_equal(net_address_number(&a), 13);
	assert_int_equal(net_address_count(&a), 64);
	a = net_address_nth(&a, 63);
	assert_string_equal(net_address_format(&a, true, text), "10.1.2.127/26");
	assert_false(net_address_is_host(&a));
	assert_false(net_address_same_net(&a, &other));
	other = address("10.1.2.64");
	assert_true(net_address_same_net(&a, &other));
	b = net_address_nth(&b, 0x12345);
	assert_string_equal(net_address_format(&b, false, text), "fd00:1::1:2345");
	b = address("fd00::1:0:0:0/64");
	assert_int_equal(net_address_number(&b), UINT32_MAX);
	a = address("10.0.0.0/31");
	assert_true(net_address_is_host(&a));
}

/* --- leases ------------------------------------------------------------------------------- */

static void open_net(struct fixture *f, struct net_state *net)
{
	open_store(f);
	*net = (struct net_state)NET_STATE_INIT;
	assert_int_equal(net_state_open(net, &f->store, true, &f->err), 0);
}

static struct net_range range_of(struct net_address *network)
{
	return (struct net_range){
		.network = *network, .first = 1, .step = 1, .end = net_address_count(network) - 1
	};
}

static void leases_end_with_the_network(void **state)
{
	struct fixture *f = *state;
	struct net_address network = address("10.9.0.0/28"), taken;
	struct net_range range = range_of(&network);
	struct net_state net;
	char user[NET_USER_MAX];
	bool seen[16] = { false };

	open_net(f, &net);
	assert_int_equal(net_user_add(&net, "0123456789ab", NULL, user, &f->err), 0);
	for (int i = 0; i < 14; i++) {
		assert_int_equal(net_lease_take_free(&net, "br", &range, user, &taken, &f->err), 0);
		assert_true(net_address_is_host(&taken));
		assert_false(seen[net_address_number(&taken)]);
		seen[net_address_number(&taken)] = true;
	}
	assert_int_equal(net_lease_take_free(&net, "br", &range, user, &taken, &f->err), -1);
	assert_int_equal(f->err.status, STOR_BUSY);
	err_clear(&f->err);
	/* The same address in another network is another. */
	assert_int_equal(net_lease_take(&net, "br2", &taken, user, &f->err), 0);
	assert_true(net_lease_is_any(&net, "br"));
	net_lease_drop_all(&net, user);
	assert_false(net_lease_is_any(&net, "br2"));
	assert_false(net_lease_is_any(&net, "br"));
	assert_int_equal(entries(net.fd, "leases"), 0);
	net_state_close(&net);
}

/* Several processes, each of which takes many: none gets what another has. */
static void leases_are_unique_between_processes(void **state)
{
	struct fixture *f = *state;
	struct net_address network = address("10.9.0.0/22");
	struct net_range range = range_of(&network);
	struct net_state net;

	open_net(f, &net);
	for (int child = 0; child < 4; child++) {
		pid_t pid = fork();
		struct net_address taken;
		char user[NET_USER_MAX], id[13];

		assert_true(pid >= 0);
		if (pid)
			continue;
		snprintf(id, sizeof(id), "%012d", child);
		for (int i = 0; i < 200; i++)
			if (net_user_add(&net, id, NULL, user, &f->err) < 0 ||
			    net_lease_take_free(&net, "br", &range, user, &taken, &f->err) < 0)
				_exit(1);
		_exit(0);
	}
	for (int child = 0; child < 4; child++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(entries(net.fd, "leases"), 4 * 200);
	net_state_close(&net);
}

/* What a killed process had is taken back; what a living one has is not. */
/* The text of a lease. */
static void assert_holder(const struct net_state *net, const char *lease, const char *holder)
{
	char text[NET_USER_MAX] = "";

	assert_true(readlinkat(net->fd, lease, text, sizeof(text) - 1) > 0);
	assert_string_equal(text, holder);
}

/* A new monitor has what the dead one had, and nothing of one whose name begins alike. */
static void users_are_taken_over(void **state)
{
	struct fixture *f = *state;
	struct net_address first = address("10.9.0.2/24"), other = address("10.9.0.3/24");
	struct net_state net;

	open_net(f, &net);
	assert_int_equal(mknodat(net.fd, "users/12.345.0123456789ab", S_IFREG | 0600, 0), 0);
	assert_int_equal(mknodat(net.fd, "users/12.3456.ba9876543210", S_IFREG | 0600, 0), 0);
	assert_int_equal(net_lease_take(&net, "br", &first, "12.345.0123456789ab", &f->err), 0);
	assert_int_equal(net_lease_take(&net, "br", &other, "12.3456.ba9876543210", &f->err), 0);
	net_user_take_over(&net, "12.345", "77.88");
	assert_holder(&net, "leases/br@10.9.0.2", "77.88.0123456789ab");
	assert_holder(&net, "leases/br@10.9.0.3", "12.3456.ba9876543210");
	assert_int_equal(faccessat(net.fd, "users/77.88.0123456789ab", F_OK, 0), 0);
	assert_int_equal(faccessat(net.fd, "users/12.3456.ba9876543210", F_OK, 0), 0);
	assert_int_equal(entries(net.fd, "users"), 2);
	assert_int_equal(entries(net.fd, "leases"), 2);
	/* Once more, as after a kill in between, it is nothing. */
	net_user_take_over(&net, "12.345", "77.88");
	assert_int_equal(entries(net.fd, "users"), 2);
	net_state_close(&net);
}

static void leases_of_the_dead_are_taken_back(void **state)
{
	static const struct sweep_opts thorough = { .is_thorough = true };
	struct fixture *f = *state;
	struct net_address first = address("10.9.0.1"), second = address("10.9.0.2");
	struct net_state net;
	char user[NET_USER_MAX];
	pid_t pid;
	int status;

	open_net(f, &net);
	pid = fork();
	if (!pid) {
		if (net_user_add(&net, "00000000000a", NULL, user, &f->err) < 0 ||
		    net_lease_take(&net, "-", &first, user, &f->err) < 0)
			_exit(1);
		_exit(0);
	}
	assert_true(waitpid(pid, &status, 0) == pid && status == 0);
	assert_int_equal(net_user_add(&net, "00000000000b", NULL, user, &f->err), 0);
	assert_int_equal(net_lease_take(&net, "-", &second, user, &f->err), 0);
	assert_int_equal(net_lease_take(&net, "-", &first, user, &f->err), -1);
	assert_int_equal(f->err.status, STOR_BUSY);
	assert_non_null(strstr(f->err.text, "10.9.0.1 is in use by container 00000000000a"));
	err_clear(&f->err);
	assert_true(net_lease_is_dead(&net, "-", &first));
	assert_false(net_lease_is_dead(&net, "-", &second));
	assert_int_equal(net_sweep(&f->store, &thorough, &f->err), 0);
	assert_int_equal(entries(net.fd, "leases"), 1);
	assert_int_equal(entries(net.fd, "users"), 1);
	assert_int_equal(net_lease_take(&net, "-", &first, user, &f->err), 0);
	net_state_close(&net);
}

static void shared_networks_stay(void **state)
{
	struct fixture *f = *state;
	struct net_address a = address("10.9.0.1");
	char owner[NET_USER_MAX], other[NET_USER_MAX];
	struct net_state net;

	open_net(f, &net);
	assert_int_equal(net_user_add(&net, "00000000000a", NULL, owner, &f->err), 0);
	assert_int_equal(net_lease_take(&net, "-", &a, owner, &f->err), 0);
	assert_int_equal(net_user_add(&net, "00000000000b", "00000000000a", other, &f->err), 0);
	assert_true(net_user_is_shared(&net, "00000000000a"));
	assert_false(net_user_is_shared(&net, "00000000000b"));
	assert_int_equal(net_release(&net, owner, false, &f->err), 0);
	assert_int_equal(entries(net.fd, "leases"), 1);
	net_user_remove(&net, other);
	assert_int_equal(net_release(&net, owner, false, &f->err), 0);
	assert_int_equal(entries(net.fd, "leases"), 0);
	assert_int_equal(entries(net.fd, "users"), 0);
	net_state_close(&net);
}

static void names_of_links_fit(void **state)
{
	char a[NET_LINK_MAX], b[NET_LINK_MAX];

	(void)state;
	net_link_name("0123456789ab", 0, a);
	net_link_name("0123456789ab", 35, b);
	assert_string_equal(a, "st0123456789ab0");
	assert_string_equal(b, "st0123456789abz");
}

/* --- hosts files -------------------------------------------------------------------------- */

static void assert_file(struct net_state *net, const char *path, const char *wanted)
{
	struct stor_err err = STOR_ERR_INIT;
	cleanup_free char *text = fs_read_file(net->fd, path, 1 << 20, NULL, &err);

	assert_non_null(text);
	assert_string_equal(text, wanted);
}

#define HEAD "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"

static void hosts_follow_the_bridge(void **state)
{
	struct fixture *f = *state;
	struct net_address a[2] = { address("10.9.0.1"), address("fd00::1") };
	struct net_address b[2] = { address("10.9.0.2"), { 0 } };
	cleanup_strv struct strv bridges = STRV_INIT;
	struct net_state net;

	open_net(f, &net);
	assert_int_equal(net_hosts_add(&net, "br", a, "00000000000a web", &f->err), 0);
	strv_add(&bridges, "br");
	strv_add(&bridges, "other");
	assert_int_equal(net_hosts_make(&net, "00000000000c", "1.2.3.4\tx\n", &bridges, &f->err),
	                 0);
	assert_int_equal(net_hosts_add(&net, "br", b, "00000000000b db", &f->err), 0);
	assert_file(&net, "hosts/br",
	            HEAD "10.9.0.1\t00000000000a web\nfd00::1\t00000000000a web\n"
	                 "10.9.0.2\t00000000000b db\n");
	assert_file(&net, "files/00000000000c.hosts",
	            HEAD "1.2.3.4\tx\n# bridge br\n10.9.0.1\t00000000000a web\n"
	                 "fd00::1\t00000000000a web\n10.9.0.2\t00000000000b db\n# bridge other\n");
	net_hosts_remove_all(&net, "00000000000a");
	assert_file(&net, "hosts/br", HEAD "10.9.0.2\t00000000000b db\n");
	assert_file(&net, "files/00000000000c.hosts",
	            HEAD "1.2.3.4\tx\n# bridge br\n10.9.0.2\t00000000000b db\n# bridge other\n");
	net_hosts_remove_all(&net, "00000000000b");
	assert_int_equal(entries(net.fd, "hosts"), 0);
	net_files_remove(&net, "00000000000c");
	assert_int_equal(entries(net.fd, "files"), 0);
	net_state_close(&net);
}

/* --- options ------------------------------------------------------------------------------ */

/* Each text is an option's: "net …", "publish …", …; all of them are validated together. */
static int configure(struct config_net *net, const char *const *options, struct stor_err *err)
{
	static const struct {
		const char *name;
		int (*add)(struct config_net *net, const char *text, struct stor_err *err);
	} adders[] = { { "net ", config_add_net },
		       { "publish ", config_add_publish },
		       { "ip ", config_add_ip },
		       { "dns ", config_add_dns },
		       { "search ", config_add_dns_search },
		       { "host ", config_add_host } };

	memset(net, 0, sizeof(*net));
	for (; *options; options++)
		for (size_t i = 0; i < sizeof(adders) / sizeof(*adders); i++)
			if (str_starts(*options, adders[i].name) &&
			    adders[i].add(net, *options + strlen(adders[i].name), err) < 0)
				return -1;
	return config_net_validate(net, err);
}

static void good_options_are_taken(void **state)
{
	static const char *const options[] = {
		"net "
		"veth,host=10.1.1.1/24,guest=10.1.1.2/24,host=fd00::1/64,guest=fd00::2/64,mtu=1400",
		"net bridge=br7,ip=10.2.0.9,gateway=10.2.0.1/24,rate=100mbit,mac=02:00:00:00:00:07,"
		"name=lan,forward=enable,firewall=docker-user,nat=no",
		"publish 8080:80",
		"publish [fd00::9]:53:5353/udp",
		"publish 127.0.0.1:1:65535/tcp",
		"dns 1.1.1.1",
		"search example.org",
		"host db:10.0.0.1",
		NULL
	};
	struct stor_err err = STOR_ERR_INIT;
	const struct config_network *n;
	struct config_net net;
	char text[NET_ADDRESS_TEXT];

	(void)state;
	assert_int_equal(configure(&net, options, &err), 0);
	assert_int_equal(net.network_count, 2);
	n = &net.networks[0];
	assert_null(n->bridge);
	assert_string_equal(n->name, "eth0");
	assert_int_equal(n->mtu, 1400);
	assert_string_equal(net_address_format(&n->guest[NET_IP6], true, text), "fd00::2/64");
	n = &net.networks[1];
	assert_string_equal(n->bridge, "br7");
	assert_string_equal(n->name, "lan");
	assert_int_equal(n->rate_bytes, 12500000);
	assert_true(n->may_forward && n->docker_user && n->no_nat && n->has_mac);
	assert_int_equal(n->mac[5], 7);
	assert_int_equal(net.port_count, 3);
	assert_int_equal(net.ports[0].address.family, 0);
	assert_int_equal(net.ports[0].host, 8080);
	assert_true(net.ports[1].is_udp);
	assert_int_equal(net.ports[1].guest, 5353);
	assert_int_equal(net.ports[2].guest, 65535);
	config_net_free(&net);
}

static void bad_options_are_refused(void **state)
{
	static const char *const bad[][3] = {
		{ "net vet" },
		{ "net vethx" },
		{ "net bridge=" },
		{ "net bridge=lo" },
		{ "net bridge=a/b" },
		{ "net bridge=sixteencharacters" },
		{ "net container:" },
		{ "net ns:relative" },
		{ "net veth,ip=10.0.0.2" },
		{ "net bridge,host=10.0.0.1/24" },
		{ "net veth,host=10.0.0.1/24" },
		{ "net veth,host=10.0.0.1,guest=10.0.0.2" },
		{ "net veth,host=10.0.0.1/24,guest=10.0.1.2/24" },
		{ "net veth,host=10.0.0.1/24,guest=10.0.0.1/24" },
		{ "net veth,host=10.0.0.0/24,guest=10.0.0.2/24" },
		{ "net veth,host=10.0.0.1/24,guest=10.0.0.255/24" },
		{ "net veth,mtu=67" },
		{ "net veth,mtu=65536" },
		{ "net veth,mtu" },
		{ "net veth,mac=01:00:00:00:00:01" },
		{ "net veth,mac=02:00:00:00:00" },
		{ "net veth,mac=00:00:00:00:00:00" },
		{ "net veth,rate=100" },
		{ "net veth,rate=0mbit" },
		{ "net veth,rate=100gbit" },
		{ "net veth,rate=99999999999999999999gbit" },
		{ "net veth,name=lo" },
		{ "net veth,forward=yes" },
		{ "net bridge,firewall=ufw" },
		{ "net bridge,nat=maybe" },
		{ "net bridge,ip=10.1.0.1,gateway=10.1.0.1/24" },
		{ "net bridge,ip=10.2.0.1,gateway=10.1.0.1/24" },
		{ "net host", "net veth" },
		{ "net veth", "net host" },
		{ "net veth", "net container:x" },
		{ "net veth,name=a", "net veth,name=a" },
		{ "net veth,name=eth1", "net veth" },
		{ "publish 80:80" },
		{ "net host", "publish 80:80" },
		{ "net veth", "publish 80" },
		{ "net veth", "publish 0:80" },
		{ "net veth", "publish 80:65536" },
		{ "net veth", "publish 80:80/sctp" },
		{ "net veth", "publish 1.2.3:80:80" },
		{ "net veth", "publish ::1:80:80" },
		{ "ip 10.0.0.1" },
		{ "net veth", "ip 10.0.0.1" },
		{ "net bridge", "ip 10.0.0.1/24" },
		{ "net bridge,ip=10.204.0.3", "ip 10.204.0.4" },
		{ "dns one" },
		{ "search a b" },
		{ "host db" },
		{ "host db:x" },
		{ "host :10.0.0.1" },
		{ "net container:x", "dns 1.1.1.1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct stor_err err = STOR_ERR_INIT;
		struct config_net net;

		if (configure(&net, bad[i], &err) == 0)
			fail_msg("taken: %s %s", bad[i][0], bad[i][1] ? bad[i][1] : "");
		assert_int_equal(err.status, STOR_USAGE);
		config_net_free(&net);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_read_and_written),
		cmocka_unit_test(addresses_are_counted),
		cmocka_unit_test_setup_teardown(leases_end_with_the_network, fixture_set_up,
		                                fixture_tear_down),
		cmocka_unit_test_setup_teardown(leases_are_unique_between_processes, fixture_set_up,
		                                fixture_tear_down),
		cmocka_unit_test_setup_teardown(users_are_taken_over, fixture_set_up,
		                                fixture_tear_down),
		cmocka_unit_test_setup_teardown(leases_of_the_dead_are_taken_back, fixture_set_up,
		                                fixture_tear_down),
		cmocka_unit_test_setup_teardown(shared_networks_stay, fixture_set_up,
		                                fixture_tear_down),
		cmocka_unit_test(names_of_links_fit),
		cmocka_unit_test_setup_teardown(hosts_follow_the_bridge, fixture_set_up,
		                                fixture_tear_down),
		cmocka_unit_test(good_options_are_taken),
		cmocka_unit_test(bad_options_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
