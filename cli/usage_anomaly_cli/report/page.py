"""What does the page of a replay say, as one HTML text?

One file that asks for nothing: no script, no font, no picture from elsewhere, and a policy that forbids them. The template
escapes every value; before that each passes `plain.inert`, so that control and direction marks are shown, not obeyed.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from importlib.resources import files

import msgspec
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape
from msgspec.structs import replace

from usage_anomaly.alerts import mail, storm_message, updates
from usage_anomaly.alerts.plain import inert
from usage_anomaly.alerts.storm import Storm
from usage_anomaly.alerts.words import clock, day, number, several
from usage_anomaly.anomalies import Anomaly, Step
from usage_anomaly.anomalies.rules import ORGANIZATION
from usage_anomaly.catalog import Catalog, Kind, is_attempts
from usage_anomaly.enrichment.severity import label
from usage_anomaly_cli.account_of_replay import rank, rank_of_storm, row, storm_row, what
from usage_anomaly_cli.record_text import inert_line
from usage_anomaly_cli.report.chart import draw
from usage_anomaly_cli.report.timeline import Timeline
from usage_anomaly_cli.store import Kept

CHARTS = 200  # of the most severe: each takes a twentieth of a second
OPEN_FROM = 4.0  # severity; what is less severe is folded, but for the first
_LONGEST = 1_000
_NAMES = {"ORG": "Elsewhere"}
_ROOM = files(__package__)
STYLE = (_ROOM / "page.css").read_text("utf-8")
POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'"
)

Line = tuple[str, str]
Lines = list[tuple[str, list[str]]]


class Heading(msgspec.Struct, frozen=True, kw_only=True):
    """What stands above the anomalies: the account of a replay; empty for an anomaly that is shown alone."""

    title: str
    facts: Sequence[Line] = ()
    summing_up: Sequence[str] = ()


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """What the template says of one anomaly, or of a storm: then `accounts` are its lines, each with its section's place."""

    anomaly: Anomaly
    place: int
    open: bool
    listed: bool
    label: str
    what: str
    cells: tuple[str, ...]
    answers: Lines
    judged: list[str]
    gaps: list[str]
    chart: Markup | None
    no_chart: str
    legend: Sequence[Line]
    alerts: list[str]
    checks: list[Step]
    contains: list[Step]
    prevents: list[Step]
    attacks: list[Step]
    accounts: Sequence[tuple[int | None, tuple[str, ...]]] = ()


def render(
    heading: Heading,
    kept: Sequence[Kept],
    catalog: Catalog,
    storms: Sequence[Storm] = (),
    folded: frozenset[str] = frozenset(),
) -> str:
    """The page. The same values give the same text.

    A storm is an entry of its own; its members (`folded`) stand below all others, unlisted and shut.
    """
    known = {each.id: each for each in storms}
    entries = [(False, rank_of_storm(each), Kept(each.together)) for each in storms]
    entries += [(each.anomaly.id in folded, rank(each.anomaly), each) for each in kept]
    order = [each for *_, each in sorted(entries, key=lambda each: each[:2])]
    places = {each.anomaly.id: place for place, each in enumerate(order, start=1)}
    sections = [_section(place, each, catalog) for place, each in enumerate(order, start=1)]
    sections = [
        _of_storm(each, known[each.anomaly.id], places, catalog)
        if each.anomaly.id in known
        else replace(each, listed=False, open=False)
        if each.anomaly.id in folded
        else each
        for each in sections
    ]
    template = _environment().from_string((_ROOM / "page.html.jinja").read_text("utf-8"))
    facts = _grouped(heading.facts)
    return template.render(heading=heading, facts=facts, sections=sections, style=Markup(STYLE), policy=POLICY)


def _environment() -> Environment:
    made = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"code": _code, "clip": inert, "number": number, "several": several}
    return made


def _shown(value: object) -> object:
    """Every value of the template on its way to be escaped; what is markup was made by us."""
    return inert(value, _LONGEST) if isinstance(value, str) and not isinstance(value, Markup) else value


def _code(text: str) -> Markup:
    """Several lines as they are indented, for a <pre>."""
    return Markup("\n").join(escape(inert_line(line)) for line in text.splitlines())


