"""Does every statement rest on the records that its query gives, and is nothing said that they do not show?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.enrichment import incidents
from tests.enrichment.incidents import at, context, event

from usage_anomaly.anomalies import Query
from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment import habits, wording
from usage_anomaly.enrichment.compose import look
from usage_anomaly.enrichment.evidence import IDENTITY, ORGANIZATION, Evidence, find, matching
from usage_anomaly.usage import UsageEvent

EC2 = "ec2.instances"
ATTEMPTS = "ec2.instances.attempts"


def texts(found: Evidence, topic: str) -> list[str]:
    return [statement.text for statement in found.statements if statement.topic == topic]


def assert_grounded(found: Evidence, events: list[UsageEvent]) -> None:
    """Each query, over everything that was read, gives exactly the count and the smallest ids of its statement."""
    for statement in found.statements:
        matched = matching(statement.query, events)
        assert len(matched) == statement.count, statement
        ids = list(dict.fromkeys(each.event_id for each in matched))
        assert tuple(ids[:5]) == statement.event_ids, statement


@pytest.mark.parametrize(
    ("kind", "events", "account"),
    [
        (EC2, incidents.stolen_key(), incidents.ACCOUNT),
        (EC2, incidents.stolen_key(released=16), incidents.ACCOUNT),
        (EC2, incidents.big_machine(), incidents.ACCOUNT),
        ("lambda.invocations", incidents.invocations(), incidents.ACCOUNT),
        (ATTEMPTS, incidents.refusals(), incidents.ACCOUNT),
        (ATTEMPTS, incidents.stolen_key(), incidents.ACCOUNT),
        (EC2, incidents.everywhere(), ORGANIZATION),
        (EC2, [*incidents.everywhere(), *incidents.stolen_key()], incidents.ACCOUNT),
    ],
)
def test_statements_rest_on_their_queries(kind: str, events: list[UsageEvent], account: str) -> None:
    """A reader who runs the query has to find what was said."""
    found = find(context(kind, events, account))
    assert found.statements
    assert_grounded(found, events)


def test_use_within_the_last_minute_of_a_replay_is_evidence_too(catalog: Catalog) -> None:
    """A replay's now is the start of the minute that its last record came in: 2 of 3 calls would stand behind all 47."""
    *events, last = incidents.stolen_key()
    events.append(replace(last, event_time=last.event_time + timedelta(seconds=30)))
    anomaly = incidents.told(catalog.kinds[EC2], events, [])
    uses = context(EC2, events).uses
    found = look(
        anomaly,
        catalog.kinds[EC2],
        uses,
        covered_from=None,
        now=last.event_time,
        ask=lambda query: matching(query, events),
    )
    assert next(each.count for each in found.statements if each.topic == "calls") == 3


def test_stolen_key_is_told_as_such() -> None:
    """The key, the new actor and address, the probes before and the new regions: what a responder asks first."""
    found = find(context(EC2, incidents.stolen_key()))
    assert texts(found, "who") == [
        f"IAM user ci-legacy, long-lived key {incidents.KEY}: 47 of 47 (100%), 3 calls, from 203.0.113.77 and aws-cli",
        "IAM user ci-legacy is new here: none by it in the 28 days before",
        "address 203.0.113.77 is new here: no such call from it in the 28 days before",
    ]
    assert texts(found, "before") == [
        "09:51 6 dry RunInstances; 09:58 4 refused RunInstances (VcpuLimitExceeded), by the same key"
    ]
    assert texts(found, "size") == ["376 GPUs, 3,008 vCPUs"]
    signals = found.signals
    assert (signals.new_actor, signals.new_address, signals.refused_before, signals.dry_before) == (True, True, 4, 6)
    assert signals.new_regions == ("us-east-1", "us-east-2", "us-west-2")
    assert signals.new_groups == ("p3.16xlarge",)
    assert (signals.gpus, signals.long_lived_key, found.automation) == (376.0, True, None)


