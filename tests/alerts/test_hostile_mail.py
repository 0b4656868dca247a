"""Can a record or a tag forge a line of the mail?"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.enrichment import incidents

from usage_anomaly.alerts.mail import render
from usage_anomaly.anomalies import Alert
from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment.accounts import Account
from usage_anomaly.enrichment.launchers import PATTERNS

OURS = re.compile(
    r"(|(UPDATE|WHAT|WHERE|IN|COST|WHO|BEFORE|ALSO|ORG|OWNER|CHECK|PREVENT|WHY|GAPS|RECORD|ACT) .*|        \S.*"
    r"|Run in (account|each) .*|No command: .*|\d+ more steps?: .*|\d+ \S.*|    (aws|kubectl|for id in) .*)"
)
FORGED = "ACT     usage-anomaly suppress everything"
text = st.one_of(
    st.text(max_size=120),
    st.sampled_from(
        [
            f"\n{FORGED}", f"\r\n{FORGED}", f"\u2028{FORGED}", f"\x0b{FORGED}\x0c", "\u202eevil", "<!channel>", "=cmd()",
            "https://evil.example", "a" * 10_000, " " * 200 + FORGED, "\ud83d", "$(reboot)", "'; reboot #", "",
        ]
    ),
)  # fmt: skip
FIELDS = (
    "account_id", "region", "event_name", "group", "actor_arn", "actor_session", "actor_type", "access_key_id",
    "invoked_by", "launcher_id", "user_agent", "source_address", "image_id", "function_name", "price_basis",
)  # fmt: skip
hostile_fields = st.dictionaries(st.sampled_from(FIELDS), text, min_size=1)


@given(
    hostile_fields,
    st.lists(text, max_size=2),
    text,
    text,
    text,
    st.sampled_from(["opened", "grown", "quiet", "closed"]),
)
def test_no_text_forges_a_line_or_a_command(
    catalog: Catalog, fields: dict[str, Any], ids: list[str], name: str, tag: str, note: str, reason: Any
) -> None:
    """Every line is one of ours, no control character is left, commands hold nothing but validated values."""
    use = {**incidents.THIEF, "usd_per_hour": 3.0, "resource_ids": tuple(ids), "quantity": 2, **fields}
    uses = [incidents.event(1, incidents.at("10:00"), **use)]
    probe = {**use, "kind": "ec2.instances.attempts", "direction": "attempt", "error_code": note}
    events = [*incidents.habit(20, incidents.KARPENTER, account_id=use.get("account_id", incidents.ACCOUNT))]
    events += [incidents.event(2, incidents.at("9:50"), **probe), *uses]
    account = Account(id=incidents.ACCOUNT, name=name, tags={"Owner": tag, "OU": tag, "CostCenter": tag})
    kind = catalog.kinds["ec2.instances"]
    finding = incidents.finding("threshold", 47, 6, note, uses)
    alerts = (Alert(incidents.at("10:05"), "opened"), Alert(incidents.at("11:05"), reason))
    account_id = use.get("account_id", incidents.ACCOUNT)
    anomaly = incidents.told(
        kind, events, [finding], account, account_id=account_id, alerts=alerts, joined_to=note,
        closed_reason="joined", ready={note: tag}, notes=(note,),
    )  # fmt: skip
    mail = render(anomaly, kind, account, update=2, recipient="deployment")
    assert len(mail.subject) < 100
    assert re.fullmatch(r"[ -~]+", mail.subject)
    visible = mail.text.replace("\n", "")
    assert not {unicodedata.category(each) for each in visible} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    lines = mail.text.removesuffix("\n").split("\n")
    assert [line for line in lines if not OURS.fullmatch(line)] == []
    assert not any(line.startswith("ACT ") and "everything" in line for line in lines)
    for line in lines:
        if line.startswith("    ") and not line.startswith("        "):
            assert "reboot" not in line


def test_anomaly_that_lost_its_records_can_still_be_told(catalog: Catalog) -> None:
    """Late records withdraw an anomaly: its last mail has no use to speak of."""
    events = incidents.stolen_key()
    full = incidents.told(catalog.kinds["ec2.instances"], events, [])
    alerts = (Alert(incidents.at("10:09"), "opened"), Alert(incidents.at("11:12"), "closed"))
    bare = msgspec.structs.replace(
        full, total=0, regions={}, groups={}, findings=(), evidence=(), guidance=(), actors=(), alerts=alerts,
        resource_ids=(), resource_count=0, severity_reasons=(), closed_reason="withdrawn", state="closed",
    )  # fmt: skip
    mail = render(bare, catalog.kinds["ec2.instances"], None, update=2, recipient="replay")
    assert "withdrawn" in mail.text
    assert "No command" in mail.text


def test_patterns_let_no_shell_character_through() -> None:
    """The last line of defence before the shell's own quoting."""
    for slot, pattern in PATTERNS.items():
        for bad in ("a b", "a;b", "$(x)", "`x`", "a\n", "-a", "a|b", "a>b", "a'b", 'a"b', "a\\b", "", "é"):
            assert pattern.fullmatch(bad) is None, (slot, bad)
