# SPDX-License-Identifier: GPL-2.0-or-later
"""The report as a page of HTML that needs nothing else, from its Markdown: headings, paragraphs, lists,
tables, code, links and details, which is all that it has. Style and plots are those of `stor bench report`.
"""
import html
import os
import re
import subprocess
import tempfile

import naming

STYLE = ("pre{overflow-x:auto;font:.75rem/1.35 ui-monospace,Menlo,Consolas,\"DejaVu Sans Mono\",monospace;"
         "background:var(--lane);padding:.75rem;margin:.5rem 0}\npre code{font:inherit}\n"
         "thead th{min-width:5rem}th,td{padding:.375rem .5rem}th:first-child{min-width:7.5rem}\n"
         "details{margin:.5rem 0}summary{cursor:pointer}\n"
         "table.text td{white-space:normal;text-align:left;min-width:5rem}table.text thead th{text-align:left}\n"
         "main>figure{max-width:30rem;margin:1rem 0}\n"
         ".table{clear:both}\n"
         "@media(min-width:60rem){main>figure{float:right;width:28rem;margin:0 0 1rem 2rem}th:first-child{white-space:nowrap}}\n"
         "@page{size:A4}\n"
         "@media print{html{font-size:9pt}body{font-size:9pt;line-height:1.25}h1{font-size:15pt}h2{font-size:11pt;margin:.5rem 0 .2rem}\n"
         "p,ul,ol{max-width:none;margin:.3rem 0}ul{padding-left:1.25rem}li{margin:.09rem 0}\n"
         "table{font-size:8pt}th,td{padding:.0625rem .5rem}th:first-child{max-width:none;white-space:nowrap}\n"
         "table.text td{min-width:0;overflow-wrap:anywhere}table.text td:last-child{width:44%}\n"
         ".table{margin:.4rem 0}main>figure{float:right;width:38%;margin:0 0 .5rem 1.5rem}\n"
         "pre{font-size:7pt;white-space:pre-wrap}h2{break-after:avoid}}\n")


def stor_page(stor, path):
    """(style sheet, {name of a plot: its SVG}) of a data file."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "page.html")
        subprocess.run([stor, "bench", "report", "-o", out, path], check=True, stdin=subprocess.DEVNULL)
        with open(out, encoding="utf-8") as file:
            text = file.read()
    style = re.search(r"<style>\n(.*?)</style>", text, re.S).group(1)
    plots = {re.search(r'aria-labelledby="(\S+)-t', svg).group(1): named(svg)
             for svg in re.findall(r"<svg .*?</svg>", text, re.S)}
    return style, plots


def named(svg):
    """With the report's names of subjects in place of stor bench's, which are shortened in their midst."""
    def name(text):
        head, _, tail = text.group(2).partition("…")
        for subject in (*naming.NAMES, *naming.BACKENDS):
            if text.group(2) == subject or (tail and subject.startswith(head) and subject.endswith(tail)):
                return text.group(1) + naming.name_of(subject) + "<"
        return text.group()
    return re.sub(r'(<text [^>]*class="name"[^>]*>)([^<]*)<', name, svg)


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
        # The other document is a page, too.
        part = re.sub(r"\[([^]]*)\]\(([^)]*?)(\.md)?\)", lambda link: '<a href="%s%s">%s</a>' % (
            link.group(2), ".html" if link.group(3) else "", link.group(1)), part)
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


def figure(plots, name, caption):
    if name not in plots:
        return ""
    return "<figure><figcaption>%s</figcaption>%s</figure>" % (inline(caption), plots[name])


def body(markdown, plots):
    """Blocks are separated by empty lines; an image, and lines "<!-- plot NAME: CAPTION -->", are where plots
    belong. Details are elements of HTML in Markdown, too."""
    out = []
    for block in re.findall(r"```.*?\n```|(?:[^\n]+\n?)+", markdown, re.S):
        block = block.strip("\n")
        image = re.fullmatch(r"!\[(.*)\]\((.*)\)", block)
        found = re.findall(r"<!-- plot (\S+): (.*) -->", block)
        if block.startswith("```"):
            out.append("<pre tabindex=\"0\"><code>%s</code></pre>" % html.escape(block.split("\n", 1)[1].rsplit("\n", 1)[0]))
        elif image:
            out.append(figure(plots, image.group(2), image.group(1)))
        elif found:
            out.append('<div class="figures">%s</div>' % "\n".join(figure(plots, *one) for one in found))
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
