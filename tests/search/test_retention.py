"""Is exactly that deleted which is older than it is kept?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from opensearchpy import OpenSearch
from tests.search.making import ACCOUNT, kept
from tests.search.serving import LOOPBACK

from usage_anomaly.history import Kept
from usage_anomaly.search import profiles
from usage_anomaly.search.retention import forget
from usage_anomaly.series import Past, bucket_of

pytestmark = LOOPBACK
NOW = datetime(2026, 11, 25, 10, 30, tzinfo=UTC)
FOREIGN = [
    "usage-events-archive", "usage-events-2020.01.01-copy", "usage-events-2020.13.01", "usage-hourly-2020", "other-2020.01.01",
]  # fmt: skip


def test_days_and_months_go_when_their_time_is_over(client: OpenSearch) -> None:
    """An event is taken until the retention after its day's end: its index must be there so long."""
    days = [f"usage-events-{NOW - timedelta(days=age):%Y.%m.%d}" for age in (0, 36, 37, 38, 39, 40, 300)]
    months = ["usage-hourly-2026.11", "usage-hourly-2025.10", "usage-hourly-2025.09", "usage-hourly-2024.01"]
    for name in [*days, *months, *FOREIGN]:
        client.indices.create(index=name)
    gone = forget(client, NOW, 36)
    assert gone == sorted([*days[4:], *months[2:]])
    assert set(client.indices.get_alias(index="usage-events-*,usage-hourly-*,other-*")) == {
        *days[:4],
        *months[:2],
        *FOREIGN,
    }
    assert forget(client, NOW, 36) == []


def test_the_pasts_of_pairs_that_are_no_more_go_too(client: OpenSearch) -> None:
    """Accounts are closed and kinds are left: their pasts say nothing any more."""
    for age in (5, 59, 61, 200):
        profiles.write(
            client, f"account-{age}", "ec2.instances", Past(cut=bucket_of(NOW - timedelta(days=age))), Kept()
        )
    client.indices.refresh(index="usage-profiles")
    assert forget(client, NOW, 36) == ["2 of usage-profiles"]
    left = [age for age in (5, 59, 61, 200) if kept(client, f"account-{age}", "ec2.instances").past]
    assert left == [5, 59]


def test_an_empty_cluster_has_nothing_to_forget(bare: OpenSearch) -> None:
    """The first run comes before the first event."""
    assert forget(bare, NOW, 36) == []
    assert kept(bare, ACCOUNT, "ec2.instances") == Kept()
