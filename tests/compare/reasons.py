# SPDX-License-Identifier: GPL-2.0-or-later
"""What explains a difference. Each reason belongs to an outcome, and is told only beside that outcome: where
the figures show another one, it says nothing.
"""
import collections

from naming import DIRECT, ENGINE, FIO

# found: "better" or "worse", which stor is on one of the backends, against one of the peers, at one of the
# workloads. None of backends: any.
Reason = collections.namedtuple("Reason", "found peers backends workloads text")

ANY, LXC, DOCKER = ("lxc", "docker"), ("lxc",), ("docker",)
DISKS = ("loop", ENGINE, DIRECT)

REASONS = (
    Reason("better", ANY, None, ("start",), "stor is one process, which makes the namespaces and executes the command"),
    Reason("better", LXC, None, ("start",), "LXC starts a monitor, and an init for the command"),
    Reason("better", DOCKER, None, ("start",), "Docker's client asks its daemon, which asks containerd, which starts a shim, which starts "
           "runc"),
    Reason("worse", LXC, DISKS, ("start",), "LXC has a plain tree of files here, where stor makes, attaches, mounts and removes a volume"),
    Reason("worse", LXC, (ENGINE,), ("start",), "the engine is one process more to start and to wait for"),

    Reason("better", ANY, DISKS, FIO, "fio asks to go past the page cache, but the host caches the file that such a filesystem is in, unless "
           "told otherwise (`direct-io=yes`): memory answers, not the disk"),
    Reason("better", ANY, (ENGINE,), ("sysbench-fileio",), "the engine does not sync what `--rm` throws away"),
    Reason("worse", LXC, ("dir",), (*FIO, "sysbench-fileio"), "dir has an overlay between a program and its files, and LXC has none here"),
    Reason("worse", ANY, ("loop", DIRECT), FIO, "requests go through two filesystems and a loop device"),
    Reason("worse", ANY, (ENGINE,), FIO, "each request goes to the engine's process and back, the price of OpenVZ's format on a kernel "
           "without its driver"),
    Reason("worse", ANY, ("loop", DIRECT), ("sysbench-fileio",), "sysbench syncs again and again, which the loop device of loop and ploop "
           "direct passes on to the host's filesystem"),

    Reason("better", DOCKER, None, ("image",), "Docker also computes digests of the archive and of its layer"),
    Reason("better", LXC, ("dir",), ("image",), "LXC waits until all of it is written"),
    Reason("better", ANY, None, ("clone",), "it is a record and an empty layer, made by one short process"),
    Reason("better", LXC, None, ("clone",), "LXC also runs a hook, a shell script"),
    Reason("better", DOCKER, None, ("clone",), "Docker's client asks its daemon"),
    Reason("better", ANY, None, ("clone-delete",), "it was a record and an empty layer"),
    Reason("worse", LXC, None, ("image",), "LXC unpacks a container and has no images, where stor makes and syncs a volume of the image, too"),
    Reason("worse", DOCKER, DISKS, ("image",), "a filesystem in a file is filled from the unpacked tree once more"),
    Reason("worse", ANY, ("dir",), ("image-delete",), "on dir the image's volume is a second tree to remove, file by file"),
    Reason("worse", ANY, (DIRECT,), ("clone", "clone-delete"), "what is attached directly is allocated, and freed, as a whole"),

    Reason("better", ANY, ("dir",), ("clone-disk",), "it is a record and empty folders"),
    Reason("better", LXC, ("dir",), ("memory",), "both keep one monitor for each container, and stor's links libc alone"),
    Reason("better", DOCKER, None, ("memory",), "Docker keeps a shim with a runtime of Go in it"),
    Reason("better", DOCKER, None, ("daemon-memory",), "stor has no daemon"),
    Reason("worse", ANY, None, ("image-disk",), "stor keeps the image and, for each backend in use, a volume of it"),
    Reason("worse", ANY, ("loop", ENGINE), ("clone-disk",), "a filesystem or a delta has structures before it has a file"),
    Reason("worse", ANY, (DIRECT,), ("clone-disk",), "ploop direct takes its whole size at once"),
    Reason("worse", ANY, DISKS, ("memory",), "no other one shares the programs that it maps from a filesystem of its own"),
    Reason("worse", ANY, (ENGINE,), ("memory",), "the engine is a process for each container, with buffers of its own"),
)


def explains(reason, found, workload, peer, subject):
    return (reason.found == found and peer in reason.peers and workload in reason.workloads and
            (reason.backends is None or subject in reason.backends))
