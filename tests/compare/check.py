#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Does each number of the report come from its data? An examination by other code than that which wrote it.

tests/compare/check.py FOLDER, with comparison.md, comparison-details.md and comparison-data/. Numbers of each
text stand in numbers.json in its order, each with its place; the value there, rounded, is what must be read. Medians, intervals
and ratios are computed again from the samples, with Python's own statistics. What stands in blocks and
between backticks must stand in the data as it is. Prints what does not hold; exit status 1 if anything.
"""
import functools
import json
import math
import os
import re
import statistics
import sys

DIVISORS = {
    "s": [1, 1e-3, 1e-6], "bytes": [2 ** 30, 2 ** 20, 2 ** 10, 1], "bytes/s": [2 ** 30, 2 ** 20, 2 ** 10, 1],
    "bits/s": [1e9, 1e6, 1e3, 1], "1/s": [1e6, 1e3, 1],
}
TEXTS = ("comparison.md", "comparison-details.md")
COMMANDS = ("$ ps -eo pid,ppid,user,args", "$ ip addr", "$ ip route", "$ mount", "$ ulimit -a")


@functools.lru_cache(None)
def load(folder, name):
    with open(os.path.join(folder, "comparison-data", name), encoding="utf-8") as file:
        return file.read()


@functools.lru_cache(None)
def values(folder, name):
    return json.loads(load(folder, name))


@functools.lru_cache(None)
def all_data(folder):
    """The text of all files that were measured, and its lines."""
    names = [name for name in sorted(os.listdir(os.path.join(folder, "comparison-data"))) if name != "numbers.json"]
    data = "\n".join(load(folder, name) for name in names)
    return data, set(data.splitlines())


def walk(value, at):
    for step in at:
        value = value[step]
    return value


def significant(value, digits=3):
    """So many digits, as a decimal fraction."""
    if value == 0:
        return "0"
    return "%.*f" % (max(0, min(12, digits - 1 - math.floor(math.log10(abs(value))))), value)


def reads(value, how, scale):
    if how == "text":
        return str(value)
    if how == "percent":
        return "%g" % (100 * value)
    if how == "ratio":
        return significant(value)
    if how == "short":
        return significant(value, 2)
    divisors = DIVISORS[how]
    return significant(value / next((d for d in divisors if scale >= d), divisors[-1]))


# --- figures, from the samples -------------------------------------------------------------------


def rank(count, confidence):
    """The k of the interval from the k-th smallest to the k-th largest; 0: there is none."""
    best, below = 0, 0.0
    for k in range(1, count // 2 + 1):
        below += math.comb(count, k - 1) / 2 ** count
        if 1 - 2 * below >= confidence:
            best = k
    return best


def summary(values, confidence):
    values = sorted(values)
    k = rank(len(values), confidence)
    return {"median": statistics.median(values), "low": values[k - 1] if k else None, "high": values[-k] if k else None}


def samples_of(text):
    """{(workload, conditions of limits, subject, metric): {round: value}}"""
    cases, found = {}, {}
    for line in map(json.loads, text.splitlines()):
        if line["type"] == "case":
            cases[line["case"]] = (line["workload"], "cpus" in (line.get("limits") or {}), line["subject"])
        elif line["type"] == "sample" and not line["warmup"]:
            for metric, value in line["values"].items():
                found.setdefault((*cases[line["case"]], metric), {})[line["round"]] = value
    return found


def close(a, b):
    return (a is None) == (b is None) and (a is None or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12))


def check_figures(folder, figures, wrong):
    for bench, by_base in figures.items():
        samples = samples_of(load(folder, bench + ".jsonl"))
        for base, report in by_base.items():
            for row in report["rows"]:
                key = (row["workload"], "cpus" in (row["conditions"] or ""))
                for cell in row["cells"]:
                    for metric, figure in cell["metrics"].items():
                        mine = samples.get((*key, cell["subject"], metric), {})
                        made = {"value": summary(mine.values(), report["confidence"])} if mine else {}
                        others = samples.get((*key, base, metric), {})
                        ratios = [mine[r] / others[r] for r in mine if others.get(r)]
                        if ratios:
                            made["ratio"] = summary(ratios, report["confidence"])
                        for part in ("value", "ratio"):
                            if part in figure and not all(close(figure[part][name], made.get(part, {}).get(name, math.nan))
                                                          for name in ("median", "low", "high")):
                                wrong.append("figures.json: %s, %s, %s, %s: %s of %s is not what the samples give" % (
                                    bench, base, row["workload"], cell["subject"], part, metric))


# --- the text ------------------------------------------------------------------------------------


def strangers(name, text):
    """Digits in what should have none, with the words around them."""
    found = re.search(r"(?<![A-Za-z_\d.])\d", text)
    if not found:
        return []
    around = text[max(0, found.start() - 40):found.end() + 40]
    return ["%s: a number that is in no data: %s" % (name, " ".join(around.split()))]


@functools.lru_cache(None)
def as_a_word(number):
    return re.compile(r"(?<![\w.])%s(?![\w]|\.\d)" % re.escape(number))


def check_numbers(folder, name, text, wrong):
    """Each in its turn; what is left afterwards has none."""
    at = 0
    for number in values(folder, "numbers.json")[name]:
        source = number["file"]
        file = values(folder, source)
        made = reads(walk(file, number["at"]), number["as"], walk(file, number["scale_at"]))
        if made != number["text"]:
            wrong.append("numbers.json: \"%s\" is %s in %s, %s" % (number["text"], made, source, number["at"]))
        found = as_a_word(made).search(text, at)
        if not found:
            wrong.append("%s: %s of %s, %s is not there, or not in its place" % (name, made, source, number["at"]))
            continue
        wrong += strangers(name, text[at:found.start()])
        at = found.end()
    wrong += strangers(name, text[at:])


def check_verbatim(folder, name, text, wrong):
    """Blocks and code, which are taken out of the text."""
    data, lines = all_data(folder)
    for block in re.findall(r"^```\n(.*?)\n```$", text, re.S | re.M):
        wrong += ["%s: \"%s\" is in no data" % (name, line) for line in block.splitlines()
                  if line not in lines and line not in COMMANDS]
    text = re.sub(r"^```\n.*?\n```$", "", text, flags=re.S | re.M)
    wrong += ["%s: `%s` is in no data" % (name, code) for code in re.findall(r"`([^`]*)`", text)
              if re.search(r"(?<![A-Za-z_\d.])\d", code) and code not in data]
    text = re.sub(r"`[^`]*`", "", text)
    return re.sub(r"<!--.*?-->|\]\([^)]*\)|stor-bench\(\d\)", "", text)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: tests/compare/check.py FOLDER")
    folder, wrong = sys.argv[1], []
    for name in TEXTS:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            check_numbers(folder, name, check_verbatim(folder, name, file.read(), wrong), wrong)
    check_figures(folder, values(folder, "figures.json"), wrong)
    for line in wrong:
        print(line)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
