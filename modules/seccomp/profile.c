/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The default system call profile: see profile.h. */
#include "modules/seccomp/profile.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/socket.h>

#define CAP(name) (UINT64_C(1) << CAP_##name)
#define ALLOW SCMP_ACT_ALLOW

#define ALWAYS_FILES                                                                               \
	"access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 "  \
	"faccessat faccessat2 fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 "  \
	"fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock "             \
	"fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate "        \
	"ftruncate64 futimesat getcwd getdents getdents64 getxattr getxattrat ioctl lchown "       \
	"lchown32 lgetxattr link linkat listmount listxattr listxattrat llistxattr _llseek "       \
	"lremovexattr lseek lsetxattr lstat lstat64 mkdir mkdirat mknod mknodat "                  \
	"name_to_handle_at newfstatat open openat openat2 pread64 preadv preadv2 pwrite64 "        \
	"pwritev pwritev2 read readahead readlink readlinkat readv removexattr removexattrat "     \
	"rename renameat renameat2 rmdir sendfile sendfile64 setxattr setxattrat splice stat "     \
	"stat64 statfs statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs "    \
	"tee truncate truncate64 umask unlink unlinkat utime utimensat utimensat_time64 utimes "   \
	"vmsplice write writev cachestat file_getattr file_setattr fanotify_mark "                 \
	"inotify_add_watch inotify_init inotify_init1 inotify_rm_watch"

#define ALWAYS_WAITING                                                                             \
	"epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait "  \
	"epoll_wait_old eventfd eventfd2 io_cancel io_destroy io_getevents io_pgetevents "         \
	"io_pgetevents_time64 io_setup io_submit _newselect pause pipe pipe2 poll ppoll "          \
	"ppoll_time64 pselect6 pselect6_time64 select signalfd signalfd4 futex futex_requeue "     \
	"futex_time64 futex_wait futex_waitv futex_wake get_robust_list set_robust_list"

#define ALWAYS_MEMORY                                                                              \
	"brk madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 "  \
	"mlockall mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc "    \
	"pkey_free pkey_mprotect process_mrelease remap_file_pages"

#define ALWAYS_IPC                                                                                 \
	"ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 "              \
	"mq_timedsend mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget "    \
	"semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget"

#define ALWAYS_NETWORK                                                                             \
	"accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom "     \
	"recvmmsg recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown "       \
	"socketcall socketpair"

#define ALWAYS_PROCESSES                                                                           \
	"capget capset execve execveat exit exit_group fork getcpu getegid getegid32 geteuid "     \
	"geteuid32 getgid getgid32 getgroups getgroups32 getpgid getpgrp getpid getppid "          \
	"getpriority getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid "      \
	"get_thread_area gettid getuid getuid32 ioprio_get ioprio_set kill landlock_add_rule "     \
	"landlock_create_ruleset landlock_restrict_self pidfd_open pidfd_send_signal prctl "       \
	"prlimit64 process_vm_readv process_vm_writev ptrace restart_syscall rseq "                \
	"sched_getaffinity sched_getattr sched_getparam sched_get_priority_max "                   \
	"sched_get_priority_min sched_getscheduler sched_rr_get_interval "                         \
	"sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam "             \
	"sched_setscheduler sched_yield seccomp setfsgid setfsgid32 setfsuid setfsuid32 setgid "   \
	"setgid32 setgroups setgroups32 setpgid setpriority setregid setregid32 setresgid "        \
	"setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid "                  \
	"set_thread_area set_tid_address setuid setuid32 tgkill tkill ugetrlimit uname vfork "     \
	"wait4 waitid waitpid getrandom sysinfo"

#define ALWAYS_SIGNALS                                                                             \
	"rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend "    \
	"rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack sigprocmask "        \
	"sigreturn sigaction sigpending sigsuspend signal"

#define ALWAYS_TIME                                                                                \
	"adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 "           \
	"clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer "          \
	"gettimeofday nanosleep setitimer time timer_create timer_delete timerfd_create "          \
	"timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 timer_getoverrun "    \
	"timer_gettime timer_gettime64 timer_settime timer_settime64 times"

