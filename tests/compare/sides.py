# SPDX-License-Identifier: GPL-2.0-or-later
"""The three that are compared, and how each does one thing: words of commands, for one Debian root. Each
works in a folder of its own. stor is there once for each backend.
"""
import os
import signal
import subprocess
import time

import house

IMAGE, NAME = "debian", "compare"
LIMITS = {"cpus": 0.5, "memory": "256M", "pids": 100}
VOLUME_SIZE = "2G"


class Stor:
    kind, kind_name = "stor", "stor"

    def __init__(self, work, stor, tar, name, parameters=()):
        self.name, self.stor, self.tar = name, stor, tar
        self.backend = ["--backend", name.split(":")[0]]
        if not name.startswith("dir"):
            self.backend += ["--size", VOLUME_SIZE]
        for parameter in [*name.split(":")[1:], *parameters]:
            self.backend += ["-o", parameter]
        self.folder = os.path.join(work, "stor-" + name.replace(":", "-"))
        self.environment = dict(os.environ, STOR_STORE=self.folder, STOR_STATE="/run/stor-" + name.replace(":", "-"))

    def begin(self):
        os.makedirs(self.folder, exist_ok=True)

    def end(self):
        if os.path.isdir(self.folder):
            house.call(self.stor, "gc", env=self.environment)

    def view(self, script, inside):
        """A script of the host, at that place in a container with a network and limits."""
        return [self.stor, "run", "--rm", *self.backend, "--image", IMAGE, "--net", "bridge", "--hostname", NAME,
                "--cpus", str(LIMITS["cpus"]), "--memory", LIMITS["memory"], "--pids-limit", str(LIMITS["pids"]),
                "--volume", "%s:%s:ro" % (script, inside), "--", "sh", inside]

    def import_image(self):
        return [[self.stor, "image", "import", self.tar, IMAGE]]

    def remove_image(self):
        return [[self.stor, "image", "rm", IMAGE]]

    def first_run(self):
        return [[self.stor, "run", "--rm", *self.backend, "--image", IMAGE, "--", "/bin/true"]]

    def clone(self, name):
        return [[self.stor, "create", *self.backend, "--image", IMAGE, "--name", name, "--", "sleep", "1000"]]

    def start(self, name):
        return [[self.stor, "start", name]]

    def remove(self, name):
        return [[self.stor, "rm", "-f", name]]


