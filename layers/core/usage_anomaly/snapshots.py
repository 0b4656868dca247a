"""What does the workflow of a new alert start with?"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from usage_anomaly.anomalies.extents import Extent
from usage_anomaly.anomalies.life_cycle import Tick, Told
from usage_anomaly.anomalies.rules import ORGANIZATION, Pair, learnable
from usage_anomaly.anomalies.view import gather, nets_unread_launch
from usage_anomaly.bench import Bench, Reader, as_told, usual_of, view_of
from usage_anomaly.detection import Finding
from usage_anomaly.detection.readiness import readiness
from usage_anomaly.enrichment.compose import Material, bare
from usage_anomaly.series import bucket_start
from usage_anomaly.workflow import Input
from usage_anomaly.workflow.bounds import INPUT_BYTES, fit


def snapshot(
    reader: Reader,
    bench: Bench,
    told: Told,
    extent: Extent | None,
    tick: Tick,
    findings_before: Callable[[Told], tuple[Finding, ...]],
) -> Input:
    """The anomaly as it stands, its enrichments still empty.

    `extent` is None for one that was withdrawn or carried: its findings are those of the snapshot before.
    """
    extent = extent or replace(as_told(told), findings=findings_before(told))
    gathered = gather(bench.members, extent)
    material = Material(
        kind=reader.catalog.kind_of(bench.pair[1]),
        kind_name=bench.pair[1],
        account_id=bench.pair[0],
        account=reader.account(bench.pair[0]),
        extent=extent,
        told=told,
        view=view_of(reader, bench, extent),
        state=told.state,
        uses=gathered.uses,
        released=gathered.released,
        expected=usual_of(reader, bench, extent),
        covered_from=None if bench.coverage.since is None else bucket_start(bench.coverage.since),
        median_rate_used=any(nets_unread_launch(each, extent.findings, extent.last_seen) for each in bench.members),
        ready=readiness(bench.coverage, extent.last_seen, _unlearned(reader, bench.pair, tick)),
        now=tick.minute,
        prices_date=reader.prices_date,
    )
    anomaly = fit(bare(material), INPUT_BYTES)
    return Input(anomaly=anomaly, reason=told.alerts[-1].reason, notify=True, now=tick.minute)


def _unlearned(reader: Reader, pair: Pair, tick: Tick) -> str | None:
    """Why the learned detectors do not judge a kind in an account, or None."""
    account_id, kind = pair
    if account_id == ORGANIZATION:
        return "of single accounts only"
    if not learnable(reader.catalog, kind):
        return "no detector sums it"
    return "not set up" if reader.learned is None else reader.learned.lacks(account_id, tick.minute)