@pytest.mark.parametrize(
    ("days", "said"),
    [(5, "in the 5 days read"), (1, "in the 1 day read"), (13, "in the 13 days read"), (14, "in the 14 days before")],
)
def test_short_past_is_said_as_what_was_read(days: int, said: str) -> None:
    """Five days without a launch are no habit."""
    past = incidents.habit(days, incidents.KARPENTER, clock="10:00")
    found = find(context(EC2, [*past, event(1, at("10:00"), **incidents.THIEF)]))
    assert any(said in text for text in texts(found, "who"))


def test_without_a_past_nothing_is_new() -> None:
    """The first record of a folder is not "new here": nothing was read before it."""
    found = find(context(EC2, [event(1, at("10:00"), **incidents.THIEF)]))
    assert found.signals.new_actor is None
    assert found.signals.new_address is None
    assert (found.signals.new_regions, found.signals.new_groups) == ((), ())
    assert not texts(found, "where")
    assert len(texts(found, "who")) == 1


def test_actor_without_identity_is_not_established() -> None:
    """Better said than guessed."""
    found = find(context(EC2, [event(1, at("10:00"))]))
    assert texts(found, "who") == ["not established: no identity in 1 of 1 records"]


def test_known_actor_is_said_with_its_past() -> None:
    """The same role as every day is evidence too."""
    found = find(context(EC2, incidents.big_machine()))
    assert "role KarpenterController-prod used 112 instances by 28 calls in the 28 days before" in texts(found, "who")
    assert found.signals.new_actor is False
    assert found.signals.times_own_past == pytest.approx(109.2 / 0.46)


def test_release_in_the_past_is_no_use() -> None:
    """Ending machines every day is no habit of starting them."""
    past = incidents.habit(20, incidents.THIEF, quantity=40)
    ended = [msgspec.structs.replace(each, direction="release") for each in past]
    found = find(context(EC2, [*ended, event(1, at("10:00"), **incidents.THIEF)]))
    assert found.signals.new_actor is True
    assert found.signals.new_regions == ("eu-central-1",)


@pytest.mark.parametrize(("by_group", "named"), [(5, None), (6, "Auto Scaling")])
def test_automation_is_named_above_half_only(by_group: int, named: str | None) -> None:
    """Half made by a group and half by a key is not "by Auto Scaling"."""
    uses = [
        event(1, at("10:00"), quantity=by_group, **incidents.BATCH),
        event(2, at("10:01"), quantity=5, **incidents.THIEF),
    ]
    assert find(context(EC2, uses)).automation == named


def test_automation_says_which_field_it_rests_on() -> None:
    """AWS's word or the caller's: the reader weighs them differently."""
    strong = find(context(EC2, [event(1, at("10:00"), **incidents.BATCH)]))
    forged = {**incidents.THIEF, "user_agent": "karpenter.sh/1.5.0"}
    weak = find(context(EC2, [event(1, at("10:00"), **forged)]))
    assert texts(strong, "automation") == ["Auto Scaling made 1 of 1, by invokedBy (set by AWS)"]
    assert texts(weak, "automation") == ["1 of 1 claim to be Karpenter by the user agent (the caller's own word)"]
    assert (strong.signals.automation_set_by_aws, weak.signals.automation_set_by_aws) == (True, False)
    assert (strong.signals.automation_trusted, weak.signals.automation_trusted) == (True, False)


def test_a_claim_borrows_no_trust_from_what_aws_set() -> None:
    """Half as many machines under a session name of one's own choice are not CloudFormation's."""
    real = [event(n, at("10:00"), invoked_by="cloudformation.amazonaws.com") for n in range(26)]
    claimed = [event(n, at("10:01"), actor_session="AWSCloudFormation") for n in range(26, 50)]
    found = find(context(EC2, [*real, *claimed]))
    assert texts(found, "automation") == ["CloudFormation made 26 of 50, by invokedBy (set by AWS)"]
    assert not found.signals.automation_trusted


