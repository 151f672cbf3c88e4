# SPDX-License-Identifier: GPL-2.0-or-later
"""The sentences of verdicts: what stor is better at, what it loses at, by how much, and why. All follow from
the figures: other ones give other sentences, and a reason is told beside the outcome that it explains alone.
"""
import collections

import figures
import naming
import reasons
import verdicts


def quantity(data, row):
    """What a row's figures are of."""
    found = verdicts.metric(data, row)
    if found["better"] == "more":
        return "rate"
    if found["unit"] == "s":
        return "time"
    return "memory" if "memory" in row.workload else "disk space"


def figure(data, row, subject):
    at = verdicts.place(row, "host", subject, data) + ["value", "median"]
    how = verdicts.unit(data, row)
    return "%s %s" % (data.number("figures.json", at, how), data.unit("figures.json", at, how))


def is_beyond(data, at):
    """A ratio that figures tell better."""
    return not 0.01 < data.value("figures.json", *at, "median") < 100


def ratio(data, at):
    """With its interval, where that comes near equality: to within a tenth."""
    edges = {edge: data.value("figures.json", *at, edge) for edge in ("low", "high")}
    if edges["high"] < 0.9 or edges["low"] > 1 / 0.9:
        return data.number("figures.json", [*at, "median"], "short")
    return "%s [%s, %s]" % tuple(data.number("figures.json", [*at, edge], "ratio") for edge in ("median", "low", "high"))


def on(data, row, subjects):
    """Which of stor's backends these are."""
    others = [subject for subject in verdicts.stors(data, row) if subject not in subjects]
    if not others:
        return "every backend"
    if len(others) == 1 and len(subjects) > 2:
        return "all but " + naming.backend(others[0])
    return naming.listed(map(naming.backend, subjects))


# A part of a sentence: ratios, the backends that they are of where these stand beside them, whose they are, the
# words that end the part, and a restriction.
Part = collections.namedtuple("Part", "peer told labels of end note", defaults=[""])


def parts_of(data, row, subjects, peer, noun):
    """By how much: the ratios on these backends, and the figures themselves of what is beyond ratios."""
    at = {subject: verdicts.ratio_at(data, row, subject, peer) for subject in subjects}
    near = sorted((subject for subject in subjects if not is_beyond(data, at[subject])),
                  key=lambda subject: data.value("figures.json", *at[subject], "median"))
    parts = []
    if near:
        of = ("%s of %s's" if data.value("figures.json", *at[near[0]], "median") < 1 else "%s times %s's") % ("%s", naming.NAMES[peer])
        told = [ratio(data, at[subject]) for subject in near]
        where = " on " + on(data, row, [subject for subject in subjects if subject in near])
        if len(set(map(figures.plain, told))) == 1:
            parts.append(Part(peer, told[:1], (), of + noun, where))
        else:
            parts.append(Part(peer, [told[0], told[-1]], (near[0], near[-1]), of + noun, "" if len(near) == 2 else where))
    beyond = {}
    for subject in subjects:
        if subject not in near:
            beyond.setdefault(figures.plain(figure(data, row, subject)), []).append(subject)
    for of_these in beyond.values():
        parts.append(Part(peer, [figure(data, row, of_these[0])], (), "%%s beside %s's %s" % (naming.NAMES[peer], figure(data, row, peer)),
                          " on " + on(data, row, of_these)))
    return parts


def is_alike(part, other):
    """May what follows the ratios be said once, for both?"""
    return other is not None and (other.labels, len(other.told), other.end) == (part.labels, len(part.told), part.end)


def joined(parts):
    """Parts of a sentence. What one shares with the next is said once."""
    text, is_long = "", len(parts) > len({part.peer for part in parts})
    for before, part, after in zip([None, *parts], parts, [*parts[1:], None]):
        told = part.told
        if part.labels and not is_alike(part, before):
            told = ["%s (%s)" % pair for pair in zip(told, map(naming.backend, part.labels))]
        if before:
            text += " and " if is_alike(part, before) or before.peer == part.peer else "; " if is_long else ", and "
        text += part.of % (" to " if part.labels and part.end else " and ").join(told)
        if not is_alike(part, after):
            text += part.end
        if not (is_alike(part, after) and part.note == after.note):
            text += part.note
    return text


def is_small(data, row, subject, peer):
    """A difference of less than a twentieth."""
    return 0.95 < data.value("figures.json", *verdicts.ratio_at(data, row, subject, peer), "median") < 1 / 0.95


def greatly(data, row, peer, found):
    """stor's backends with this verdict, by more than a little."""
    return [subject for subject in verdicts.with_outcome(data, row, peer, found) if not is_small(data, row, subject, peer)] if row else []


