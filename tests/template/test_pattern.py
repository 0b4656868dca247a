"""Does the trail's log group hand over what the catalog wants, and nothing that could be left there?"""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.template.reading import Template

from usage_anomaly.catalog import Catalog
from usage_anomaly.errors import CatalogError
from usage_anomaly.pattern import LONGEST, errors, expression, names, subscription_pattern

FORM = re.compile(r"\{ \(\$\.eventName = %(?P<names>[^%()]+)%\)( \|\| \(\$\.errorCode = %(?P<errors>[^%()]+)%\))? \}")
ALLOWED = re.compile(
    r"[A-Za-z0-9:_#=@/;,\-^$?\[\]{}|\\*+.]+"
)  # CloudWatch Logs refuses a pattern with other characters
WORDS = st.sampled_from(["Create", "Delete", "Start", "Run", "DB", "Instance", "Volume", "Cluster", "Snapshot", "From"])
NAMES = st.sets(st.lists(WORDS, min_size=1, max_size=5).map("".join), min_size=1, max_size=60)


def found_by(expression: str, text: str) -> bool:
    """Whether CloudWatch Logs finds it: its regular expressions are searched, not matched."""
    return re.search(expression, text) is not None


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
    assert all(ALLOWED.fullmatch(each) for each in found.group("names", "errors") if each)
    assert len(pattern) <= LONGEST


def test_every_watched_call_and_error_comes_through(pattern: str, catalog: Catalog) -> None:
    """Calls left out are usage unseen."""
    found = FORM.fullmatch(pattern)
    assert found
    assert [name for name in names(catalog) if not found_by(found["names"], name)] == []
    assert [part for part in errors(catalog) if not found_by(found["errors"] or "^$", f"Client.{part}Exception")] == []


@pytest.mark.parametrize("verb", ["Describe", "List", "Get", "Head", "BatchGet", "Lookup", "Assume", "Decrypt", "Tag"])
def test_calls_that_only_read_stay_behind(pattern: str, catalog: Catalog, verb: str) -> None:
    """They are nine in ten of a trail's records: let through, each is an invocation paid for nothing."""
    found = FORM.fullmatch(pattern)
    assert found
    nouns = {re.sub(r"^[A-Z][a-z]+", "", name) for name in names(catalog)}
    read = {verb + noun for noun in nouns} - set(names(catalog))
    assert [name for name in sorted(read) if found_by(found["names"], name)] == []


@given(NAMES, st.integers(min_value=120, max_value=1_024))
def test_a_catalog_that_outgrows_the_pattern_still_comes_through_whole(wanted: set[str], room: int) -> None:
    """The next twenty kinds do not fit by their whole names; shortened, none may be lost."""
    try:
        short = expression(wanted, room)
    except CatalogError:
        assert len(expression(wanted, 10_000)) > room
        return
    assert len(short) <= room
    assert [name for name in wanted if not found_by(short, name)] == []


def test_names_are_shortened_by_their_longest_shared_beginning() -> None:
    """The longer the beginning, the fewer calls of others come along."""
    wanted = ["CreateDBInstance", "CreateDBInstanceReadReplica", "CreateDBCluster", "RunInstances"]
    assert expression(wanted, 60) == "^CreateDBCluster$|^CreateDBInstance|^RunInstances$"
    assert expression(wanted, 30) == "^CreateDB|^RunInstances$"


def test_a_catalog_that_cannot_be_made_to_fit_says_so() -> None:
    """Better at the desk than a subscription that lacks calls."""
    with pytest.raises(CatalogError, match="leave calls out"):
        expression(["Abcdefgh", "Ijklmnop", "Qrstuvwx"], 20)
