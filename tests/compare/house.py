# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the comparison runs: namespaces of its own, in which daemons, bridges, rules and mounts come and
go without the machine's noticing. They end with the comparison, however that ends, and with them every
process. What they cannot hold, cgroups and loop devices, is looked for afterwards.
"""
import ctypes
import os
import re
import signal
import subprocess
import sys
import time

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x4000000, 0x8000000, 0x20000000, 0x40000000
MS_REC, MS_PRIVATE, PR_SET_PDEATHSIG = 1 << 14, 1 << 18, 1
LIBC = ctypes.CDLL(None, use_errno=True)
CGROUPS = "/sys/fs/cgroup"
# What Docker and LXC leave empty; and what stor calls its own.
THEIRS = re.compile(r"/(docker|lxc(\.[^/]*)?)(/|$)")
OURS = re.compile(r"/stor-[^/]*(/|$)")


def must(result, what):
    if result < 0:
        sys.exit("compare: %s: %s" % (what, os.strerror(ctypes.get_errno())))
    return result


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def call(*words, **options):
    """Run a command that must work; its output."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, check=False, **options)
    if done.returncode:
        raise RuntimeError("%s: exit status %d\n%s" % (" ".join(words), done.returncode, done.stdout[-2000:]))
    return done.stdout


def make_network():
    """A host with the world outside of it, as another namespace that it reaches by a pair of interfaces."""
    os.mkdir("/run/netns")
    for line in ("link set lo up", "netns add outside", "link add up0 type veth peer name eth0 netns outside",
                 "address add 192.0.2.1/24 dev up0", "-n outside address add 192.0.2.2/24 dev eth0",
                 "link set up0 up", "-n outside link set eth0 up", "-n outside link set lo up",
                 "route add default via 192.0.2.2",
                 # What the package lxc-net would make.
                 "link add lxcbr0 type bridge", "address add 10.0.3.1/24 dev lxcbr0", "link set lxcbr0 up"):
        call("ip", *line.split())
    with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as forward:
        forward.write("1")


def furnish():
    """As the first process of the namespaces: their own /proc, /run, /sys and network."""
    must(LIBC.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "make mounts private")
    call("mount", "-t", "proc", "proc", "/proc")
    call("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    # /sys tells of the network that it was mounted in.
    os.mkdir("/run/cgroup")
    call("mount", "--rbind", CGROUPS, "/run/cgroup")
    call("mount", "-t", "sysfs", "sysfs", "/sys")
    call("mount", "--rbind", "/run/cgroup", CGROUPS)
    call("umount", "--recursive", "/run/cgroup")
    call("hostname", "host")
    make_network()


def live_in(work):
    """Run work() in new namespaces, as process 1; its exit status. Signals reach it."""
    must(LIBC.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET), "make namespaces")
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        die_with_parent()
        status = 1
        try:
            status = work()
        except SystemExit as end:
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
            status = end.code if isinstance(end.code, int) else 1
        except BaseException as failure:  # pylint: disable=broad-except
            print("compare: %s" % failure, file=sys.stderr)
        sys.stdout.flush()
        os._exit(status)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: os.kill(child, signal.SIGTERM))
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


# --- what is left ------------------------------------------------------------------------------------


def cgroups(pattern):
    """Those in which nothing runs: what was started here has ended."""
    return {path for path, _, _ in os.walk(CGROUPS) if pattern.search(path) and not any(map(processes, os.walk(path)))}


def processes(folder):
    try:
        with open(os.path.join(folder[0], "cgroup.procs"), encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""


def mounts():
    with open("/proc/self/mountinfo", encoding="utf-8") as lines:
        return {line.split()[4] for line in lines}


def links():
    return set(os.listdir("/sys/class/net"))


def loop_devices(folder):
    """Those whose file lies in the folder."""
    found = set()
    for name in os.listdir("/sys/block"):
        try:
            with open("/sys/block/%s/loop/backing_file" % name, encoding="utf-8") as file:
                if file.read().startswith(folder + "/"):
                    found.add(name)
        except OSError:
            pass
    return found


class Before:
    """What the machine had, and what it has besides, later."""

    def __init__(self, folder):
        self.folder, self.mounts, self.links = folder, mounts(), links()
        self.cgroups = {path for path, _, _ in os.walk(CGROUPS) if THEIRS.search(path) or OURS.search(path)}

    def remove_cgroups(self):
        """Those that others leave empty."""
        for path in sorted(cgroups(THEIRS) - self.cgroups, reverse=True):
            try:
                os.rmdir(path)
            except OSError:
                pass

    def look(self):
        left = {"mount " + path for path in mounts() - self.mounts if path.startswith(self.folder)}
        left |= {"interface " + name for name in links() - self.links if re.match("veth|docker|lxc|stor", name)}
        left |= {"loop device " + name for name in loop_devices(self.folder)}
        left |= {"cgroup " + path for path in cgroups(THEIRS) - self.cgroups}
        return left

    def cgroups_of_stor(self):
        """Empty ones that were not there before: of this run, or of another stor on this machine."""
        return sorted(cgroups(OURS) - self.cgroups)

    def what_is_left(self):
        """Names; empty when all is as it was. What ends takes a moment for it."""
        for _ in range(100):
            self.remove_cgroups()
            left = self.look()
            if not left:
                break
            time.sleep(0.1)
        return sorted(left)
