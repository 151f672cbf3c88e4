# SPDX-License-Identifier: GPL-2.0-or-later
"""Rounds of what `stor bench` does not measure: an image from an archive to the end of its first
container, a clone of it, their removal, the disk that they take, and the memory of containers that wait.
"""
import os
import subprocess
import time

from samples import disk_used, memory_used

WAITING = 5


def run(side, commands):
    for words in commands:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              stdin=subprocess.DEVNULL, check=False, env=side.environment)
        if done.returncode:
            raise RuntimeError("%s: exit status %d\n%s" % (" ".join(words), done.returncode, done.stdout[-2000:]))


def shown(commands):
    """As one would type them."""
    return "; ".join(" ".join([os.path.basename(words[0]), *words[1:]]) for words in commands)


class Rounds:
    def __init__(self, samples, sides, report):
        self.samples, self.sides, self.report = samples, sides, report

    def timed(self, workload, side, at, commands):
        began = time.monotonic()
        run(side, commands)
        self.samples.add(workload, side, at, "seconds", time.monotonic() - began, shown(commands))

    def size(self, workload, side, at, value, command):
        self.samples.add(workload, side, at, "size", max(0, value), command)

    def memory(self, side, at):
        names = ["waits%d" % i for i in range(WAITING)]
        before = memory_used()
        if side.name == "docker":
            self.size("daemon-memory", side, at, before, "dockerd, containerd")
        else:
            # Nothing of theirs runs while no container does; Docker's daemon is not theirs.
            self.size("daemon-memory", side, at, 0, "")
        for name in names:
            run(side, side.clone(name) + side.start(name))
        # Until what starts has come to rest.
        time.sleep(0.5)
        self.size("memory", side, at, (memory_used() - before) // WAITING, shown(side.clone("waits") + side.start("waits")))
        for name in names:
            run(side, side.remove(name))

    def one(self, side, at):
        empty = disk_used(side.folder)
        self.timed("image", side, at, side.import_image() + side.first_run())
        self.size("image-disk", side, at, disk_used(side.folder) - empty, shown(side.import_image()))
        before = disk_used(side.folder)
        self.timed("clone", side, at, side.clone("one"))
        self.size("clone-disk", side, at, disk_used(side.folder) - before, shown(side.clone("one")))
        self.timed("clone-delete", side, at, side.remove("one"))
        self.memory(side, at)
        self.timed("image-delete", side, at, side.remove_image())

    def all(self, rounds):
        for number in range(1, rounds + 1):
            order = list(self.sides)
            self.samples.random.shuffle(order)
            for side in order:
                self.report("images, disk and memory: round %d of %d, %s" % (number, rounds, side.name))
                self.one(side, number)
        self.samples.end()
