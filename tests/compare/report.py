# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes comparison.md and its appendix comparison-details.md, both as .html too, and comparison.svg, from
comparison-data/. No number is written here: each is taken of the data, and each verdict follows from an
interval there.

tests/compare/report.py STOR FOLDER writes them anew for a folder that has comparison-data/.
"""
import os
import re
import sys

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import details
import figures
import isolation
import page
import prose
import tables

MARKS = ("<!-- what make compare measured -->", "<!-- the end of it -->")
GLANCE = "## At a glance"
# Of the data, the plot of the report.
PLOT = "start-r0-bars"
PLOT_TEXT = ("Median time from the start of a container that does nothing to its end, with intervals; floor: the least that a "
             "container is")


def intro(data):
    def fact(*at, how="text"):
        return tables.fact(data, *at, how=how)
    return [
        "# stor, LXC and Docker compared",
        "Measured by `make compare` on %s: stor %s, LXC %s and Docker %s on one machine (%s, %s cores, %s GiB, Linux %s, %s), on one root of "
        "Debian. [The details](comparison-details.md) have every figure with its interval, the output of each container, and the method." % (
            fact("date"), *(fact("versions", name) for name in ("stor", "LXC", "Docker")), fact("processor"), fact("cores"),
            data.number("environment.json", ["memory"], "bytes"), fact("kernel"), fact("filesystem"))]


BACKENDS = (
    "stor keeps a container's root on a backend: `dir`, a tree of files below an overlay; `loop`, a filesystem in a file; `ploop`, images "
    "of OpenVZ, by an engine of stor's own or, where one lies in order, attached directly. Docker has an overlay, and LXC a plain tree or, "
    "in a copy, an overlay; `host` is the program without a container.")


def ratios(data):
    return (
        "The table has medians. Ratios are stor's figure divided by the other's, with their %s %% interval where that comes near equality. "
        "A difference is stated only where the interval leaves equality out; limits, %s of a processor and `%s` of memory, are named only "
        "where they change that." % (
            tables.confidence(data), tables.fact(data, "limits", "cpus"), data.value("environment.json", "limits", "memory")))


def not_told(data):
    return (
        "Other machines give other figures, and busy ones wide intervals; at %s %% confidence, some equal pairs differ by chance. Docker "
        "and LXC have their defaults, but for the storage driver `overlay2`, a private network, and no AppArmor profile. What LXC does "
        "best, whole systems with an init, and Docker, registries and layers, was not asked for. The ploop engine's process and the "
        "kernel's threads of loop devices work outside of the limits." % tables.confidence(data))


def compose(data):
    blocks = [*intro(data), "![%s](comparison.svg)" % PLOT_TEXT, GLANCE, BACKENDS, ratios(data), tables.glance(data)]
    for title, found in ("## Where stor is better, and why", "better"), ("## Where stor loses, and why", "worse"):
        blocks += [title, prose.outcomes(data, found) or "Nowhere is that shown."]
    blocks += ["## Where no difference is shown", prose.no_difference(data), "## What is seen inside", isolation.sentences(data),
               isolation.table(data, True), "## What this does not tell", not_told(data)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def put_into_readme(readme, text):
    """The table of the report, between two marks."""
    with open(readme, encoding="utf-8") as file:
        before, _, rest = file.read().partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    table_of_it = re.search(r"^%s\n.*?\n\n(\|.*?)\n\n" % GLANCE, text, re.S | re.M)
    if after and table_of_it:
        with open(readme, "w", encoding="utf-8") as out:
            out.write("%s%s\n%s\n%s%s" % (before, MARKS[0], table_of_it.group(1), MARKS[1], after))


def plots_of(stor, folder, benches):
    """(style sheet, {name: SVG}) of all data files."""
    plots, style = {}, ""
    for bench in benches:
        style, found = page.stor_page(stor, os.path.join(folder, bench + ".jsonl"))
        # Names that are one page's alone.
        plots.update({bench + "-" + name: svg.replace('"%s-' % name, '"%s-%s-' % (bench, name)).replace(
            " %s-d" % name, " %s-%s-d" % (bench, name)) for name, svg in found.items()})
    return style, plots


def put(path, text):
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)


def write(stor, output):
    """README.md beside the folder has the report's table."""
    folder = os.path.join(output, "comparison-data")
    figures.summarise(stor, folder)
    data = figures.Data(folder)
    style, plots = plots_of(stor, folder, data.file("figures.json"))
    if PLOT in plots:
        put(os.path.join(output, "comparison.svg"), page.plot_alone(style, plots[PLOT]))
        plots["comparison.svg"] = plots[PLOT]
    numbers = {}
    for name, text in ("comparison", compose(data)), ("comparison-details", details.compose(data, folder)):
        text, numbers[name + ".md"] = data.finish(text)
        put(os.path.join(output, name + ".md"), text)
        put(os.path.join(output, name + ".html"), page.make(text, style, plots))
        readme = os.path.join(os.path.dirname(os.path.abspath(output)), "README.md")
        if os.path.exists(readme):
            put_into_readme(readme, text)
    figures.write_numbers(os.path.join(folder, "numbers.json"), numbers)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: tests/compare/report.py STOR FOLDER")
    write(sys.argv[1], sys.argv[2])
