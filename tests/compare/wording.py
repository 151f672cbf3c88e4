# SPDX-License-Identifier: GPL-2.0-or-later
"""The sentences of the report. What explains a difference is said only where the figures show it."""
import verdicts

NAMES = {"stor": "stor", "lxc": "LXC", "docker": "Docker", "host": "host"}
STORES = {"dir": "stor, dir", "loop": "stor, loop", "ploop:attach=engine": "stor, ploop engine",
          "ploop:attach=direct:layout=raw:clone=overlay": "stor, ploop direct"}
WORKLOADS = {
    "start": "start to exit", "sysbench-cpu": "sysbench cpu", "sysbench-memory": "sysbench memory",
    "sysbench-threads": "sysbench threads", "sysbench-fileio": "sysbench fileio",
    "fio:docs/examples/bench/randread.fio": "fio random reads",
    "fio:docs/examples/bench/randwrite.fio": "fio random writes", "iperf3": "iperf3", "image": "archive to first exit",
    "image-delete": "image removed", "clone": "container made", "clone-delete": "container removed",
    "image-disk": "disk: image", "clone-disk": "disk: container", "memory": "memory: waiting container",
    "daemon-memory": "memory: daemon",
}


def name_of(subject):
    return NAMES.get(subject) or STORES.get(subject) or "stor, " + subject


def row_name(row):
    return WORKLOADS.get(row.workload, row.workload) + (", limits" if row.with_limits else "")


def listed(items):
    items = list(items)
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def sentence(data, row):
    """What a row shows of stor's backends against each peer."""
    parts = []
    kind = "rate" if verdicts.metric(data, row)["better"] == "more" else "figure"
    for peer in verdicts.PEERS:
        told = {}
        for subject in verdicts.stors(data, row):
            found = verdicts.verdict(data, row, subject, peer)
            if found:
                told.setdefault(found, []).append(subject)
        for found, words in ("better", "better than"), ("worse", "worse than"):
            if found in told:
                parts.append("%s %s: %s of its %s" % (words, NAMES[peer], listed(
                    "%s %s" % (STORES.get(subject, subject).replace("stor, ", ""), verdicts.ratio_text(data, row, subject, peer))
                    for subject in told[found]), kind))
        if "none" in told:
            parts.append("no difference from %s shown: %s" % (NAMES[peer], listed(
                STORES.get(subject, subject).replace("stor, ", "") for subject in told["none"])))
    return "**%s** — %s." % (row_name(row), "; ".join(parts)) if parts else ""


# --- in short -----------------------------------------------------------------------------------------


def outcome(data, row, peer):
    """stor's verdicts in a row, as {verdict: subjects}."""
    told = {}
    for subject in verdicts.stors(data, row):
        told.setdefault(verdicts.verdict(data, row, subject, peer), []).append(subject)
    told.pop(None, None)
    return told


RATIOS = ("Behind each verdict stands the ratio of stor's figure to the other's, of several backends the least and "
          "the greatest. Of time, disk and memory less is better; of rates, which are so many a second, more.")


DIFFERENCES = (("better", "stor is better than %s at"), ("worse", "**stor loses** to %s at"))
NO_DIFFERENCES = (("none", "no difference from %s is shown at"),)


def in_short(data, verdicts_and_heads):
    """Where stor wins, where it loses, and where no difference is shown, on which backends."""
    rows = [row for topic in TOPICS for row in verdicts.rows(data, topic)]
    lines = []
    for found, head in verdicts_and_heads:
        for peer in verdicts.PEERS:
            # Rows of a workload that differ in limits alone, on the same backends, are told together.
            told = {}
            for row in rows:
                outcomes = outcome(data, row, peer)
                mine = outcomes.get(found, [])
                if mine:
                    told.setdefault((row.workload, tuple(mine), len(mine) == sum(map(len, outcomes.values()))), []).append(row)
            if told:
                items = [item(data, of_rows, mine, is_all, peer, found) for (_, mine, is_all), of_rows in told.items()]
                lines.append("- %s: %s." % (head % NAMES[peer], "; ".join(items)))
    return "\n".join(lines)


def item(data, rows, mine, is_all, peer, found):
    """Of a list of verdicts: the rows, the backends unless these are all, and the extremes of the ratios."""
    limits = " with and without limits" if len(rows) > 1 else " with limits" if rows[0].with_limits else ""
    name = WORKLOADS.get(rows[0].workload, rows[0].workload) + limits
    where = "" if is_all else " on " + listed(STORES.get(subject, subject).replace("stor, ", "") for subject in mine)
    return name + where + ("" if found == "none" else " " + extremes(data, rows, mine, peer))


