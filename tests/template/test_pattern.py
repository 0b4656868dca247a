"""Does the trail's log group hand over what the catalog wants, and nothing that could be left there?"""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.template.reading import Template

from usage_anomaly.catalog import Catalog
from usage_anomaly.errors import CatalogError
from usage_anomaly.pattern import LONGEST, names, subscription_pattern

FORM = re.compile(r"\{ \(\$\.eventName = %(?P<expression>[^%()]+)%\) \}")
ALLOWED = re.compile(
    r"[A-Za-z0-9:_#=@/;,\-^$?\[\]{}|\\*+.]+"
)  # CloudWatch Logs refuses a pattern with other characters
WORDS = st.sampled_from(["Create", "Delete", "Start", "Run", "DB", "Instance", "Volume", "Cluster", "Snapshot", "From"])
NAMES = st.sets(st.lists(WORDS, min_size=1, max_size=5).map("".join), min_size=1, max_size=60)


def lets_through(pattern: str, name: str) -> bool:
    """Whether CloudWatch Logs hands over an event of this name: its regular expressions are searched, not matched."""
    found = FORM.fullmatch(pattern)
    assert found, pattern
    return re.search(found["expression"], name) is not None


@pytest.fixture(scope="module")
def pattern(template: Template) -> str:
    """The pattern in the template."""
    condition, text, otherwise = template.resources["TrailSubscription"]["Properties"]["FilterPattern"]["Fn::If"]
    assert (condition, otherwise) == ("FilterByCatalog", "")
    return str(text)


def test_template_holds_the_catalogs_pattern(pattern: str, catalog: Catalog) -> None:
    """A kind added without its calls in the pattern sees no record in a deployment, and nothing says so."""
    assert pattern == subscription_pattern(names(catalog)), "run `usage-anomaly catalog pattern`"


def test_pattern_is_one_that_cloudwatch_logs_takes(pattern: str) -> None:
    """1,024 characters, two expressions at most, no parentheses inside one: else the deployment fails."""
    found = FORM.fullmatch(pattern)
    assert found
    assert ALLOWED.fullmatch(found["expression"])
    assert len(pattern) <= LONGEST


def test_every_watched_call_comes_through_and_no_other(pattern: str, catalog: Catalog) -> None:
    """Calls left out are usage unseen; calls let through are invocations paid for nothing."""
    watched = names(catalog)
    assert [name for name in watched if not lets_through(pattern, name)] == []
    others = [before + name + after for name in watched for before, after in (("Batch", ""), ("", "Async"), ("x", "x"))]
    others += [name.lower() for name in watched] + ["DescribeInstances", "AssumeRole", "Decrypt", ""]
    assert [name for name in others if name not in watched and lets_through(pattern, name)] == []


@given(NAMES, st.integers(min_value=120, max_value=1_024))
def test_a_catalog_that_outgrows_the_pattern_still_comes_through_whole(wanted: set[str], longest: int) -> None:
    """The next twenty kinds do not fit by their whole names; shortened, none may be lost."""
    try:
        short = subscription_pattern(wanted, longest)
    except CatalogError:
        assert len(subscription_pattern(wanted, 10_000)) > longest
        return
    assert len(short) <= longest
    assert [name for name in wanted if not lets_through(short, name)] == []


def test_names_are_shortened_by_their_longest_shared_part() -> None:
    """The longer the part, the fewer calls of others come along."""
    wanted = ["CreateDBInstance", "DeleteDBInstance", "RunInstances"]
    assert subscription_pattern(wanted, 60) == "{ ($.eventName = %DBInstance|^RunInstances$%) }"


def test_a_catalog_that_cannot_be_made_to_fit_says_so() -> None:
    """Better at the desk than a subscription that lacks calls."""
    with pytest.raises(CatalogError, match="leave calls out"):
        subscription_pattern(["Abcdefgh", "Ijklmnop", "Qrstuvwx"], 40)
