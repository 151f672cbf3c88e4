# SPDX-License-Identifier: GPL-2.0-or-later
"""The appendix of the report: each figure and ratio with its interval, what each container showed, and how it
was measured.
"""
import os

import figures
import isolation
import naming
import seen
import tables
import verdicts

# Commands of the script that ran in the containers, by the names of its sections.
SHOWN = {"ps": "ps -eo pid,ppid,user,args", "ip addr": "ip addr", "ip route": "ip route", "mount": "mount", "ulimit": "ulimit -a"}
# And sections of several commands, which stand as they are in the data.
LIMITS = ("memory", "processors", "processes")

# What the figures of a topic hold for.
NOTES = {
    "Processor and memory": "Where a difference is shown here all the same, it may be of calls to the kernel, which the filters of the "
                            "three examine by different lists, or of what else the machine did.",
    "Files": "On `dir`, as in LXC and Docker, files lie in the host's own filesystem, below an overlay but in LXC. `loop` and `ploop` have "
             "a filesystem of their own in a file, so each request goes through two filesystems and a loop device.",
    "Network": "All have a pair of interfaces, of which one end is the container's; Docker's other end is a port of its bridge. `host` "
               "goes over the loopback interface. The backend of the root has no part in it. With limits it is processor time that "
               "traffic is short of.",
}


def method(data):
    return (
        "Medians of rounds, each in an order drawn anew, with the interval that holds the true median with "
        "%s %% confidence. Ratios are stor's figure divided by the other's, taken within rounds; a difference is stated only where the "
        "interval of the ratio leaves equality out. A ratio below one is less time, disk or memory, or a lower rate. Limits are %s of a "
        "processor and `%s` of memory, on stor, LXC and Docker alike; images and waiting containers were measured without. Each test of "
        "sysbench takes %s s. `host` is the same program in the same files without a container, and has no limits. All three ran one root of "
        "Debian, with `%s` in it. The machine's load was %s before and %s after. What all samples are, and how they were taken, is in "
        "stor-bench(1); the samples are in [comparison-data](comparison-data/)." % (
            tables.confidence(data), tables.fact(data, "limits", "cpus"), data.value("environment.json", "limits", "memory"),
            tables.fact(data, "seconds"), data.value("environment.json", "packages").replace(",", "`, `"),
            tables.fact(data, "load", 0, how="ratio"), tables.fact(data, "load_after", 0, how="ratio")))


def beside_limits(data, rows):
    """What works for a container with limits, and has none itself."""
    places = [(row, verdicts.place(row, "host", naming.ENGINE, data)) for row in rows if row.with_limits]
    places = [(row, at[:-1]) for row, at in places if at]
    if not places:
        return ""
    row, at = places[0]

    def time(metric):
        place = at + [metric, "value", "median"]
        return "%s %s" % (data.number("figures.json", place, "s"), data.unit("figures.json", place, "s"))
    return ("Limits hold for what runs in the container. The process of the ploop engine is outside of them: in a run of %s with limits it "
            "used %s of processor time, beside %s of stor and the container. So are the kernel's threads of loop devices, whose time is in "
            "no figure; LXC and Docker have neither here." % (naming.workload(row.workload), time("server_cpu_seconds"), time("cpu_seconds")))


def topic_of(data, topic):
    rows = verdicts.rows(data, topic)
    if not rows:
        return []
    out = ["## " + topic["title"], "Rounds: %s." % " to ".join(data.number("figures.json", at) for at in verdicts.rounds(data, rows)),
           tables.medians(data, rows, tables.with_interval)]
    for peer in verdicts.PEERS:
        table = tables.ratios(data, rows, peer)
        out += ["As ratios to %s's:" % naming.NAMES[peer], table] if table else []
    out.append(" ".join(text for text in (
        NOTES.get(topic["title"], ""), beside_limits(data, rows) if topic["title"] == "Files" else "") if text))
    return out + ["\n".join("<!-- plot %s: %s -->" % (verdicts.plot(row), naming.row_name(row)) for row in rows)]


def folded(summary, block):
    """Blocks that show when the summary is clicked, as GitHub and browsers have it."""
    return ["<details><summary>%s</summary>" % summary, block, "</details>"]


# How to read what the containers printed: it holds for each of them.
READING = (
    "`ps` lists what the namespace of processes has: the first is the command itself, or an init. In `ip addr`, the `@if` of `eth0` names "
    "the other end of a pair, which is in the host's namespace, and `ip route` leaves by way of an address there. In `mount`, the line of "
    "`/` tells what holds the container's files; what is mounted read-only below `/proc` and `/sys`, or covered with an empty filesystem, "
    "is kept from root inside. `ulimit` tells what each process inherits; a container's own limits are in control groups, of which the "
    "last sections tell: what was asked for beyond them, and what became of it.")


def views(data, folder):
    out = ["## What is seen inside",
           "The same script ran in each, with the same limits, and a network with an address. What it printed follows; all of it is in "
           "[comparison-data](comparison-data/): `inside-stor.txt`, `inside-lxc.txt` and `inside-docker.txt`.", isolation.sentences(data),
           isolation.table(data, False), READING]
    if {data.value("views.json", name, "processors") for name in figures.VIEWS} == {data.value("environment.json", "cores")}:
        out[-1] += " `nproc` counts the machine's processors in all."
    for name in figures.VIEWS:
        parts = seen.sections(os.path.join(folder, "inside-%s.txt" % name))
        lines = [line for part, command in SHOWN.items() for line in ["$ " + command, *parts[part]]]
        lines += [line for part in LIMITS for line in ["== " + part, *parts[part]]]
        out += folded("%s: processes, interfaces, routes, mounts and limits" % naming.NAMES[name], "```\n%s\n```" % "\n".join(lines))
    return out


def compose(data, folder):
    versions = ", ".join("%s %s" % (name, tables.fact(data, "versions", name)) for name in data.value("environment.json", "versions"))
    blocks = ["# stor, LXC and Docker compared: the details",
              "What [the report](comparison.md) was made of, by `make compare` on %s, with %s." % (tables.fact(data, "date"), versions),
              "## How it was measured", method(data)]
    for topic in naming.TOPICS:
        blocks += topic_of(data, topic)
    return "\n\n".join(block for block in blocks + views(data, folder) if block) + "\n"
