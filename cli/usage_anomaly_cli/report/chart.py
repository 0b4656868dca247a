"""How is a timeline drawn, as SVG that stands in a page?

matplotlib lays it out; of its SVG only the named shapes and texts are taken over, each with a class in place of a style,
so that the page's style sheet gives the colours. No text of a record stands in a chart.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from datetime import timedelta
from math import nan
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from usage_anomaly.alerts.words import clock, day, number
from usage_anomaly.anomalies import Alert
from usage_anomaly.series import BUCKET_SECONDS
from usage_anomaly_cli.report.timeline import Timeline

_INCHES = (9.0, 2.8)
_PLACE = (0.07, 0.12, 0.90, 0.84)  # left, bottom, width, height of the axes, as shares of the figure
# Not what a user's matplotlibrc says: the same bytes everywhere. Text stays text.
_STYLE: list[str | Path | dict[str, Any]] = [
    "default",
    {"svg.fonttype": "none", "svg.hashsalt": "usage-anomaly", "font.size": 9, "axes.axisbelow": True},
]
_SVG = "{http://www.w3.org/2000/svg}"
_ANCHOR = re.compile(r"text-anchor: (start|middle|end)")
_CLASSES = ("axis", "grid", "bars", "bars-around", "usual", "limit", "mark", "mark-name", "tick")
_DAY = timedelta(days=1)
_APART = (*(timedelta(hours=each) for each in (1, 2, 3, 6, 12)), *(each * _DAY for each in (1, 2, 7, 14, 30, 90, 365)))
_TICKS = 9
_HEADROOM = 1.22  # above the highest, for the names of the marks
_ROWS = 3  # of names of marks: those of one hour stand below each other


def draw(timeline: Timeline, alerts: Sequence[Alert], name: str) -> str:
    """An <svg> element; `name` is what it is called by those who cannot see it. Marks are numbered as `alerts` are."""
    with style.context(_STYLE):
        figure = Figure(figsize=_INCHES)
        FigureCanvasSVG(figure)
        axes = figure.add_axes(_PLACE)
        _lay_out(axes, timeline, alerts)
        written = io.BytesIO()
        figure.savefig(written, format="svg", metadata={"Date": None})
    return _taken_over(written.getvalue(), name)


def _lay_out(axes: Axes, timeline: Timeline, alerts: Sequence[Alert]) -> None:
    count = len(timeline.actual)
    highest = max(1.0, *timeline.actual, timeline.limit or 0, *(each or 0 for each in timeline.usual))
    axes.set_xlim(0, count)
    axes.set_ylim(0, highest * _HEADROOM)
    axes.tick_params(left=False, bottom=False)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
    axes.spines["bottom"].set_gid("axis")
    axes.locator_params(axis="y", nbins=4, integer=True)
    heights = [each for each in axes.get_yticks() if 0 <= each <= highest * _HEADROOM]
    axes.set_yticks(heights, [number(float(each)) for each in heights])
    axes.set_xticks(*_hours(timeline))
    axes.grid(axis="y", gid="grid", clip_on=False)
    for label in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
        label.set_gid("tick")
    edges = range(count + 1)
    for gid, inside in (("bars-around", False), ("bars", True)):
        part = [
            value if value and (timeline.first <= at <= timeline.last) == inside else nan
            for at, value in enumerate(timeline.actual)
        ]
        axes.stairs(part, edges, fill=True, gid=gid, clip_on=False)
    usual = [nan if each is None else each for each in timeline.usual]
    axes.stairs(usual, edges, baseline=None, gid="usual", clip_on=False)
    if timeline.limit is not None:
        axes.plot([0, count], [timeline.limit] * 2, gid="limit", clip_on=False)
    for at, alert in enumerate(alerts):
        place = timeline.place(alert.at)
        if place is None:
            continue
        top = highest * (_HEADROOM - 0.07 * (at % _ROWS))
        axes.plot([place] * 2, [0, top], gid="mark", clip_on=False)
        axes.annotate(
            f"{at + 1}",
            (place, top),
            (2, 0),
            textcoords="offset points",
            annotation_clip=False,
            va="top",
            gid="mark-name",
        )


def _hours(timeline: Timeline) -> tuple[list[float], list[str]]:
    """Where the axis is labelled, and how: on whole hours or days, a day named where it begins."""
    bar = timedelta(seconds=timeline.bar_buckets * BUCKET_SECONDS)
    length = bar * len(timeline.actual)
    apart = next((each for each in _APART if length / each <= _TICKS), _APART[-1])
    midnight = timeline.start.replace(hour=0, minute=0)
    skipped = -((midnight - timeline.start) // apart)
    times = [midnight + apart * number for number in range(skipped, skipped + _TICKS + 1)]
    times = [each for each in times if each - timeline.start <= length]
    names = []
    for at, time in enumerate(times):
        named = day(time) if at == 0 or times[at - 1].date() != time.date() else ""
        names.append(named if apart >= _DAY else f"{named} {clock(time)}".lstrip())
    return [(each - timeline.start) / bar for each in times], names


def _taken_over(svg: bytes, name: str) -> str:
    drawn = ElementTree.fromstring(svg)
    page = ElementTree.Element("svg", {"class": "chart", "role": "img", "viewBox": drawn.attrib["viewBox"]})
    ElementTree.SubElement(page, "title").text = name
    for group in drawn.iter(f"{_SVG}g"):
        gid = group.get("id", "")
        for shape in group if gid in _CLASSES else ():
            if shape.tag == f"{_SVG}path" and shape.get("d"):  # none where there is no bar to draw
                ElementTree.SubElement(page, "path", {"class": gid, "d": " ".join(shape.attrib["d"].split())})
            elif shape.tag == f"{_SVG}text":
                anchor = _ANCHOR.search(shape.get("style", ""))
                place = {"x": shape.attrib["x"], "y": shape.attrib["y"]}
                place["text-anchor"] = anchor[1] if anchor else "start"
                ElementTree.SubElement(page, "text", {"class": gid, **place}).text = shape.text
    return ElementTree.tostring(page, encoding="unicode")
