# SPDX-License-Identifier: GPL-2.0-or-later
"""What is seen inside of each container, as tables with what each row means, and sentences."""
import naming

SEEN = ("stor", "lxc", "docker")
MODES = {"0": "all", "1": "few", "2": "filtered"}


def yes(value):
    return "yes" if value else "no"


def paths(items):
    return ", ".join("`%s`" % item for item in items) or "none"


def number(key, how="text"):
    def cell(data, name, _):
        at = [name, key]
        return data.number("views.json", at, how) + (" " + data.unit("views.json", at, how) if how == "bytes" else "")
    return cell


def allowed(data):
    return "the limit is %s; more was asked for" % data.number("environment.json", ["limits", "pids"])


# (title, cell, what it means, whether the report itself has it)
ROWS = (
    ("shared namespaces", lambda data, name, view: ", ".join(view["shared"]) or "none",
     "`user`: root inside is the machine's; `cgroup`: all groups are seen", True),
    ("processes seen", number("processes"), "what `ps` lists, itself and its parents", False),
    ("interfaces", number("interfaces"), "what `ip addr` lists", False),
    ("mounts", number("mounts"), "what `mount` lists; many only hide or protect files of the kernel", False),
    ("names in `/dev`", number("devices"), "what `ls /dev` lists", False),
    ("capabilities of root", number("capabilities"), "parts of root's power that are left; fewer are safer", True),
    ("set-id programs work", lambda data, name, view: yes(view["no_new_privs"] != "1"),
     "executing one gives rights that a process had not", True),
    ("system calls", lambda data, name, view: MODES[view["seccomp"]], "filtered: those that containers do not need are refused", False),
    ("can make device nodes", lambda data, name, view: yes(view["made_device"]), "a filter of devices still decides who opens them", True),
    ("kernel files it can write", lambda data, name, view: paths(view["writable"]), "of those tried; they hold for the whole machine", True),
    ("kernel files it can read", lambda data, name, view: paths(view["readable"]), "of those tried; they tell of the whole machine", True),
    ("files that tell limits", number("limit_files"), "in a mount of control groups", True),
    ("processors that `nproc` counts", number("processors"), "limits are shares of time, which it does not show", False),
    ("memory beyond the limit", number("held", "bytes"), "held by what asked for more than is allowed", True),
    ("processes started", number("started"), allowed, True),
    ("`sysbench cpu --cpu-max-prime=20000 run`", number("sysbench", "ratio"), "events a second under the limit, once", False),
)


def views_of(data):
    return {name: data.value("views.json", name) for name in SEEN}


def table(data, is_short):
    views = views_of(data)
    lines = ["| seen inside | %s | what it means |" % " | ".join(naming.NAMES[name] for name in SEEN), "|---|---|---|---|---|"]
    for title, cell, meaning, is_in_short in ROWS:
        if is_in_short or not is_short:
            cells = [cell(data, name, views[name]) for name in SEEN]
            lines.append("| %s | %s | %s |" % (title, " | ".join(cells), meaning(data) if callable(meaning) else meaning))
    return "\n".join(lines)


# What a namespace of its own gives, in the order of telling.
OWN = (("pid", "`ps` shows its own processes alone"), ("net", "`ip addr` and `ip route` its own network"), ("mnt", "`mount` its own mounts"))
# How much a view grants, in all that the report's table has of rights.
GRANTS = (
    lambda view: len(view["shared"]), lambda view: view["capabilities"], lambda view: view["no_new_privs"] != "1",
    lambda view: view["made_device"], lambda view: len(view["writable"]), lambda view: len(view["readable"]),
)


def sentences(data):
    views = views_of(data)
    shared = {kind for view in views.values() for kind in view["shared"]}
    own = [text for kind, text in OWN if kind not in shared]
    out = ["In each of the three %s." % naming.listed(own)] if own else []
    least = [naming.NAMES[name] for name, view in views.items() if all(
        grants(view) <= grants(other) for grants in GRANTS for other in views.values())]
    if len(least) == 1:
        out.append("By every row on rights below, %s grants no more than the others." % least[0])
    limits = (("memory", lambda view: view["held"] < view["asked_memory"]),
              ("processes", lambda view: view["started"] <= data.value("environment.json", "limits", "pids")))
    holding = [what for what, holds in limits if all(map(holds, views.values()))]
    if holding:
        out.append("Limits of %s hold in all." % naming.listed(holding))
    out += ["The limit of %s did not hold in %s." % (what, naming.listed(naming.NAMES[name] for name, view in views.items() if not holds(view)))
            for what, holds in limits if what not in holding]
    blind = [naming.NAMES[name] for name, view in views.items() if not view["limit_files"]]
    if blind:
        out.append("In %s no file tells a program its limits." % naming.listed(blind))
    return " ".join(out)
