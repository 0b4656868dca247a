"""How are scores written down: in the terminal, and on the page?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from statistics import median

from benchmarks.detection.score import Found, Score


def quantile(values: Sequence[float], share: float) -> float:
    """The value that so large a share of the values does not pass."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def summary(score: Score) -> list[str]:
    """The figures of one detector as lines of a list."""
    caught = [each for each in score.found if each.openings]
    repeats = [count for each in caught for count in each.repeats()]
    minutes = [each.minutes for each in caught if each.minutes is not None]
    lines = [
        f"recall {score.recall:.3f} ({len(caught)} of {len(score.found)})",
        f"false alarms {score.false_rate:.3f} per account-week ({len(score.false)} in {score.account_weeks:.0f}); "
        f"first week {score.first_week}",
    ]
    if caught:
        lines += [
            f"openings per incident, kind and account {sum(repeats) / len(repeats):.2f}, most {max(repeats)}",
            f"minutes from visible to told: median {median(minutes):.0f}, p90 {quantile(minutes, 0.9):.0f}",
            f"relative error, median and p90: quantity {_errors(caught, Found.quantity)}, USD/h {_errors(caught, Found.usd)}",
        ]
    return lines


def _errors(caught: Iterable[Found], of: Callable[[Found], tuple[float, float] | None]) -> str:
    pairs = [pair for pair in map(of, caught) if pair is not None]
    errors = [abs(told - true) / true for told, true in pairs]
    return f"{median(errors):.3f}, {quantile(errors, 0.9):.3f}" if errors else "none told"


def recall_by(found: Sequence[Found], key: Callable[[Found], str]) -> list[tuple[str, int, int]]:
    """Key, found, planted; in order of the key, numbers before names."""
    planted: Counter[str] = Counter(map(key, found))
    caught: Counter[str] = Counter(key(each) for each in found if each.openings)
    return [(name, caught[name], planted[name]) for name in sorted(planted, key=_in_order)]


def _in_order(name: str) -> tuple[int, str]:
    number = name.partition(" ")[0]
    return (int(number), name) if number.isdigit() else (1_000, name)


def row_of(found: Found) -> str:
    return found.label.row


def kind_of(found: Found) -> str:
    return found.label.kinds[0]


def misses(score: Score) -> list[str]:
    """A line for each incident that was not found."""
    return [
        f"{each.label.row} ({each.label.id}): {each.label.kinds[0]} x {each.label.quantity:,}, "
        f"{each.label.start:%a %m-%d %H:%M} for {each.label.end - each.label.start}: {each.why}"
        for each in score.found
        if not each.openings
    ]


def false_causes(score: Score) -> list[tuple[str, int, str]]:
    """What false alarms are about, how many each, one of them as an example; most first."""
    groups: dict[str, list[str]] = defaultdict(list)
    for each in score.false:
        opening = each.opening
        example = f"seed {each.seed}, {opening.account_id}, {opening.start:%a %m-%d %H:%M}, {opening.detectors}"
        groups[f"{opening.kind}: {each.causes}"].append(example)
    return sorted(((cause, len(found), found[0]) for cause, found in groups.items()), key=lambda row: (-row[1], row[0]))


def printed(name: str, score: Score) -> str:
    """All of it for the terminal."""
    lines = [f"== {name}", *summary(score), "", f"{'row':<28}found planted"]
    lines += [f"{row:<28}{caught:>5} {planted:>7}" for row, caught, planted in recall_by(score.found, row_of)]
    lines += ["", f"{'kind':<28}found planted"]
    lines += [f"{row:<28}{caught:>5} {planted:>7}" for row, caught, planted in recall_by(score.found, kind_of)]
    lines += ["", "misses", *(f"  {line}" for line in misses(score)), "", "false alarms"]
    lines += [f"{count:>5}  {cause}  ({example})" for cause, count, example in false_causes(score)]
    return "\n".join(lines)
