# SPDX-License-Identifier: GPL-2.0-or-later
"""What things are called in the report, and in which order it tells them."""

NAMES = {"stor": "stor", "lxc": "LXC", "docker": "Docker", "host": "host", "floor": "floor"}
ENGINE = "ploop:attach=engine"
DIRECT = "ploop:attach=direct:layout=raw:clone=overlay"
BACKENDS = {"dir": "dir", "loop": "loop", ENGINE: "ploop engine", DIRECT: "ploop direct"}
FIO = ("fio:docs/examples/bench/randread.fio", "fio:docs/examples/bench/randwrite.fio")
WORKLOADS = {
    "start": "start to exit", "sysbench-cpu": "sysbench cpu", "sysbench-memory": "sysbench memory",
    "sysbench-threads": "sysbench threads", "sysbench-fileio": "sysbench fileio",
    FIO[0]: "fio random reads", FIO[1]: "fio random writes", "iperf3": "iperf3", "image": "archive to first exit",
    "image-delete": "image removed", "clone": "container made", "clone-delete": "container removed",
    "image-disk": "disk: image", "clone-disk": "disk: container", "memory": "memory: waiting container",
    "daemon-memory": "memory: daemon",
}

# How a sentence on a workload begins.
SAYS = {
    "start": "**Starting and ending a container** takes", "sysbench-cpu": "**sysbench cpu** reaches", "sysbench-memory": "**sysbench memory** reaches",
    "sysbench-threads": "**sysbench threads** reaches", "sysbench-fileio": "**sysbench fileio** reaches",
    FIO[0]: "**Random reads** reach", FIO[1]: "**Random writes** reach", "iperf3": "**iperf3** reaches",
    "image": "**From an archive to a first container's exit** it takes", "image-delete": "**Removing an image** takes",
    "clone": "**Making a container** takes", "clone-delete": "**Removing a container** takes", "image-disk": "**An image** takes",
    "clone-disk": "**A new container** takes", "memory": "**A waiting container** takes", "daemon-memory": "**A daemon** takes",
}


def with_limits(bench, *workloads):
    """Rows of a topic: below each that with limits, which have a run file of their own."""
    return [(name, workload) for workload in workloads for name in (bench, "limits")]


TOPICS = (
    {"title": "Starts", "rows": [("start", "start")]},
    {"title": "Processor and memory", "rows": with_limits("processor", "sysbench-cpu", "sysbench-memory", "sysbench-threads")},
    {"title": "Files", "rows": with_limits("disk", *FIO, "sysbench-fileio")},
    {"title": "Network", "rows": with_limits("network", "iperf3")},
    {"title": "Images and containers", "rows": [("operations", name) for name in ("image", "clone", "clone-delete", "image-delete")]},
    {"title": "Disk and memory taken",
     "rows": [("operations", name) for name in ("image-disk", "clone-disk", "memory", "daemon-memory")]},
)

# Rows of the table at the beginning.
GLANCE = ("start", "sysbench-cpu", *FIO, "sysbench-fileio", "iperf3", "image", "clone", "clone-delete", "image-disk", "clone-disk",
          "memory", "daemon-memory")


def backend(subject):
    return BACKENDS.get(subject, subject)


def name_of(subject):
    return NAMES.get(subject) or "stor, " + backend(subject)


def workload(name):
    return WORKLOADS.get(name, name)


def row_name(row):
    return workload(row.workload) + (", limits" if row.with_limits else "")


def listed(items):
    items = list(items)
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]
