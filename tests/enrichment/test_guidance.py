"""Are the commands the right ones, complete, and safe to paste?"""

from __future__ import annotations

import re
import shlex
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.enrichment import incidents
from tests.enrichment.incidents import ACCOUNT, at, event

from usage_anomaly.anomalies import Step
from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment import guidance, habits
from usage_anomaly.enrichment.automation import automation
from usage_anomaly.enrichment.launchers import LAUNCHERS, PATTERNS, SAID
from usage_anomaly.usage import UsageEvent


def advise(
    catalog: Catalog,
    uses: list[UsageEvent],
    kind: str = "ec2.instances",
    released: dict[str, datetime] | None = None,
    account: str = ACCOUNT,
) -> tuple[Step, ...]:
    first = uses[0]
    named = automation(first.invoked_by, first.user_agent, first.actor_arn, first.actor_session, first.actor_type)
    facts = guidance.facts(uses, released or {}, account, habits.rank(uses, [], 0), named)
    return guidance.advise(catalog.kinds[kind], facts)


def commands(steps: tuple[Step, ...], program: str = "") -> list[str]:
    return [step.command for step in steps if step.kind == "contain" and step.command and program in step.command]


def uses_of(events: list[UsageEvent]) -> list[UsageEvent]:
    return [each for each in events if each.direction == "use" and each.event_time >= incidents.DAY]


def test_key_comes_first_then_each_region(catalog: Catalog) -> None:
    """Switch off who launches before stopping what was launched."""
    steps = advise(catalog, uses_of(incidents.stolen_key()))
    found = commands(steps)
    assert found[0] == (
        f"aws iam update-access-key --user-name ci-legacy --access-key-id {incidents.KEY} --status Inactive"
    )
    stops = commands(steps, "stop-instances")
    assert [shlex.split(each)[4] for each in stops] == ["us-east-2", "us-west-2", "us-east-1"]
    assert [each.count(" i-") for each in stops] == [20, 15, 12]


def test_released_instances_are_in_no_command(catalog: Catalog) -> None:
    """What is gone needs no stopping, and its id may fail the whole command."""
    uses = [event(1, at("10:00"), quantity=3, **incidents.THIEF)]
    gone = uses[0].resource_ids[0]
    found = " ".join(commands(advise(catalog, uses, released={gone: at("11:00")})))
    assert gone not in found
    assert uses[0].resource_ids[1] in found


def test_automation_is_stopped_instead_of_what_it_would_replace(catalog: Catalog) -> None:
    """Stopping instances of a group makes it launch new ones."""
    uses = [event(1, at("2:00"), quantity=40, **incidents.BATCH)]
    found = commands(advise(catalog, uses))
    assert found[0].endswith("--auto-scaling-group-name nightly-batch --scaling-processes Launch")
    assert not any("stop-instances" in each or "terminate" in each for each in found)


def test_launcher_that_the_records_do_not_name_leaves_the_instances(catalog: Catalog) -> None:
    """Without the group's name the only command left is the one for the instances."""
    uses = [event(1, at("2:00"), **{**incidents.BATCH, "launcher_id": "two words; rm -rf"})]
    steps = advise(catalog, uses)
    assert any("the records do not name it" in step.text for step in steps)
    assert commands(steps, "stop-instances")
    assert "rm -rf" not in " ".join(commands(steps))


def test_karpenter_is_scaled_down_and_its_role_left_alone(catalog: Catalog) -> None:
    """Denying Karpenter's role everything would take the cluster's other nodes with it."""
    found = commands(advise(catalog, uses_of(incidents.big_machine())))
    assert found[0].startswith("kubectl --namespace kube-system scale deployment karpenter")
    assert not any("KarpenterController" in each for each in found)


def test_person_with_a_role_is_stopped_by_the_role(catalog: Catalog) -> None:
    """A role without automation behind it is a person's or a thief's."""
    role = {"actor_arn": f"arn:aws:iam::{ACCOUNT}:role/deploy", "actor_type": "AssumedRole", "access_key_id": "ASIAX"}
    assert any("--role-name deploy" in each for each in commands(advise(catalog, [event(1, at("10:00"), **role)])))


def test_role_that_only_aws_changes_is_in_no_command(catalog: Catalog) -> None:
    """AWS refuses the change: a command that fails costs minutes."""
    role = {"actor_arn": f"arn:aws:iam::{ACCOUNT}:role/AWSReservedSSO_Admin_1", "actor_type": "AssumedRole"}
    assert not any("--role-name" in each for each in commands(advise(catalog, [event(1, at("10:00"), **role)])))


def test_function_is_named_in_its_command(catalog: Catalog) -> None:
    """Lambda has no resource to stop but the function."""
    found = commands(advise(catalog, incidents.invocations(), "lambda.invocations"))
    assert any("--function-name orders" in each for each in found)


