"""Does what we build on the anomaly-detection plugin work on a cluster that has it?"""

from __future__ import annotations

from datetime import timedelta

from opensearchpy import OpenSearch
from tests.search.making import ACCOUNT, NOW, event, plenty
from tests.search.serving import ON_PLUGIN

from usage_anomaly.search import history, setup
from usage_anomaly.search.events import write

pytestmark = ON_PLUGIN


def test_the_named_cluster_takes_the_set_up_and_usage(with_plugin: OpenSearch) -> None:
    """What fails here fails before any detector is made."""
    assert setup.configure(with_plugin) == []
    assert write(with_plugin, [event(1)], NOW, plenty, 36).created == 1
    with_plugin.indices.refresh(index="usage-events-*")
    hour = timedelta(hours=1)
    assert list(history.events(with_plugin, ACCOUNT, "ec2.instances", NOW - hour, NOW + hour)) == [event(1)]
