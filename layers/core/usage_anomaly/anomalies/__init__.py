"""Is it one thing, and is it new, grown, quiet or closed?"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from usage_anomaly.detection import Finding

State = Literal["open", "grown", "quiet", "closed"]
AlertReason = Literal["opened", "grown", "quiet", "reminder", "closed"]


class Alert(msgspec.Struct, frozen=True):
    at: datetime
    reason: AlertReason


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """USD at list price, null where unknown; `usd_per_hour` is net of the releases seen."""

    usd_per_hour: float | None
    usd_so_far: float | None
    usd_month_end: float | None
    basis: str
    confidence: float


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who made a share of the use. `share` is 0-1 of the anomaly's quantity."""

    arn: str
    type: str | None
    access_key_id: str | None
    long_lived_key: bool
    source_address: str | None
    user_agent: str | None
    share: float
    calls: int
    quantity: int = 0  # 0: written before it was kept


class Query(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which usage events a statement rests on; fields that are None do not narrow. Evaluated in memory or by OpenSearch.

    The span is [start, end], UTC.
    """

    kind: str | None = None
    not_kind: str | None = None
    direction: str | None = None
    account_id: str | None = None
    not_account_id: str | None = None
    region: str | None = None
    actor_arn: str | None = None
    access_key_id: str | None = None
    source_address: str | None = None
    image_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of evidence: what is said, the query it rests on, how many events matched, up to five of their ids."""

    topic: str  # calls, size, who, automation, where, before, identity, through, also, organization, released
    text: str
    query: Query
    count: int
    event_ids: tuple[str, ...]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of guidance. `kind`: check | contain | prevent | attack. `command` is ready to paste, or None."""

    kind: str
    text: str
    command: str | None = None


class Anomaly(msgspec.Struct, frozen=True, kw_only=True):
    """The anomaly in the shape the command prints and the workflow takes (schema anomaly.v1)."""

    id: str
    kind: str
    account_id: str
    account_name: str
    regions: dict[str, int]
    accounts: dict[str, int]  # organization anomalies only, else empty
    start: datetime  # of the first bucket
    last_seen: datetime  # start of the last bucket with use that a finding ends in
    first_use: datetime  # exact times of the first and the last event
    last_use: datetime
    state: State
    sequence: int
    total: int
    released: int
    expected: float | None
    unit: str
    findings: tuple[Finding, ...]
    ready: dict[str, str]
    detected_at: datetime | None
    alerts: tuple[Alert, ...]
    cost: Cost
    severity: float
    severity_reasons: tuple[str, ...]
    actors: tuple[Actor, ...]
    automation: str | None
    evidence: tuple[Statement, ...]
    guidance: tuple[Step, ...]
    resource_ids: tuple[str, ...]
    resource_count: int
    truncated: bool
    suppressed: bool
    groups: dict[
        str, int
    ]  # quantity by what is priced alike, e.g. {"p3.16xlarge": 47}; "unknown" where the record has none
    joined_to: str | None = None
    closed_reason: str | None = None  # released | expired | withdrawn | joined
    notes: tuple[str, ...] = ()  # stated gaps, e.g. "price unknown for 2 of 61 launches (ml.p6)"
