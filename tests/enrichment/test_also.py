"""What else did the same doer do: users, keys and permissions first, then other usage?"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.enrichment import incidents
from tests.enrichment.incidents import at, context, event
from tests.enrichment.test_evidence import EC2, assert_grounded

from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment import guidance
from usage_anomaly.enrichment.evidence import IDENTITY, find
from usage_anomaly.usage import UsageEvent


def changed(number: int, clock: str, name: str, **fields: Any) -> UsageEvent:
    doer = {
        **incidents.THIEF,
        "kind": IDENTITY,
        "event_name": name,
        "unit": "identity changes",
        "group": None,
        "quantity": 1,
    }
    return event(9_000 + number, at(clock), **{**doer, "resource_ids": ("svc-bk",), **fields})


def test_what_the_key_changed_in_users_and_permissions_is_told_with_its_times() -> None:
    """The machines are the noise; the new user is how the thief comes back tomorrow."""
    events = [
        *incidents.stolen_key(),
        changed(1, "10:02", "CreateUser"),
        changed(2, "10:02", "AttachUserPolicy"),
        changed(3, "10:03", "CreateAccessKey"),
        changed(
            4, "10:03", "CreateAccessKey", actor_arn="arn:aws:iam::111122223333:user/other", access_key_id="AKIAOTHER"
        ),
    ]
    found = find(context(EC2, events))
    (said,) = (each for each in found.statements if each.topic == "identity")
    assert said.text == (
        "10:02 CreateUser svc-bk; 10:02 AttachUserPolicy svc-bk; 10:03 CreateAccessKey svc-bk, by the same key"
    )
    assert (said.count, found.signals.identity_changes) == (3, 3)
    assert_grounded(found, events)


@pytest.mark.parametrize(
    ("changes", "offered"),
    [
        ({}, True),
        ({"new_address": None}, False),
        ({"long_lived_key": True}, True),
        ({"automation_trusted": True}, False),
    ],
)
def test_the_user_it_made_is_stopped_too(changes: dict[str, Any], offered: bool, catalog: Catalog) -> None:
    """Who only stops the key leaves the thief a door; a deployment's users are no door."""
    made = changed(1, "10:02", "CreateUser", event_source="iam.amazonaws.com")
    events = [
        *incidents.stolen_key(),
        made,
        changed(2, "10:03", "CreateUser", event_source="sso-directory.amazonaws.com"),
    ]
    found = find(context(EC2, events))
    assert found.signals.users_made == ("svc-bk",)
    known = {"new_actor": False, "long_lived_key": False, "new_address": True}
    signals = msgspec.structs.replace(found.signals, **{**known, **changes})
    facts = guidance.facts([], {}, incidents.ACCOUNT, found.actors, None)
    commands = [step.command or "" for step in guidance.advise(catalog.kinds[EC2], facts, signals)]
    assert any(each.startswith("aws iam put-user-policy --user-name svc-bk ") for each in commands) == offered


def test_that_nothing_was_changed_is_said_with_how_far_back_was_looked() -> None:
    """Silence could mean that nobody looked."""
    (said,) = (each for each in find(context(EC2, incidents.stolen_key())).statements if each.topic == "identity")
    assert (said.text, said.count) == (
        "no change of users, keys or permissions by the same key from 24 hours before on", 0,
    )  # fmt: skip


def test_what_else_the_doer_used_is_told_once() -> None:
    """Forty tasks beside the machines are part of the same theft; another user's are not."""
    tasks = {"kind": "ecs.tasks", "unit": "tasks", "group": "FARGATE", "resource_ids": (), "quantity": 40}
    other = {"actor_arn": "arn:aws:iam::111122223333:user/other", "access_key_id": "AKIAOTHER"}
    events = [
        *incidents.stolen_key(),
        event(8_001, at("10:10"), **{**incidents.THIEF, **tasks}),
        event(8_002, at("10:11"), **{**incidents.THIEF, **other, **tasks}),
    ]
    found = find(context(EC2, events))
    assert [each.text for each in found.statements if each.topic == "also"] == ["same key also: 40 tasks"]
    assert_grounded(found, events)


def test_a_planted_tool_in_one_of_fifty_calls_is_not_named() -> None:
    """An intruder who sends one call with Terraform's user agent must not have the on-call engineer look for a pipeline."""
    plain = [event(number, at("10:00"), **incidents.THIEF) for number in range(49)]
    agent = "APN/1.0 HashiCorp/1.0 Terraform/1.9.8 (+https://www.terraform.io)"
    planted = event(49, at("10:01"), **{**incidents.THIEF, "user_agent": agent})
    found = find(context(EC2, [*plain, planted]))
    assert found.automation is None
    (said,) = (each for each in found.statements if each.topic == "automation")
    assert said.text == "no one automation made more than half of 50: Terraform 1"
    assert_grounded(found, [*plain, planted])
