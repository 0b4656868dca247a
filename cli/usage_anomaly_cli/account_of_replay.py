"""How is a replay said to a person: what was read, what was not, what was found, what to do next?"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from usage_anomaly.alerts.mail import things
from usage_anomaly.alerts.plain import ELLIPSIS, inert
from usage_anomaly.alerts.storm import Storm
from usage_anomaly.alerts.words import day, number, several, span
from usage_anomaly.anomalies import Anomaly
from usage_anomaly.anomalies.rules import ORGANIZATION
from usage_anomaly.catalog import Catalog, costs_nothing, is_attempts
from usage_anomaly.detection.limits import FIGURES
from usage_anomaly.enrichment.accounts import Account, account_name
from usage_anomaly.enrichment.wording import by_others, identity, trustworthy, unpriced
from usage_anomaly.replay import Counts
from usage_anomaly_cli.reckoning import Reckoning

WIDTH = 9
_PATH = 1_000
GAPS_SHOWN = REJECTS_SHOWN = ODDITIES_SHOWN = 3
REDACTED = "accounts, names, ids, keys, addresses and files are pseudonyms; AWS's own words, times and figures are not"
HEADER = ("SEV", "ACCOUNT", "WHAT", "WHEN UTC", "USD/h", "WHO")


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """What the account is told from. `shown` are the anomalies chosen, `every` all of them.

    `limits_set` counts the limits that people gave; `ready` the accounts that baseline and first use could judge at the end;
    `folded` are ids of anomalies that a storm stands for, in what people read.
    """

    reckoning: Reckoning
    counts: Counts
    every: Sequence[Anomaly]
    shown: Sequence[Anomaly]
    absent: Sequence[str]
    accounts: Mapping[str, Account]
    catalog: Catalog
    prices_date: str
    seconds: float
    min_severity: float
    limits_set: int = 0
    ready: Mapping[str, int] = {}
    redacted: bool = False
    storms: Sequence[Storm] = ()
    folded: frozenset[str] = frozenset()


def head(story: Story) -> list[str]:
    """What was read and in which time, then the other facts."""
    (name, read), *others = facts(story)
    return [_line(name, f"{read}; {number(max(story.seconds, 0.1))} s"), *(_line(*each) for each in others)]


def facts(story: Story) -> list[tuple[str, str]]:
    """What was read, what it covers, where it is silent, what was judged, by which prices: label and text.

    A label is said once; the texts below it have none.
    """
    lines = was_read(story.reckoning, story.counts)
    lines += _under("Gaps", _gaps(story))
    if story.absent:
        lines.append(("Absent", "; ".join(inert(each, 200) for each in story.absent)))
    lines.append(("Judged", _judged(story)))
    lines.append(("Prices", _prices(story)))
    if story.redacted:
        lines.append(("Redacted", REDACTED))
    return lines


def was_read(read: Reckoning, counts: Counts) -> list[tuple[str, str]]:
    """How much was read, and which time and accounts it covers: label and text, as in `facts`."""
    rejected = sum(each.count for each in read.rejected)
    lines = [
        (
            "Read",
            f"{several(read.objects, 'object', 'objects')}, {several(read.records, 'record', 'records')}, "
            f"{several(counts.records - counts.distinct, 'duplicate', 'duplicates')}, {rejected:,} rejected",
        )
    ]
    if read.first is not None and read.last is not None:
        accounts, regions = len(read.accounts()), len(read.regions())
        where = f"{several(accounts, 'account', 'accounts')}, {several(regions, 'region', 'regions')}"
        lines.append(("Covers", f"{_moment(read.first)} - {_moment(read.last)} UTC; {where}"))
    return lines


def _judged(story: Story) -> str:
    """By what: limits need no history, the others some days of it."""
    accounts = len(story.reckoning.accounts())
    parts = [
        f"{name} in {story.ready.get(detector, 0)} of {several(accounts, 'account', 'accounts')} (needs {days} known days)"
        for detector, name, days in (
            ("baseline", "baseline", FIGURES.baseline.ready_days),
            ("first_use", "first use", FIGURES.first_use.ready_days),
        )
    ]
    given = f" ({several(story.limits_set, 'limit', 'limits')} set by --limits)" if story.limits_set else ""
    return f"limits and burn rate{given}; {', '.join(parts)}"


def table(story: Story) -> list[str]:
    """One row per storm and anomaly, the most severe first."""
    rows = [(rank(each), row(each, story.catalog)) for each in listed(story)]
    rows += [(rank_of_storm(each), storm_row(each, story.catalog)) for each in story.storms]
    cells = [HEADER, *(each for _, each in sorted(rows))]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADER) - 1)]
    return [_aligned(row, widths) for row in cells] if rows else []


def listed(story: Story) -> list[Anomaly]:
    """The anomalies that stand for themselves."""
    return [each for each in story.shown if each.id not in story.folded]


def rank(anomaly: Anomaly) -> tuple[float, datetime, str]:
    """To sort by: the most severe first, then by start and id."""
    return -anomaly.severity, anomaly.start, anomaly.id


def rank_of_storm(storm: Storm) -> tuple[float, datetime, str]:
    """A storm stands before what is as severe as it."""
    return -storm.together.severity, datetime.min.replace(tzinfo=UTC), storm.id


def summing_up(story: Story) -> list[str]:
    """How many were told and recorded, what still runs, how many are not shown."""
    told = [each for each in story.every if each.alerts]
    within = frozenset(name for storm in story.storms for name in storm.anomaly_ids())
    recorded = len(story.every) - len(told)
    withdrawn = sum(each.closed_reason == "withdrawn" for each in told)
    apart = [f"{withdrawn:,} withdrawn"] if withdrawn else []
    if within:
        several_storms = f"{len(story.storms):,} storms"
        apart.append(f"{len(within):,} of them in {'one storm' if len(story.storms) == 1 else several_storms}")
    undone = f" ({'; '.join(apart)})" if apart else ""
    more = " (--all)" if recorded else ""
    lines = [f"{len(told):,} told{undone}, {recorded:,} recorded{more}.{_running(told, story.catalog)}"]
    hidden = sum(each.severity < story.min_severity and each.id not in within for each in told)
    if hidden:
        lines.append(
            f"{several(hidden, 'told anomaly', 'told anomalies')} below severity {number(story.min_severity)} not shown"
        )
    return lines


def faults(story: Story) -> list[tuple[str, str]]:
    """What was odd in the records and what could not be read: label and text, as in `facts`."""
    return _under("Odd", _oddities(story.reckoning)) + _under("Rejected", _rejects(story.reckoning))


def tail(story: Story, paths: str, paths_and_files: str) -> list[str]:
    """How many were told, what still runs, what could not be read, and the commands that come next.

    They end with the paths that were read, quoted, alone or with the options that name files.
    """
    lines = summing_up(story) + [_line(*each) for each in faults(story)]
    lines.append("")
    rows = [*(each.together for each in story.storms), *listed(story)]
    worst = max(rows, key=lambda each: each.severity, default=None)
    if worst is not None:
        lines.append(_line("Next", f"usage-anomaly show {shlex.quote(inert(worst.id, 200))}"))
        lines += [_line("", f"usage-anomaly actor {doer} {paths}") for doer in _doer(worst, story.redacted)]
    elif any(not each.alerts for each in story.every):
        lines.append(_line("Next", f"usage-anomaly replay {paths_and_files} --all"))
    else:
        lines.append(_line("Next", "usage-anomaly catalog list  (what is watched, and its limits)"))
    return lines


def _doer(anomaly: Anomaly, redacted: bool) -> list[str]:
    """The first doer as `actor` takes it: its long-lived key, else its ARN; it takes no pseudonym."""
    first = anomaly.actors[0] if anomaly.actors else None
    if first is None or not first.arn or redacted:
        return []
    key = first.access_key_id if first.long_lived_key else None
    return [shlex.quote(inert(key or first.arn, _PATH))]


def what(anomaly: Anomaly, catalog: Catalog) -> str:
    """ "47 p3.16xlarge, 3 regions"."""
    text = things(anomaly, catalog.kind_of(anomaly.kind), 30)
    regions = list(anomaly.regions)
    where = inert(regions[0], 30) if len(regions) == 1 else f"{len(regions)} regions"
    return inert(f"{text}, {where}", 60)


def row(anomaly: Anomaly, catalog: Catalog) -> tuple[str, ...]:
    """What the table says of an anomaly, by `HEADER`."""
    return (
        number(anomaly.severity),
        inert(anomaly.account_name, 24),
        what(anomaly, catalog) + _standing(anomaly),
        span(anomaly.first_use, anomaly.last_use),
        rate(anomaly, catalog),
        _who(anomaly),
    )


def storm_row(storm: Storm, catalog: Catalog) -> tuple[str, ...]:
    """What the table says of a storm."""
    level, name, text, *others = row(storm.together, catalog)
    return level, name, f"{several(len(storm.accounts), 'account', 'accounts')}: {text}", *others


def rate(anomaly: Anomaly, catalog: Catalog) -> str:
    """USD per hour as the table says it."""
    usd, missing = anomaly.cost.usd_per_hour, unpriced(anomaly.notes)
    if costs_nothing(catalog.kind_of(anomaly.kind), anomaly.kind):
        return "-"
    if usd is None:
        return "unknown"
    return number(usd) + (f" + {missing:,} unpriced" if missing else "")


def _standing(anomaly: Anomaly) -> str:
    if not anomaly.alerts:
        return "  (recorded)"
    return f"  ({anomaly.closed_reason})" if anomaly.closed_reason in ("withdrawn", "joined") else ""


def _who(anomaly: Anomaly) -> str:
    first = anomaly.actors[0] if anomaly.actors else None
    automation = trustworthy(anomaly.automation, anomaly.actors, anomaly.evidence)
    if automation is not None:
        return inert(automation, 40)
    if first is None:
        return "not established"
    others = len(anomaly.actors) - 1
    cut = by_others(anomaly.actors, anomaly.total) > 0
    more = " and more" if cut else f" and {others} more" if others else ""
    if first.long_lived_key and first.access_key_id:
        return f"key {inert(first.access_key_id, 24)}{more}"
    return inert(identity(first.arn), 40) + more


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    parts = [
        cell.rjust(width) if column in (0, 4) else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=False))
    ]
    return "  ".join([*parts, row[-1]]).rstrip()


def _running(told: Sequence[Anomaly], catalog: Catalog) -> str:
    """What is not seen released, of the told anomalies whose resources can be."""
    parts = [
        f"{each.total - each.released:,} of {each.total:,} {catalog.kind_of(each.kind).many} in {inert(each.account_name, 24)}"
        for each in told
        if each.resource_count
        and catalog.kind_of(each.kind).releasable
        and each.released < each.total
        and each.state != "closed"
        and each.account_id != ORGANIZATION
    ]
    return (
        f" Still running at the end: {'; '.join(parts[:3])}" + (f" and {len(parts) - 3} more" * (len(parts) > 3))
        if parts
        else ""
    )


def _gaps(story: Story) -> list[str]:
    found = story.reckoning.gaps
    texts = [
        f"{inert(account_name(story.accounts.get(gap.account_id), gap.account_id), 24)} {inert(gap.region, 24)}: "
        f"nothing {span(gap.start, gap.end)}"
        for gap in found
    ]
    return _first_few(texts, GAPS_SHOWN)


def _prices(story: Story) -> str:
    priced = [each for each in story.every if not is_attempts(each.kind) and each.account_id != ORGANIZATION]
    notes = [inert(note, 200) for each in priced for note in each.notes]
    return f"list of {story.prices_date}" + (f"; {'; '.join(_first_few(notes, 2))}" if notes else "")


def _rejects(reckoning: Reckoning) -> list[str]:
    texts = [
        f"{_file(each.file)}: {inert(each.reason, 90)}" + (f" ({each.count:,})" if each.count > 1 else "")
        for each in reckoning.rejected
    ]
    return _first_few(texts, REJECTS_SHOWN, "in --summary")


def _file(name: str, most: int = 90) -> str:
    """A file's name by its end, which tells it apart."""
    return inert(name, most) if len(name) <= most else f"{ELLIPSIS}{inert(name[1 - most :], most)}"


def _oddities(reckoning: Reckoning) -> list[str]:
    sums: dict[str, int] = {}
    for (_, reason), count in sorted(reckoning.oddities.items()):
        sums[reason] = sums.get(reason, 0) + count
    ranked = sorted(sums.items(), key=lambda item: (-item[1], item[0]))
    return _first_few([f"{inert(reason, 90)}: {count:,}" for reason, count in ranked], ODDITIES_SHOWN, "in --summary")


def _first_few(texts: Sequence[str], most: int, where: str = "") -> list[str]:
    rest = len(texts) - most
    return [*texts[:most], f"{rest:,} more {where}".rstrip()] if rest > 0 else list(texts)


def _under(name: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    """Several lines under one label."""
    return [(name if index == 0 else "", text) for index, text in enumerate(texts)]


def _line(name: str, text: str) -> str:
    return f"{name:<{WIDTH}}{text}"


def _moment(time: datetime) -> str:
    return f"{day(time)} {time:%Y %H:%M}"
