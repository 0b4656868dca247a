"""What did the doer do, by the records of one payload?

Only the doer's records become deeds. Of all others three things are kept: what they released or defined the price of, the
keys of IAM users, and who is like the doer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from sys import intern
from typing import Literal, NamedTuple

import msgspec

from usage_anomaly.catalog import Catalog, costs_nothing
from usage_anomaly.enrichment.prices import PriceTable
from usage_anomaly.envelopes import AggregatedCalls, Payload, Record, event_id, event_time
from usage_anomaly.intake import READING
from usage_anomaly.paths import TEXT_CHARACTERS, Document, Path, compile_path, first_text
from usage_anomaly.usage import DRY_RUN, UNKNOWN, UsageEvent, account_of, read_usage
from usage_anomaly_cli.bundled import loaded
from usage_anomaly_cli.doers import Doer, Identity, alike, did, identity_of

Mark = Literal["read", "write", "identity"]
Outcome = Literal["done", "refused", "dry run"]

# Beside the names that intake knows; a trail's own readOnly calls AssumeRole a read.
READS = (
    *READING,
    "Decrypt",
    "Encrypt",
    "Filter",
    "GenerateDataKey",
    "Query",
    "Scan",
    "Search",
    "Select",
    "Simulate",
    "View",
)
IDENTITY_SOURCES = frozenset(
    f"{name}.amazonaws.com"
    for name in ("iam", "sts", "signin", "sso", "sso-directory", "identitystore", "organizations", "rolesanywhere")
)
CREDENTIALS = frozenset({"GetFederationToken", "GetSessionToken"})  # their names say "get", and they make sessions


class Making(NamedTuple):
    """How the record of a call names the identity that it made."""

    what: str
    identity: tuple[Path, ...]
    whose: tuple[Path, ...]


def _making(what: str, identity: str, whose: str = "") -> Making:
    return Making(what, *(tuple(compile_path(path) for path in paths.split()) for paths in (identity, whose)))


_SESSION = _making("session", "response.assumedRoleUser.arn response.credentials.accessKeyId", "request.roleArn")
MAKINGS: Mapping[str, Making] = {
    "CreateAccessKey": _making("access key", "response.accessKey.accessKeyId", "response.accessKey.userName"),
    "CreateUser": _making("user", "response.user.arn"),
    "CreateRole": _making("role", "response.role.arn"),
    "CreateLoginProfile": _making("console password", "response.loginProfile.userName"),
    "GetFederationToken": _making("session", "response.federatedUser.arn response.credentials.accessKeyId"),
    "GetSessionToken": _making("session", "response.credentials.accessKeyId"),
    **dict.fromkeys(("AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"), _SESSION),
}
# What a writing call is about, where its request says so.
ABOUT = tuple(
    compile_path(f"request.{name}")
    for name in (
        *("userName", "roleName", "groupName", "instanceProfileName", "policyName", "policyArn", "roleArn"),
        *("accessKeyId", "bucketName", "functionName", "secretId", "keyId", "groupId", "trailName", "stackName"),
        *("dBInstanceIdentifier", "clusterName", "snapshotId", "imageId", "name"),
    )
)
MOST_ABOUT = 3
KEPT_OF_ALL = ("release", "definition")
_ABOUT_CHARACTERS = 128
_SIGN_IN = compile_path("response.ConsoleLogin")


class Created(msgspec.Struct, frozen=True):
    """An identity that the doer made: what, its key or ARN or name, and whose it is where the record tells."""

    what: str
    identity: str
    whose: str | None = None


class Used(msgspec.Struct, frozen=True):
    """A quantity of what is priced alike (a type of machine), or of a kind's units."""

    quantity: int
    unit: str
    group: str | None = None


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """One call of the doer; `ids` are the resources it made, used or released, where a kind reads them.

    `counted` says that it stands for so many calls within five minutes, as CloudTrail counted them; records of their own may
    tell of the same calls.
    """

    time: datetime
    event_id: str
    account_id: str
    region: str
    source: str
    call: str
    mark: Mark
    outcome: Outcome
    error_code: str | None = None
    arn: str | None = None
    access_key_id: str | None = None
    source_address: str | None = None
    user_agent: str | None = None
    about: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    used: tuple[Used, ...] = ()
    created: Created | None = None
    counted: int | None = None
    record_location: str = ""


class Done(msgspec.Struct, frozen=True):
    """A deed with the sameness key of its record and what it used."""

    key: bytes
    deed: Deed
    events: tuple[UsageEvent, ...]


class Asked(msgspec.Struct, frozen=True):
    """What is looked for; the times (UTC) bound the deeds, not what is known of releases."""

    doer: Doer
    since: datetime | None = None
    until: datetime | None = None


class ActorRead(msgspec.Struct, frozen=True):
    """All that is kept of one payload; `others` are releases and definitions, by anybody."""

    done: list[Done]
    others: list[UsageEvent]
    keys: frozenset[tuple[str, str]]  # of IAM users: ARN, key
    alike: Counter[str]
    untimed: int  # records of the doer that have no time
    outside: int  # records of the doer before `since` or after `until`
    first: datetime | None
    last: datetime | None


