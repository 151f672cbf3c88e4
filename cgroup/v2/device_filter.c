/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The device filter of version 2: a program in the kernel's own machine language. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/str.h"
#include "cgroup/v2/v2.h"

/* Registers: R1 is the context, struct bpf_cgroup_dev_ctx. Its first word has the type in the low
 * half and the access asked for in the high one. */
enum {
	TYPE = BPF_REG_2,
	ACCESS = BPF_REG_3,
	MAJOR = BPF_REG_4,
	MINOR = BPF_REG_5,
	SCRATCH = BPF_REG_0
};

static struct bpf_insn load(uint8_t to, size_t offset)
{
	return (struct bpf_insn){ .code = BPF_LDX | BPF_MEM | BPF_W,
		                  .dst_reg = to,
		                  .src_reg = BPF_REG_1,
		                  .off = (int16_t)offset };
}

static struct bpf_insn compute(uint8_t operation, uint8_t to, int32_t value)
{
	return (struct bpf_insn){ .code = (uint8_t)(BPF_ALU | operation | BPF_K),
		                  .dst_reg = to,
		                  .imm = value };
}

static struct bpf_insn copy(uint8_t to, uint8_t from)
{
	return (struct bpf_insn){ .code = BPF_ALU | BPF_MOV | BPF_X,
		                  .dst_reg = to,
		                  .src_reg = from };
}

static struct bpf_insn shift_right_by(uint8_t to, uint8_t from)
{
	return (struct bpf_insn){ .code = BPF_ALU | BPF_RSH | BPF_X,
		                  .dst_reg = to,
		                  .src_reg = from };
}

/* Where to go is filled in later. */
static struct bpf_insn jump_if(uint8_t condition, uint8_t reg, int32_t value)
{
	return (struct bpf_insn){ .code = (uint8_t)(BPF_JMP | condition | BPF_K),
		                  .dst_reg = reg,
		                  .imm = value };
}

static struct bpf_insn leave(void)
{
	return (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT };
}

#define ALL_ACCESS (CGROUP_READ | CGROUP_WRITE | CGROUP_MKNOD)
#define MASK_MINORS 32

/* Devices of one major number that allow the same, and have small minor numbers, are one bit mask.
 */
static bool is_same_but_minor(const struct cgroup_device *one, const struct cgroup_device *other)
{
	return one->type == other->type && one->major == other->major &&
	       one->access == other->access && one->minor >= 0 && one->minor < MASK_MINORS &&
	       other->minor >= 0 && other->minor < MASK_MINORS;
}

/* R0 is 0 and the minor number not among these, or it is not 0. */
static size_t add_minors(const struct cgroup_device *devices, size_t count, struct bpf_insn *at)
{
	uint32_t mask = 0;
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		mask |= 1u << devices[i].minor;
	at[n++] = jump_if(BPF_JGT, MINOR, MASK_MINORS - 1);
	at[n++] = compute(BPF_MOV, SCRATCH, (int32_t)mask);
	at[n++] = shift_right_by(SCRATCH, MINOR);
	at[n++] = compute(BPF_AND, SCRATCH, 1);
	at[n++] = jump_if(BPF_JEQ, SCRATCH, 0);
	return n;
}

/* Ends the program, with R0 1, if the use is allowed by these, which differ in their minor numbers
 * alone. The type is theirs. */
static size_t add_devices(const struct cgroup_device *devices, size_t count, struct bpf_insn *at)
{
	unsigned access = devices->access;
	unsigned asked = (access & CGROUP_READ ? BPF_DEVCG_ACC_READ : 0) |
	                 (access & CGROUP_WRITE ? BPF_DEVCG_ACC_WRITE : 0) |
	                 (access & CGROUP_MKNOD ? BPF_DEVCG_ACC_MKNOD : 0);
	size_t n = 0;

	if (devices->major >= 0)
		at[n++] = jump_if(BPF_JNE, MAJOR, (int32_t)devices->major);
	/* Nothing is asked for that the device does not allow. */
	if (access != ALL_ACCESS) {
		at[n++] = copy(SCRATCH, ACCESS);
		at[n++] = compute(BPF_AND, SCRATCH, (int32_t)~asked);
		at[n++] = jump_if(BPF_JNE, SCRATCH, 0);
	}
	if (count > 1)
		n += add_minors(devices, count, at + n);
	else if (devices->minor >= 0)
		at[n++] = jump_if(BPF_JNE, MINOR, (int32_t)devices->minor);
	at[n++] = compute(BPF_MOV, SCRATCH, 1);
	at[n++] = leave();
	for (size_t i = 0; i < n; i++)
		if (BPF_CLASS(at[i].code) == BPF_JMP && BPF_OP(at[i].code) != BPF_EXIT)
			at[i].off = (int16_t)(n - i - 1);
	return n;
}

/* The kernel looks at all ways through the program, which costs more with each jump than all the
 * rest of it: so what can be asked once for several devices is. */
size_t v2_device_program(const struct cgroup_device *devices, size_t count,
                         struct bpf_insn *program)
{
	size_t n = 0, at = 0;

	program[n++] = load(TYPE, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	program[n++] = copy(ACCESS, TYPE);
	program[n++] = compute(BPF_AND, TYPE, 0xffff);
	program[n++] = compute(BPF_RSH, ACCESS, 16);
	program[n++] = load(MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
	program[n++] = load(MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
	while (at < count) {
		char type = devices[at].type;
		size_t jump = n;

		program[n++] = jump_if(BPF_JNE, TYPE,
		                       type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
		while (at < count && devices[at].type == type) {
			size_t same = 1;

			while (at + same < count &&
			       is_same_but_minor(&devices[at], &devices[at + same]))
				same++;
			n += add_devices(&devices[at], same, program + n);
			at += same;
		}
		program[jump].off = (int16_t)(n - jump - 1);
	}
	program[n++] = compute(BPF_MOV, SCRATCH, 0);
	program[n++] = leave();
	return n;
}

int v2_filter_devices(const struct cgroup_dir *dir, const struct cgroup_device *devices,
                      size_t count, struct stor_err *err)
{
	cleanup_free struct bpf_insn *program = xcalloc(V2_PROGRAM_LENGTH(count), sizeof(*program));
	union bpf_attr attr;
	cleanup_close int program_fd = -1;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uint64_t)(uintptr_t)program;
	attr.insn_cnt = (uint32_t)v2_device_program(devices, count, program);
	/* It calls no helper, so no licence matters. */
	attr.license = (uint64_t)(uintptr_t) "";
	program_fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	if (program_fd < 0) {
		err_fail(err, errno == EINVAL || errno == ENOSYS ? STOR_UNSUPPORTED : STOR_FAILED,
		         errno, "load the device filter of %s", dir->path);
		err_hint(err,
		         "it needs a kernel with CONFIG_CGROUP_BPF, and CAP_BPF or CAP_SYS_ADMIN");
		return -1;
	}
	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)dir->fd;
	attr.attach_bpf_fd = (uint32_t)program_fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr)) < 0)
		return err_fail(err, STOR_FAILED, errno, "attach the device filter to %s",
		                dir->path);
	return 0;
}
