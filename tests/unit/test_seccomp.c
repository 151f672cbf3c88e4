/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modules/seccomp/shrink: a shorter filter says the same of every call as the long one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/seccomp.h>

#include "modules/seccomp/shrink.h"

enum { ARCHES = 2, BLOCKS = 60, PROGRAMS = 500, CALLS = 200 };

static const uint32_t arches[ARCHES] = { 0xc000003e, 0x40000003 };
static const uint32_t numbers[] = {
	0, 1, 2, 3, 7, 8, 9, 60, 61, 0x40000000, 0xfffffffe, 0xffffffff
};

static uint64_t random_state;

/* Below `limit`. */
static uint32_t roll(uint32_t limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % limit;
}

static uint32_t any_number(void)
{
	return numbers[roll(sizeof(numbers) / sizeof(*numbers))];
}

/* What the kernel would answer; ~0: the program is none. */
static uint32_t run(const struct sock_filter *program, unsigned length,
                    const struct seccomp_data *data)
{
	uint32_t value = 0;

	for (unsigned at = 0; at < length; at++) {
		const struct sock_filter *insn = &program[at];
		bool yes = false;

		switch (insn->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			memcpy(&value, (const char *)data + insn->k, sizeof(value));
			continue;
		case BPF_RET | BPF_K:
			return insn->k;
		case BPF_JMP | BPF_JA:
			at += insn->k;
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
			value &= insn->k;
			continue;
		case BPF_JMP | BPF_JEQ | BPF_K:
			yes = value == insn->k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			yes = value >= insn->k;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			yes = value > insn->k;
			break;
		default:
			return ~0u;
		}
		at += yes ? insn->jt : insn->jf;
	}
	return ~0u;
}

/*
 * A program of blocks: each loads the architecture, the number or an argument, compares it some
 * times, jumping to blocks behind it, and answers or goes on to the next.
 */
struct maker {
	struct sock_filter code[BLOCKS * 8];
	unsigned start[BLOCKS + 1], length;
};

static void make_block(struct maker *m)
{
	static const uint16_t compare[] = { BPF_JEQ, BPF_JGE, BPF_JGT };
	static const uint32_t fields[] = { offsetof(struct seccomp_data, arch),
		                           offsetof(struct seccomp_data, nr),
		                           offsetof(struct seccomp_data, args[1]) };
	uint32_t kind = roll(8) < 6 ? 1 : roll(2) * 2;

	m->code[m->length++] = (struct sock_filter){ BPF_LD | BPF_W | BPF_ABS, 0, 0, fields[kind] };
	if (kind == 2 && roll(2))
		m->code[m->length++] =
			(struct sock_filter){ BPF_ALU | BPF_AND | BPF_K, 0, 0, any_number() };
	for (uint32_t i = roll(4); i > 0; i--)
		m->code[m->length++] =
			(struct sock_filter){ BPF_JMP | BPF_K | (kind ? compare[roll(3)] : BPF_JEQ),
			                      (uint8_t)roll(30), (uint8_t)roll(30),
			                      kind ? any_number() : arches[roll(ARCHES)] };
	if (!roll(3))
		m->code[m->length++] =
			(struct sock_filter){ BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | roll(3) };
}

/* Jumps were rolled as so many blocks ahead; 0 goes to the next instruction. */
static void aim_jumps(struct maker *m)
{
	for (unsigned block = 0; block < BLOCKS; block++) {
		for (unsigned at = m->start[block]; at < m->start[block + 1]; at++) {
			struct sock_filter *insn = &m->code[at];
			uint8_t *jumps[] = { &insn->jt, &insn->jf };

			if (BPF_CLASS(insn->code) != BPF_JMP)
				continue;
			for (int i = 0; i < 2; i++) {
				unsigned to = block + *jumps[i];

				if (to > BLOCKS)
					to = BLOCKS;
				*jumps[i] = *jumps[i] ? (uint8_t)(m->start[to] - at - 1) : 0;
			}
		}
	}
}

static void make_program(struct maker *m)
{
	m->length = 0;
	for (unsigned i = 0; i < BLOCKS; i++) {
		m->start[i] = m->length;
		make_block(m);
	}
	m->start[BLOCKS] = m->length;
	aim_jumps(m);
	m->code[m->length++] = (struct sock_filter){ BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW };
}

static void compare_answers(const struct sock_filter *a, unsigned a_length,
                            const struct sock_filter *b, unsigned b_length)
{
	for (int i = 0; i < CALLS; i++) {
		struct seccomp_data data = { .nr = (int)(any_number() + roll(3) - 1),
			                     .arch = roll(8) ? arches[roll(ARCHES)] : any_number(),
			                     .args = { 0, any_number() } };
		uint32_t answer = run(a, a_length, &data);

		assert_int_not_equal(answer, ~0u);
		assert_int_equal(run(b, b_length, &data), answer);
	}
}

static void any_filter_answers_as_before(void **state)
{
	unsigned shrunk = 0;

	(void)state;
	random_state = 1;
	for (int i = 0; i < PROGRAMS; i++) {
		struct sock_filter code[BLOCKS * 8];
		unsigned short length;
		struct maker m;

		make_program(&m);
		memcpy(code, m.code, sizeof(code));
		length = (unsigned short)m.length;
		shrink_filter(code, &length, arches, ARCHES);
		assert_true(length <= m.length);
		shrunk += length < m.length;
		compare_answers(m.code, m.length, code, length);
	}
	/* Most of them: else this would not have tried much. */
	assert_true(shrunk > PROGRAMS / 2);
}

/* As libseccomp writes them without its search tree: a comparison for every number. */
static void neighbours_become_one_range(void **state)
{
	struct sock_filter code[403] = { { BPF_LD | BPF_W | BPF_ABS, 0, 0, 0 } }, before[403];
	unsigned short length = 403;

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		code[1 + 2 * i] = (struct sock_filter){ BPF_JMP | BPF_JEQ | BPF_K, 0, 1, i };
		code[2 + 2 * i] = (struct sock_filter){ BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW };
	}
	code[401] = (struct sock_filter){ BPF_JMP | BPF_JA, 0, 0, 0 };
	code[402] = (struct sock_filter){ BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO };
	memcpy(before, code, sizeof(code));
	shrink_filter(code, &length, arches, ARCHES);
	assert_true(length < 16);
	compare_answers(before, 403, code, length);
}

/* The number itself is changed here, or kept for later: ranges would not do. */
static void what_is_not_understood_stays(void **state)
{
	static const struct sock_filter odd[] = {
		{ BPF_ALU | BPF_AND | BPF_K, 0, 0, 1 },
		{ BPF_ST, 0, 0, 0 },
		{ BPF_JMP | BPF_JSET | BPF_K, 0, 0, 4 },
		{ BPF_MISC | BPF_TAX, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		struct sock_filter code[] = {
			{ BPF_LD | BPF_W | BPF_ABS, 0, 0, 0 },
			{ BPF_LD | BPF_W | BPF_ABS, 0, 0, 0 },
			odd[i],
			{ BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW },
		};
		unsigned short length = 4;

		shrink_filter(code, &length, arches, ARCHES);
		assert_int_equal(length, 4);
		assert_memory_equal(&code[2], &odd[i], sizeof(odd[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_filter_answers_as_before),
		cmocka_unit_test(neighbours_become_one_range),
		cmocka_unit_test(what_is_not_understood_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
