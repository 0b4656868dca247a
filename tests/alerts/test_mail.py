"""Does the mail say what happened, so that a woken person can act on it?

The expected mails stand beside this file as `mails/*.txt`: read them as a reader would.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.enrichment import incidents
from tests.search.recorded import exchange

from usage_anomaly.alerts.mail import Mail, render
from usage_anomaly.anomalies import Alert, Anomaly, Step
from usage_anomaly.catalog import Catalog
from usage_anomaly.detection.learned import Learned, read_result
from usage_anomaly.enrichment.evidence import ORGANIZATION

MAILS = Path(__file__).parent / "mails"


def _stolen_key(catalog: Catalog, released: int = 0, **changes: Any) -> Anomaly:
    events = incidents.stolen_key(released)
    findings = [
        incidents.finding("threshold", 47, 6, "47 instances in 60 minutes, limit 6 for development accounts", events),
        incidents.finding("burn_rate", 1150.56, 5, "burn rate 1,151 USD/h added in 60 minutes, limit 5", events),
    ]
    return incidents.told(catalog.kinds["ec2.instances"], events, findings, **changes)


def _grown(catalog: Catalog) -> Mail:
    anomaly = _stolen_key(catalog)
    alerts = (Alert(incidents.at("10:09"), "opened"), Alert(incidents.at("11:12"), "grown"))
    grown = msgspec.structs.replace(anomaly, state="grown", alerts=alerts)
    kind = catalog.kinds["ec2.instances"]
    return render(grown, kind, incidents.SANDBOX, update=2, recipient="deployment", first_total=3)


def _quiet(catalog: Catalog) -> Mail:
    alerts = (Alert(incidents.at("10:09"), "opened"), Alert(incidents.at("13:15"), "quiet"))
    quiet = _stolen_key(catalog, released=16, state="quiet", alerts=alerts, now=incidents.at("13:15"))
    return render(quiet, catalog.kinds["ec2.instances"], incidents.SANDBOX, update=3, recipient="replay")


def _big_machine(catalog: Catalog) -> Mail:
    events = incidents.big_machine()
    account = msgspec.structs.replace(incidents.SANDBOX, name="data-prod", tags={"Owner": "platform"})
    reason = "burn rate 109 USD/h added in 60 minutes, limit 50 for production accounts"
    findings = [incidents.finding("burn_rate", 109.2, 50, reason, events)]
    anomaly = incidents.told(catalog.kinds["ec2.instances"], events, findings, account, now=incidents.at("14:25"))
    return render(anomaly, catalog.kinds["ec2.instances"], account, update=1, recipient="replay")


def _learned(catalog: Catalog) -> Mail:
    events = incidents.big_machine()
    account = msgspec.structs.replace(incidents.SANDBOX, name="data-prod", tags={"Owner": "platform"})
    result = {**exchange("results-of-ours").hits[0]["_source"], "confidence": 0.93}
    result["feature_data"] = [{**result["feature_data"][0], "data": 448.0}]
    result["entity"] = [
        {"name": "account_id", "value": incidents.SANDBOX.id},
        {"name": "region", "value": "eu-central-1"},
    ]
    result["data_start_time"] = result["data_end_time"] - 600_000
    learned = read_result(result)
    assert isinstance(learned, Learned)
    ready = dict.fromkeys(("threshold", "burn_rate", "baseline", "learned"), "yes")
    kind = catalog.kinds["ec2.instances"]
    anomaly = incidents.told(kind, events, [learned.finding], account, now=incidents.at("14:45"), ready=ready)
    return render(anomaly, kind, account, update=1, recipient="deployment")


def _invocations(catalog: Catalog) -> Mail:
    events = incidents.invocations()
    reason = "20,000 invocations in 10 minutes, limit 500 for accounts of unknown type"
    findings = [incidents.finding("threshold", 20_000, 500, reason, events)]
    kind = catalog.kinds["lambda.invocations"]
    return render(incidents.told(kind, events, findings, None), kind, None, update=1, recipient="replay")


def _refusals(catalog: Catalog) -> Mail:
    events = incidents.refusals()
    findings = [incidents.finding("threshold", 300, 50, "300 calls in 60 minutes, limit 150", events)]
    kind = catalog.kinds["ec2.instances"]
    anomaly = incidents.told(kind, events, findings, kind_name="ec2.instances.attempts")
    return render(anomaly, kind, incidents.SANDBOX, update=1, recipient="replay")


def _organization(catalog: Catalog) -> Mail:
    events = incidents.everywhere()
    reason = "30 instances in 60 minutes over all accounts, limit 25 for the organization"
    findings = [incidents.finding("threshold", 30, 25, reason, events)]
    kind = catalog.kinds["ec2.instances"]
    anomaly = incidents.told(kind, events, findings, None, account_id=ORGANIZATION)
    return render(anomaly, kind, None, update=1, recipient="replay")


CASES: dict[str, Callable[[Catalog], Mail]] = {
    "stolen_key_grown": _grown,
    "stolen_key_quiet": _quiet,
    "karpenter_big_machine": _big_machine,
    "learned_alone": _learned,
    "lambda_retries": _invocations,
    "refused_launches": _refusals,
    "organization": _organization,
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_mail_reads_as_agreed(name: str, catalog: Catalog) -> None:
    """Wording is the product: a change of it is a change that somebody reads and agrees to."""
    mail = CASES[name](catalog)
    expected = (MAILS / f"{name}.txt").read_text(encoding="utf-8")
    assert f"Subject: {mail.subject}\n\n{mail.text}" == expected


@pytest.mark.parametrize("name", sorted(CASES))
def test_mail_leaves_nothing_unsaid(name: str, catalog: Catalog) -> None:
    """ "unknown" and None where the records can tell send the reader to search what the alert knew."""
    text = CASES[name](catalog).text
    assert "None" not in text
    assert not re.search(r"\bunknown\b", text) or name == "lambda_retries"


def test_replay_prints_no_command_that_needs_a_deployment(catalog: Catalog) -> None:
    """An analyst with a folder of files has nothing to acknowledge."""
    text = _quiet(catalog).text
    assert "usage-anomaly ack" not in text
    assert "Nobody has acknowledged" not in text
    assert "usage-anomaly suppress" in _grown(catalog).text


def test_first_mail_has_no_update_line(catalog: Catalog) -> None:
    """Only what follows the first mail is an update."""
    assert _big_machine(catalog).text.startswith("WHAT ")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"closed_reason": "released", "released": 47}, "closed, all 47 instances are released"),
        ({"closed_reason": "expired"}, "closed, no new instances for a day"),
        ({"closed_reason": "withdrawn"}, "closed, withdrawn: records that came later undo the finding"),
        ({"closed_reason": "joined", "joined_to": "ec2-instances-1"}, "closed, it is one with ec2-instances-1"),
    ],
)
def test_closed_says_why(changes: dict[str, object], said: str, catalog: Catalog) -> None:
    """A reader who is told "closed" has to know whether the money stopped."""
    alerts = (Alert(incidents.at("10:09"), "opened"), Alert(incidents.at("10:09") + timedelta(days=1), "closed"))
    anomaly = msgspec.structs.replace(_stolen_key(catalog), state="closed", alerts=alerts, **changes)
    mail = render(anomaly, catalog.kinds["ec2.instances"], None, update=4, recipient="replay")
    assert mail.text.startswith("UPDATE  4, 26 Nov 10:09 UTC: " + said)
    assert ", closed]" in mail.subject


def test_reminder_says_what_still_runs(catalog: Catalog) -> None:
    """Nothing may sound resolved while the money burns."""
    alerts = (Alert(incidents.at("10:09"), "opened"), Alert(incidents.at("16:09"), "reminder"))
    anomaly = _stolen_key(catalog, released=16, alerts=alerts)
    mail = render(anomaly, catalog.kinds["ec2.instances"], None, update=3, recipient="replay")
    assert "nothing has ended it; 31 of 47 not seen released" in mail.text


def test_forged_automation_stands_before_no_key(catalog: Catalog) -> None:
    """An intruder's user agent must not send the reader to the cluster's owner."""
    events = [incidents.event(1, incidents.at("10:00"), **{**incidents.THIEF, "user_agent": "karpenter.sh/1.0.6"})]
    kind = catalog.kinds["ec2.instances"]
    mail = render(incidents.told(kind, events, []), kind, None, update=1, recipient="replay")
    assert mail.subject.endswith("one access key")
    assert "claim to be Karpenter by the user agent (the caller's own word)" in mail.text


def test_part_without_a_price_is_said_beside_the_rate(catalog: Catalog) -> None:
    """ "0.01 USD/h" alone reads as cheap."""
    events = [
        incidents.event(1, incidents.at("10:00"), quantity=40, group="p9.48xlarge", **incidents.THIEF),
        incidents.event(2, incidents.at("10:05"), group="t3.micro", usd_per_hour=0.0104, **incidents.THIEF),
    ]
    kind = catalog.kinds["ec2.instances"]
    mail = render(incidents.told(kind, events, []), kind, None, update=1, recipient="replay")
    assert "0.0104 USD/h + 40 unpriced" in mail.subject
    assert "COST    0.0104 USD/h + 40 unpriced" in mail.text


def test_growth_told_afterwards_is_dated(catalog: Catalog) -> None:
    """A replay knows the end, not what stood when the mail would have been sent."""
    alerts = (Alert(incidents.at("10:09"), "opened"), Alert(incidents.at("10:35"), "grown"))
    kind = catalog.kinds["ec2.instances"]
    mail = render(_stolen_key(catalog, alerts=alerts), kind, None, update=1, recipient="replay")
    assert "grown; 47 instances by 10:57 (end of what was read)" in mail.text


def test_release_is_said_with_the_figures_of_the_alert(catalog: Catalog) -> None:
    """The mail and its update line count alike."""
    anomaly = _stolen_key(catalog, released=16, total=94, alerts=(Alert(incidents.at("11:12"), "opened"),))
    mail = render(
        msgspec.structs.replace(anomaly, released=32),
        catalog.kinds["ec2.instances"],
        None,
        update=1,
        recipient="replay",
    )
    assert "32 of 94 released; 62 not seen released" in mail.text


def test_day_window_is_said_to_leave_out_the_hours(catalog: Catalog) -> None:
    """ "15,000 in 1440 minutes" below "90,000 in 60 minutes" reads as an error."""
    anomaly = _stolen_key(catalog)
    day = msgspec.structs.replace(
        anomaly.findings[0], window_minutes=1440, reason="70 instances in 1440 minutes, limit 60"
    )
    told = msgspec.structs.replace(
        anomaly, total=117, findings=(*anomaly.findings, msgspec.structs.replace(day, actual=70))
    )
    mail = render(told, catalog.kinds["ec2.instances"], None, update=1, recipient="replay")
    assert "70 instances in 24 hours beyond the hours above, limit 60" in mail.text


@pytest.mark.parametrize(("actual", "said"), [(47, False), (48, True)])
def test_day_window_that_holds_the_hour_is_no_more_of_it(actual: int, said: bool, catalog: Catalog) -> None:
    """40 in an hour and 41 in a day are 41, not 81; a day that shows no more than its hour says nothing."""
    anomaly = _stolen_key(catalog)
    reason = f"{actual} instances in 1440 minutes, limit 24"
    day = msgspec.structs.replace(anomaly.findings[0], window_minutes=1440, actual=float(actual), reason=reason)
    told = msgspec.structs.replace(anomaly, total=48, findings=(*anomaly.findings, day))
    text = render(told, catalog.kinds["ec2.instances"], None, update=1, recipient="replay").text
    assert ("48 instances in 24 hours, limit 24" in text) == said
    assert ("in 24 hours" in text) == said


def test_doers_that_are_not_named_are_counted(catalog: Catalog) -> None:
    """Five names of a hundred are not everybody."""
    role = "arn:aws:iam::111122223333:role/r{}"
    events = [
        incidents.event(each, incidents.at("10:00") + timedelta(seconds=each), actor_arn=role.format(each))
        for each in range(8)
    ]
    kind = catalog.kinds["ec2.instances"]
    mail = render(incidents.told(kind, events, []), kind, None, update=1, recipient="replay")
    assert "others: 3 of 8" in mail.text


def test_every_step_is_named_before_the_places_of_one(catalog: Catalog) -> None:
    """Forty regions to stop in must not hide how it is ended for good, nor a long command a short one."""
    places = [
        Step(kind="contain", text=f"the spend: stop them, us-{at}", command="x" * (3_000 if at == 1 else 150))
        for at in range(40)
    ]
    last = [Step(kind="contain", text="for good, us-0", command="y"), Step(kind="contain", text="ask the owner")]
    anomaly = msgspec.structs.replace(_stolen_key(catalog), guidance=(*places, *last))
    text = render(anomaly, catalog.kinds["ec2.instances"], None, update=1, recipient="replay").text
    shown = re.findall(r"^\d+ (?!more steps)(.*)", text, re.MULTILINE)
    assert shown[:2] == ["the spend: stop them, us-0", "the same, us-1"]
    assert shown[-2:] == ["for good, us-0", "ask the owner"]
    assert f"{42 - len(shown)} more steps: usage-anomaly show" in text
