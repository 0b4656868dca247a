"""What does docs/detection.md say between its markers: the table of detectors, and where ours fails?"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from benchmarks.detection.compare import Curve
from benchmarks.detection.score import Score
from benchmarks.detection.tables import false_causes, kind_of, misses, quantile, recall_by, row_of, summary

MOST_CAUSES = 15


def written(page: str, parts: dict[str, str]) -> str:
    """The page with each part between `<!-- name -->` and `<!-- /name -->`. Raises ValueError for a marker it lacks."""
    for name, text in parts.items():
        before, opened, rest = page.partition(f"<!-- {name} -->\n")
        _, closed, after = rest.partition(f"<!-- /{name} -->")
        if not closed:
            raise ValueError(f"the page has no <!-- {name} --> ... <!-- /{name} -->")
        page = f"{before}{opened}{text}\n{closed}{after}"
    return page


def table(curves: Sequence[Curve]) -> str:
    """A row for each detector at its customary setting; then ours at its rate of false alarms, and it at ours."""
    own = curves[0]
    lines = [
        "| detector | recall | false alarms per account-week | minutes to told (p90) | ours at its rate | it at our rate |",
        "|---|---|---|---|---|---|",
    ]
    for curve in curves:
        score = curve.customary
        row = [curve.name, f"{score.recall:.2f}", f"{score.false_rate:.2f}", _minutes(score)]
        row += (
            ["", ""]
            if curve is own
            else [_ours_at(own, score.false_rate), _recall(curve.recall_at(own.customary.false_rate))]
        )
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def _ours_at(own: Curve, rate: float) -> str:
    """Our recall where we have no more false alarms than that: at our own setting, else at the best scaled limits."""
    if own.customary.false_rate <= rate:
        return f"{own.customary.recall:.2f}"
    return _recall(own.recall_at(rate))


def _recall(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _minutes(score: Score) -> str:
    minutes = [each.minutes for each in score.found if each.minutes is not None]
    return f"{median(minutes):.0f} ({quantile(minutes, 0.9):.0f})" if minutes else "-"


def own_figures(score: Score) -> str:
    """Ours in full: the figures, and recall by row and kind."""
    lines = [f"- {line}" for line in summary(score)]
    lines += ["", "| incident | found | planted |", "|---|---|---|"]
    lines += [f"| {row} | {caught} | {planted} |" for row, caught, planted in recall_by(score.found, row_of)]
    lines += ["", "| kind of the label | found | planted |", "|---|---|---|"]
    lines += [f"| `{kind}` | {caught} | {planted} |" for kind, caught, planted in recall_by(score.found, kind_of)]
    return "\n".join(lines)


def failures(score: Score) -> str:
    """Every miss, and what most false alarms are about."""
    missed = misses(score)
    lines = ["Missed:", "", *(f"- {line}" for line in missed or ["nothing"]), ""]
    causes = false_causes(score)
    lines += ["False alarms, by kind and what made most of the use:", ""]
    lines += [f"- {count} x {cause} (e.g. {example})" for cause, count, example in causes[:MOST_CAUSES]]
    rest = sum(count for _, count, _ in causes[MOST_CAUSES:])
    lines += [f"- {rest} x others"] if rest else []
    return "\n".join(lines if causes else [*lines, "- none"])
