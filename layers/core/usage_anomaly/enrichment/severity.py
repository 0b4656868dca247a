"""How bad is it, from 0 to 10, and why?

Points are added up; each is one reason in words with its number. The figures:

| reason | points |
|---|---|
| USD per hour at list price, net of releases | 2 x log10(1 + USD/h), at most 5; price unknown, of all or of a part: at least 2 |
| how far above the limit (the highest score of the findings) | 0.5 + 1.5 x log10(actual / limit), at most 3 |
| a learned detector found it, and no other | 1 in place of that |
| the actor is new here (scaled, see below), or used three times its own busiest hour | 1 |
| a new address, new regions, new types: each (scaled) | 0.3 |
| a long-lived access key did it | 0.8 |
| refused or dry calls by the same doer in the hour before | 0.4 |
| accelerators (GPUs) | 0.5 |
| a production account | 0.5 |
| the same key, actor or (new) address in other accounts | 1 |
| users, keys or permissions changed by the same doer, unless it is an automation that is trusted here | 1 |
| an automation that used two thirds of this in an hour before | -1.5 |
| released so far (the rate is net already) | -1 x the share released |
| refused calls only | 1.2 x log10(1 + calls) in place of money; the whole at most 4.9: no spend, at most a medium |

A sum above 8 is compressed (8 + 2 x (1 - e^-((sum - 8) / 2))), so that the worst cases stay apart and none passes 10.
What is new counts by how long was looked back: nothing below one day read, all from 7 days, in proportion between.
An automation's name alone takes nothing off: intruders launch through Auto Scaling, and names are the caller's words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from usage_anomaly.detection import Finding
from usage_anomaly.enrichment.accounts import AccountType
from usage_anomaly.enrichment.evidence import Signals

LABELS: tuple[tuple[float, str], ...] = ((8.0, "CRITICAL"), (6.0, "HIGH"), (4.0, "MEDIUM"), (0.0, "LOW"))
ATTEMPTS_CEILING = 4.9
_UNKNOWN_PRICE = 2.0
_KNEE = 8.0
_DAYS_FOR_NEW = 7.0  # a week has every weekday's work
_BEYOND = 3.0  # times its own busiest hour
_HIGHEST_SCORE = 0.999  # a limit of 0 would be infinitely exceeded


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is weighed. `usd_per_hour` is net of releases, None when unknown; `released` and `total` count units."""

    findings: Sequence[Finding]
    usd_per_hour: float | None
    total: int
    released: int
    attempts_only: bool
    account_type: AccountType
    signals: Signals
    unpriced: int = 0  # units without a price beside those that have one


class Reason(msgspec.Struct, frozen=True):
    points: float
    text: str


def assess(facts: Facts) -> tuple[float, tuple[str, ...]]:
    """Severity with one decimal, and its reasons with their points, the weightiest first."""
    reasons = [reason for reason in _reasons(facts) if abs(reason.points) >= 0.05]
    total = _compress(sum(reason.points for reason in reasons))
    ceiling = ATTEMPTS_CEILING if facts.attempts_only else 10.0
    texts = [f"{reason.text} ({reason.points:+.1f})" for reason in sorted(reasons, key=lambda each: -abs(each.points))]
    if total > ceiling:
        texts.append(f"refused calls only: at most {ceiling}")
    return round(max(0.0, min(ceiling, total)), 1), tuple(texts)


def label(severity: float) -> str:
    """LOW, MEDIUM from 4, HIGH from 6, CRITICAL from 8."""
    return next((name for least, name in LABELS if severity >= least), LABELS[-1][1])


def raised(severity: float, points: float) -> float:
    """The severity with so many points more, compressed as a sum of points is; exact but for the rounding of `severity`."""
    straight = min(points, max(0.0, _KNEE - severity))
    level = severity + straight
    return round(10 - (10 - level) * math.exp(-max(0.0, points - straight) / 2), 1)


def _compress(points: float) -> float:
    return points if points <= _KNEE else _KNEE + 2 * (1 - math.exp(-(points - _KNEE) / 2))