def without_limits_only(data, limited, mine, peer, found):
    """Words on the backends whose verdict is another one with limits."""
    less = [subject for subject in mine if limited and verdicts.verdict(data, limited, subject, peer) not in (found, None)]
    if not less:
        return ""
    return " (without limits only)" if less == mine else " (on %s without limits only)" % naming.listed(map(naming.backend, less))


def told_of(data, rows, found):
    """What a workload's rows show of this outcome, that with limits only where its verdict is another one; and
    its claims, as [(workload, peer, subject)]."""
    base, limited = (next((row for row in rows if row.with_limits == is_limited), None) for is_limited in (False, True))
    parts, more_parts, claims = [], [], []
    for peer in verdicts.PEERS:
        mine, there = (greatly(data, row, peer, found) for row in (base, limited))
        noun = "" if parts or more_parts else " " + quantity(data, rows[0])
        here = parts_of(data, base, mine, peer, noun) if mine else []
        if here:
            here[-1] = here[-1]._replace(note=without_limits_only(data, limited, mine, peer, found))
        parts += here
        more = [subject for subject in there if subject not in mine]
        more_parts += parts_of(data, limited, more, peer, "" if here else noun) if more else []
        claims += [(rows[0].workload, peer, subject) for subject in mine + more]
    text = " " + joined(parts) if parts else ""
    if more_parts:
        text += ("; with limits also " if parts else ", with limits, ") + joined(more_parts)
    return text, claims


def by_workload(data, topic):
    """The rows of a topic: for each workload that without limits, if there is one, and that with them."""
    found = {}
    for row in verdicts.rows(data, topic):
        found.setdefault(row.workload, []).append(row)
    return found


def why(found, claims, told):
    """The reasons of claims; and for which of them none is known. What was told of the topic is not told again."""
    known = {claim: [reason for reason in reasons.REASONS if reasons.explains(reason, found, *claim)] for claim in claims}
    mine = [reason for reason in reasons.REASONS if any(reason in of for of in known.values())]
    new = [reason.text for reason in mine if reason not in told]
    bare = [claim for claim in claims if not known[claim]]
    if len(bare) == len(claims):
        return "; no cause is known"
    same = "" if new else ", for the same reason" + ("s" if len(mine) > 1 else "")
    told += mine
    unknown = []
    for peer in dict.fromkeys(peer for _, peer, _ in bare):
        of_peer = [[subject for _, its, subject in some if its == peer] for some in (bare, claims)]
        where = "on %s " % naming.listed(map(naming.backend, of_peer[0])) if len(of_peer[0]) < len(of_peer[1]) else ""
        unknown.append("%sbeside %s" % (where, naming.NAMES[peer]))
    if unknown:
        new.append("no cause is known " + naming.listed(unknown))
    return same + ("; " if same else ", because ") + "; ".join(new) if new else same


def little(data, found):
    """The workloads at which the difference is small, on any backend."""
    names = [naming.workload(workload) for topic in naming.TOPICS for workload, rows in by_workload(data, topic).items() if any(
        is_small(data, row, subject, peer) for row in rows for peer in verdicts.PEERS
        for subject in verdicts.with_outcome(data, row, peer, found))]
    return ["- By less than a twentieth also at %s, on some backends." % naming.listed(names)] if names else []


def outcomes(data, found):
    """A list: for each workload that has this outcome anywhere, by how much, and why."""
    items = []
    for topic in naming.TOPICS:
        told = []
        for workload, rows in by_workload(data, topic).items():
            text, claims = told_of(data, rows, found)
            if claims:
                items.append("- %s%s%s." % (naming.SAYS.get(workload, "**%s** takes" % workload), text, why(found, claims, told)))
    return "\n".join(items + little(data, found))


def no_difference(data):
    """The workloads at which none is shown on any backend, with limits or without."""
    alike, is_of_processor = {}, False
    for topic in naming.TOPICS:
        for workload, rows in by_workload(data, topic).items():
            peers = tuple(peer for peer in verdicts.PEERS if {
                verdicts.verdict(data, row, subject, peer) for row in rows for subject in verdicts.stors(data, row)} == {"none"})
            if peers:
                alike.setdefault(peers, []).append(naming.workload(workload))
                is_of_processor = is_of_processor or workload in ("sysbench-cpu", "sysbench-memory")
    out = ["On no backend, with limits or without, is a difference shown %s." % ", nor ".join(
        "from %s at %s" % (" or ".join(naming.NAMES[peer] for peer in peers), naming.listed(workloads))
        for peers, workloads in sorted(alike.items(), key=lambda item: -len(item[0])))] if alike else []
    if is_of_processor:
        out.append("The same kernel schedules the same instructions, and enforces the same limits.")
    out.append("Where a backend is not named above, none is shown either: the details have [all ratios](comparison-details.md).")
    return " ".join(out)
