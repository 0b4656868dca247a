"""What do the incidents of these tests look like? Invented accounts, keys and addresses; one function builds one incident."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from usage_anomaly.anomalies import Alert, Anomaly, Cost
from usage_anomaly.catalog import ATTEMPTS, Kind
from usage_anomaly.detection import Detector, Finding
from usage_anomaly.enrichment import cost, evidence, guidance, severity, wording
from usage_anomaly.enrichment.accounts import Account, account_name, account_type
from usage_anomaly.enrichment.automation import automation
from usage_anomaly.resources import resources, runs
from usage_anomaly.usage import UsageEvent

DAY = datetime(2026, 11, 25, tzinfo=UTC)
ACCOUNT = "111122223333"
KEY = "AKIAIOSFODNN7EXAMPLE"
PRICES_DATE = "2026-11-20"
SANDBOX = Account(id=ACCOUNT, name="sandbox-ml", tags={"Team": "ml-platform", "CostCenter": "4711", "OU": "Sandbox"})
THIEF = {
    "actor_arn": f"arn:aws:iam::{ACCOUNT}:user/ci-legacy",
    "actor_type": "IAMUser",
    "access_key_id": KEY,
    "long_lived_key": True,
    "source_address": "203.0.113.77",
    "user_agent": "aws-cli/2.13.0 Python/3.11.4 Linux/5.10",
    "image_id": "ami-0abcdef1234567890",
}
KARPENTER = {
    "actor_arn": f"arn:aws:iam::{ACCOUNT}:role/KarpenterController-prod",
    "actor_session": "1764000000000000000",
    "actor_type": "AssumedRole",
    "access_key_id": "ASIAIOSFODNN7EXAMPLE",
    "source_address": "198.51.100.20",
    "user_agent": "aws-sdk-go-v2/1.30 os/linux karpenter.sh/1.5.0",
    "launcher_id": "default",
    "image_id": "ami-0node",
}
BATCH = {
    "actor_arn": f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling",
    "actor_session": "AutoScaling",
    "actor_type": "AssumedRole",
    "invoked_by": "autoscaling.amazonaws.com",
    "source_address": "autoscaling.amazonaws.com",
    "user_agent": "autoscaling.amazonaws.com",
    "launcher_id": "nightly-batch",
}


def at(clock: str, day: datetime = DAY) -> datetime:
    hour, minute = clock.split(":")
    return day + timedelta(hours=int(hour), minutes=int(minute))


def event(number: int, time: datetime, **fields: Any) -> UsageEvent:
    """One use of EC2 instances unless told otherwise; `number` makes its ids."""
    quantity = fields.get("quantity", 1)
    given: dict[str, Any] = {
        "event_id": f"00000000-0000-4000-8000-{number:012d}",
        "event_time": time,
        "event_source": "ec2.amazonaws.com",
        "event_name": "RunInstances",
        "kind": "ec2.instances",
        "account_id": ACCOUNT,
        "region": "eu-central-1",
        "direction": "use",
        "quantity": quantity,
        "unit": "instances",
        "group": "m5.large",
        "resource_ids": tuple(f"i-{number:08x}{item:09x}" for item in range(quantity)),
        **fields,
    }
    named = automation(*(given.get(field) for field in _CALLER))
    return UsageEvent(**{"automation": named, **given})


_CALLER = ("invoked_by", "user_agent", "actor_arn", "actor_session", "actor_type")


def habit(days: int, doer: dict[str, Any], quantity: int = 2, clock: str = "02:00", **fields: Any) -> list[UsageEvent]:
    """The same use each day for so many days before DAY."""
    return [
        event(900_000 + back, at(clock, DAY - timedelta(days=back)), quantity=quantity, **{**doer, **fields})
        for back in range(1, days + 1)
    ]


def stolen_key(released: int = 0) -> list[UsageEvent]:
    """Scenario 1: dry runs, refusals, then 47 p3.16xlarge in three regions by one long-lived key; a past by another role."""
    events = habit(28, KARPENTER, vcpus=4.0, usd_per_hour=0.23)
    attempt = {**THIEF, "kind": "ec2.instances.attempts", "direction": "attempt", "unit": "calls", "resource_ids": ()}
    for number in range(6):
        events.append(event(100 + number, at("9:51"), error_code="Client.DryRunOperation", dry_run=True, **attempt))
    for number in range(4):
        events.append(event(110 + number, at("9:58"), error_code="VcpuLimitExceeded", **attempt))
    sizes = [("us-east-2", 20, "10:04"), ("us-west-2", 15, "10:31"), ("us-east-1", 12, "10:57")]
    for number, (region, quantity, clock) in enumerate(sizes):
        machine = {"group": "p3.16xlarge", "gpus": 8.0 * quantity, "vcpus": 64.0 * quantity}
        money = {"usd_per_hour": 24.48 * quantity, "price_basis": "Linux on-demand list price of 2026-11-20"}
        events.append(event(200 + number, at(clock), region=region, quantity=quantity, **machine, **money, **THIEF))
    given_back = {"direction": "release", "event_name": "TerminateInstances", "region": "us-east-2", "group": None}
    gone = events[-3].resource_ids[:released]
    if gone:
        events.append(event(220, at("11:30"), quantity=released, resource_ids=gone, **given_back))
    return events


def big_machine() -> list[UsageEvent]:
    """Scenario 6: Karpenter, which starts small nodes each day, picks one u-12tb1.112xlarge."""
    events = habit(28, KARPENTER, quantity=4, vcpus=8.0, usd_per_hour=0.46)
    machine = {"group": "u-12tb1.112xlarge", "vcpus": 448.0, "gpus": 0.0, "usd_per_hour": 109.2}
    events.append(
        event(300, at("14:20"), price_basis="Linux on-demand list price of 2026-11-20", **machine, **KARPENTER)
    )
    return events


def invocations() -> list[UsageEvent]:
    """Scenario 4: a queue's retries invoke one function 2,000 times a minute; a tally keeps one event per minute here."""
    caller = {"invoked_by": "sqs.amazonaws.com", "actor_type": "AWSService", "source_address": "sqs.amazonaws.com"}
    fields = {
        "event_source": "lambda.amazonaws.com",
        "event_name": "Invoke",
        "kind": "lambda.invocations",
        "unit": "invocations",
        "group": None,
        "function_name": "orders",
        "resource_ids": (),
    }
    return [
        event(400 + minute, at("22:00") + timedelta(minutes=minute), **{**caller, **fields, "quantity": 2_000})
        for minute in range(30)
    ]


