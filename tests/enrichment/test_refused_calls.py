"""Are refused calls of every kind told as refused, and all of them counted?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from msgspec.structs import replace
from tests.enrichment import incidents
from tests.enrichment.incidents import at, context, event
from tests.enrichment.test_evidence import ATTEMPTS, EC2, assert_grounded, texts

from usage_anomaly.enrichment.evidence import find


def test_refused_calls_of_any_kind_stand_before_and_are_no_success() -> None:
    """A thief lists what there is first: "no refused call before", and "got through: refused calls", would both be false."""
    fields = {"kind": "api.denied", "event_name": "ListUsers", "resource_ids": (), "error_code": "AccessDenied"}
    listed = event(1, at("9:40"), **{**incidents.THIEF, **fields, "quantity": 12})  # 12 calls, merged
    found = find(context(EC2, [listed, event(2, at("10:00"), **incidents.THIEF)]))
    assert texts(found, "before") == ["09:40 12 refused ListUsers (AccessDenied), by the same key"]
    assert found.signals.refused_before == 12
    attempt = {"kind": ATTEMPTS, "direction": "attempt", "resource_ids": (), "error_code": "UnauthorizedOperation"}
    refused = [event(each, at("9:39") + timedelta(minutes=each), **incidents.THIEF, **attempt) for each in (2, 3)]
    refused.append(replace(refused[0], event_id="first", event_time=at("9:39")))
    found = find(context(ATTEMPTS, [listed, *refused]))
    assert texts(found, "through") == ["nothing of the same key got through in that time"]
    assert_grounded(found, [listed, *refused])


def test_an_anomaly_of_refused_calls_does_not_stand_before_itself() -> None:
    """Its first call is no call before it."""
    fields = {"kind": "api.denied", "event_name": "ListUsers", "resource_ids": (), "error_code": "AccessDenied"}
    events = [event(each, at("9:40"), **{**incidents.THIEF, **fields}) for each in range(60)]
    found = find(context("api.denied", [*incidents.habit(3, incidents.KARPENTER), *events]))
    assert texts(found, "before") == ["no refused or dry call by the same key, actor, address in the hour before"]


def test_refused_calls_of_a_busy_kind_are_all_counted() -> None:
    """They come merged: "2 refused InvokeModel" stood above 120."""
    fields: dict[str, Any] = {"kind": "bedrock.invocations.attempts", "direction": "attempt"}
    fields |= {"event_name": "InvokeModel", "resource_ids": (), **incidents.THIEF}
    events = [
        event(1, at("10:00"), quantity=80, error_code="ValidationException", **fields),
        event(2, at("10:00"), quantity=40, error_code="AccessDenied", **fields),
    ]
    found = find(context("bedrock.invocations.attempts", [*incidents.habit(3, incidents.KARPENTER), *events]))
    assert texts(found, "calls") == ["120 refused InvokeModel (ValidationException 80, AccessDenied 40)"]