def extremes(data, rows, subjects, peer):
    """The ratios' medians, from the least to the greatest."""
    def median(place):
        return data.value("figures.json", *place)
    places = sorted((verdicts.place(row, peer, subject, data) + ["ratio", "median"] for row in rows for subject in subjects), key=median)
    if median(places[0]) == median(places[-1]):
        return "(%s×)" % data.number("figures.json", places[0], "ratio")
    return "(%s× to %s×)" % tuple(data.number("figures.json", place, "ratio") for place in (places[0], places[-1]))


# --- why ----------------------------------------------------------------------------------------------


def any_is(data, rows, peer, found, backends=None, workload=None):
    return any(subject in told for row in rows if workload in (None, row.workload)
               for told in [outcome(data, row, peer).get(found, [])]
               for subject in (backends or told))


ENGINE = ("ploop:attach=engine",)
DIRECT = "ploop:attach=direct:layout=raw:clone=overlay"
FIO = ("fio:docs/examples/bench/randread.fio", "fio:docs/examples/bench/randwrite.fio")


def why_start(data, rows):
    out = []
    if any_is(data, rows, "docker", "better"):
        out.append("Docker's client asks its daemon, which asks containerd, which starts a shim, which starts runc, which "
                   "starts the container. stor is one process that makes the namespaces and the control group and executes "
                   "the command.")
    if any_is(data, rows, "lxc", "better"):
        out.append("LXC starts a monitor and, for a command, a program of its own as the container's first process.")
    if any_is(data, rows, "lxc", "worse"):
        out.append("LXC runs on the plain tree of files here; where stor is slower, it attaches a block device, makes and mounts "
                   "a filesystem for the container first, and removes them at the end.")
    return " ".join(out)


def why_processor(data, rows):
    shown = [found for row in rows for peer in verdicts.PEERS for found in outcome(data, row, peer)]
    if not shown:
        return ""
    if set(shown) == {"none"}:
        return ("No difference is to be expected: the same kernel schedules the same instructions, and limits take the same "
                "share from all, by the same mechanism of the kernel.")
    return ("What a program computes by itself is the same instructions under the same kernel's scheduler, and so are limits. Where a "
            "difference is shown all the same, it may be of calls to the kernel, which the filters of the three examine by different "
            "lists, or of what else the machine did.")


def why_disk(data, rows):
    out = ["On `dir`, as in LXC and Docker, files lie in the host's own filesystem, below an overlay but in LXC. `loop` and `ploop` "
           "have a filesystem of their own in a file, so each request goes through two filesystems and a loop device."]

    def shows(found, backends, workloads):
        return any(any_is(data, rows, peer, found, backends, workload) for peer in verdicts.PEERS for workload in workloads)
    if shows("better", ("loop", *ENGINE, DIRECT), FIO):
        out.append("fio asks to go past the page cache; but the host, unless told otherwise by `direct-io=yes`, keeps the file of such a "
                   "container in its own, so where these are better at it, memory answered and not the disk.")
    if shows("worse", ENGINE, FIO):
        out.append("With the ploop engine, each request also goes to a process in user space and back, which finds the "
                   "cluster: that is the price of snapshots and of images of OpenVZ's format on a kernel without its driver.")
    if shows("worse", ("loop", DIRECT), ("sysbench-fileio",)):
        out.append("sysbench syncs its files again and again: a loop device passes that on, from the inner filesystem to the host's.")
    if shows("better", ENGINE, ("sysbench-fileio",)):
        out.append("The ploop engine does not sync what `--rm` throws away, so sysbench does not wait for the disk there.")
    return " ".join(out + beside_limits(data, rows))


def beside_limits(data, rows):
    """What works for a container with limits, and has none itself."""
    places = [(row, verdicts.place(row, "host", ENGINE[0], data)) for row in rows if row.with_limits]
    places = [(row, at[:-1]) for row, at in places if at]
    if not places:
        return []
    row, at = places[0]

    def time(metric):
        place = at + [metric, "value", "median"]
        return "%s %s" % (data.number("figures.json", place, "s"), data.unit("figures.json", place, "s"))
    return ["Limits hold for what runs in the container. The process of the ploop engine is outside of them: in a run of %s with limits it used %s of "
            "processor time, beside %s of stor and the container. So are the kernel's threads of loop devices, whose time is in no figure; "
            "LXC and Docker have neither here." % (WORKLOADS.get(row.workload, row.workload), time("server_cpu_seconds"), time("cpu_seconds"))]


