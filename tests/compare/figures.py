# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers of the report, each with the place in the data that it comes from. What `stor bench report`
makes of the samples is kept as comparison-data/figures.json, and what is counted in the containers'
views as views.json.
"""
import json
import os
import re
import subprocess

import seen

BENCHES = ("start", "processor", "limits", "disk", "network", "operations")
BASES = ("host", "lxc", "docker")
VIEWS = ("stor", "lxc", "docker")
# A number in a text under construction: its place in the list, then how it reads.
MARK = re.compile("\x01(\\d+)\x02([^\x03]*)\x03")


def significant(value, digits=3):
    """So many significant digits, or all before the point, without an exponent."""
    if not value:
        return "0"
    digits -= 1
    size = abs(value)
    while size >= 10 and digits:
        size, digits = size / 10, digits - 1
    while size < 1 and digits < 12:
        size, digits = size * 10, digits + 1
    return "%.*f" % (digits, value)


def scaled(value, magnitude, steps):
    """(text, unit) in the largest unit that the magnitude fills; steps: (size, unit), descending."""
    for size, unit in steps:
        if magnitude >= size:
            break
    return significant(value / size), unit


DIGITS = {"ratio": 3, "short": 2}
STEPS = {
    "s": ((1, "s"), (1e-3, "ms"), (1e-6, "µs")),
    "bytes": ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B")),
    "bytes/s": ((1 << 30, "GiB/s"), (1 << 20, "MiB/s"), (1 << 10, "KiB/s"), (1, "B/s")),
    "bits/s": ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s"), (1, "bit/s")),
    "1/s": ((1e6, "M/s"), (1e3, "k/s"), (1, "/s")),
}


def plain(text):
    """Without the marks of numbers."""
    return MARK.sub(lambda mark: mark.group(2), text)


def as_text(value, how, magnitude):
    """How a value reads; how: a unit of STEPS, one of DIGITS, "text" or "percent". The unit is not in it."""
    if how == "text":
        return str(value)
    if how == "percent":
        return "%g" % (value * 100)
    if how in DIGITS:
        return significant(value, DIGITS[how])
    return scaled(value, magnitude, STEPS[how])[0]


class Data:
    """The folder's JSON files; and the numbers that were taken of them, in the order of their taking."""

    def __init__(self, folder):
        self.folder, self.files, self.taken = folder, {}, []

    def file(self, name):
        if name not in self.files:
            with open(os.path.join(self.folder, name), encoding="utf-8") as file:
                self.files[name] = json.load(file)
        return self.files[name]

    def value(self, name, *at):
        found = self.file(name)
        for step in at:
            found = found[step]
        return found

    def number(self, name, at, how="text", scale_at=None):
        """The marked text of a value. scale_at: the value that the unit suits, if another one."""
        magnitude = self.value(name, *(scale_at or at))
        text = as_text(self.value(name, *at), how, magnitude)
        self.taken.append({"file": name, "at": list(at), "as": how, "scale_at": list(scale_at or at)})
        return "\x01%d\x02%s\x03" % (len(self.taken) - 1, text)

    def unit(self, name, at, how):
        return scaled(0, self.value(name, *at), STEPS[how])[1]

    def finish(self, text):
        """The text as people read it, and where each of its numbers comes from, in its order."""
        origins = [dict(self.taken[int(mark.group(1))], text=mark.group(2)) for mark in MARK.finditer(text)]
        return plain(text), origins


def write_json(path, what):
    with open(path, "w", encoding="utf-8") as out:
        json.dump(what, out, indent=1, sort_keys=True)
        out.write("\n")


def write_numbers(path, numbers):
    """One a line, for each text."""
    texts = ["%s: [\n%s\n]" % (json.dumps(name), ",\n".join(json.dumps(number, sort_keys=True) for number in of_text))
             for name, of_text in numbers.items()]
    with open(path, "w", encoding="utf-8") as out:
        out.write("{%s}\n" % ",\n".join(texts))


def bench_report(stor, path, base):
    done = subprocess.run([stor, "bench", "report", "--format", "json", "--base", base, path],
                          capture_output=True, text=True, check=False)
    if done.returncode == 3:
        return None
    if done.returncode:
        raise SystemExit("compare: stor bench report %s: %s" % (path, done.stderr))
    report = json.loads(done.stdout)
    # Of which program it was, and where, is said elsewhere; commands are in the samples' file.
    for name in ("command", "environment", "notes"):
        report.pop(name, None)
    for row in report["rows"]:
        for cell in row["cells"]:
            cell.pop("command", None)
    return report


def summarise(stor, folder):
    """figures.json and views.json from the measured files."""
    figures = {}
    for bench in BENCHES:
        path = os.path.join(folder, bench + ".jsonl")
        if os.path.exists(path):
            made = {base: bench_report(stor, path, base) for base in BASES}
            figures[bench] = {base: report for base, report in made.items() if report}
    write_json(os.path.join(folder, "figures.json"), figures)
    with open(os.path.join(folder, "host.json"), encoding="utf-8") as file:
        of_host = json.load(file)["namespaces"]
    write_json(os.path.join(folder, "views.json"), {name: view(folder, name, of_host) for name in VIEWS})


def find(lines, pattern):
    """The first group in the lines, or None."""
    found = re.search(pattern, "\n".join(lines), re.M)
    return found.group(1) if found else None


def view(folder, name, of_host):
    """What can be counted in a container's view; of_host: the host's namespaces."""
    parts = seen.sections(os.path.join(folder, "inside-%s.txt" % name))
    return {
        "shared": [line.split(":")[0] for line in parts["namespaces"] if line in of_host],
        "processes": len(parts["ps"]) - 1, "mounts": len(parts["mount"]),
        "interfaces": len([line for line in parts["ip addr"] if re.match(r"\d", line)]),
        "capabilities": bin(int(find(parts["rights"], r"^CapEff:\s*(\w+)"), 16)).count("1"),
        "no_new_privs": find(parts["rights"], r"^NoNewPrivs:\s*(\d)"),
        "seccomp": find(parts["rights"], r"^Seccomp:\s*(\d)"),
        "devices": len(parts["devices"][0].split()),
        "made_device": any("was made" in line for line in parts["devices"]),
        "writable": [line.split()[-1] for line in parts["writable"] if line.startswith("can write")],
        "readable": [line.split()[-1] for line in parts["writable"] if line.startswith("can read")],
        "processors": int(parts["processors"][0]),
        "asked_memory": int(find(parts["memory"], r"^asked for (\d+)")),
        "held": int(find(parts["memory"], r"held (\d+)")),
        "started": int(find(parts["processes"], r"started (\d+)")),
        "limit_files": len([line for part in ("memory", "processors", "processes") for line in parts[part]
                            if line.startswith("/sys/fs/cgroup")]),
        "sysbench": float(find(parts["sysbench"], r"events per second:\s*([\d.]+)")),
    }
