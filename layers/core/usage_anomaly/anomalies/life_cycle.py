"""What is told, and when?

The extent (`extents.py`) is a function of the series; what was told of it is state that must survive restarts, late
records and repeats. One pure function, `step`, turns what was told so far and the extent as it is known now into what is
told next: at most one alert a step, the id minted once, the sequence rising with each alert.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from usage_anomaly.anomalies import Alert, AlertReason, State
from usage_anomaly.detection.limits import FIGURES
from usage_anomaly.ranges import Range
from usage_anomaly.series import bucket_start

RULE = FIGURES.life_cycle
QUIET = timedelta(minutes=RULE.quiet_minutes)
WATERMARK = timedelta(minutes=RULE.watermark_minutes)
OUT_OF_PLAY = ("withdrawn", "joined")


class View(msgspec.Struct, frozen=True, kw_only=True):
    """An extent as it is known at a tick, with the sums that decide on alerts.

    `start` and `last_seen` are buckets; `micro` is micro-dollars an hour, net of releases; `peak`
    thousandths, the highest finding over its limit; `resources` counts the ids in
    the records, `released` those of them seen released; `each` is true where none is usual: any more of it is growth.
    """

    start: int
    last_seen: int
    total: int
    micro: int
    peak: int
    resources: int
    released: int
    releasable: bool
    excluded: tuple[Range, ...] = ()
    each: bool = False


class Due(msgspec.Struct, frozen=True):
    """When an anomaly has to be looked at again although nothing arrives: from minute `at` on, once the watermark has
    reached `watermark` (None: whatever it is)."""

    at: datetime
    watermark: datetime | None = None

    def now(self, tick: Tick) -> bool:
        """Whether a step at this tick can change anything."""
        return self.at <= tick.minute and (self.watermark is None or self.watermark <= tick.watermark)


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """A minute of delivery time, and how far the ingest has come: the greatest minute read less 15 minutes."""

    minute: datetime
    watermark: datetime


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What people were told of one extent; the row that a deployment keeps. `seen` is the extent's last known range."""

    id: str
    seen: tuple[int, int]
    sequence: int
    state: State
    alerts: tuple[Alert, ...]
    told_total: int
    told_micro: int
    told_peak: int = 0
    excluded: tuple[Range, ...] = ()  # of the extent, as it was last seen
    closed_reason: str | None = None  # released | expired | withdrawn | joined
    joined_to: str | None = None


def mint(kind: str, account_id: str, start: int, taken: Collection[str]) -> str:
    """The id of an anomaly first told to start in bucket `start`; a repeated start (after a withdrawal) gets a number."""
    name = f"{kind.replace('.', '-')}-{account_id}-{bucket_start(start):%Y%m%dT%H%MZ}"
    number = 2
    chosen = name
    while chosen in taken:
        chosen, number = f"{name}-{number}", number + 1
    return chosen


def open_anomaly(identity: str, view: View, tick: Tick) -> Told:
    """The first alert of an extent."""
    return Told(
        id=identity,
        seen=(view.start, view.last_seen),
        sequence=1,
        state="open",
        alerts=(Alert(tick.minute, "opened"),),
        told_total=view.total,
        told_micro=view.micro,
        told_peak=view.peak,
        excluded=view.excluded,
    )


def step(told: Told, view: View | None, tick: Tick) -> Told:
    """What is told after this tick. `view` is None when later records have undone the extent.

    Two steps in the same minute with the same view change nothing the second time. A closed anomaly speaks again only if
    late records make it grow, and never says "closed" twice.
    """
    if view is None:
        return told if told.closed_reason in OUT_OF_PLAY else _close(told, tick, "withdrawn")
    moved = view.last_seen > told.seen[1]
    told = replace(told, seen=(view.start, view.last_seen), excluded=view.excluded)
    if _has_grown(told, view, tick):
        grown = _alert(told, tick, "grown", "grown")
        return replace(grown, closed_reason=None, told_total=view.total, told_micro=view.micro, told_peak=view.peak)
    runs_after_all = told.state == "closed" and view.releasable and view.released < view.resources
    if (told.state == "quiet" and moved) or runs_after_all:
        told = replace(told, state=_running(told), closed_reason=None)
    over = tick.watermark >= bucket_start(view.last_seen) + QUIET
    if told.state == "closed" or not over or told.alerts[-1].at == tick.minute:
        return told
    return _when_quiet(told, view, tick)


def update(
    kind: str,
    account_id: str,
    told: Sequence[Told],
    extents: Sequence[tuple[int, int]],
    view_of: Callable[[int], View],
    tick: Tick,
    taken: Collection[str] = (),
) -> tuple[list[Told], list[int]]:
    """One tick for one kind and account: match, step, join, withdraw, open.

    `extents` are (start, last_seen) of the telling extents in order, `view_of(i)` how the i-th stands, `taken`
    ids that were used before. Returns the told anomalies (old ones first, in their order) and for each extent the index of its
    anomaly.
    """
    owners, places = match(told, extents)
    after: list[Told] = []
    for index, each in enumerate(told):
        place = places[index]
        if place is not None and owners[place] != index:
            survivor = owners[place]
            after.append(join(each, told[survivor].id if survivor is not None else each.id))
        else:
            after.append(step(each, None if place is None else view_of(place), tick))
    for place, owner in enumerate(owners):
        if owner is None:
            view = view_of(place)
            identity = mint(kind, account_id, view.start, {*taken, *(each.id for each in after)})
            owners[place] = len(after)
            after.append(open_anomaly(identity, view, tick))
    return after, [owner for owner in owners if owner is not None]