def why_network(data, rows):
    del data
    out = ["All have a pair of interfaces, of which one end is the container's; Docker's other end is a port of its bridge. `host` "
           "goes over the loopback interface. The backend of the root has no part in it."]
    if any(row.with_limits for row in rows):
        out.append("With limits it is processor time that traffic is short of.")
    return " ".join(out)


def why_operations(data, rows):
    out = []
    if any_is(data, rows, "docker", "better", workload="image"):
        out.append("Docker reads the archive into a layer and computes digests of it; stor unpacks it once into a tree that "
                   "its golden volumes are made of.")
    if any_is(data, rows, "lxc", "worse", workload="image"):
        out.append("LXC has no images: a container is unpacked and is its own original. stor keeps the image and a golden "
                   "volume of each backend beside it, and syncs both: that takes longer, and takes the disk twice.")
    elif any_is(data, rows, "lxc", "worse", workload="image-disk"):
        out.append("stor keeps the image and a golden volume of each backend beside it, which takes the disk twice.")
    if any_is(data, rows, "docker", "worse", ("loop", *ENGINE, DIRECT), workload="image"):
        out.append("What has a filesystem of its own is filled from that tree once more, which takes its time, too.")
    if any_is(data, rows, "docker", "worse", ("dir",), workload="image-delete"):
        out.append("On `dir` the golden volume is a second tree to remove, file by file.")
    if any_is(data, rows, "lxc", "worse", (DIRECT,), workload="clone-disk"):
        out.append("What is to be attached directly takes all of its size at once; the other volumes grow as they are written to.")
    if any_is(data, rows, "docker", "better", workload="memory"):
        out.append("A waiting container of stor is one small monitor beside its process; one of Docker's is a shim with a "
                   "runtime of Go in it, beside a daemon that is always there.")
    if any_is(data, rows, "lxc", "worse", ENGINE, workload="memory") or any_is(data, rows, "docker", "worse", ENGINE, workload="memory"):
        out.append("The ploop engine is a process for each container, with its own buffers.")
    return " ".join(out)


def with_limits(bench, *workloads):
    """Rows of a topic: below each that with limits, which have a run file of their own."""
    return [(name, workload) for workload in workloads for name in (bench, "limits")]


TOPICS = (
    {"title": "Starts", "rows": [("start", "start")], "why": why_start},
    {"title": "Processor and memory", "why": why_processor,
     "rows": with_limits("processor", "sysbench-cpu", "sysbench-memory", "sysbench-threads")},
    {"title": "Disk", "why": why_disk,
     "rows": with_limits("disk", *FIO, "sysbench-fileio")},
    {"title": "Network", "rows": with_limits("network", "iperf3"), "why": why_network},
    {"title": "Images and containers", "why": why_operations,
     "rows": [("operations", name) for name in (
         "image", "clone", "clone-delete", "image-delete", "image-disk", "clone-disk", "memory", "daemon-memory")]},
)


# Rows of the table at the beginning.
GLANCE = ("start", "sysbench-cpu", "fio:docs/examples/bench/randread.fio", "fio:docs/examples/bench/randwrite.fio", "iperf3",
          "image", "clone", "clone-delete", "memory", "daemon-memory")


def method(data):
    def fact(*at, how="text"):
        return data.number("environment.json", list(at), how)
    at = []
    while len(at) < 2:
        at.append(next(iter(data.value("figures.json", *at))))
    share = data.number("figures.json", at + ["confidence"], "percent")
    return (
        "Medians of rounds, each in an order drawn anew, with the interval that holds the true median with "
        "%s %% confidence. Ratios are taken within rounds; a difference is stated only where the interval of the ratio leaves "
        "equality out. A ratio below one is less time, disk or memory, or a lower rate. \"Limits\" are %s of a processor and "
        "`%s` of memory, on stor, LXC and Docker alike; images and waiting containers were measured without. Each test of "
        "sysbench takes %s s. `host` is the same program in the same files without a container, and has no limits. "
        "What all samples are, and how they were taken, is in stor-bench(1)." % (
            share, fact("limits", "cpus"), data.value("environment.json", "limits", "memory"),
            fact("seconds")))


