# SPDX-License-Identifier: GPL-2.0-or-later
"""What each container sees, as text of sections: see inside.sh."""
import os
import re
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))


def scrub(text, work):
    """Without what is of this machine alone, and no result."""
    text = text.replace("\r", "").replace(work, "/var/tmp/stor-compare")
    return re.sub(r"https?://\S+", "(address)", text)


def look(side, out, work):
    """A side's view, into a file."""
    script = os.path.join(work, "inside.sh")
    shutil.copy(os.path.join(HERE, "inside.sh"), script)
    done = subprocess.run(side.view(script, "/inside.sh"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, check=False, env=side.environment, errors="replace")
    if "== sysbench" not in done.stdout:
        raise RuntimeError("%s: exit status %d\n%s" % (side.name, done.returncode, done.stdout[-2000:]))
    with open(out, "w", encoding="utf-8") as file:
        file.write(scrub(done.stdout, work))


def sections(path):
    """{name: lines} of such a file."""
    found, name = {}, None
    with open(path, encoding="utf-8") as lines:
        for line in lines.read().splitlines():
            if line.startswith("== "):
                name = line[3:]
                found[name] = []
            elif name:
                found[name].append(line)
    return found
