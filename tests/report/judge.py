#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Judges reports of stor bench by the data file alone: computes every figure anew, with fractions
where that is exact, and shares no code with what it judges. Exits 1 with what differs."""
import csv
import html.parser
import json
import math
import re
import sys
import xml.etree.ElementTree as ET
from fractions import Fraction


def fail(text):
    sys.exit("judge: " + text)


def same(a, b, what):
    if isinstance(a, float) or isinstance(b, float):
        if a is None or b is None or not math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-300):
            fail(f"{what}: {a!r} is not {b!r}")
    elif a != b:
        fail(f"{what}: {a!r} is not {b!r}")


def rank(n, confidence):
    """Largest k with P(k-th smallest <= median <= k-th largest) >= confidence; and that."""
    best, below, term = (0, None), Fraction(0), Fraction(1, 2**n)
    for k in range(1, (n + 1) // 2 + 1):
        below += term  # P(Bin(n, 1/2) < k)
        if 1 - 2 * below >= confidence:
            best = (k, float(1 - 2 * below))
        term = term * (n - k + 1) / k
    return best


def middle(values):
    values, n = sorted(values), len(values)
    return values[n // 2] if n % 2 else (values[n // 2 - 1] + values[n // 2]) / 2


def summarise(values, confidence):
    """values: fractions."""
    result = {"count": len(values), "median": float(middle(values)), "low": None, "high": None,
              "coverage": None, "min": float(min(values)), "max": float(max(values))}
    k, coverage = rank(len(values), confidence)
    if k:
        ordered = sorted(values)
        result.update(low=float(ordered[k - 1]), high=float(ordered[-k]), coverage=coverage)
    center = middle(values)
    deviations = [abs(v - center) for v in values]
    spread = 1.482602218505602 * float(middle(deviations))
    if not spread:
        spread = math.sqrt(math.pi / 2) * float(sum(deviations)) / len(values)
    result["outliers"] = sum(float(d) > 3 * spread for d in deviations)
    return result


class Experiment:
    def __init__(self, path):
        self.metrics, self.cases, self.samples, self.failures, self.blanks = [], {}, [], [], {}
        for line in open(path, encoding="utf-8"):
            line = json.loads(line)
            if line["type"] == "experiment":
                self.confidence = Fraction(str(line["confidence"]))
            elif line["type"] == "metric":
                self.metrics.append(line)
            elif line["type"] == "case":
                self.cases[line["case"]] = line
            elif line["type"] == "sample":
                self.samples.append(line)
            elif line["type"] == "failure":
                self.failures.append(line)
            elif line["type"] == "blank":
                self.blanks[line["case"]] = line["reason"]

    def values(self, case, metric):
        """By round; the last of a round counts for ratios."""
        return [(s["round"], Fraction(s["values"][metric])) for s in self.samples
                if s["case"] == case and not s["warmup"] and metric in s["values"]]

    def summary(self, case, metric):
        values = [v for _, v in self.values(case, metric)]
        return summarise(values, self.confidence) if values else None

    def ratio(self, case, base, metric):
        of, to = dict(self.values(case, metric)), dict(self.values(base, metric))
        ratios = [of[r] / to[r] for r in of if to.get(r)]
        return summarise(ratios, self.confidence) if ratios else None

    def case_of(self, workload, subject):
        for number, case in self.cases.items():
            if (case["workload"], case["subject"]) == (workload, subject):
                return number
        return None


def verdict(ratio):
    if ratio["low"] is None:
        return "too few rounds"
    return "more" if ratio["low"] > 1 else "less" if ratio["high"] < 1 else "no difference shown"


def judge_json(data, path, base):
    report = json.load(open(path, encoding="utf-8"))
    same(report["base"], base, "base")
    judged = 0
    for row in report["rows"]:
        base_case = data.case_of(row["workload"], base)
        for cell in row["cells"]:
            case = data.case_of(row["workload"], cell["subject"])
            name = f"{row['workload']}, {cell['subject']}"
            if case is None:
                same(cell["metrics"], {}, name)
                continue
            same(cell["failures"], sum(f["case"] == case and not f.get("warmup") for f in data.failures), name)
            same(cell["warmups"], sum(s["case"] == case and s["warmup"] for s in data.samples), name)
            if case in data.blanks:
                same(cell["blank"], data.blanks[case], name)
            for metric in (m["name"] for m in data.metrics):
                wanted = data.summary(case, metric)
                found = cell["metrics"].get(metric)
                same(found is None, wanted is None, f"{name}: {metric} there")
                if not found:
                    continue
                for key, value in wanted.items():
                    same(found["value"][key], value, f"{name}: {metric} {key}")
                ratio = data.ratio(case, base_case, metric) if base_case and case != base_case else None
                same("ratio" in found, ratio is not None, f"{name}: ratio of {metric} there")
                for key, value in (ratio or {}).items():
                    same(found["ratio"][key], value, f"{name}: ratio of {metric} {key}")
                if ratio:
                    same(found["verdict"], verdict(ratio), f"{name}: verdict on {metric}")
                judged += 1
    if judged < 10:
        fail(f"only {judged} figures")


def judge_csv(data, path):
    text = open(path, encoding="utf-8", newline="").read()
    if "\n" in text.replace("\r\n", "") and not any("\n" in json.dumps(c, ensure_ascii=False)
                                                   for c in data.cases.values()):
        fail("a line does not end with CR LF")
    rows = list(csv.DictReader(text.splitlines(keepends=True), strict=True))
    same(len(rows), len(data.samples) + len(data.failures), "lines")
    for sample, row in zip(data.samples, rows):
        case = data.cases[sample["case"]]
        for key in ("workload", "subject", "kind", "image", "cache", "metric"):
            same(row[key], case[key], key)
        same(row["size_bytes"], str(case["size_bytes"]), "size_bytes")
        same(int(row["round"]), sample["round"], "round")
        same(row["warmup"], "true" if sample["warmup"] else "false", "warmup")
        same(float(row["at"]), float(sample["at"]), "at")
        same(row["failure"], "", "failure")
        for metric in (m["name"] for m in data.metrics):
            value = sample["values"].get(metric)
            same(row[metric], "" if value is None else row[metric] or "-", metric)
            if value is not None:
                same(float(row[metric]), float(value), metric)
        for name, values in sample.get("percentiles", {}).items():
            for percent, value in values.items():
                if percent != "unit":
                    same(float(row[f"{name}_p{percent}"]), float(value), percent)
    for failure, row in zip(data.failures, rows[len(data.samples):]):
        same(row["failure"], failure["text"], "failure")
        same(int(row["status"]), failure["status"], "status")


UNITS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1, "/s": 1, "k/s": 1e3, "M/s": 1e6, "B": 1,
         "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def rounded(text, value, what):
    """A number of three significant digits, or more, is the value rounded."""
    number = float(text)
    if abs(number - value) > 0.5000001 * 10 ** (math.floor(math.log10(abs(value))) - 2):
        fail(f"{what}: {text} is not {value}")


def judge_markdown(data, path, base):
    judged = 0
    lines = open(path, encoding="utf-8").read().split("\n## ")[0].splitlines()
    subjects = None
    for line in lines:
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if line.startswith("| Workload"):
            subjects = [c.replace(" (floor)", "") for c in cells[1:]]
        elif line.startswith("| **"):
            workload = re.match(r"\*\*(.*?)\*\*", cells[0]).group(1)
            for subject, cell in zip(subjects, cells[1:]):
                case = data.case_of(workload, subject)
                if cell.startswith("—"):
                    continue
                metric = data.cases[case]["metric"]
                want = data.summary(case, metric)
                found = re.match(r"([\d.]+) ?([^\s<]+)(?: \[([\d.]+), ([\d.]+)\])?(?:<br>([\d.]+)×"
                                 r"(?: \[([\d.]+), ([\d.]+)\])?)?", cell)
                what = f"{workload}, {subject}: {cell}"
                scale = UNITS[found.group(2)]
                rounded(found.group(1), want["median"] / scale, what)
                same(found.group(3) is None, want["low"] is None, what)
                if found.group(3):
                    rounded(found.group(3), want["low"] / scale, what)
                    rounded(found.group(4), want["high"] / scale, what)
                if subject != base:
                    ratio = data.ratio(case, data.case_of(workload, base), metric)
                    rounded(found.group(5), ratio["median"], what)
                    if ratio["low"] is not None:
                        rounded(found.group(6), ratio["low"], what)
                        rounded(found.group(7), ratio["high"], what)
                judged += 1
    if judged < 10:
        fail(f"only {judged} cells")


class Page(html.parser.HTMLParser):
    VOID = {"meta", "wbr", "br"}
    KNOWN = set("html head meta title style body header main section h1 h2 h3 p ul ol li b small span sup table "
                "thead tbody tr th td div figure figcaption details summary dl dt dd code wbr "
                "svg desc text path rect circle".split())

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in self.KNOWN:
            fail(f"element <{tag}>")
        for name, value in attrs:
            if name.startswith("on") or "nan" in (value or "") and name in ("x", "y", "d", "width", "cx"):
                fail(f"attribute {name}={value}")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            fail(f"</{tag}> closes another element")

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()


def judge_html(path):
    text = open(path, encoding="utf-8").read()
    page = Page()
    page.feed(text)
    page.close()
    same(page.open, [], "open elements")
    ids = re.findall(r' id="([^"]*)"', text)
    same(len(ids), len(set(ids)), "ids")
    for drawing in re.findall(r"<svg .*?</svg>", text, re.S):
        root = ET.fromstring(drawing)
        names = [child.tag.split("}")[1] for child in root]
        same(names[:2], ["title", "desc"], "first in a drawing")
        if not all(child.text for child in root[:2]):
            fail("a drawing without title or description")
        width, height = map(float, root.get("viewBox").split()[2:])
        for element in root.iter():
            for key, limit in (("x", width), ("cx", width), ("y", height), ("cy", height)):
                if key in element.attrib and not 0 <= float(element.get(key)) <= limit:
                    fail(f"{element.attrib} lies outside {width}x{height}")


def make_hostile(path, out):
    evil = "<evil>\"&'|`"

    def change(line):
        for key in ("workload", "image", "cache", "subject", "reason", "text"):
            if key in line:
                line[key] = evil + line[key]
        if line["type"] == "experiment":
            line["environment"] = {evil: evil, "cpu": evil, "deep": {evil: [evil]}}
            line["command"] = [evil, "</script><script>", "\u202e\x01\n"]
        if "limits" in line:
            line["limits"] = {evil: evil, "-->": "]]>"}
            line["command"] = [evil, "a\tb"]
        if "percentiles" in line:
            line["percentiles"] = {evil: line["percentiles"]["latency"]}
            line["series"] = {evil: dict(line["series"]["throughput"], unit=evil)}
        return line

    with open(path, encoding="utf-8") as lines, open(out, "w", encoding="utf-8") as to:
        for line in lines:
            print(json.dumps(change(json.loads(line))), file=to)


def main(what, path, *rest):
    if what == "html":
        judge_html(path)
    elif what == "make-hostile":
        make_hostile(path, *rest)
    elif what == "outliers":
        data = Experiment(path)
        print(sum(data.summary(c, case["metric"])["outliers"] for c, case in data.cases.items()
                  if c not in data.blanks))
    else:
        {"json": judge_json, "csv": judge_csv, "markdown": judge_markdown}[what](Experiment(path), *rest)


main(*sys.argv[1:])