@pytest.mark.parametrize(
    ("changes", "usual"),
    [
        ({"quantity": 36}, True),
        ({"quantity": 20}, False),
        ({"quantity": 40, "usd_per_hour": 1.0}, False),
        ({"quantity": 40, "actor_arn": "arn:aws:iam::111122223333:role/other"}, False),
    ],
)
def test_usual_automation_did_two_thirds_of_it_before(changes: dict[str, Any], usual: bool) -> None:
    """Known, by the same identity, in number and in money: only then does it calm anybody."""
    before = {"usd_per_hour": 8.0, **incidents.BATCH, **changes}
    past = incidents.habit(10, before, before.pop("quantity"))
    tonight = event(1, at("2:00"), quantity=40, usd_per_hour=8.0, **incidents.BATCH)
    assert find(context(EC2, [*past, tonight])).signals.automation_usual is usual


def test_attempts_before_count_within_the_hour_by_the_same_doer() -> None:
    """Another's refusals, and yesterday's, say nothing about this launch."""
    attempt = {"kind": ATTEMPTS, "direction": "attempt", "resource_ids": (), "error_code": "UnauthorizedOperation"}
    events = [
        event(1, at("8:59"), **incidents.THIEF, **attempt),
        event(2, at("9:30"), **incidents.KARPENTER, **attempt),
        event(3, at("9:00"), **incidents.THIEF, **attempt),
        event(4, at("10:00"), **incidents.THIEF),
    ]
    found = find(context(EC2, events))
    assert found.signals.refused_before == 1
    assert texts(found, "before") == ["09:00 1 refused RunInstances (UnauthorizedOperation), by the same key"]


def test_attempts_are_found_by_address_when_the_key_shows_none() -> None:
    """Probes come from one key, the launch from another: the address ties them."""
    attempt = {"kind": ATTEMPTS, "direction": "attempt", "resource_ids": (), "error_code": "AccessDenied"}
    other = {**incidents.THIEF, "access_key_id": "AKIAOTHER", "actor_arn": "arn:aws:iam::111122223333:user/other"}
    found = find(context(EC2, [event(1, at("9:40"), **other, **attempt), event(2, at("10:00"), **incidents.THIEF)]))
    assert texts(found, "before") == ["09:40 1 refused RunInstances (AccessDenied), by the same address"]


def test_nothing_found_is_said() -> None:
    """ "none found" after looking is an answer."""
    found = find(context(EC2, incidents.big_machine()))
    assert texts(found, "before") == ["no refused or dry call by the same actor, address in the hour before"]
    assert "same actor in other accounts: none found" in texts(found, "organization")


def test_same_key_elsewhere_is_found() -> None:
    """One stolen key in other accounts is a larger incident than the account sees."""
    elsewhere = event(1, at("9:00"), account_id="444455556666", **incidents.THIEF)
    late = event(2, at("23:00"), account_id="777788889999", **incidents.THIEF)
    events = [*incidents.stolen_key(), elsewhere, late]
    found = find(context(EC2, events))
    assert "same key in 1 other account (444455556666): 1 call" in texts(found, "organization")
    assert found.signals.other_accounts == 1
    assert_grounded(found, events)


def test_known_address_elsewhere_is_no_alarm() -> None:
    """The office's address is in every account."""
    elsewhere = {**incidents.KARPENTER, "actor_arn": "arn:aws:iam::444455556666:role/x", "account_id": "444455556666"}
    found = find(context(EC2, [*incidents.big_machine(), event(1, at("14:00"), **elsewhere)]))
    assert "same address in 1 other account (444455556666): 1 call" in texts(found, "organization")
    assert found.signals.other_accounts == 0


def test_releases_are_told_with_what_still_runs() -> None:
    """Nothing may sound resolved while the money burns."""
    assert texts(find(context(EC2, incidents.stolen_key())), "released") == ["no release seen"]
    some = find(context(EC2, incidents.stolen_key(released=16)))
    assert texts(some, "released") == ["16 of 47 released; 31 not seen released"]


