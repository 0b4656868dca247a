"""Do the enrichments rest on the right events, and is it said where they rest on some of them only?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from tests.enrichment import incidents
from tests.workflow.world import LATEST, MemoryPast, incident, start_input

from usage_anomaly.anomalies import Query
from usage_anomaly.catalog import Catalog
from usage_anomaly.detection import Finding
from usage_anomaly.enrichment.cost import UNPRICED
from usage_anomaly.series import Series, bucket_of
from usage_anomaly.usage import UsageEvent
from usage_anomaly.workflow import Input, estimate_cost, find_evidence
from usage_anomaly.workflow.reading import Asking

DATE = incidents.PRICES_DATE


def cost_of(given: Input, events: list[UsageEvent], catalog: Catalog) -> dict[str, Any]:
    step = msgspec.to_builtins({"anomaly": given.anomaly, "now": given.now})
    return estimate_cost.run(step, MemoryPast(events), catalog, DATE)


def evidence_of(given: Input, past: MemoryPast, catalog: Catalog) -> dict[str, Any]:
    return find_evidence.run(msgspec.to_builtins({"anomaly": given.anomaly, "now": given.now}), past, catalog)


def test_events_that_are_not_in_the_index_are_missed_aloud(catalog: Catalog) -> None:
    """Nothing found must read "not available", never "0 USD" or "nobody"."""
    _, given = incident(catalog)
    assert cost_of(given, [], catalog)["cost"] is None
    assert cost_of(given, [], catalog)["gaps"] == ("cost: not available, the usage events are not in the index",)
    assert evidence_of(given, MemoryPast([]), catalog)["evidence"] is None


def test_a_part_of_the_events_is_named_as_a_part(catalog: Catalog) -> None:
    """A cost of 15 machines must not pass for that of 47."""
    events, given = incident(catalog)
    some = [each for each in events if each.region != "us-east-2"]
    assert cost_of(given, some, catalog)["gaps"] == ("cost: of 27 of 47 instances",)


def test_what_costs_nothing_has_no_gap_in_its_cost(catalog: Catalog) -> None:
    """Refused calls by the thousand are not all read again; "cost: of 1 of 60 refused calls" would promise a bill."""
    fields = {"kind": "api.denied", "event_name": "ListUsers", "resource_ids": (), "usd_per_hour": 0.0}
    events = [incidents.event(each, incidents.at("9:40"), **{**incidents.THIEF, **fields}) for each in range(60)]
    given = start_input(incidents.told(catalog.kinds["api.denied"], events, []), now=incidents.at("9:41"))
    assert cost_of(given, events[:1], catalog)["gaps"] == ()


def test_an_emr_cluster_is_unpriced_for_what_its_record_lacks(catalog: Catalog) -> None:
    """Its machines count as EC2 instances; no list price could be looked up for the cluster."""
    fields = {"kind": "emr.clusters", "event_name": "RunJobFlow", "group": None}
    events = [incidents.event(each, incidents.at("9:40"), **{**incidents.THIEF, **fields}) for each in range(9)]
    given = start_input(incidents.told(catalog.kinds["emr.clusters"], events, []), now=incidents.at("9:41"))
    assert cost_of(given, events, catalog)["cost"]["basis"] == UNPRICED


def test_use_after_the_snapshot_belongs_to_the_next_one(catalog: Catalog) -> None:
    """The mail's cost and its quantity must speak of the same launches."""
    events, given = incident(catalog)
    more = incidents.event(700, incidents.at("11:05"), usd_per_hour=999.0, **incidents.THIEF)
    assert cost_of(given, [*events, more], catalog) == cost_of(given, events, catalog)


def test_a_start_without_a_type_has_the_rate_of_its_launch(catalog: Catalog) -> None:
    """StartInstances names no type: the launch read days before knows what the machine costs."""
    launched = incidents.event(800, incidents.at("8:00") - timedelta(days=3), quantity=10, usd_per_hour=50.0)
    started = replace(
        launched,
        event_id="00000000-0000-4000-8000-000000000801",
        event_time=incidents.at("10:00"),
        event_name="StartInstances",
        group=None,
        usd_per_hour=None,
    )
    kind = catalog.kinds["ec2.instances"]
    given = start_input(incidents.told(kind, [started], [incidents.finding("threshold", 10, 6, "10", [started])]))
    assert cost_of(given, [launched, started], catalog)["cost"]["usd_per_hour"] == 50.0
    assert cost_of(given, [started], catalog)["cost"]["usd_per_hour"] is None


