"""When do the anomalies of many accounts become one storm?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.alerts.storming import opening, organization
from tests.enrichment import incidents

from usage_anomaly.anomalies import Anomaly
from usage_anomaly.anomalies.storms import RULE, WINDOW, Gathering, gather, opened
from usage_anomaly.catalog import Catalog

MANY = RULE.accounts


@pytest.fixture(scope="module")
def plain(catalog: Catalog) -> Anomaly:
    return incidents.told(catalog.kinds["ec2.instances"], incidents.everywhere(1), [], None, account_id="222200000000")


def at(plain: Anomaly, *minutes: float, kind: str = "ec2.instances", first: int = 0) -> list[Anomaly]:
    """Accounts numbered from `first`, one opened at each of these minutes."""
    return [
        replace(plain, id=f"{kind}-{place:04d}", kind=kind, account_id=f"{place:012d}", alerts=opening(minute))
        for place, minute in enumerate(minutes, start=first)
    ]


def ids(gatherings: Sequence[Gathering]) -> list[list[str]]:
    return [[each.id for each in gathering.members] for gathering in gatherings]


def test_nine_accounts_are_no_storm_and_ten_are(plain: Anomaly) -> None:
    """Nine mails can still be read one by one."""
    assert gather(at(plain, *range(MANY - 1))) == []
    (storm,) = gather(at(plain, *range(MANY)))
    assert len(storm.members) == MANY
    assert storm.full_at == opened(storm.members[-1])


def test_the_tenth_account_counts_up_to_the_fifteenth_minute(plain: Anomaly) -> None:
    """What comes later is another matter, unless a full window reaches it."""
    assert len(gather(at(plain, *[0] * (MANY - 1), 15))) == 1
    assert gather(at(plain, *[0] * (MANY - 1), 16)) == []


def test_windows_that_share_an_opening_are_one_storm(plain: Anomaly) -> None:
    """An intruder who needs an hour for the accounts is told once, not once a window."""
    (storm,) = gather(at(plain, *range(60)))
    assert len(storm.members) == 60
    assert len(gather(at(plain, *[0] * MANY, *[16] * MANY))) == 2


def test_two_kinds_are_two_storms(plain: Anomaly) -> None:
    """Machines and volumes are stopped by different commands."""
    volumes = at(plain, *range(MANY), kind="ebs.volumes")
    found = gather([*at(plain, *range(MANY)), *volumes])
    assert [each.members[0].kind for each in found] == ["ebs.volumes", "ec2.instances"]
    assert gather([*at(plain, *range(5)), *volumes[:5]]) == []


def test_an_account_that_opens_twice_is_one_account(plain: Anomaly) -> None:
    """Ten accounts are asked for, not ten alerts."""
    nine = at(plain, *range(MANY - 1))
    again = replace(nine[0], id="again", alerts=opening(9))
    assert gather([*nine, again]) == []
    (storm,) = gather([*nine, again, *at(plain, 10, first=MANY)])
    assert len(storm.members) == MANY + 1
    assert storm.full_at == opened(storm.members[-1])


@pytest.mark.parametrize(
    "changes",
    [{"alerts": ()}, {"suppressed": True}, {"closed_reason": "withdrawn"}, {"closed_reason": "joined"}],
)
def test_what_nobody_is_told_of_makes_no_storm(plain: Anomaly, changes: dict[str, object]) -> None:
    """Recorded, expected, undone by later records, or part of another anomaly."""
    ten = at(plain, *range(MANY))
    assert gather([*ten[1:], replace(ten[0], **changes)]) == []


def test_the_organizations_own_anomaly_of_that_time_belongs_to_it(plain: Anomaly) -> None:
    """It is the same use, summed up; one of another day or kind is not, and it makes no account."""
    own = organization()
    far = replace(own, id="far", alerts=opening(60))
    other = replace(own, id="other", kind="ebs.volumes")
    early = replace(own, id="early", alerts=opening(-15))
    (storm,) = gather([*at(plain, *range(30)), own, far, other, early])
    assert {each.id for each in storm.organization} == {"early", own.id}
    assert gather([*at(plain, *range(MANY - 1)), own]) == []


minutes = st.lists(st.integers(0, 80), max_size=60)


@given(minutes, st.integers(0, 1 << 32), st.integers(1, 40))
def test_order_changes_nothing_and_windows_are_counted_plainly(
    plain: Anomaly, drawn: list[int], seed: int, accounts: int
) -> None:
    """The same storms whatever the order of the file; every member lies in a full window, and no other opening does."""
    anomalies = [
        replace(each, account_id=f"{place % accounts:012d}") for place, each in enumerate(at(plain, *sorted(drawn)))
    ]
    shuffled = list(anomalies)
    Random(seed).shuffle(shuffled)
    found = gather(shuffled)
    assert found == gather(anomalies)
    expected = set()
    for each in anomalies:
        window = [other for other in anomalies if opened(each) <= opened(other) <= opened(each) + WINDOW]
        if len({other.account_id for other in window}) >= MANY:
            expected |= {other.id for other in window}
    assert {name for members in ids(found) for name in members} == expected
    assert sum(map(len, ids(found))) == len(expected)


@given(minutes)
def test_accounts_that_open_later_only_add_to_a_storm(plain: Anomaly, drawn: list[int]) -> None:
    """A deployment learns of them minute by minute: what was told keeps its beginning and its members."""
    anomalies = at(plain, *sorted(drawn))
    before: list[Gathering] = []
    for now in sorted({opened(each) for each in anomalies}):
        found = gather(each for each in anomalies if opened(each) <= now)
        assert [_head(each) for each in found[: len(before)]] == [_head(each) for each in before]
        for old, new in zip(before, found, strict=False):
            assert new.members[: len(old.members)] == old.members
        before = found


def _head(gathering: Gathering) -> tuple[datetime, datetime]:
    return gathering.first, gathering.full_at


def test_late_delivery_decides_by_the_alert_and_not_by_the_use(plain: Anomaly) -> None:
    """Records of one minute that arrive an hour apart were told an hour apart: mails cannot be taken back."""
    late = at(plain, *[0] * 5, *[65] * 5)
    assert gather(late) == []
    earlier = [replace(each, first_use=each.first_use - timedelta(hours=place)) for place, each in enumerate(late)]
    assert len(gather([replace(each, alerts=opening(70)) for each in earlier])) == 1