def _section(place: int, kept: Kept, catalog: Catalog) -> Section:
    anomaly, kind = kept.anomaly, catalog.kind_of(kept.anomaly.kind)
    news = updates.line(anomaly, kind, len(anomaly.alerts) - 1, acknowledgeable=False, first_total=None)
    drawn = kept.timeline if place <= CHARTS else None
    return Section(
        anomaly=anomaly,
        place=place,
        open=place == 1 or anomaly.severity >= OPEN_FROM,
        listed=True,
        label=label(anomaly.severity),
        what=what(anomaly, catalog),
        cells=row(anomaly, catalog),
        answers=_grouped([*news, *mail.answers(anomaly, kind, kept.account)]),
        judged=mail.judged(anomaly),
        gaps=[text for _, text in mail.gaps(anomaly)],
        chart=None if drawn is None else Markup(draw(drawn, anomaly.alerts, _said(drawn, anomaly, kind))),
        no_chart=f"drawn for the {CHARTS} most severe only" if kept.timeline else "the use over time was not kept",
        legend=[] if drawn is None else list(_legend(drawn, anomaly, kind)),
        alerts=[f"{each.reason} {day(each.at)} {clock(each.at)} UTC" for each in anomaly.alerts],
        checks=_steps(anomaly, "check"),
        contains=_steps(anomaly, "contain"),
        prevents=_steps(anomaly, "prevent"),
        attacks=_steps(anomaly, "attack"),
    )


def _of_storm(section: Section, storm: Storm, places: Mapping[str, int], catalog: Catalog) -> Section:
    """The entry of a storm: all accounts in a table, each with a link to its own section where the page has it."""
    kind = catalog.kind_of(storm.together.kind)
    cells = storm_row(storm, catalog)
    lines = [
        (
            next((places[each] for each in row.anomaly_ids if each in places), None),
            storm_message.cells(row, kind, storm),
        )
        for row in storm.accounts
    ]
    return replace(section, what=cells[2], cells=cells, accounts=lines, no_chart="each account has its own")


def _steps(anomaly: Anomaly, kind: str) -> list[Step]:
    return [step for step in anomaly.guidance if step.kind == kind]


def _grouped(lines: Iterable[Line]) -> Lines:
    """Texts under their label; a line without a label belongs to the one before."""
    found: Lines = []
    for name, text in lines:
        if name or not found:
            found.append((_NAMES.get(name, name.capitalize()), []))
        found[-1][1].append(text)
    return found


def _unit(anomaly: Anomaly, kind: Kind) -> str:
    return f"refused calls for {kind.many}" if is_attempts(anomaly.kind) else kind.many


def _said(timeline: Timeline, anomaly: Anomaly, kind: Kind) -> str:
    """The chart in words, for those who cannot see it."""
    inside = timeline.actual[timeline.first : timeline.last + 1]
    usual = [each for each in timeline.usual[timeline.first : timeline.last + 1] if each is not None]
    expected = f"usual at most {number(max(usual))}" if usual else "usual not known"
    limit = "" if timeline.limit is None else f", limit {timeline.limit:,}"
    return (
        f"{_unit(anomaly, kind).capitalize()} per {timeline.bar} from {day(timeline.start)} {clock(timeline.start)} UTC: "
        f"up to {max(inside):,} in the anomaly; {expected}{limit}"
    )


def _legend(timeline: Timeline, anomaly: Anomaly, kind: Kind) -> Iterator[tuple[str, str]]:
    """What stands for what: the class of the shape, and its meaning."""
    unit = _unit(anomaly, kind)
    yield "bars", f"{unit} per {timeline.bar}, in the anomaly"
    if any(timeline.actual[: timeline.first]) or any(timeline.actual[timeline.last + 1 :]):
        yield "bars-around", "before and after it"
    if any(each is not None for each in timeline.usual):
        yield "usual", "usual: the median of the same time on up to 14 days before"
    if timeline.limit is not None:
        parts = "; each account counts up to its own limit" if anomaly.account_id == ORGANIZATION else ""
        yield (
            "limit",
            f"limit: {timeline.limit:,} in a {timeline.bar}{parts}".replace("in a 10 minutes", "in 10 minutes"),
        )
    if anomaly.alerts:
        later = sum(timeline.place(each.at) is None for each in anomaly.alerts)
        yield "mark", "told, numbered as below" + (f"; the last {later:,} came after what is drawn" if later else "")