@pytest.mark.parametrize(("read", "said"), [(True, False), (False, True)])
def test_a_burn_rate_that_rests_on_unread_launches_says_so(catalog: Catalog, read: bool, said: bool) -> None:
    """Releases of machines nobody saw start are netted at a median; the cost's basis has to name that."""
    events, given = incident(catalog)
    old = incidents.event(810, incidents.at("8:00") - timedelta(days=3), usd_per_hour=2.0)
    gone = replace(
        old, event_id="00000000-0000-4000-8000-000000000811", event_time=incidents.at("10:10"), direction="release"
    )
    burning: Finding = incidents.finding("burn_rate", 1150, 5, "burn rate", [each for each in events if each.gpus])
    given = replace(given, anomaly=replace(given.anomaly, findings=(burning,)))
    cost = cost_of(given, [*events, gone, *([old] if read else [])], catalog)["cost"]
    assert ("median rate" in cost["basis"]) == said


def test_an_answer_that_is_cut_is_said(catalog: Catalog) -> None:
    """With 2,000 events of more, "none found" means "none among these"."""
    events, given = incident(catalog)
    habit = [
        incidents.event(10_000 + number, incidents.at("9:00") - timedelta(minutes=number), **incidents.KARPENTER)
        for number in range(LATEST + 1)
    ]
    (gap,) = evidence_of(given, MemoryPast([*events, *habit]), catalog)["gaps"]
    assert gap == "evidence: questions with more than 2,000 events were answered from the latest"
    assert evidence_of(given, MemoryPast(events), catalog)["gaps"] == ()


def test_busy_kinds_are_asked_for_merged(catalog: Catalog) -> None:
    """A million invocations come as a few hundred sums, or the first minutes would pass for the whole."""
    events = incidents.invocations()

    class Busy(MemoryPast):
        merged = 0

        def tallied(self, *arguments: Any) -> list[UsageEvent]:
            self.merged += 1
            return super().tallied(*arguments)

    past = Busy(events)
    ask = Asking(past, catalog)
    whole = Query(kind="lambda.invocations", account_id=incidents.ACCOUNT, start=events[0].event_time)
    assert ask(replace(whole, end=events[-1].event_time)) == events
    assert (past.merged, ask.cut) == (1, False)
    ask(whole)
    ask(replace(whole, kind="ec2.instances", end=events[-1].event_time))
    assert past.merged == 1, "an open span, and other kinds, are asked for as they are"
    ask(replace(whole, kind="lambda.invocations.attempts", end=events[-1].event_time))
    assert past.merged == 2, "the refused calls of a busy kind are as many"


def test_an_invocation_storm_has_its_evidence(catalog: Catalog) -> None:
    """No resource, no price, no release: the functions are what can be stopped."""
    events = incidents.invocations()
    kind = catalog.kinds["lambda.invocations"]
    findings = [incidents.finding("threshold", 60_000, 500, "60,000 invocations", events)]
    given = start_input(incidents.told(kind, events, findings), now=incidents.at("22:31"))
    found = evidence_of(given, MemoryPast(events), catalog)
    assert found["places"][0]["functions"] == ("orders",)
    assert cost_of(given, events, catalog)["cost"]["usd_per_hour"] is None
    assert cost_of(given, events, catalog)["gaps"] == ()


@pytest.mark.parametrize("name", ["lambda.invocations", "lambda.invocations.attempts", "api.denied"])
def test_a_burst_of_a_busy_kind_is_read_to_its_end(catalog: Catalog, name: str) -> None:
    """Detection has it merged, with the time of its first call: 599 of 600 would be missing from the alert."""
    direction = "attempt" if name.endswith(".attempts") else "use"
    fields = {"kind": name, "direction": direction, "event_name": "Invoke", "group": None, "resource_ids": ()}
    start = incidents.at("10:01")
    events = [
        incidents.event(each, start + timedelta(seconds=each / 3), **{**incidents.THIEF, **fields})
        for each in range(600)
    ]
    series = Series(tally=True)
    for each in events:
        series.add(each)
    merged = list(series.uses(bucket_of(start), bucket_of(start)))
    given = start_input(incidents.told(catalog.kind_of(name), merged, [], kind_name=name), now=incidents.at("10:06"))
    assert (given.anomaly.total, given.anomaly.last_use) == (600, start)
    assert cost_of(given, events, catalog)["gaps"] == ()
    (actor,) = evidence_of(given, MemoryPast(events), catalog)["evidence"]["actors"]
    assert actor["quantity"] == 600
