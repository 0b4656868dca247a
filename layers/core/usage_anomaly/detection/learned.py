"""What has the random cut forest of OpenSearch found, and is that enough to tell it?

Four detectors, each over sums of one unit, run in OpenSearch's anomaly-detection plugin. One document of their result index
becomes one finding. The plugin says a spike once, when it begins: growth and end come from our own sums. What the detectors
sum and what they leave out stands in `learned.json` with its reasons.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any, Protocol

import msgspec

from usage_anomaly.detection import Finding
from usage_anomaly.ranges import Range
from usage_anomaly.series import bucket_of
from usage_anomaly.usage import account_of

OVERLAP = timedelta(minutes=10)  # a node whose write queue is full tries again for minutes
LONGEST = timedelta(hours=1)  # a window; ours are of ten minutes, and somebody may try shorter ones
REMEMBERED = timedelta(days=100)  # as long as a closed anomaly is: without its finding it would be withdrawn
MOST_REMEMBERED = 150  # of one kind in one account: 95 kB at most of an item's 400
UNSURE = "no other detector says the same, and its grade or confidence is low"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST = 1e12  # of any unit in a window: more is no sum of ours, and as text would fill a row
_REGION = re.compile(r"[a-z0-9-]{1,20}")


class Detector(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One detector: the sum of one field of usage events, of one kind or (None) of all.

    `feature` is named in each result, and so says which detector it is of. An excess over the expected of `margin` units or
    less is no result.
    """

    name: str
    feature: str
    field: str
    kind: str | None
    unit: str
    margin: float
    reason: str


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The interval of the sums, how long after its end it is judged, how many make a pattern, which excess is none."""

    minutes: int
    delay_minutes: int
    shingle: int
    ratio: float
    reason: str


class Alone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The grade and the confidence (0-1) from which a result is told though no other detector says the same."""

    grade: float
    confidence: float
    reason: str


class Figures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `learned.json`."""

    detectors: tuple[Detector, ...]
    window: Window
    alone: Alone


FIGURES = msgspec.json.decode((files(__package__) / "learned.json").read_bytes(), type=Figures)
BY_FEATURE = {each.feature: each for each in FIGURES.detectors}


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """One result of one detector about one window of one account. `kind` None: the detector sums all kinds.

    Two results with the same `key` say the same; `executed_at` is when OpenSearch came to it. `of_money`: the USD per hour of
    all kinds together was unusual, also where a kind was named later.
    """

    key: str
    account_id: str
    kind: str | None
    executed_at: datetime
    finding: Finding
    of_money: bool = False


class Unread(msgspec.Struct, frozen=True):
    """A document of the result index that is no finding, and why."""

    reason: str


class News(msgspec.Struct, frozen=True):
    """Results, each once, in the order they were computed; documents that are none of ours, or no finding; how far was read.

    A result over all kinds whose usage events are gone is there without a kind, and is said to be unread.
    """

    results: tuple[Learned, ...]
    unread: tuple[Unread, ...]
    until: datetime


class Detectors(Protocol):
    """The learned detectors, as a tick asks them. `news` gives what was found since a time, and OVERLAP before it, without
    what is `seen` by key, as long as `more` allows; `lacks` why they do not judge an account by now, or None."""

    def news(self, since: datetime, until: datetime, seen: Collection[str], more: Callable[[], bool]) -> News: ...
    def lacks(self, account_id: str, now: datetime) -> str | None: ...


class _Value(msgspec.Struct, frozen=True):
    feature_id: str
    data: float


class _Feature(_Value, frozen=True):
    feature_name: str


class _Entity(msgspec.Struct, frozen=True):
    name: str
    value: str


class _Expected(msgspec.Struct, frozen=True):
    likelihood: float
    value_list: tuple[_Value, ...]


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of a document of the result index (its schema version 7). Times are milliseconds since 1970."""

    detector_id: str
    model_id: str
    data_start_time: int
    data_end_time: int
    execution_end_time: int
    anomaly_grade: float
    confidence: float
    feature_data: tuple[_Feature, ...]
    entity: tuple[_Entity, ...]
    expected_values: tuple[_Expected, ...] = ()
    past_values: tuple[_Value, ...] = ()
    approx_anomaly_start_time: int | None = None


def read_result(source: Any) -> Learned | Unread:
    """The finding of one document. Where the forest saw late what an earlier window was, the finding is of that window."""
    try:
        return _learned(msgspec.convert(source, _Document))
    except (msgspec.ValidationError, OverflowError) as error:  # a time far outside the calendar overflows
        return Unread(f"not a result: {error}")


def sure(finding: Finding) -> bool:
    """Whether a learned finding is enough though no other detector says the same."""
    return finding.score >= FIGURES.alone.grade and finding.confidence >= FIGURES.alone.confidence


def agree(finding: Finding, other: Finding) -> bool:
    """Whether another detector's window shares time and place with a learned one of the same kind and account.

    A second forest over the same calls agrees for free.
    """
    together = other.window_start < finding.window_end and finding.window_start < other.window_end
    places = {finding.region, other.region} - {None}
    return other.detector != "learned" and together and len(places) <= 1


def expected_at_most(finding: Finding) -> float:
    """What would still have been no finding: so much more than expected the detectors leave out."""
    return (finding.expected or 0.0) * (1 + FIGURES.window.ratio)


