"""Does the template ask the set-up of the cluster for what it knows, and let detect read what the detectors write?"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from tests.template.reading import Template

from usage_anomaly.search.detectors import ALL_RESULTS
from usage_anomaly.search.setup import Wanted


def test_set_up_is_asked_what_it_knows(template: Template) -> None:
    """A property that nobody reads is a parameter that does nothing; one that is missing fails the first deployment."""
    given = set(template.resources["SearchSetup"]["Properties"]) - {"ServiceToken", "ServiceTimeout", "Code"}
    fields = {each.encode_name: each for each in msgspec.structs.fields(Wanted)}
    assert given <= set(fields)
    assert {name for name, each in fields.items() if each.required} <= given
    assert "DeleteLearnedResults" in given


def test_detect_searches_the_results_that_the_detectors_write(root: Path) -> None:
    """Another name in one of the two places, and learned findings stop without a word."""
    paths = re.findall(r"/(opensearch-ad-plugin[^\"]*)", (root / "template.yaml").read_text("utf-8"))
    assert paths == [f"{ALL_RESULTS}/_search"] * 2