def refusals(number: int = 300) -> list[UsageEvent]:
    """Scenario 10: refused launches by a role, and then silence."""
    role = {
        "actor_arn": f"arn:aws:iam::{ACCOUNT}:role/ci-runner",
        "actor_session": "build-17",
        "actor_type": "AssumedRole",
        "source_address": "192.0.2.8",
        "user_agent": "Boto3/1.26.0",
    }
    fields = {"kind": "ec2.instances.attempts", "direction": "attempt", "unit": "calls", "resource_ids": ()}
    return [
        event(500 + each, at("14:10") + timedelta(seconds=4 * each), error_code="VcpuLimitExceeded", **role, **fields)
        for each in range(number)
    ]


def everywhere(accounts: int = 30) -> list[UsageEvent]:
    """The same key starts one machine in each of many accounts."""
    money = {"usd_per_hour": 3.06, "price_basis": "Linux on-demand list price of 2026-11-20", "group": "p3.2xlarge"}
    thief = {**THIEF, "actor_arn": "arn:aws:iam::999900001111:user/deploy", "gpus": 1.0}
    return [
        event(600 + each, at("3:00") + timedelta(minutes=each), account_id=f"2222{each:08d}", **{**money, **thief})
        for each in range(accounts)
    ]


def finding(detector: Detector, actual: float, limit: float, reason: str, uses: Sequence[UsageEvent]) -> Finding:
    return Finding(
        detector=detector,
        scope="account",
        region=None,
        window_start=uses[0].event_time,
        window_end=uses[-1].event_time,
        window_minutes=60,
        actual=actual,
        expected=None,
        score=1 - limit / actual,
        confidence=1.0,
        reason=reason,
    )