def buckets(finding: Finding) -> Range:
    """The first and the last bucket that a finding's window touches: the plugin's windows begin when its job did."""
    return bucket_of(finding.window_start), bucket_of(finding.window_end - datetime.resolution)


def remembered(results: Iterable[Learned], now: datetime, starts: Collection[int] = ()) -> tuple[Learned, ...]:
    """What is kept of the results of one kind in one account, in order of their windows.

    Of too many the sure and then the newest stay: those open anomalies, the others only stand beside one. Up to half of the
    places are for the sure ones with whose windows told anomalies begin, in the buckets `starts`: without its own, one would
    be withdrawn. The order in which results came makes no difference.
    """
    first: dict[str, Learned] = {}
    for each in sorted(results, key=lambda each: each.executed_at):
        if each.finding.window_end > now - REMEMBERED:
            first.setdefault(each.key, each)
    best = sorted(first.values(), key=lambda each: (sure(each.finding), each.finding.window_end, each.key))
    begun = [each for each in best if sure(each.finding) and _touches(each.finding, starts)][-MOST_REMEMBERED // 2 :]
    others = [each for each in best if each not in begun]
    return tuple(sorted([*others, *begun][-MOST_REMEMBERED:], key=lambda each: (each.finding.window_end, each.key)))


def _touches(finding: Finding, starts: Collection[int]) -> bool:
    low, high = buckets(finding)
    return any(low <= each <= high for each in starts)


def _learned(document: _Document) -> Learned | Unread:
    feature = next((each for each in document.feature_data if each.feature_name in BY_FEATURE), None)
    if feature is None:
        return Unread(f"a result of detector {document.detector_id}, which is none of ours")
    detector = BY_FEATURE[feature.feature_name]
    place = {each.name: each.value for each in document.entity}
    account_id = place.get("account_id", "")
    if account_of(account_id) != account_id:
        return Unread(f"a result of {detector.name} that names no account")
    region = place.get("region")
    if region is not None and not _REGION.fullmatch(region):
        return Unread(f"a result of {detector.name} that names no region")
    length = _moment(document.data_end_time) - _moment(document.data_start_time)
    if not timedelta() < length <= LONGEST:
        return Unread(f"a result of {detector.name} about a window of {length}")
    start, actual = _seen(document, feature)
    end, executed_at = start + length, _moment(document.execution_end_time)
    if end > executed_at:  # it would be kept in place of what is of today
        return Unread(f"a result of {detector.name} about a window that was not over")
    actual, expected = round(actual, 4), _expected(document, feature.feature_id)
    numbers = (actual, expected or 0.0, document.anomaly_grade, document.confidence)
    if actual <= 0 or not all(abs(each) < _MOST for each in numbers):  # nor is what is not a number
        return Unread(f"a result of {detector.name} without a number")
    if expected is not None and actual <= expected:  # versions before 2.19 cannot be told to leave these out
        return Unread(f"a result of {detector.name} that is a dip")
    return Learned(
        key=hashlib.blake2b(f"{document.model_id}#{end:%Y%m%dT%H%M%S.%f}".encode(), digest_size=12).hexdigest(),
        account_id=account_id,
        kind=detector.kind,
        executed_at=executed_at,
        of_money=detector.kind is None,
        finding=Finding(
            detector="learned",
            scope="account" if region is None else "region",
            region=region,
            window_start=start,
            window_end=end,
            window_minutes=round(length / timedelta(minutes=1)),
            actual=actual,
            expected=expected,
            score=round(min(document.anomaly_grade, 1.0), 4),
            confidence=round(min(document.confidence, 1.0), 4),
            reason=_reason(detector, region, actual, expected, length, document),
        ),
    )


def _seen(document: _Document, feature: _Feature) -> tuple[datetime, float]:
    """The start of the window that was unusual, and what it summed."""
    past = _value(document.past_values, feature.feature_id)
    if past is not None and document.approx_anomaly_start_time is not None:
        return _moment(document.approx_anomaly_start_time), past
    return _moment(document.data_start_time), feature.data


def _expected(document: _Document, feature_id: str) -> float | None:
    likely = max(document.expected_values, key=lambda each: each.likelihood, default=None)
    expected = None if likely is None else _value(likely.value_list, feature_id)
    return None if expected is None else round(max(expected, 0.0), 4)


def _reason(
    detector: Detector,
    region: str | None,
    actual: float,
    expected: float | None,
    length: timedelta,
    document: _Document,
) -> str:
    what = detector.unit if detector.kind else f"{detector.unit} of all kinds together"
    where = "" if region is None else f" in {region}"
    usual = "" if expected is None else f", about {_said(expected)} expected"
    minutes = round(length / timedelta(minutes=1))
    span = "1 minute" if minutes == 1 else f"{minutes} minutes"
    sure = f"grade {document.anomaly_grade:.2f}, confidence {document.confidence:.2f}"
    return f"{_said(actual)} {what}{where} in {span}{usual}; learned, {sure}"


def _said(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 10 or amount == round(amount) else f"{amount:,.1f}"


def _value(values: Iterable[_Value], feature_id: str) -> float | None:
    return next((each.data for each in values if each.feature_id == feature_id), None)


def _moment(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)