# --- what is seen -------------------------------------------------------------------------------------


VIEW = ("The same script ran in each, with the same limits, and a network with an address. All that it printed is in "
        "[comparison-data](comparison-data/): `inside-stor.txt`, `inside-lxc.txt` and `inside-docker.txt`.")
NO_MODE = {"0": "no filter", "1": "strict", "2": "a filter"}


def paths(items):
    return ", ".join("`%s`" % item for item in items) or "none"


def isolation(data):
    def line(title, function):
        return "| %s | %s |" % (title, " | ".join(function(name, data.value("views.json", name)) for name in ("stor", "lxc", "docker")))

    def count(key):
        return lambda name, view: data.number("views.json", [name, key])
    return [
        "| | stor | LXC | Docker |", "|---|---|---|---|",
        line("namespaces shared with the host", lambda name, view: ", ".join(view["shared"]) or "none"),
        line("processes seen", count("processes")), line("interfaces", count("interfaces")), line("mounts", count("mounts")),
        line("names in `/dev`", count("devices")), line("capabilities", count("capabilities")),
        line("gains rights by executing", lambda name, view: "no" if view["no_new_privs"] == "1" else "yes"),
        line("system calls", lambda name, view: NO_MODE[view["seccomp"]]),
        line("can make a device node", lambda name, view: "yes" if view["made_device"] else "no"),
        line("kernel's files that it can write", lambda name, view: paths(view["writable"])),
        line("masked files that it can read", lambda name, view: paths(view["readable"])),
        line("files that tell limits", count("limit_files")),
        line("processors that `nproc` counts", count("processors")),
        line("of memory beyond the limit, held", lambda name, view: data.number("views.json", [name, "held"], "bytes") + " " + data.unit(
            "views.json", [name, "held"], "bytes")),
        line("of processes beyond the limit, started", count("started")),
        line("`sysbench cpu --cpu-max-prime=20000 run`, events a second", lambda name, view: data.number(
            "views.json", [name, "sysbench"], "ratio")),
    ]


def shows(data):
    views = {name: data.value("views.json", name) for name in ("stor", "lxc", "docker")}
    out = ["Each sees its own processes alone, numbered anew, and its own interfaces, address and route, of which the host has the "
           "other ends: the namespaces are of the same kinds. They differ in what else the host's kernel shows and grants."]
    widest = max(views, key=lambda name: views[name]["capabilities"])
    if views[widest]["capabilities"] > views["stor"]["capabilities"]:
        out.append("%s leaves its root user more capabilities than stor does." % NAMES[widest])
    locked = [NAMES[name] for name in views if views[name]["no_new_privs"] == "1"]
    if locked:
        out.append("In %s, executing a set-id program gains nothing." % listed(locked))
    writes = [NAMES[name] for name in views if views[name]["writable"]]
    if writes:
        out.append("In %s, settings of the kernel can be written that hold for the whole machine." % listed(writes))
    makes = [NAMES[name] for name in views if views[name]["made_device"]]
    if makes:
        out.append("In %s, device nodes can be made; a filter of devices decides whether they can be opened." % listed(makes))
    blind = [NAMES[name] for name in views if not views[name]["limit_files"]]
    if blind:
        out.append("In %s no file tells the limits: there is no mount of control groups." % listed(blind))
    out.append("None of the three shows a program its limits where it usually looks: `nproc` and `/proc/meminfo` are the "
               "machine's.")
    held = [NAMES[name] for name in views if views[name]["held"] < views[name]["asked_memory"]]
    if held:
        out.append("In %s the limits hold: what asked for more memory was killed." % listed(held))
    return [" ".join(out)]


NOT_TOLD = ("A machine that others use too gives wide intervals; figures of another one differ. Docker and LXC were used with "
          "their defaults, but for the storage driver `overlay2`, a private network, and no AppArmor profile. What LXC does "
          "best, whole systems with an init, and what Docker does best, registries and layers, was not asked for.")


def not_told(data):
    measured = [bench for bench in data.file("figures.json") for row in [verdicts.Row(bench, 0, "", False)]
                if DIRECT in verdicts.subjects(data, [row])]
    if measured == ["operations"]:
        return NOT_TOLD + (" A ploop image that is attached directly is the root of a container by an overlay alone, which "
                           "stor bench cannot ask for: it is measured where stor bench was not needed.")
    return NOT_TOLD
