# SPDX-License-Identifier: GPL-2.0-or-later
"""What the programs that measure share: targets, bundles, a host of their own, and a Docker of their own."""
import ctypes
import json
import os
import shutil
import subprocess
import sys
import time

CLONE_NEWNS, CLONE_NEWNET, MS_REC, MS_PRIVATE = 0x20000, 0x40000000, 1 << 14, 1 << 18
HOST, OUTSIDE = "192.0.2.1", "192.0.2.2"
# What a start may cost, as shares of the floor's time (tests/bench/floor.c).
START_DIR, START_VETH = 2.5 / 1.85, 4.5 / 2.8
PROGRAM = os.path.basename(sys.argv[0])


def call(*words, **options):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, check=False, **options)
    if done.returncode:
        sys.exit("%s: %s: exit status %d\n%s" % (PROGRAM, " ".join(words), done.returncode, done.stdout))
    return done.stdout


def oci_bundle(runtime, bundle, tree, resources=None):
    """A bundle of what the runtime itself suggests, which runs /bin/true on the tree, with these limits."""
    os.makedirs(bundle)
    call(runtime, "spec", cwd=bundle)
    path = os.path.join(bundle, "config.json")
    with open(path) as spec:
        config = json.load(spec)
    config["process"]["terminal"] = False
    config["process"]["args"] = ["/bin/true"]
    config["root"] = {"path": tree, "readonly": False}
    config["linux"].setdefault("resources", {}).update(resources or {})
    with open(path, "w") as spec:
        json.dump(config, spec)


def eventually(what, test):
    """Wait at most 30 s for a test; its result."""
    for _ in range(300):
        result = test()
        if result:
            return result
        time.sleep(0.1)
    return sys.exit("%s: %s does not come up" % (PROGRAM, what))


def stand_in():
    """A host of its own, and the world outside of it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWNET) or libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None):
        sys.exit(PROGRAM + ": namespaces: " + os.strerror(ctypes.get_errno()))
    call("mount", "-t", "tmpfs", "tmpfs", "/run")
    os.mkdir("/run/netns")
    for line in ("link set lo up", "netns add outside", "link add up0 type veth peer name eth0 netns outside",
                 "address add %s/24 dev up0" % HOST, "-n outside address add %s/24 dev eth0" % OUTSIDE,
                 "link set up0 up", "-n outside link set eth0 up", "-n outside link set lo up"):
        call("ip", *line.split())
    with open("/proc/sys/net/ipv4/ip_forward", "w") as forward:
        forward.write("1")


class Docker:
    """A daemon with its state, sockets and pid file below `work`, and the tree as image `bench`."""

    def __init__(self, work, tree):
        self.socket = "unix://" + os.path.join(work, "docker.sock")
        folders = ["--%s=%s" % (key, os.path.join(work, "docker-" + key)) for key in ("data-root", "exec-root")]
        self.log = open(os.path.join(work, "docker.log"), "w")
        self.daemon = subprocess.Popen(["dockerd", "-H", self.socket, "-p", os.path.join(work, "docker.pid"),
                                        *folders], stdout=self.log, stderr=self.log)
        eventually("dockerd (see %s)" % self.log.name, self.answers)
        archive = os.path.join(work, "busybox.tar")
        call("tar", "-C", tree, "-cf", archive, ".")
        call(*self.words("import", archive, "bench"))

    def words(self, *words):
        return ["docker", "-H", self.socket, *words]

    def answers(self):
        if self.daemon.poll() is not None:
            with open(self.log.name) as log:
                raise RuntimeError("dockerd: " + log.read().strip().splitlines()[-1])
        return subprocess.run(self.words("info"), capture_output=True, check=False).returncode == 0

    def stop(self):
        self.daemon.terminate()
        self.daemon.wait()
        self.log.close()


def if_there(make, work, tree):
    """The Docker of a class, or None where there is none or it does not run."""
    if not shutil.which("dockerd") or not shutil.which("docker"):
        print("left out: there is no dockerd", file=sys.stderr)
        return None
    try:
        return make(work, tree)
    except RuntimeError as failure:
        print("left out: %s" % failure, file=sys.stderr)
        return None
