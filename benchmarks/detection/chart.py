"""How do the curves look: recall over false alarms, one line for each detector, its customary setting marked?"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from matplotlib import style
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from benchmarks.detection.compare import OURS, WITH_FLOORS, Curve

_LEAST = 0.005  # false alarms per account-week; none at all stands there too, for a logarithm has no zero
# Not what a user's matplotlibrc says: the same bytes everywhere.
_STYLE: dict[str, Any] = {"svg.fonttype": "none", "svg.hashsalt": "usage-anomaly", "font.size": 9}


def draw(curves: Sequence[Curve]) -> bytes:
    """The chart as SVG."""
    with style.context(["default", _STYLE]):
        figure = Figure(figsize=(9, 6.6))
        FigureCanvasSVG(figure)
        axes = figure.add_axes((0.08, 0.22, 0.88, 0.75))
        names = {curve.name for curve in curves}
        # One line for each detector: the one with floors, where there are two.
        for number, curve in enumerate(each for each in curves if f"{each.name}{WITH_FLOORS}" not in names):
            own = curve.name == OURS
            colour = "black" if own else f"C{number - 1}"
            places = [(max(_LEAST, each.false_rate), each.recall) for each in curve.points]
            width = 2.5 if own else 1.2
            axes.plot(*zip(*places, strict=True), color=colour, linewidth=width, label=curve.name)
            score = curve.customary
            axes.plot(
                [max(_LEAST, score.false_rate)],
                [score.recall],
                "*" if own else "o",
                color=colour,
                markersize=14 if own else 7,
            )
        axes.set_xscale("log")
        axes.set_xlim(left=_LEAST * 0.8)
        axes.set_ylim(0, 1.03)
        axes.set_xlabel("false alarms per account and week (marks: customary setting; left edge: 0.005 or fewer)")
        axes.set_ylabel("recall: share of the incidents found")
        axes.grid(alpha=0.3)
        figure.legend(loc="lower center", fontsize=8, ncols=2)
        written = io.BytesIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    return b"\n".join(line.rstrip() for line in written.getvalue().splitlines()) + b"\n"
