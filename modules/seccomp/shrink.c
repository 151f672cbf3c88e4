/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See shrink.h. What a filter says about a call depends on its number by comparisons alone: so it
 * is the same for all numbers between two that the filter compares with, and asking it about one of
 * each such range tells all. libseccomp compares with every number that has a rule, though
 * neighbours mostly have the same.
 */
#include "modules/seccomp/shrink.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#define MAX_RANGES (2 * BPF_MAXINSNS + 1)
/* A conditional jump passes over 255 instructions at most; some room for jumps in between. */
#define NEAR 240

enum { LOAD = BPF_LD | BPF_W | BPF_ABS, RETURN = BPF_RET | BPF_K };

/* What the filter says of a call: a final answer, or the place where it looks at arguments. */
struct verdict {
	bool is_final;
	uint32_t value;
};

struct range {
	uint32_t first; /* the last is before the next range's first */
	struct verdict verdict;
};

/* A new program is written from its end, for every jump leads forward. A label is the number of
 * instructions from the one that it names to the end; 0 is none. */
struct shrinker {
	const struct sock_filter *old;
	unsigned old_length;
	const uint32_t *arches;
	unsigned arch_count;
	struct sock_filter *code; /* backwards */
	unsigned count;
	unsigned *label_of; /* by place in the old program, where it looks at arguments */
	struct range *ranges;
	unsigned range_count;
	bool has_failed;
};

/* --- asking the old program ------------------------------------------------------------------ */

static bool is_known_arch(const struct shrinker *s, uint32_t arch)
{
	for (unsigned i = 0; i < s->arch_count; i++)
		if (s->arches[i] == arch)
			return true;
	return false;
}

/* false: the instruction is none that compares. */
static bool compare(const struct sock_filter *insn, uint32_t value, bool *result)
{
	switch (insn->code) {
	case BPF_JMP | BPF_JEQ | BPF_K:
		*result = value == insn->k;
		return true;
	case BPF_JMP | BPF_JGE | BPF_K:
		*result = value >= insn->k;
		return true;
	case BPF_JMP | BPF_JGT | BPF_K:
		*result = value > insn->k;
		return true;
	default:
		return false;
	}
}

static struct verdict ask(struct shrinker *s, uint32_t arch, uint32_t number)
{
	struct verdict verdict = { false, 0 };
	bool is_arch = false, result;
	uint32_t value = 0;

	for (unsigned at = 0; at < s->old_length; at++) {
		const struct sock_filter *insn = &s->old[at];

		if (insn->code == LOAD) {
			is_arch = insn->k == offsetof(struct seccomp_data, arch);
			verdict.value = at;
			if (!is_arch && insn->k != offsetof(struct seccomp_data, nr))
				return verdict;
			value = is_arch ? arch : number;
		} else if (insn->code == RETURN) {
			return (struct verdict){ true, insn->k };
		} else if (insn->code == (BPF_JMP | BPF_JA)) {
			at += insn->k;
		} else if (compare(insn, value, &result) &&
		           /* Else architectures would have ranges, too. */
		           (!is_arch || (insn->code == (BPF_JMP | BPF_JEQ | BPF_K) &&
		                         is_known_arch(s, insn->k)))) {
			at += result ? insn->jt : insn->jf;
		} else {
			break;
		}
	}
	s->has_failed = true;
	return verdict;
}

static int compare_firsts(const void *a, const void *b)
{
	uint32_t x = ((const struct range *)a)->first, y = ((const struct range *)b)->first;

	return (x > y) - (x < y);
}

static bool is_same(const struct verdict *a, const struct verdict *b)
{
	return a->is_final == b->is_final && a->value == b->value;
}

/* Fills s->ranges with what the old program says of the architecture's calls. */
static void find_ranges(struct shrinker *s, uint32_t arch)
{
	unsigned candidates = 1, count = 0;

	s->ranges[0].first = 0;
	for (unsigned i = 0; i < s->old_length; i++) {
		if (BPF_CLASS(s->old[i].code) != BPF_JMP)
			continue;
		s->ranges[candidates++].first = s->old[i].k;
		if (s->old[i].k != UINT32_MAX)
			s->ranges[candidates++].first = s->old[i].k + 1;
	}
	qsort(s->ranges, candidates, sizeof(*s->ranges), compare_firsts);
	for (unsigned i = 0; i < candidates; i++) {
		struct range range = { s->ranges[i].first, ask(s, arch, s->ranges[i].first) };

		if (!count || !is_same(&s->ranges[count - 1].verdict, &range.verdict))
			s->ranges[count++] = range;
	}
	s->range_count = count;
}

/* --- writing the new one ---------------------------------------------------------------------- */