class Docker:
    kind, name, kind_name = "peer", "docker", "docker"

    def __init__(self, work, tar):
        self.folder, self.tar, self.daemon = os.path.join(work, "docker"), tar, None
        self.socket = "unix:///run/docker-compare.sock"
        self.environment = dict(os.environ, DOCKER_HOST=self.socket, HOME="/run")

    def begin(self):
        """A daemon of this run's own, on the private /run and in the private network."""
        with open("/run/docker-compare.log", "w", encoding="utf-8") as log:
            self.daemon = subprocess.Popen(
                ["dockerd", "--data-root", self.folder, "--exec-root", "/run/docker-compare", "--pidfile",
                 "/run/docker-compare.pid", "-H", self.socket, "--storage-driver", "overlay2"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        for _ in range(600):
            if subprocess.run(["docker", "info"], capture_output=True, check=False, env=self.environment).returncode == 0:
                return
            if self.daemon.poll() is not None:
                break
            time.sleep(0.1)
        with open("/run/docker-compare.log", encoding="utf-8") as log:
            raise RuntimeError("dockerd does not run: %s" % log.read()[-2000:])

    def end(self):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGTERM)
            try:
                self.daemon.wait(60)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()

    def view(self, script, inside):
        return ["docker", "run", "--rm", "--hostname", NAME, "--cpus", str(LIMITS["cpus"]), "--memory", LIMITS["memory"],
                "--memory-swap", LIMITS["memory"], "--pids-limit", str(LIMITS["pids"]), "--volume", "%s:%s:ro" % (script, inside),
                IMAGE, "sh", inside]

    def import_image(self):
        return [["docker", "import", self.tar, IMAGE]]

    def remove_image(self):
        return [["docker", "rmi", "-f", IMAGE]]

    def first_run(self):
        return [["docker", "run", "--rm", "--net", "none", IMAGE, "/bin/true"]]

    def clone(self, name):
        return [["docker", "create", "--net", "none", "--name", name, IMAGE, "sleep", "1000"]]

    def start(self, name):
        return [["docker", "start", name]]

    def remove(self, name):
        return [["docker", "rm", "-f", name]]


TEMPLATE = """#!/bin/sh
# lxc-create's template: unpacks the archive of the comparison.
for word; do case $word in --rootfs=*) root=${word#--rootfs=} ;; esac; done
mkdir -p "$root"
exec tar --extract --file '%s' --xattrs --xattrs-include='*' --acls --numeric-owner --preserve-permissions --directory "$root"
"""
CONFIG = """lxc.include = /usr/share/lxc/config/common.conf
lxc.apparmor.profile = unconfined
lxc.net.0.type = empty
"""
CONFIG_SEEN = CONFIG.replace("empty", "veth") + """lxc.net.0.link = lxcbr0
lxc.net.0.flags = up
lxc.net.0.ipv4.address = 10.0.3.2/24
lxc.net.0.ipv4.gateway = 10.0.3.1
"""


class Lxc:
    kind, name, kind_name = "peer", "lxc", "lxc"

    def __init__(self, work, tar):
        self.folder, self.tar, self.environment = os.path.join(work, "lxc"), tar, dict(os.environ)
        self.here = ["-P", self.folder]

    def begin(self):
        os.makedirs(self.folder, exist_ok=True)
        for name, text in ("template", TEMPLATE % self.tar), ("config", CONFIG):
            path = os.path.join(self.folder, name)
            with open(path, "w", encoding="utf-8") as out:
                out.write(text)
            os.chmod(path, 0o755)

    def end(self):
        pass

    def limits(self):
        """Lines of a container's configuration, for the version of control groups that is there."""
        period = 100000
        memory, quota = int(LIMITS["memory"].rstrip("M")) << 20, int(LIMITS["cpus"] * period)
        if os.path.isdir(house.CGROUPS + "/memory"):
            return ["lxc.cgroup.memory.limit_in_bytes = %d" % memory, "lxc.cgroup.cpu.cfs_period_us = %d" % period,
                    "lxc.cgroup.cpu.cfs_quota_us = %d" % quota, "lxc.cgroup.pids.max = %d" % LIMITS["pids"]]
        return ["lxc.cgroup2.memory.max = %d" % memory, "lxc.cgroup2.cpu.max = %d %d" % (quota, period),
                "lxc.cgroup2.pids.max = %d" % LIMITS["pids"]]

    def view(self, script, inside):
        """On the base container itself, with another configuration."""
        path = os.path.join(self.folder, "seen.config")
        with open(path, "w", encoding="utf-8") as out:
            out.write("%slxc.rootfs.path = dir:%s/%s/rootfs\nlxc.uts.name = %s\nlxc.mount.entry = %s %s none bind,ro,create=file\n%s\n" % (
                CONFIG_SEEN, self.folder, IMAGE, NAME, script, inside.lstrip("/"), "\n".join(self.limits())))
        return ["lxc-execute", *self.here, "-n", IMAGE, "-f", path, "--", "sh", inside]

    def import_image(self):
        return [["lxc-create", *self.here, "-n", IMAGE, "-f", os.path.join(self.folder, "config"), "-t",
                 os.path.join(self.folder, "template")]]

    def remove_image(self):
        return [["lxc-destroy", *self.here, "-n", IMAGE]]

    def first_run(self):
        return [*self.clone("first"), ["lxc-execute", *self.here, "-n", "first", "--", "/bin/true"], *self.remove("first")]

    def clone(self, name):
        return [["lxc-copy", *self.here, "-n", IMAGE, "-N", name, "-s", "-B", "overlay"]]

    def start(self, name):
        return [["lxc-start", *self.here, "-n", name, "-d", "--", "sleep", "1000"]]

    def remove(self, name):
        return [["lxc-destroy", *self.here, "-f", "-n", name]]
