# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine and the versions that figures hold for, as texts and numbers for the report."""
import datetime
import os
import re
import subprocess

import sides

PACKAGES = "iproute2,procps,sysbench,fio,iperf3"


def first_line(*words):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, check=False)
    return (done.stdout.splitlines() or ["?"])[0]


def version(*words):
    found = re.search(r"\d[\w.+~:-]*", first_line(*words))
    return found.group(0).rstrip(",") if found else "?"


def field(path, name):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith(name):
                return line.split(":", 1)[1].strip()
    return "?"


def filesystem(folder):
    """The type of the nearest mount above a folder."""
    best = ("", "?")
    with open("/proc/self/mountinfo", encoding="utf-8") as lines:
        for line in lines:
            before, after = line.split(" - ")
            at = before.split()[4]
            if (folder + "/").startswith(at.rstrip("/") + "/") and len(at) >= len(best[0]):
                best = (at, after.split()[0])
    return best[1]


def describe(stor, folder, options):
    memory = int(field("/proc/meminfo", "MemTotal").split()[0]) * 1024
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "kernel": os.uname().release, "processor": field("/proc/cpuinfo", "model name"), "cores": os.cpu_count(),
        "memory": memory, "filesystem": filesystem(folder),
        "cgroups": 2 if os.path.exists("/sys/fs/cgroup/cgroup.controllers") else 1,
        "load": list(os.getloadavg()),
        "versions": {"stor": version(stor, "--version"), "LXC": version("lxc-start", "--version"),
                     "Docker": version("dockerd", "--version"), "runc": version("runc", "--version"),
                     "containerd": version("containerd", "--version")},
        "seconds": options.seconds,
        "command": "sysbench cpu --cpu-max-prime=20000 run", "limits": sides.LIMITS,
        "size": sides.VOLUME_SIZE, "packages": PACKAGES,
    }
