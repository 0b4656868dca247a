"""What do the functions of the workflow get? The files in `events/`, made from one incident.

`python -m tests.workflow.samples` writes them anew, after a change of the contract that somebody agreed to.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from tests.enrichment import incidents
from tests.workflow.world import ROOT, MemoryPast, incident

from usage_anomaly.alerts import mail, notification
from usage_anomaly.catalog import Catalog, load
from usage_anomaly.enrichment.prices import load as load_prices
from usage_anomaly.workflow import estimate_cost, find_evidence
from usage_anomaly.workflow.deliver_alert import Result

FOLDER = ROOT / "events"
EXECUTION = "arn:aws:states:eu-central-1:123456789012:execution:enrichment:{}-{}"


def samples(catalog: Catalog) -> dict[str, dict[str, Any]]:
    """Each function's event, and an execution's input, of the stolen key of scenario 1."""
    events, given = incident(catalog, released=16, now=incidents.at("11:35"))
    past = MemoryPast(events)
    state: dict[str, Any] = msgspec.to_builtins(given)
    step = {"anomaly": state["anomaly"], "now": state["now"]}
    cost = estimate_cost.run(step, past, catalog, load_prices().date)
    evidence = find_evidence.run(step, past, catalog)
    whole = incidents.told(catalog.kinds["ec2.instances"], events, given.anomaly.findings, now=given.now)
    said = mail.render(whole, catalog.kinds["ec2.instances"], incidents.SANDBOX, update=1, recipient="replay")
    result = Result(
        anomaly=whole,
        mail=said,
        attributes=notification.attributes(whole, incidents.SANDBOX),
        gaps=(),
        tell=True,
        why_not="",
        reason="opened",
        now=given.now,
    )
    looked = {"account": msgspec.to_builtins(incidents.SANDBOX), "gaps": []}
    told = {"result": msgspec.to_builtins(result), "execution": EXECUTION.format(whole.id, whole.sequence)}
    return {
        "workflow_input": state,
        "enrich_account": {"account_id": given.anomaly.account_id},
        "estimate_cost": step,
        "find_evidence": step,
        "advise": {**state, "account": looked, "found": {"cost": cost, "evidence": evidence}},
        "deliver_alert": told,
        "record_anomaly": {name: told["result"][name] for name in ("anomaly", "attributes")},
    }


def text_of(sample: dict[str, Any]) -> str:
    """As it stands in its file."""
    return json.dumps(sample, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name, sample in samples(load()).items():
        (FOLDER / f"{name}.json").write_text(text_of(sample), encoding="utf-8")