#define MACHINE                                                                                    \
	"arch_prctl modify_ldt riscv_hwprobe uretprobe uprobe arm_fadvise64_64 "                   \
	"arm_sync_file_range "                                                                     \
	"sync_file_range2 breakpoint cacheflush set_tls"

/* Namespaces are for SYS_ADMIN: clone without any CLONE_NEW flag is for everybody. */
#define NEW_NAMESPACES                                                                             \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
	 CLONE_NEWPID | CLONE_NEWNET)

#define ADMIN_CALLS                                                                                \
	"bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount "      \
	"mount_setattr move_mount open_tree open_tree_attr perf_event_open quotactl quotactl_fd "  \
	"setdomainname sethostname setns syslog umount umount2 unshare"

#define WHEN(condition) .arg_count = 1, .args = { condition }

const struct profile_rule profile_rules[] = {
	{ ALLOW, ALWAYS_FILES },
	{ ALLOW, ALWAYS_WAITING },
	{ ALLOW, ALWAYS_MEMORY },
	{ ALLOW, ALWAYS_IPC },
	{ ALLOW, ALWAYS_NETWORK },
	{ ALLOW, ALWAYS_PROCESSES },
	{ ALLOW, ALWAYS_SIGNALS },
	{ ALLOW, ALWAYS_TIME },
	{ ALLOW, MACHINE },
	{ ALLOW, "socket", WHEN(SCMP_A0(SCMP_CMP_NE, AF_VSOCK)) },
	{ ALLOW, "personality", WHEN(SCMP_A0(SCMP_CMP_EQ, PER_LINUX)) },
	{ ALLOW, "personality", WHEN(SCMP_A0(SCMP_CMP_EQ, PER_LINUX32)) },
	{ ALLOW, "personality", WHEN(SCMP_A0(SCMP_CMP_EQ, UNAME26)) },
	{ ALLOW, "personality", WHEN(SCMP_A0(SCMP_CMP_EQ, PER_LINUX32 | UNAME26)) },
	{ ALLOW, "personality", WHEN(SCMP_A0(SCMP_CMP_EQ, 0xffffffff)) },
	{ ALLOW, "clone", .unless_caps = CAP(SYS_ADMIN),
	  WHEN(SCMP_A0(SCMP_CMP_MASKED_EQ, NEW_NAMESPACES, 0)) },
	{ SCMP_ACT_ERRNO(ENOSYS), "clone3", .unless_caps = CAP(SYS_ADMIN) },
	{ ALLOW, ADMIN_CALLS, .needs_caps = CAP(SYS_ADMIN) },
	{ ALLOW, "open_by_handle_at", .needs_caps = CAP(DAC_READ_SEARCH) },
	{ ALLOW, "reboot", .needs_caps = CAP(SYS_BOOT) },
	{ ALLOW, "chroot", .needs_caps = CAP(SYS_CHROOT) },
	{ ALLOW, "delete_module init_module finit_module", .needs_caps = CAP(SYS_MODULE) },
	{ ALLOW, "acct", .needs_caps = CAP(SYS_PACCT) },
	{ ALLOW, "kcmp pidfd_getfd process_madvise", .needs_caps = CAP(SYS_PTRACE) },
	{ ALLOW, "iopl ioperm", .needs_caps = CAP(SYS_RAWIO) },
	{ ALLOW, "settimeofday stime clock_settime clock_settime64", .needs_caps = CAP(SYS_TIME) },
	{ ALLOW, "vhangup", .needs_caps = CAP(SYS_TTY_CONFIG) },
	{ ALLOW, "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
	  .needs_caps = CAP(SYS_NICE) },
	{ ALLOW, "syslog", .needs_caps = CAP(SYSLOG) },
	{ ALLOW, "bpf", .needs_caps = CAP(BPF) },
	{ ALLOW, "perf_event_open", .needs_caps = CAP(PERFMON) },
	{ 0, NULL },
};
