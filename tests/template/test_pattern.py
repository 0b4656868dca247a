"""Does the trail's log group hand over what the catalog wants, and little that could be left there?"""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.template.reading import Template

from usage_anomaly import pattern as room
from usage_anomaly.catalog import BUNDLED, Catalog
from usage_anomaly.errors import CatalogError
from usage_anomaly.pattern import LONGEST, errors, reads, sources, subscription_pattern
from usage_anomaly_cli import catalog_proof

FORM = re.compile(
    r"\{ \(\(\$\.eventSource = %(?P<sources>[^%()]+)%\) && \(\$\.readOnly IS FALSE\)\)"
    r"(?P<reads>( \|\| \(\$\.eventName = \"[A-Za-z]+\"\))*)"
    r"(?P<sums>( \|\| \(\(\$\.eventCategory = \"Aggregated\"\) && \(\$\.eventSource = \"[a-z.]+\"\)\))*)"
    r"( \|\| \(\$\.errorCode = %(?P<errors>[^%()]+)%\))? \}"
)
ALLOWED = re.compile(
    r"[A-Za-z0-9:_#=@/;,\-^$?\[\]{}|\\*+.]+"
)  # CloudWatch Logs refuses a regular expression with other characters


def lets_through(pattern: str, record: dict[str, Any]) -> bool:
    """Whether CloudWatch Logs would: its regular expressions are searched, not matched."""
    found = FORM.fullmatch(pattern)
    assert found
    changes = re.search(found["sources"], record["eventSource"]) is not None and record.get("readOnly") is False
    if record.get("eventCategory") == "Aggregated":
        return changes or f'"{record["eventSource"]}"' in found["sums"]
    read = f'"{record["eventName"]}"' in found["reads"]
    return changes or read or re.search(found["errors"] or "^$", record.get("errorCode", "-")) is not None


@pytest.fixture(scope="module")
def pattern(template: Template) -> str:
    """The pattern in the template."""
    condition, text, otherwise = template.resources["TrailSubscription"]["Properties"]["FilterPattern"]["Fn::If"]
    assert (condition, otherwise) == ("FilterByCatalog", "")
    return str(text)


def test_template_holds_the_catalogs_pattern(pattern: str, catalog: Catalog) -> None:
    """A kind added without its calls in the pattern sees no record in a deployment, and nothing says so."""
    assert pattern == subscription_pattern(catalog), "run `usage-anomaly catalog pattern`"


def test_pattern_is_one_that_cloudwatch_logs_takes(pattern: str) -> None:
    """1,024 characters, two expressions at most, no parentheses inside one: else the deployment fails."""
    found = FORM.fullmatch(pattern)
    assert found
    assert all(ALLOWED.fullmatch(each) for each in found.group("sources", "errors") if each)
    assert len(pattern) <= LONGEST


def test_every_sample_that_counts_comes_through(pattern: str, catalog: Catalog) -> None:
    """Records left out are usage unseen; the samples are shaped as CloudTrail writes each call, readOnly included."""
    left: list[str] = []
    for kind in catalog.kinds:
        for line in (BUNDLED / kind / "samples.jsonl").read_bytes().splitlines():
            sample = catalog_proof.decoded(line)
            if sample.expect and not lets_through(pattern, sample.record):
                left.append(f"{kind}: {sample.name}")
    assert left == []


def test_every_call_and_error_of_the_catalog_comes_through(pattern: str, catalog: Catalog) -> None:
    """Also the calls that have no sample."""
    for source, name in catalog.wanted:
        read_only = name in reads(catalog)
        assert lets_through(pattern, {"eventSource": source, "eventName": name, "readOnly": read_only}), name
    for part in errors(catalog):
        refused = {"eventSource": "x", "eventName": "X", "readOnly": True, "errorCode": f"Client.{part}Exception"}
        assert lets_through(pattern, refused), part


def test_calls_that_only_read_stay_behind(pattern: str, catalog: Catalog) -> None:
    """They are nine in ten of a trail's records: let through, each is an invocation paid for nothing."""
    for source in (*sources(catalog), "s3.amazonaws.com"):
        for name in ("DescribeInstances", "ListRoles", "GetRole", "AssumeRole", "BatchGetImage"):
            assert not lets_through(pattern, {"eventSource": source, "eventName": name, "readOnly": True})


def test_other_services_stay_behind(pattern: str) -> None:
    """Log streams and objects are made by the thousand."""
    for source in ("logs.amazonaws.com", "s3.amazonaws.com", "ec2messages.amazonaws.com", "kms.amazonaws.com"):
        assert not lets_through(pattern, {"eventSource": source, "eventName": "CreateThing", "readOnly": False})


def test_a_catalog_that_cannot_be_made_to_fit_says_so(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Better at the desk than a subscription that a deployment refuses."""
    monkeypatch.setattr(room, "LONGEST", 50)
    with pytest.raises(CatalogError, match="leave services out"):
        subscription_pattern(catalog)