static unsigned put(struct shrinker *s, struct sock_filter insn)
{
	if (s->count == BPF_MAXINSNS)
		s->has_failed = true;
	else
		s->code[s->count++] = insn;
	return s->count;
}

static unsigned put_jump(struct shrinker *s, unsigned to)
{
	return put(s, (struct sock_filter){ BPF_JMP | BPF_JA, 0, 0, s->count - to });
}

static unsigned put_before(struct shrinker *s, struct sock_filter insn, unsigned next)
{
	if (next != s->count)
		put_jump(s, next);
	return put(s, insn);
}

/* The same place, where the next instruction can jump to on a condition. */
static unsigned near(struct shrinker *s, unsigned label)
{
	return s->count - label > NEAR ? put_jump(s, label) : label;
}

static unsigned put_branch(struct shrinker *s, uint16_t code, uint32_t k, unsigned yes, unsigned no)
{
	if (yes == no)
		return yes;
	yes = near(s, yes);
	no = near(s, no);
	return put(s, (struct sock_filter){ code, (uint8_t)(s->count - yes),
	                                    (uint8_t)(s->count - no), k });
}

static unsigned put_return(struct shrinker *s, uint32_t value)
{
	for (unsigned label = s->count; label && s->count - label < NEAR; label--)
		if (s->code[label - 1].code == RETURN && s->code[label - 1].k == value)
			return label;
	return put(s, (struct sock_filter){ RETURN, 0, 0, value });
}

/* A part of the old program, from its instruction `at` on. */
static unsigned put_old(struct shrinker *s, unsigned at)
{
	struct sock_filter insn = s->old[at];
	unsigned yes;

	if (s->label_of[at])
		return s->label_of[at];
	if (insn.code == RETURN)
		return put_return(s, insn.k);
	if (insn.code == (BPF_JMP | BPF_JA))
		return put_old(s, at + 1 + insn.k);
	if (BPF_CLASS(insn.code) == BPF_JMP) {
		yes = put_old(s, at + 1 + insn.jt);
		s->label_of[at] =
			put_branch(s, insn.code, insn.k, yes, put_old(s, at + 1 + insn.jf));
	} else {
		s->label_of[at] = put_before(s, insn, put_old(s, at + 1));
	}
	return s->label_of[at];
}

/* Finds a number's range among those from `low` to `high`. */
static unsigned put_tree(struct shrinker *s, unsigned low, unsigned high)
{
	unsigned middle = (low + high + 1) / 2, above;
	const struct verdict *verdict = &s->ranges[low].verdict;

	if (low == high)
		return verdict->is_final ? put_return(s, verdict->value)
		                         : put_old(s, verdict->value);
	above = put_tree(s, middle, high);
	return put_branch(s, BPF_JMP | BPF_JGE | BPF_K, s->ranges[middle].first, above,
	                  put_tree(s, low, middle - 1));
}

static unsigned put_arch(struct shrinker *s, uint32_t arch)
{
	const struct sock_filter load =
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	unsigned tree;

	find_ranges(s, arch);
	if (s->has_failed)
		return 0;
	tree = put_tree(s, 0, s->range_count - 1);
	return s->range_count == 1 ? tree : put_before(s, load, tree);
}

static void put_all(struct shrinker *s)
{
	const struct sock_filter load =
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	unsigned others, labels[8];
	uint32_t unknown = 0;

	while (is_known_arch(s, unknown))
		unknown++;
	others = put_arch(s, unknown);
	for (unsigned i = s->arch_count; i-- > 0 && !s->has_failed;)
		labels[i] = put_arch(s, s->arches[i]);
	for (unsigned i = s->arch_count; i-- > 0 && !s->has_failed;)
		others = put_branch(s, BPF_JMP | BPF_JEQ | BPF_K, s->arches[i], labels[i], others);
	if (!s->has_failed)
		put_before(s, load, others);
}

void shrink_filter(struct sock_filter *program, unsigned short *length, const uint32_t *arches,
                   unsigned arch_count)
{
	cleanup_free struct sock_filter *code = calloc(BPF_MAXINSNS, sizeof(*code));
	cleanup_free unsigned *label_of = calloc(*length, sizeof(*label_of));
	cleanup_free struct range *ranges = calloc(MAX_RANGES, sizeof(*ranges));
	struct shrinker s = { .old = program,
		              .old_length = *length,
		              .arches = arches,
		              .arch_count = arch_count,
		              .code = code,
		              .label_of = label_of,
		              .ranges = ranges };

	if (!code || !label_of || !ranges || arch_count > 8)
		return;
	put_all(&s);
	if (s.has_failed || s.count >= *length)
		return;
	for (unsigned i = 0; i < s.count; i++)
		program[i] = code[s.count - 1 - i];
	*length = (unsigned short)s.count;
}