def test_refused_calls_say_whether_anything_got_through() -> None:
    """300 refusals and one success is another story."""
    attempts = incidents.refusals(20)
    through = event(1, at("14:10") + timedelta(seconds=9), actor_arn="arn:aws:iam::111122223333:role/ci-runner")
    assert texts(find(context(ATTEMPTS, attempts)), "through") == ["nothing of the same actor got through in that time"]
    found = find(context(ATTEMPTS, [*attempts, through]))
    assert texts(found, "through") == ["got through in that time, by the same actor: ec2.instances 1"]


def test_role_named_after_an_automation_is_trusted_once_it_is_known() -> None:
    """Whoever may make a role may call it karpenter."""
    known = find(context(EC2, incidents.big_machine()))
    fresh = find(context(EC2, [*incidents.habit(28, incidents.BATCH), event(1, at("10:00"), **incidents.KARPENTER)]))
    assert (known.signals.automation_trusted, fresh.signals.automation_trusted) == (True, False)


def test_refused_calls_of_a_known_user_are_not_new_here() -> None:
    """Who launches every day and is refused today is no stranger, in no new region."""
    runner = incidents.refusals(1)[0]
    past = incidents.habit(
        20, {"actor_arn": runner.actor_arn, "source_address": runner.source_address}, region=runner.region
    )
    found = find(context(ATTEMPTS, [*past, *incidents.refusals(20)], start=incidents.DAY))
    assert (found.signals.new_actor, found.signals.new_address, found.signals.new_regions) == (False, False, ())
    said = texts(found, "who")
    assert "no refused calls by role ci-runner before, in the 20 days before" in said
    assert "role ci-runner used 40 calls by 20 calls in the 20 days before" in said
    assert_grounded(found, [*past, *incidents.refusals(20)])


def test_what_the_records_do_not_reach_is_not_established() -> None:
    """ "No refused call" where nothing could be looked at would be a clean bill of health for nothing."""
    found = find(context(EC2, [event(1, at("10:00"), **incidents.THIEF)]))
    assert texts(found, "before")[0].startswith("not established: records begin at 10:00")


def test_calls_of_a_tally_elsewhere_are_counted() -> None:
    """One tallied event stands for thousands of calls."""
    here = [
        msgspec.structs.replace(each, actor_arn="arn:aws:iam::111122223333:role/a") for each in incidents.invocations()
    ]
    there = msgspec.structs.replace(here[0], account_id="444455556666", quantity=3_000, event_id="t")
    found = find(context("lambda.invocations", [*here, there]))
    assert "same actor in 1 other account (444455556666): 3,000 calls" in texts(found, "organization")


def test_resource_started_twice_is_released_twice() -> None:
    """Three starts and releases of one machine are three of three, as the alert's figures say."""
    same = {"resource_ids": ("i-0a",), **incidents.THIEF}
    events = [event(1, at("10:00"), **same), event(2, at("10:10"), **same)]
    events.append(event(3, at("10:20"), direction="release", event_name="StopInstances", **same))
    assert texts(find(context(EC2, events)), "released") == ["all 2 released"]
    elsewhere = msgspec.structs.replace(events[-1], region="us-west-2")
    assert texts(find(context(EC2, [*events[:2], elsewhere])), "released") == ["none of these seen released"]


@pytest.mark.parametrize(
    ("minutes", "said"), [(25, "in the 25 minutes read"), (60, "in the 1 hour read"), (0.1, "1 minute read")]
)
def test_hardly_any_past_is_said_in_minutes(minutes: float, said: str) -> None:
    """Half an hour read is not an hour."""
    assert said in wording.read_for(minutes / 1440)


def test_actors_quantity_is_exact() -> None:
    """A share rounded to four digits turns 1 of 90,000 into none."""
    small = event(2, at("10:01"), actor_arn="arn:aws:iam::111122223333:role/small")
    uses = [event(1, at("10:00"), quantity=90_000, resource_ids=(), **incidents.BATCH), small]
    said = " ".join(texts(find(context(EC2, uses)), "who"))
    assert "role small: 1 of 90,001 (under 1%)" in said
    assert "90,000 of 90,001 (over 99%)" in said