def join(told: Told, survivor: str) -> Told:
    """Late records showed that it is the same thing as `survivor`: it ends without an alert of its own."""
    return replace(told, state="closed", closed_reason="joined", joined_to=survivor)


def due(told: Told, view: View) -> list[Due]:
    """When the next alerts can be due if nothing else arrives; of what is closed only growth that came late."""
    if told.closed_reason in OUT_OF_PLAY:
        return []
    found = []
    if _ratio(told, view) >= RULE.grown_factor:
        found.append(Due(told.alerts[-1].at + timedelta(minutes=RULE.grown_minutes)))
    if told.state == "closed":
        return found
    seen = bucket_start(view.last_seen)
    if told.state == "quiet":
        found.append(Due(_reminder_due(told)))
        over = seen + timedelta(minutes=RULE.expire_minutes)
        return [*found, Due(over + WATERMARK, over)] if _expires(view) else found
    return [*found, Due(seen + QUIET + WATERMARK, seen + QUIET)]


def match(told: Sequence[Told], extents: Sequence[tuple[int, int]]) -> tuple[list[int | None], list[int | None]]:
    """Which told anomaly is which extent: for each extent the index of its anomaly, for each anomaly its extent or None.

    `extents` are (start, last_seen) in order; an anomaly withdrawn or joined before is no candidate. Equal starts match
    first, then any overlap, the earlier told before the later. An anomaly left over points to the extent it overlaps (it
    has joined that), else to None (it is withdrawn).
    """
    candidates = [index for index, each in enumerate(told) if each.closed_reason not in OUT_OF_PLAY]
    owners: list[int | None] = [None] * len(extents)
    for fits in (_same_start, _overlaps):
        for place, extent in enumerate(extents):
            fitting = [index for index in candidates if owners[place] is None and fits(told[index].seen, extent)]
            if fitting:
                owners[place] = fitting[0]
                candidates.remove(fitting[0])
    places: list[int | None] = [None] * len(told)
    for place, owner in enumerate(owners):
        if owner is not None:
            places[owner] = place
    for index in candidates:
        places[index] = next((place for place, each in enumerate(extents) if _overlaps(told[index].seen, each)), None)
    return owners, places


def _when_quiet(told: Told, view: View, tick: Tick) -> Told:
    """Nothing new for two hours: all released, expired, first told quiet, or a reminder due."""
    if view.released == view.total > 0:
        return _close(told, tick, "released")
    expiry = bucket_start(view.last_seen) + timedelta(minutes=RULE.expire_minutes)
    if _expires(view) and tick.watermark >= expiry:
        return _close(told, tick, "expired")
    if told.state != "quiet":
        return _alert(told, tick, "quiet", "quiet")
    if tick.minute >= _reminder_due(told):
        return _alert(told, tick, "reminder", "quiet")
    return told


def _has_grown(told: Told, view: View, tick: Tick) -> bool:
    """Twice what was last told, or any more where each is told, half an hour later; tenfold at once."""
    ratio = _ratio(told, view)
    waited = tick.minute - told.alerts[-1].at >= timedelta(minutes=RULE.grown_minutes)
    return ratio >= RULE.grown_at_once_factor or (waited and ratio >= RULE.grown_factor)


def _ratio(told: Told, view: View) -> float:
    """How many times what was last told: in quantity, in dollars, or above its limit; a second purchase is twice one."""
    figures = ((view.total, told.told_total), (view.micro, told.told_micro), (view.peak, told.told_peak))
    ratio = max((now / before for now, before in figures if before > 0), default=0.0)
    return max(ratio, RULE.grown_factor) if view.each and view.total > told.told_total else ratio


def _reminder_due(told: Told) -> datetime:
    last = next(alert for alert in reversed(told.alerts) if alert.reason != "grown")
    minutes = RULE.reminder_again_minutes if last.reason == "reminder" else RULE.reminder_minutes
    return last.at + timedelta(minutes=minutes)


def _expires(view: View) -> bool:
    """Nothing can release what nothing releases, or what no record names; what has an id is released."""
    return not view.releasable or view.released == view.resources


def _running(told: Told) -> State:
    return "grown" if any(alert.reason == "grown" for alert in told.alerts) else "open"


def _same_start(left: tuple[int, int], right: tuple[int, int]) -> bool:
    return left[0] == right[0]


def _overlaps(left: tuple[int, int], right: tuple[int, int]) -> bool:
    return left[0] <= right[1] and right[0] <= left[1]


def _close(told: Told, tick: Tick, reason: str) -> Told:
    """End it; "closed" is said at most once."""
    if any(alert.reason == "closed" for alert in told.alerts):
        return replace(told, state="closed", closed_reason=reason)
    return replace(_alert(told, tick, "closed", "closed"), closed_reason=reason)


def _alert(told: Told, tick: Tick, reason: AlertReason, state: State) -> Told:
    alerts = (*told.alerts, Alert(tick.minute, reason))
    return replace(told, sequence=told.sequence + 1, state=state, alerts=alerts)