def _reasons(facts: Facts) -> list[Reason]:
    return [
        _amount(facts),
        *_excess(facts),
        *_doer(facts.signals),
        *_novelty(facts.signals),
        *_relief(facts),
        *_place(facts),
    ]


def _amount(facts: Facts) -> Reason:
    if facts.attempts_only:
        return Reason(1.2 * math.log10(1 + facts.total), f"{facts.total:,} refused calls, no spend")
    rate = facts.usd_per_hour
    if rate is None:
        return Reason(_UNKNOWN_PRICE, "price unknown")
    said = f"{rate:,.0f}" if rate >= 10 else f"{rate:,.2f}"
    points, text = min(5.0, 2 * math.log10(1 + max(0.0, rate))), f"{said} USD/h at list price"
    if facts.unpriced:
        return Reason(max(_UNKNOWN_PRICE, points), f"{text}, price unknown for {facts.unpriced:,}")
    return Reason(points, text)


def _excess(facts: Facts) -> list[Reason]:
    scores = [finding.score for finding in facts.findings if finding.detector != "learned"]
    if not scores:
        return [Reason(1.0, "unusual by what was learned")] if facts.findings else []
    times = 1 / (1 - min(_HIGHEST_SCORE, max(0.0, *scores, 0.0)))
    said = "none is usual" if max(scores) == 1 else f"{times:,.1f} times the limit"
    return [Reason(min(3.0, 0.5 + 1.5 * math.log10(times)), said)]


def _doer(signals: Signals) -> list[Reason]:
    reasons = []
    if signals.new_actor:
        reasons.append(Reason(_weight_of_new(signals), f"actor new here in {_days(signals)}"))
    elif signals.times_own_past is not None and signals.times_own_past >= _BEYOND:
        reasons.append(Reason(1.0, f"{signals.times_own_past:,.0f} times the actor's own busiest hour"))
    if signals.long_lived_key:
        reasons.append(Reason(0.8, "a long-lived access key"))
    attempts = signals.refused_before + signals.dry_before
    if attempts:
        reasons.append(Reason(0.4, f"{_several(attempts, 'refused or dry call')} in the hour before"))
    if signals.other_accounts:
        reasons.append(Reason(1.0, f"same doer in {_several(signals.other_accounts, 'more account')}"))
    if signals.identity_changes and not signals.automation_trusted:
        reasons.append(Reason(1.0, f"{_several(signals.identity_changes, 'identity change')} by the same doer"))
    return reasons


def _novelty(signals: Signals) -> list[Reason]:
    points = 0.3 * _weight_of_new(signals)
    reasons = [Reason(points, f"address new here in {_days(signals)}")] if signals.new_address else []
    for values, what in ((signals.new_regions, "region"), (signals.new_groups, "type")):
        if values:
            reasons.append(Reason(points, f"{_several(len(values), what)} new here"))
    return reasons


def _weight_of_new(signals: Signals) -> float:
    """0 where less than a day was read before: everything is new then."""
    return 0.0 if signals.days_read < 1 else min(1.0, signals.days_read / _DAYS_FOR_NEW)


def _relief(facts: Facts) -> list[Reason]:
    reasons = []
    if facts.signals.automation is not None and facts.signals.automation_usual:
        reasons.append(Reason(-1.5, f"usual for {facts.signals.automation} here"))
    if facts.released and facts.total:
        share = min(1.0, facts.released / facts.total)
        reasons.append(Reason(-share, f"{share:.0%} released"))
    return reasons


def _place(facts: Facts) -> list[Reason]:
    reasons = [Reason(0.5, f"{facts.signals.gpus:,.0f} GPUs")] if facts.signals.gpus else []
    if facts.account_type == "production":
        reasons.append(Reason(0.5, "production account"))
    return reasons


def _several(count: int, one: str) -> str:
    return f"{count:,} {one}{'' if count == 1 else 's'}"


def _days(signals: Signals) -> str:
    return f"{_several(int(signals.days_read), 'day')} read" if signals.days_read >= 1 else "what was read"
