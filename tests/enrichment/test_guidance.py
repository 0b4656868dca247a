"""Are the commands the right ones, complete, and safe to paste?"""

from __future__ import annotations

import json
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

from usage_anomaly.alerts.plain import inert
from usage_anomaly.anomalies import Step
from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment import guidance, habits
from usage_anomaly.enrichment.automation import automation
from usage_anomaly.enrichment.evidence import Signals
from usage_anomaly.enrichment.launchers import LAUNCHERS, PATTERNS, SAID
from usage_anomaly.resources import Run, runs
from usage_anomaly.usage import UsageEvent

NEW = Signals(new_actor=True, days_read=28.0)
USUAL = Signals(new_actor=False, new_address=False, days_read=28.0)
TRUSTED = msgspec.structs.replace(USUAL, automation_trusted=True)


def advise(
    catalog: Catalog,
    uses: list[UsageEvent],
    kind: str = "ec2.instances",
    released: dict[Run, datetime] | None = None,
    account: str = ACCOUNT,
    signals: Signals = NEW,
) -> tuple[Step, ...]:
    first = uses[0]
    named = automation(first.invoked_by, first.user_agent, first.actor_arn, first.actor_session, first.actor_type)
    facts = guidance.facts(uses, released or {}, account, habits.rank(uses, [], 0), named)
    return guidance.advise(catalog.kinds[kind], facts, signals)


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
    found = " ".join(commands(advise(catalog, uses, released={runs(uses[0])[0]: at("11:00")})))
    assert gone not in found
    assert uses[0].resource_ids[1] in found


def test_automation_is_stopped_instead_of_what_it_would_replace(catalog: Catalog) -> None:
    """Stopping instances of a group makes it launch new ones."""
    uses = [event(1, at("2:00"), quantity=40, **incidents.BATCH)]
    found = commands(advise(catalog, uses, signals=TRUSTED))
    assert found[0].endswith("--auto-scaling-group-name nightly-batch --scaling-processes Launch")
    assert not any("stop-instances" in each or "terminate" in each for each in found)


def test_launcher_that_the_records_do_not_name_leaves_the_instances(catalog: Catalog) -> None:
    """Without the group's name the only command left is the one for the instances."""
    uses = [event(1, at("2:00"), **{**incidents.BATCH, "launcher_id": "two words; rm -rf"})]
    steps = advise(catalog, uses, signals=TRUSTED)
    assert any("the records do not name it" in step.text for step in steps)
    assert commands(steps, "stop-instances")
    assert "rm -rf" not in " ".join(commands(steps))


def test_karpenter_is_scaled_down_and_its_role_left_alone(catalog: Catalog) -> None:
    """Denying Karpenter's role everything would take the cluster's other nodes with it."""
    found = commands(advise(catalog, uses_of(incidents.big_machine()), signals=TRUSTED))
    assert found[0].startswith("kubectl --namespace kube-system scale deployment karpenter")
    assert not any("KarpenterController" in each for each in found)
    assert any("stop-instances" in each for each in found), "one machine is named beside what started it"


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


def test_claimed_automation_hides_no_command(catalog: Catalog) -> None:
    """An intruder writes "karpenter" into the user agent: the machines and the key are stopped all the same."""
    forged = {**incidents.THIEF, "user_agent": "karpenter.sh/1.0.6"}
    steps = advise(catalog, [event(1, at("10:00"), quantity=30, **forged)])
    found = commands(steps)
    assert "update-access-key" in found[0]
    assert "stop-instances" in found[1]
    assert any(step.text.startswith("if it is Karpenter: ") for step in steps)


@pytest.mark.parametrize(
    ("fields", "signals", "offered"),
    [
        ({}, NEW, True),
        ({}, USUAL, False),
        ({}, msgspec.structs.replace(USUAL, new_address=True), True),
        ({}, msgspec.structs.replace(USUAL, new_regions=("us-east-2",)), True),
        (
            {"user_agent": "APN/1.0 HashiCorp/1.0 Terraform/1.9"},
            msgspec.structs.replace(USUAL, new_address=True),
            False,
        ),
        ({"user_agent": "APN/1.0 HashiCorp/1.0 Terraform/1.9"}, NEW, True),
        ({"invoked_by": "cloudformation.amazonaws.com"}, msgspec.structs.replace(TRUSTED, new_actor=True), False),
    ],
)
def test_role_is_denied_only_if_something_is_new(
    fields: dict[str, Any], signals: Signals, offered: bool, catalog: Catalog
) -> None:
    """Denying the usual deployment role everything is an outage of its own."""
    role = {"actor_arn": f"arn:aws:iam::{ACCOUNT}:role/deploy", "actor_type": "AssumedRole"}
    steps = advise(catalog, [event(1, at("10:00"), **role, **fields)], signals=signals)
    assert any("put-role-policy" in each for each in commands(steps)) is offered
    assert any("undo: aws iam delete-role-policy --role-name deploy" in step.text for step in steps) is offered


def test_role_with_a_small_share_is_left_alone(catalog: Catalog) -> None:
    """The first of a hundred roles did one part in a hundred: denying it stops nothing."""
    roles = [{"actor_arn": f"arn:aws:iam::{ACCOUNT}:role/r{number}"} for number in range(30)]
    uses = [event(number, at("10:00"), **role) for number, role in enumerate(roles)]
    assert not commands(advise(catalog, uses), "put-role-policy")