def test_function_with_a_small_share_is_left_running(catalog: Catalog) -> None:
    """A function that was called 31 times beside a loop of thousands is a customer's page."""
    uses = incidents.invocations()
    bystander = msgspec.structs.replace(uses[0], function_name="pages", quantity=31, event_id="1")
    assert "pages" not in " ".join(commands(advise(catalog, [*uses, bystander], "lambda.invocations")))


def test_role_that_only_claims_to_be_ci_can_be_stopped(catalog: Catalog) -> None:
    """A session name is the caller's own word: it must not protect the caller."""
    role = {"actor_arn": f"arn:aws:iam::{ACCOUNT}:role/ci-runner", "actor_session": "GitHubActions"}
    assert any("--role-name ci-runner" in each for each in commands(advise(catalog, [event(1, at("10:00"), **role)])))


def test_refused_calls_have_nothing_to_stop_but_who_made_them(catalog: Catalog) -> None:
    """No instance was started."""
    found = commands(advise(catalog, incidents.refusals()))
    assert found
    assert all("ci-runner" in each for each in found)


def test_organization_commands_say_their_account(catalog: Catalog) -> None:
    """Thirty accounts, thirty sets of credentials: a command without its account is a trap."""
    steps = advise(catalog, incidents.everywhere(30), account="organization")
    stops = [step for step in steps if step.command and "stop-instances" in step.command]
    assert len(stops) == guidance.PLACES_SHOWN
    assert all(re.search(r", account 2222\d{8}, eu-central-1 \(1\)$", step.text) for step in stops)
    assert any("10 more such commands are left out" in step.text for step in steps)
    assert any("account 999900001111" in step.text for step in steps)


def test_many_ids_are_split_over_commands(catalog: Catalog) -> None:
    """A terminal's line has an end."""
    uses = [event(1, at("10:00"), quantity=120, **incidents.THIEF)]
    assert [each.count(" i-") for each in commands(advise(catalog, uses), "stop-instances")] == [50, 50, 20]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"region": "us-east-1; reboot"}, "the region"),
        ({"resource_ids": ("i-1$(reboot)",)}, "an id"),
        ({"resource_ids": ("--instance-ids",)}, "an id"),
        ({"access_key_id": "AKIA`id`"}, "the key id"),
        ({"actor_arn": f"arn:aws:iam::{ACCOUNT}:user/a b"}, "the user name"),
        ({"actor_arn": f"arn:aws:iam::{ACCOUNT}:user/--profile"}, "the user name"),
    ],
)
def test_value_of_unknown_form_is_in_no_command(fields: dict[str, Any], said: str, catalog: Catalog) -> None:
    """A hostile id must never reach a shell; the reader is told why the command is missing."""
    steps = advise(catalog, [event(1, at("10:00"), **{**incidents.THIEF, **fields})])
    assert any(f"no command, for {said} in the record" in step.text for step in steps)
    assert not any(
        word in " ".join(commands(steps)) for word in ("reboot", "`", "a b", "--profile", "--instance-ids -")
    )


def test_one_bad_id_spoils_no_other(catalog: Catalog) -> None:
    """Nineteen good instances can still be stopped."""
    uses = [event(1, at("10:00"), quantity=3, resource_ids=("i-0aa", "$(x)", "i-0bb"), **incidents.THIEF)]
    assert commands(advise(catalog, uses), "stop-instances")[0].endswith("--instance-ids i-0aa i-0bb")


def test_every_command_of_the_catalog_can_be_filled(catalog: Catalog) -> None:
    """A slot that nothing fills would hide its step for ever."""
    steps = [step for kind in catalog.kinds.values() for step in kind.guidance.contain]
    steps += [step for launcher in LAUNCHERS.values() for step in launcher]
    assert {slot for step in steps for slot in guidance.slots(step.command)} <= PATTERNS.keys()
    assert SAID.keys() == PATTERNS.keys()


hostile = st.text(max_size=40) | st.sampled_from(["$(id)", "`id`", "a;b", "-x", "a\nb", "'", '"', "i-0abc", "\u202e"])


@given(hostile, hostile, hostile, hostile, hostile)
def test_no_text_breaks_out_of_a_command(
    catalog: Catalog, region: str, resource: str, user: str, key: str, launcher: str
) -> None:
    """Whatever the records hold, each command is one line of plain characters whose values match their pattern."""
    fields: dict[str, Any] = {**incidents.THIEF, "region": region, "resource_ids": (resource,), "access_key_id": key}
    fields |= {"actor_arn": f"arn:aws:iam::{ACCOUNT}:user/{user}", "launcher_id": launcher}
    fields |= {"invoked_by": "autoscaling.amazonaws.com", "long_lived_key": True}
    for command in commands(advise(catalog, [event(1, at("10:00"), **fields)])):
        assert re.fullmatch(r"[ -~]+", command)
        words = shlex.split(command)
        values = {words[at]: words[at + 1] for at in range(len(words) - 1) if words[at].startswith("--")}
        for option, slot in (("--region", "region"), ("--user-name", "user"), ("--auto-scaling-group-name", "group")):
            assert option not in values or guidance.valid(slot, values[option])
