# SPDX-License-Identifier: GPL-2.0-or-later
"""A data file as `stor bench` writes it, of what it does not measure: images, disk, memory. So the same
program, `stor bench report`, makes the figures of both.
"""
import datetime
import json
import os
import random
import time


class Samples:
    def __init__(self, path, environment, confidence, seed):
        self.out = open(path, "w", encoding="utf-8")
        self.began, self.cases, self.random = time.monotonic(), {}, random.Random(seed)
        self.line(type="experiment", format=1, seed=seed, confidence=confidence,
                  started=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
                  environment=environment)
        self.line(type="metric", name="seconds", unit="s", better="less")
        self.line(type="metric", name="size", unit="bytes", better="less")

    def line(self, **members):
        self.out.write(json.dumps(members) + "\n")
        self.out.flush()

    def case(self, workload, side, metric, command):
        key = (workload, side.name)
        if key not in self.cases:
            self.cases[key] = len(self.cases)
            self.line(type="case", case=self.cases[key], workload=workload, subject=side.name, kind=side.kind,
                      metric=metric, command=command)
        return self.cases[key]

    def add(self, workload, side, at, metric, value, command=""):
        """at: the round."""
        self.line(type="sample", case=self.case(workload, side, metric, command), round=at, warmup=False,
                  at=round(time.monotonic() - self.began, 3), values={metric: value})

    def blank(self, workload, side, metric, reason):
        self.line(type="blank", case=self.case(workload, side, metric, ""), reason=reason)

    def end(self):
        self.line(type="end", interrupted=False, reason="repeats done")
        self.out.close()


def disk_used(folder):
    """Bytes that a folder's files take on its filesystem; a file with several names counts once."""
    seen, total, device = set(), 0, os.lstat(folder).st_dev
    for path, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if os.lstat(os.path.join(path, name)).st_dev == device]
        for name in folders + files:
            st = os.lstat(os.path.join(path, name))
            if st.st_ino not in seen:
                seen.add(st.st_ino)
                total += st.st_blocks * 512
    return total


def memory_used():
    """Bytes of memory of all processes in this PID namespace but this one, shared pages by their share."""
    total = 0
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open("/proc/%s/smaps_rollup" % name, encoding="ascii") as lines:
                total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
        except OSError:
            pass
    return total