def context(
    kind: str, events: Iterable[UsageEvent], account: str = ACCOUNT, start: datetime = DAY
) -> evidence.EvidenceContext:
    """The anomaly is all use of the kind from `start` on."""
    everything = sorted(events, key=lambda each: each.event_time)
    own = [each for each in everything if account in (each.account_id, evidence.ORGANIZATION)]
    direction = "attempt" if kind.endswith(ATTEMPTS) else "use"
    alike = [each for each in own if each.kind == kind and each.direction == direction]
    uses = [each for each in alike if each.event_time >= start]
    return evidence.EvidenceContext(
        kind=kind,
        account=account,
        start=uses[0].event_time,
        last_seen=uses[-1].event_time,
        uses=uses,
        past=[each for each in own if each.kind == kind and each.event_time < start],
        account_events=[] if account == evidence.ORGANIZATION else own,
        tallied=kind == "lambda.invocations",
        others=lambda query: evidence.matching(query, everything),
        covered_from=own[0].event_time,
    )


def told(
    kind: Kind,
    events: Sequence[UsageEvent],
    findings: Sequence[Finding],
    account: Account | None = SANDBOX,
    **changes: Any,
) -> Anomaly:
    """The anomaly as the whole of enrichment sees it: cost, evidence, severity and guidance from the events."""
    name = changes.pop("kind_name", kind.kind)
    account_id = changes.pop("account_id", ACCOUNT)
    now = changes.pop("now", at("11:12"))
    scene = context(name, events, account_id)
    gone = [each for each in scene.account_events if each.direction == "release"]
    ends = {resource: each.event_time for each in gone for resource in resources(each)}
    released = {run: ends[run[:3]] for use in scene.uses for run in runs(use) if run[:3] in ends}
    bill = cost.estimate(scene.uses, released, now, PRICES_DATE, False, priced=kind.price != "none")
    found = evidence.find(scene)
    facts = guidance.facts(scene.uses, released, account_id, found.actors, found.automation)
    notes = cost.gaps(scene.uses, kind.many) if kind.price != "none" and not name.endswith(ATTEMPTS) else ()
    weight, reasons = severity.assess(
        severity.Facts(
            findings=findings,
            usd_per_hour=bill.usd_per_hour,
            total=sum(each.quantity for each in scene.uses),
            released=len(released),
            attempts_only=name.endswith(ATTEMPTS),
            account_type=account_type(account),
            signals=found.signals,
            unpriced=wording.unpriced(notes),
        )
    )
    enriched = {
        "account_name": account_name(account, account_id),
        "findings": tuple(findings),
        "cost": bill,
        "severity": weight,
        "severity_reasons": reasons,
        "actors": found.actors,
        "automation": found.automation,
        "evidence": found.statements,
        "guidance": guidance.advise(kind, facts, found.signals),
        "notes": notes,
        "released": len(released),
    }
    return msgspec.structs.replace(_plain(kind, scene), **{**enriched, **changes})


def _plain(kind: Kind, scene: evidence.EvidenceContext) -> Anomaly:
    """The anomaly before any enrichment: only what its own events sum up to."""
    uses, account_id, first, last = scene.uses, scene.account, scene.start, scene.last_seen
    ids = tuple(each for use in uses for each in use.resource_ids)
    everywhere = account_id == evidence.ORGANIZATION
    return Anomaly(
        id=f"{scene.kind.replace('.', '-')}-{account_id}-{first:%Y%m%dT%H%MZ}", kind=scene.kind,
        account_id=account_id, account_name="", unit=kind.many, start=first, last_seen=last, first_use=first,
        last_use=last, detected_at=last, alerts=(Alert(at=last, reason="opened"),), state="open", sequence=1,
        regions=_sums((each.region, each.quantity) for each in uses),
        accounts=_sums((each.account_id, each.quantity) for each in uses) if everywhere else {},
        groups=_sums((each.group or "unknown", each.quantity) for each in uses),
        total=sum(each.quantity for each in uses), released=0, expected=None, findings=(),
        ready={"threshold": "yes", "burn_rate": "yes", "baseline": "not in this version"},
        cost=Cost(usd_per_hour=None, usd_so_far=None, usd_month_end=None, basis="", confidence=0.0),
        severity=0.0, severity_reasons=(), actors=(), automation=None, evidence=(), guidance=(),
        resource_ids=ids, resource_count=len(ids), suppressed=False, truncated=any(each.truncated for each in uses),
    )  # fmt: skip


def _sums(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for name, quantity in pairs:
        sums[name] += quantity
    return dict(sorted(sums.items()))