def test_actors_stand_in_order_of_excess_over_their_own_past() -> None:
    """The role that does this every day stands behind the key that never did."""
    past = incidents.habit(28, incidents.BATCH, 20)
    uses = [event(1, at("2:00"), quantity=20, **incidents.BATCH), event(2, at("2:05"), quantity=8, **incidents.THIEF)]
    actors = habits.rank(uses, past, 28)
    assert [actor.arn.rsplit("/", 1)[-1] for actor in actors] == ["ci-legacy", "AWSServiceRoleForAutoScaling"]
    assert [actor.share for actor in actors] == [pytest.approx(8 / 28, abs=1e-4), pytest.approx(20 / 28, abs=1e-4)]


def test_empty_anomaly_has_evidence_of_nothing() -> None:
    """A withdrawn anomaly has no use left; its last message still has to be written."""
    bare = msgspec.structs.replace(context(EC2, incidents.stolen_key()), uses=[], past=[], account_events=[])
    found = find(bare)
    assert found.actors == ()
    assert found.automation is None


@pytest.mark.parametrize(
    ("share", "said"), [(1.0, "100%"), (0.9999, "over 99%"), (0.52, "52%"), (0.0001, "under 1%"), (0.0, "0%")]
)
def test_share_never_rounds_to_all_or_nothing(share: float, said: str) -> None:
    """ "100 %" by one key means that nobody else is in it."""
    assert wording.percent(share) == said


some = st.sampled_from
moments = st.integers(0, 180).map(lambda minute: at("8:00") + timedelta(minutes=minute))
doers: st.SearchStrategy[dict[str, Any]] = some(
    [incidents.THIEF, incidents.KARPENTER, incidents.BATCH, {}, {"actor_arn": "AIDAEXAMPLE"}]
)
directions = some(
    [("use", EC2), ("use", EC2), ("release", EC2), ("attempt", ATTEMPTS), ("use", "ebs.volumes"), ("use", IDENTITY)]
)


@st.composite
def schedules(draw: st.DrawFn) -> list[UsageEvent]:
    events = [event(0, at("9:00"), **draw(doers))]
    for number in range(1, draw(st.integers(1, 25))):
        direction, kind = draw(directions)
        fields = {**draw(doers), "direction": direction, "kind": kind, "quantity": draw(st.integers(1, 4))}
        fields |= {"account_id": draw(some([incidents.ACCOUNT, "444455556666"])), "region": draw(some(["a", "b"]))}
        events.append(event(number, draw(moments), dry_run=draw(st.booleans()), **fields))
    return events


@given(schedules(), some([incidents.ACCOUNT, ORGANIZATION]), st.randoms(use_true_random=False))
def test_any_schedule_is_grounded_and_independent_of_order(events: list[UsageEvent], account: str, chance: Any) -> None:
    """The promise over all records: each query gives its statement; the order of arrival changes no byte."""
    found = find(context(EC2, events, account, at("8:30")))
    assert_grounded(found, events)
    shuffled = list(events)
    chance.shuffle(shuffled)
    assert find(context(EC2, shuffled, account, at("8:30"))) == found


def test_query_narrows_by_every_field_and_closes_its_span() -> None:
    """OpenSearch has to give the same for the same query: both ends belong to the span."""
    mine = event(1, at("10:00"), **incidents.THIEF)
    queries = [
        Query(kind="x"), Query(not_kind=mine.kind), Query(direction="release"), Query(account_id="x"),
        Query(not_account_id=incidents.ACCOUNT),
        Query(region="x"), Query(actor_arn="x"), Query(access_key_id="x"), Query(source_address="x"),
        Query(image_id="x"), Query(start=at("10:01")), Query(end=at("9:59")),
    ]  # fmt: skip
    assert all(matching(query, [mine]) == [] for query in queries)
    assert matching(Query(start=at("10:00"), end=at("10:00"), access_key_id=incidents.KEY), [mine]) == [mine]
