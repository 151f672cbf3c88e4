# SPDX-License-Identifier: GPL-2.0-or-later
"""The report as a page of HTML that needs nothing else, from its Markdown: headings, paragraphs, lists,
tables, code, links and details, which is all that it has. Style and plots are those of `stor bench report`.
"""
import html
import os
import re
import subprocess
import tempfile

STYLE = ("pre{overflow-x:auto;font:.75rem/1.35 ui-monospace,Menlo,Consolas,\"DejaVu Sans Mono\",monospace;"
         "background:var(--lane);padding:.75rem;margin:.5rem 0}\npre code{font:inherit}\n"
         "thead th{min-width:5rem}th,td{padding:.375rem .5rem}th:first-child{min-width:7.5rem}\n"
         "details{margin:.5rem 0}summary{cursor:pointer}\n"
         "table.text td{white-space:normal;text-align:left;min-width:7rem}table.text thead th{text-align:left}\n")


def stor_page(stor, path):
    """(style sheet, {name of a plot: its SVG}) of a data file."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "page.html")
        subprocess.run([stor, "bench", "report", "-o", out, path], check=True, stdin=subprocess.DEVNULL)
        with open(out, encoding="utf-8") as file:
            text = file.read()
    style = re.search(r"<style>\n(.*?)</style>", text, re.S).group(1)
    plots = {re.search(r'aria-labelledby="(\S+)-t', svg).group(1): svg
             for svg in re.findall(r"<svg .*?</svg>", text, re.S)}
    return style, plots


def plot_alone(style, svg):
    """A file of its own: with its style, and a ground that suits it."""
    own = "svg{font-family:system-ui,\"Segoe UI\",Roboto,\"DejaVu Sans\",Arial,sans-serif}\n"
    start, rest = svg.split(">", 1)
    return '%s>\n<style>\n%s%s</style>\n<rect width="100%%" height="100%%" style="fill:var(--page)"/>%s\n' % (
        start, style.replace("&", "&amp;").replace("<", "&lt;"), own, rest)


def inline(text):
    out = []
    for i, part in enumerate(text.split("`")):
        if i % 2:
            out.append("<code>%s</code>" % html.escape(part))
            continue
        part = html.escape(part, quote=False)
        part = re.sub(r"!\[([^]]*)\]\(([^)]*)\)", "", part)
        part = re.sub(r"\[([^]]*)\]\(([^)]*)\)", r'<a href="\2">\1</a>', part)
        part = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", part)
        out.append(part)
    return "".join(out)


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def table(lines):
    head, align, *rows = [cells(line) for line in lines]
    kind = "" if align[-1].endswith(":") else ' class="text"'
    out = ['<div class="table" tabindex="0"><table%s><thead><tr>' % kind]
    out += ["<th scope=\"col\">%s</th>" % inline(cell) for cell in head]
    out.append("</tr></thead><tbody>")
    for row in rows:
        # An interval stands below its median.
        body = [re.sub(r" (\[[^]]*\])$", r"<span>\1</span>", inline(cell)) for cell in row[1:]]
        out.append('<tr><th scope="row">%s</th>%s</tr>' % (inline(row[0]), "".join("<td>%s</td>" % cell for cell in body)))
    out.append("</tbody></table></div>")
    return "\n".join(out)


def body(markdown, plots):
    """Blocks are separated by empty lines; "<!-- plot NAME -->" is where a plot belongs. Details are
    elements of HTML in Markdown, too."""
    out = []
    for block in re.findall(r"```.*?\n```|(?:[^\n]+\n?)+", markdown, re.S):
        block = block.strip("\n")
        plot = re.match(r"<!-- plot (\S+) -->", block)
        if block.startswith("```"):
            out.append("<pre tabindex=\"0\"><code>%s</code></pre>" % html.escape(block.split("\n", 1)[1].rsplit("\n", 1)[0]))
        elif plot:
            if plot.group(1) in plots:
                out.append("<figure>%s</figure>" % plots[plot.group(1)])
        elif block.startswith("<details>"):
            out.append("<details><summary>%s</summary>" % inline(re.search("<summary>(.*)</summary>", block).group(1)))
        elif block == "</details>":
            out.append(block)
        elif block.startswith("#"):
            level = len(block) - len(block.lstrip("#"))
            out.append("<h%d>%s</h%d>" % (level, inline(block.lstrip("# ")), level))
        elif block.startswith("|"):
            out.append(table(block.split("\n")))
        elif block.startswith("- "):
            items = re.split(r"\n- ", block[2:])
            out.append("<ul>\n%s\n</ul>" % "\n".join("<li>%s</li>" % inline(item) for item in items))
        elif inline(block).strip():
            out.append("<p>%s</p>" % inline(block))
    return "\n".join(out)


def make(markdown, style, plots):
    title = re.search(r"^# (.*)", markdown, re.M).group(1)
    return """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>%s</title>
<style>
%s%s</style>
</head>
<body>
<main>
%s
</main>
</body>
</html>
""" % (html.escape(title), style, STYLE, body(markdown, plots))
