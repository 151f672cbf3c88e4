# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes comparison.md, .html and .svg from comparison-data/. No number is written here: each is taken
of the data, and each verdict follows from an interval there.

tests/compare/report.py STOR FOLDER writes them anew for a folder that has comparison-data/.
"""
import os
import re
import sys

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import figures
import page
import seen
import verdicts
import wording

MARKS = ("<!-- what make compare measured -->", "<!-- the end of it -->")


# Commands of the script that ran in the containers, by the names of its sections.
SHOWN = {"ps": "ps -eo pid,ppid,user,args", "ip addr": "ip addr", "ip route": "ip route", "mount": "mount", "ulimit": "ulimit -a"}
# And sections of several commands, which stand as they are in the data.
LIMITS = ("memory", "processors", "processes")


def folded(summary, block):
    """Blocks that show when the summary is clicked, as GitHub and browsers have it."""
    return ["<details><summary>%s</summary>" % summary, block, "</details>"]


def intro(data):
    def fact(*at, how="text"):
        return data.number("environment.json", list(at), how)
    versions = ", ".join("%s %s" % (name, fact("versions", name)) for name in
                         ("stor", "LXC", "Docker", "containerd", "runc"))
    loads = "load %s before and %s after" % (fact("load", 0, how="ratio"), fact("load_after", 0, how="ratio"))
    machine = "%s, %s cores, %s GiB of memory, Linux %s, %s, control groups of version %s" % (
        fact("processor"), fact("cores"), data.number("environment.json", ["memory"], "bytes"), fact("kernel"),
        fact("filesystem"), fact("cgroups"))
    return [
        "# stor, LXC and Docker compared",
        "Made by `make compare` on %s: %s. The machine: %s; %s. All three ran one root of Debian, with %s in it. What is "
        "written here follows from the files in [comparison-data](comparison-data/), every number included."
        % (fact("date"), versions, machine, loads, "`%s`" % data.value("environment.json", "packages").replace(",", "`, `")),
    ]


def views(data, folder):
    out = ["## What a container sees", wording.VIEW]
    for name in figures.VIEWS:
        parts = seen.sections(os.path.join(folder, "inside-%s.txt" % name))
        lines = [line for part, command in SHOWN.items() for line in ["$ " + command, *parts[part]]]
        lines += [line for part in LIMITS for line in ["== " + part, *parts[part]]]
        out += folded("%s: processes, interfaces, routes, mounts and limits" % wording.NAMES[name], "```\n%s\n```" % "\n".join(lines))
    out.append("\n".join(wording.isolation(data)))
    out += wording.shows(data)
    return out


def cell(data, row, subject, has_interval=True):
    at = verdicts.place(row, "host", subject, data)
    if at is None:
        return "–"
    median = at + ["value", "median"]
    how = verdicts.unit(data, row)
    text = "%s %s" % (data.number("figures.json", median, how), data.unit("figures.json", median, how))
    if has_interval and data.value("figures.json", *at, "value", "low") is not None:
        text += " [%s, %s]" % tuple(data.number("figures.json", at + ["value", edge], how, median) for edge in ("low", "high"))
    return text


def table(data, rows, has_intervals=True):
    subjects = verdicts.subjects(data, rows)
    lines = ["| | %s |" % " | ".join(wording.name_of(subject) for subject in subjects),
             "|---|%s|" % "|".join("---:" for _ in subjects)]
    for row in rows:
        lines.append("| %s | %s |" % (wording.row_name(row), " | ".join(cell(data, row, subject, has_intervals) for subject in subjects)))
    return "\n".join(lines)


def topics(data):
    out = ["## What it costs", wording.method(data)]
    for topic in wording.TOPICS:
        rows = verdicts.rows(data, topic)
        if not rows:
            continue
        out += ["### " + topic["title"], "Rounds: %s." % " to ".join(
            data.number("figures.json", at) for at in verdicts.rounds(data, rows)), table(data, rows)]
        out += ["<!-- plot %s -->" % verdicts.plot(row) for row in rows[:1]]
        out += [topic["why"](data, rows)]
        sentences = "\n".join("- " + sentence for sentence in (wording.sentence(data, row) for row in rows) if sentence)
        out += folded("%s: each ratio, with its interval" % topic["title"], sentences) if sentences else []
    return [block for block in out if block]


def glance(data):
    """A few medians of each topic: what the README shows too."""
    rows = [row for topic in wording.TOPICS for row in verdicts.rows(data, topic)
            if not row.with_limits and row.workload in wording.GLANCE]
    return table(data, rows, False) if rows else ""


def compose(data, folder):
    blocks = intro(data) + ["![Median time of a start, with intervals](comparison.svg)", "## In short", glance(data), wording.RATIOS,
                            wording.in_short(data, wording.DIFFERENCES)]
    none = wording.in_short(data, wording.NO_DIFFERENCES)
    blocks += folded("Where no difference is shown", none) if none else []
    blocks += topics(data) + views(data, folder) + ["## What this does not tell", wording.not_told(data)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def put_into_readme(readme, text):
    """The table of the report, between two marks."""
    with open(readme, encoding="utf-8") as file:
        before, _, rest = file.read().partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    table_of_it = re.search(r"^## In short\n\n(\|.*?)\n\n", text, re.S | re.M)
    if after and table_of_it:
        with open(readme, "w", encoding="utf-8") as out:
            out.write("%s%s\n%s\n%s%s" % (before, MARKS[0], table_of_it.group(1), MARKS[1], after))


def write(stor, output):
    """README.md beside the folder has the report's table."""
    folder = os.path.join(output, "comparison-data")
    figures.summarise(stor, folder)
    data = figures.Data(folder)
    text, numbers = data.finish(compose(data, folder))
    figures.write_json(os.path.join(folder, "numbers.json"), numbers)
    plots, style = {}, ""
    for bench in data.file("figures.json"):
        style, found = page.stor_page(stor, os.path.join(folder, bench + ".jsonl"))
        # Names that are one page's alone.
        plots.update({bench + "-" + name: svg.replace('"%s-' % name, '"%s-%s-' % (bench, name)).replace(
            " %s-d" % name, " %s-%s-d" % (bench, name)) for name, svg in found.items()})
    readme = os.path.join(os.path.dirname(os.path.abspath(output)), "README.md")
    if os.path.exists(readme):
        put_into_readme(readme, text)
    for name, content in ("md", text), ("html", page.make(text, style, plots)):
        with open(os.path.join(output, "comparison." + name), "w", encoding="utf-8") as out:
            out.write(content)
    if "start-r0-bars" in plots:
        with open(os.path.join(output, "comparison.svg"), "w", encoding="utf-8") as out:
            out.write(page.plot_alone(style, plots["start-r0-bars"]))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: tests/compare/report.py STOR FOLDER")
    write(sys.argv[1], sys.argv[2])