def test_without_a_past_the_role_comes_last_with_a_doubt(catalog: Catalog) -> None:
    """Nothing was read before: it may be the role that does this every day."""
    role = {"actor_arn": f"arn:aws:iam::{ACCOUNT}:role/deploy", "actor_type": "AssumedRole"}
    steps = [
        step for step in advise(catalog, [event(1, at("10:00"), **role)], signals=Signals()) if step.kind == "contain"
    ]
    assert "put-role-policy" in (steps[-1].command or "")
    assert steps[-1].text.endswith("too little was read to tell")


def test_root_and_user_sessions_have_a_step(catalog: Catalog) -> None:
    """A root key and a session of a user cannot be stopped by deactivating a user's key."""
    root = {**incidents.THIEF, "actor_arn": f"arn:aws:iam::{ACCOUNT}:root", "actor_type": "Root"}
    steps = advise(catalog, [event(1, at("10:00"), **root)])
    assert any("sign in as root and delete it" in step.text and incidents.KEY in step.text for step in steps)
    session = {**incidents.THIEF, "access_key_id": "ASIAIOSFODNN7EXAMPLE", "long_lived_key": False}
    found = commands(advise(catalog, [event(1, at("10:00"), **session)]))
    assert found[0].startswith("aws iam put-user-policy --user-name ci-legacy ")
    assert found[1] == "aws iam list-access-keys --user-name ci-legacy"


def test_every_kind_stops_the_role_that_did_it(catalog: Catalog) -> None:
    """A thief's role makes volumes as well as machines."""
    role = {"actor_arn": f"arn:aws:iam::{ACCOUNT}:role/deploy", "actor_type": "AssumedRole"}
    for kind in catalog.kinds:
        assert any(
            "--role-name deploy" in each for each in commands(advise(catalog, [event(1, at("10:00"), **role)], kind))
        )


def test_spot_instances_are_ended_not_stopped(catalog: Catalog) -> None:
    """Stopping a Spot instance is refused, and with it the whole command."""
    uses = [
        event(1, at("10:00"), resource_ids=("i-0a",), market="spot", **incidents.THIEF),
        event(2, at("10:01"), resource_ids=("i-0b",), **incidents.THIEF),
    ]
    found = commands(advise(catalog, uses))
    assert not any("i-0a" in each and "stop-instances" in each for each in found)
    assert any("i-0a" in each and each.startswith("aws ec2 cancel-spot-instance-requests") for each in found)
    assert any("i-0a" in each and each.startswith("aws ec2 terminate-instances") for each in found)
    assert any("i-0b" in each and "stop-instances" in each for each in found)


def test_function_of_another_account_is_in_no_command(catalog: Catalog) -> None:
    """A call across accounts is recorded in both; in the caller's there is no such function, or another one."""
    call = {"actor_arn": f"arn:aws:iam::{ACCOUNT}:role/caller", "shared_event_id": "s", "invoked_by": None}
    uses = [msgspec.structs.replace(each, **call) for each in incidents.invocations()]
    assert not commands(advise(catalog, uses, "lambda.invocations"), "aws lambda")
    owner = [msgspec.structs.replace(each, actor_arn="arn:aws:iam::444455556666:role/caller") for each in uses]
    assert commands(advise(catalog, owner, "lambda.invocations"), "--function-name orders")


@pytest.mark.parametrize(
    ("known", "regions", "said"),
    [
        (("eu-north-1", "x;y"), ["eu-north-1"], "(with the regions used before)"),
        ((), ["REGION-IN-USE"], "(replace REGION-IN-USE)"),
    ],
)
def test_policy_names_the_regions_in_use(
    known: tuple[str, ...], regions: list[str], said: str, catalog: Catalog
) -> None:
    """A list of somebody else's regions, pasted, denies one's own."""
    steps = advise(catalog, uses_of(incidents.stolen_key()), signals=msgspec.structs.replace(NEW, known_regions=known))
    (step,) = [step for step in steps if step.command and "aws:RequestedRegion" in step.command]
    policy = json.loads(step.command or "")
    assert policy["Statement"][0]["Condition"]["StringNotEquals"]["aws:RequestedRegion"] == regions
    assert step.text.endswith(said)


def test_nothing_is_deleted_before_it_is_saved_or_shrunk(catalog: Catalog) -> None:
    """Steps are run from the top: "snapshots first" below the deletion saves nothing."""
    for kind in catalog.kinds.values():
        commands_on_ids = [each.command for each in kind.guidance.contain if "{ids}" in each.command]
        deletes = [re.search(r"\b(delete|terminate|release)-", each) is not None for each in commands_on_ids]
        assert deletes == sorted(deletes), kind.kind
    for name, closed in (("rds.instances", "stop-"), ("redshift.clusters", "pause-")):
        steps = [each.command for each in catalog.kinds[name].guidance.contain]
        public = next(at for at, each in enumerate(steps) if "--no-publicly-accessible" in each)
        assert public < next(at for at, each in enumerate(steps) if closed in each), name


def test_no_text_of_the_catalog_looks_like_a_link(catalog: Catalog) -> None:
    """What is shown of records must not become a link, and our own words pass the same gate: "the data[:] delete"."""
    for kind in catalog.kinds.values():
        said = kind.guidance
        texts = [each.text for each in said.contain] + [each.text for each in said.prevent]
        texts += [each.question for each in said.check]
        assert [inert(each, 1_000) for each in texts] == texts


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
