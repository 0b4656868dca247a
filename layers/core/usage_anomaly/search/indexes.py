"""Which documents lie in which index, under which id and with which fields?"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from usage_anomaly.usage import UsageEvent

Body = dict[str, Any]

EVENTS = "usage-events"
ALL_EVENTS = f"{EVENTS}-*"
ANOMALIES = "usage-anomalies"
HOURLY = "usage-hourly"
ALL_HOURLY = f"{HOURLY}-*"
PROFILES = "usage-profiles"

MOST_DAYS = 100  # named one by one in an address: 2,500 of the 4,096 bytes that a server reads

MOST_ID_BYTES = 512  # one longer _id makes OpenSearch refuse the whole bulk request
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

_KEYWORD = {"type": "keyword"}
_DATE = {"type": "date"}
_LONG = {"type": "long"}
_DOUBLE = {"type": "double"}
_BOOLEAN = {"type": "boolean"}

# Whatever is not named here is text to be found exactly as it is.
_EVENT_TYPES: dict[str, Body] = {
    "event_time": _DATE,
    "ingest_time": _DATE,
    **dict.fromkeys(("quantity", "units_each"), _LONG),
    **dict.fromkeys(("vcpus", "gpus", "gib", "usd_per_hour", "usd", "price_confidence"), _DOUBLE),
    **dict.fromkeys(("long_lived_key", "dry_run", "truncated", "aggregated"), _BOOLEAN),
    "source_ip": {"type": "ip", "ignore_malformed": True},
}
_ANOMALY_TYPES: dict[str, Body] = {
    **dict.fromkeys(("id", "kind", "account_id", "account_name", "account_type", "state", "automation"), _KEYWORD),
    **dict.fromkeys(("joined_to", "closed_reason", "resource_ids"), _KEYWORD),
    **dict.fromkeys(("start", "last_seen", "first_use", "last_use", "detected_at"), _DATE),
    **dict.fromkeys(("sequence", "total", "released", "resource_count"), _LONG),
    **dict.fromkeys(("severity", "expected"), _DOUBLE),
    **dict.fromkeys(("suppressed", "truncated"), _BOOLEAN),
    "cost": {"properties": dict.fromkeys(("usd_per_hour", "usd_so_far", "usd_month_end"), _DOUBLE)},
    "findings": {"properties": {"detector": _KEYWORD}},
    "actors": {"properties": dict.fromkeys(("arn", "access_key_id", "source_address"), _KEYWORD)},
}
_HOURLY_TYPES: dict[str, Body] = {
    "hour": _DATE,
    **dict.fromkeys(("account_id", "kind", "region"), _KEYWORD),
    **dict.fromkeys(("quantity", "released", "calls"), _LONG),
    **dict.fromkeys(("usd_per_hour", "usd"), _DOUBLE),
}
# The packed past is no field: it is kept and not searched.
_PROFILE_TYPES: dict[str, Body] = {"account_id": _KEYWORD, "kind": _KEYWORD, "cut": _DATE}


def index_of(event: UsageEvent) -> str:
    """The daily index of an event, by its event_time (UTC)."""
    return f"{EVENTS}-{event.event_time.astimezone(UTC):%Y.%m.%d}"


def days_between(start: datetime, end: datetime) -> str:
    """The indexes of the days that [start, end) touches, as an address names them; a span too long to name is all of them."""
    first = start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = -((first - end) // timedelta(days=1))
    if days > MOST_DAYS:
        return ALL_EVENTS
    return ",".join(f"{EVENTS}-{first + timedelta(days=day):%Y.%m.%d}" for day in range(max(1, days)))


def day_of(index: str) -> datetime:
    """The beginning of the day (UTC) that an index of events holds. Raises ValueError for other names."""
    return datetime.strptime(index, f"{EVENTS}-%Y.%m.%d").replace(tzinfo=UTC)


def id_of(event: UsageEvent) -> str:
    """The document's id: the same record read twice by the same kind is the same document."""
    text = f"{event.event_id}#{event.kind}#{event.group or ''}"
    if len(text.encode()) <= MOST_ID_BYTES:
        return text
    return "blake2b:" + hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970, rounded down: what a date field of OpenSearch resolves."""
    return (moment - _EPOCH) // _MILLISECOND


def moment(milliseconds: float) -> datetime:
    """The time (UTC) that an aggregation gives as milliseconds since 1970."""
    return _EPOCH + round(milliseconds) * _MILLISECOND


def event_fields() -> Body:
    """The type of each field of a usage event's document."""
    names = [field.name for field in msgspec.structs.fields(UsageEvent)]
    return {name: _EVENT_TYPES.get(name, _KEYWORD) for name in (*names, "ingest_time")}


def templates() -> dict[str, Body]:
    """Each index template by name. Fields that they do not list are kept but never become fields."""
    return {
        EVENTS: _template(ALL_EVENTS, event_fields()),
        ANOMALIES: _template(ANOMALIES, _ANOMALY_TYPES),
        HOURLY: _template(ALL_HOURLY, _HOURLY_TYPES),
        PROFILES: _template(PROFILES, _PROFILE_TYPES),
    }


def _template(pattern: str, fields: Body) -> Body:
    body: Body = {
        "index_patterns": [pattern],
        "priority": 200,
        "template": {
            # A replica where there is a second node; one node alone stays green. The domain logs searches slower than this.
            "settings": {
                "number_of_shards": 1,
                "auto_expand_replicas": "0-1",
                "refresh_interval": "10s",
                "search.slowlog.threshold.query.warn": "5s",
            },
            "mappings": {"dynamic": False, "properties": fields},
        },
    }
    return {**body, "_meta": {"digest": digest(body)}}


def digest(body: Body) -> str:
    """What tells a template (a detector, a role) of ours from an older one: OpenSearch gives them back in another form."""
    return hashlib.blake2b(msgspec.json.encode(body, order="sorted"), digest_size=8).hexdigest()
