# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of figures and of ratios, and what else both documents need."""
import naming
import verdicts

WORDS = {"better": "better ", "worse": "**loses** ", "none": ""}


def fact(data, *at, how="text"):
    """Of the machine and the run."""
    return data.number("environment.json", list(at), how)


def confidence(data):
    """In percent, as all reports have it."""
    at = []
    while len(at) < 2:
        at.append(next(iter(data.value("figures.json", *at))))
    return data.number("figures.json", at + ["confidence"], "percent")


def of_rows(data, rows, subjects, cell):
    lines = ["| | %s |" % " | ".join(naming.name_of(subject) for subject in subjects),
             "|---|%s|" % "|".join("---:" for _ in subjects)]
    lines += ["| %s | %s |" % (naming.row_name(row), " | ".join(cell(data, row, subject) for subject in subjects)) for row in rows]
    return "\n".join(lines)


def median(data, row, subject):
    at = verdicts.place(row, "host", subject, data)
    if at is None:
        return "–"
    at, how = at + ["value", "median"], verdicts.unit(data, row)
    return "%s %s" % (data.number("figures.json", at, how), data.unit("figures.json", at, how))


def with_interval(data, row, subject):
    at = verdicts.place(row, "host", subject, data)
    text = median(data, row, subject)
    if at is not None and data.value("figures.json", *at, "value", "low") is not None:
        text += " [%s, %s]" % tuple(data.number("figures.json", at + ["value", edge], verdicts.unit(data, row), at + ["value", "median"])
                                    for edge in ("low", "high"))
    return text


def medians(data, rows, cell=median):
    return of_rows(data, rows, verdicts.subjects(data, rows), cell)


def ratios(data, rows, peer):
    """Of stor's figures to a peer's, with their verdicts; empty where there are none."""
    def cell(data, row, subject):
        found = verdicts.verdict(data, row, subject, peer)
        if not found:
            return "–"
        at = verdicts.ratio_at(data, row, subject, peer)
        return WORDS[found] + "%s [%s, %s]" % tuple(data.number("figures.json", at + [edge], "ratio") for edge in ("median", "low", "high"))
    rows = [row for row in rows if any(verdicts.verdict(data, row, subject, peer) for subject in verdicts.stors(data, row))]
    subjects = [subject for subject in verdicts.subjects(data, rows) if subject not in ("host", *verdicts.PEERS)]
    return of_rows(data, rows, subjects, cell) if rows else ""


def glance(data):
    """A few medians of each topic: what the README shows too."""
    rows = [row for topic in naming.TOPICS for row in verdicts.rows(data, topic)
            if not row.with_limits and row.workload in naming.GLANCE]
    return medians(data, rows) if rows else ""
