# SPDX-License-Identifier: GPL-2.0-or-later
"""What the figures support: rows of `stor bench report`, and whether the interval of a ratio leaves 1 out."""
import collections

import figures
from naming import DIRECT, ENGINE

# A row of a data file; with_limits: the one with limits.
Row = collections.namedtuple("Row", "bench index workload with_limits")
PEERS = ("lxc", "docker")
ORDER = ("host", "dir", "loop", ENGINE, DIRECT, *PEERS)


def rows(data, topic):
    """Those of a topic: its (bench, workload) in order, first without limits, then with them."""
    found = []
    for bench, workload in topic["rows"]:
        for base in data.file("figures.json").get(bench, {}).values():
            mine = [Row(bench, index, workload, "cpus" in (row.get("conditions") or ""))
                    for index, row in enumerate(base["rows"]) if row["workload"] == workload]
            found += sorted(mine, key=lambda row: row.with_limits)
            break
    return found


def report_of(data, row, base):
    """The report with this base; any where there is none such, for what is no ratio."""
    of = data.value("figures.json", row.bench)
    return base if base in of else next(iter(of))


def place(row, base, subject, data):
    """Where the figures of a subject in this row lie; None: there are none."""
    base = report_of(data, row, base)
    cells = data.value("figures.json", row.bench, base, "rows", row.index, "cells")
    metric = data.value("figures.json", row.bench, base, "rows", row.index, "metric")
    for number, cell in enumerate(cells):
        if cell["subject"] == subject and metric in cell["metrics"]:
            return [row.bench, base, "rows", row.index, "cells", number, "metrics", metric]
    return None


def metric(data, row):
    base = report_of(data, row, "host")
    name = data.value("figures.json", row.bench, base, "rows", row.index, "metric")
    return next(m for m in data.value("figures.json", row.bench, base, "metrics") if m["name"] == name)


def unit(data, row):
    found = metric(data, row)["unit"]
    return found if found in figures.STEPS else "ratio"


def subjects(data, of_rows):
    """Columns: who has a figure in any of the rows. A floor is no rival, and not shown."""
    found = []
    for row in of_rows:
        base = report_of(data, row, "host")
        for cell in data.value("figures.json", row.bench, base, "rows", row.index, "cells"):
            if cell["metrics"] and cell["subject"] not in (*found, "floor"):
                found.append(cell["subject"])
    return sorted(found, key=lambda subject: ORDER.index(subject) if subject in ORDER else len(ORDER) - 2)


def rounds(data, of_rows):
    """Where the least and the greatest number of samples of a subject are."""
    def count(at):
        return data.value("figures.json", *at)
    places = [place(row, "host", subject, data) for row in of_rows for subject in subjects(data, [row])]
    places = sorted((at + ["value", "count"] for at in places if at), key=count)
    return places[:1] if count(places[0]) == count(places[-1]) else [places[0], places[-1]]


def stors(data, row):
    return [subject for subject in subjects(data, [row]) if subject not in (*PEERS, "host")]


def verdict(data, row, subject, base):
    """"better", "worse", "none" (no difference shown), or None where there are too few rounds or no figure."""
    at = place(row, base, subject, data)
    if at is None or at[1] != base:
        return None
    ratio = data.value("figures.json", *at).get("ratio")
    if not ratio or ratio["low"] is None:
        return None
    if ratio["low"] <= 1 <= ratio["high"]:
        return "none"
    return "better" if (ratio["low"] > 1) == (metric(data, row)["better"] == "more") else "worse"


def ratio_at(data, row, subject, peer):
    """Where the ratio of a subject's figure to a peer's is: its median, low and high."""
    return place(row, peer, subject, data) + ["ratio"]


def with_outcome(data, row, peer, found):
    """stor's backends with this verdict."""
    return [subject for subject in stors(data, row) if verdict(data, row, subject, peer) == found]


def plot(row):
    return "%s-r%d-bars" % (row.bench, row.index)