def extract(payload: Payload, _name: str, asked: Asked) -> ActorRead:
    """What a reading process sends back of a payload."""
    catalog, prices = loaded()
    done, others, times, untimed = list[Done](), list[UsageEvent](), list[datetime](), 0
    outside = 0
    keys, near = set[tuple[str, str]](), Counter[str]()
    for position, (record, key) in enumerate(zip(payload.records, payload.keys, strict=True)):
        identity = identity_of(bytes(record.user_identity), record.source_address)
        caller, mine = identity.caller, did(asked.doer, identity, record.source_address)
        moment = event_time(record)
        if moment is None:
            untimed += mine
            continue
        times.append(moment)
        if caller.access_key_id and caller.arn and ":user/" in caller.arn:
            keys.add((caller.arn, caller.access_key_id))
        location = f"{payload.name}#{position}"
        if mine and _within(moment, asked):
            events = tuple(read_usage(record, moment, event_id(record, key), catalog, prices, location))
            done.append(Done(key, deed_of(record, moment, event_id(record, key), identity, events, location), events))
            others += [event for event in events if event.direction in KEPT_OF_ALL]
            continue
        outside += mine
        if not mine and (like := alike(asked.doer, identity, record.source_address)):
            near[like] += 1
        others += _of_others(record, moment, event_id(record, key), catalog, prices)
    first, last = min(times, default=None), max(times, default=None)
    return ActorRead(done, others, frozenset(keys), near, untimed, outside, first, last)


def _within(moment: datetime, asked: Asked) -> bool:
    return (asked.since is None or moment >= asked.since) and (asked.until is None or moment < asked.until)


def _of_others(
    record: Record, moment: datetime, identifier: str, catalog: Catalog, prices: PriceTable
) -> list[UsageEvent]:
    readings = catalog.readings(record.event_source, record.event_name, record.error_code)
    if all(reading.call.direction not in KEPT_OF_ALL for reading in readings):
        return []
    events = read_usage(record, moment, identifier, catalog, prices)
    return [event for event in events if event.direction in KEPT_OF_ALL]


def deed_of(
    record: Record,
    moment: datetime,
    identifier: str,
    identity: Identity,
    events: tuple[UsageEvent, ...],
    location: str,
) -> Deed:
    """One record as a deed."""
    mark = mark_of(record)
    document: Document = {}
    if mark != "read":
        document = {"request": _decoded(record.request_parameters), "response": _decoded(record.response_elements)}
    outcome = _outcome(record, events, document)
    about = [first_text((path,), document, _ABOUT_CHARACTERS) for path in ABOUT] if document else []
    return Deed(
        time=moment,
        event_id=identifier,
        account_id=account_of(record.account_id or identity.caller.account_id),
        region=intern(record.region or UNKNOWN),  # texts that repeat in every record are kept once
        source=intern(record.event_source),
        call=intern(record.event_name),
        mark=mark,
        outcome=outcome,
        error_code=record.error_code if outcome == "refused" else None,
        arn=identity.arn or identity.caller.arn or identity.caller.invoked_by,
        access_key_id=identity.caller.access_key_id,
        source_address=intern(record.source_address) if record.source_address else None,
        user_agent=intern(record.user_agent[:TEXT_CHARACTERS]) if record.user_agent else None,
        about=tuple(each for each in about if each)[:MOST_ABOUT],
        ids=tuple(dict.fromkeys(each for event in events for each in event.resource_ids)),
        used=_used(events),
        created=_created(record.event_name, document) if outcome == "done" else None,
        counted=record.calls if isinstance(record, AggregatedCalls) else None,
        record_location=location,
    )


def _used(events: tuple[UsageEvent, ...]) -> tuple[Used, ...]:
    uses = (event for event in events if event.direction == "use" and event.quantity and is_spend(event))
    return tuple(Used(event.quantity, event.unit, event.group) for event in uses)


def is_spend(event: UsageEvent) -> bool:
    """Whether what it counts is billed; refused calls, logins and changed identities are not."""
    return not costs_nothing(loaded()[0].kind_of(event.kind), event.kind)


def mark_of(record: Record) -> Mark:
    """Whether a call changes identities, changes something else, or only reads, as its name tells."""
    if record.event_name not in CREDENTIALS and record.event_name.startswith(READS):
        return "read"
    return "identity" if record.event_source in IDENTITY_SOURCES else "write"


def _outcome(record: Record, events: tuple[UsageEvent, ...], document: Document) -> Outcome:
    if any(event.dry_run for event in events) or (record.error_code or "").endswith(DRY_RUN):
        return "dry run"
    # A failed sign-in says so in its response and has no code.
    failed = record.event_name == "ConsoleLogin" and first_text((_SIGN_IN,), document) == "Failure"
    return "refused" if record.error_code or failed else "done"


def _created(call: str, document: Document) -> Created | None:
    making = MAKINGS.get(call)
    if making is None:
        return None
    identity = first_text(making.identity, document, TEXT_CHARACTERS)
    return None if identity is None else Created(making.what, identity, first_text(making.whose, document))


def _decoded(raw: msgspec.Raw) -> object:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
