"""What does each usage kind count, and why? One page for readers, written from the catalog's own files.

The worked example of a kind is its first sample that counts, cut down to the fields that its paths name; the usage event
and the USD per hour beside it are read from that cut record as from any other, so the page cannot say what the code
does not do. `usage-anomaly catalog docs` prints it; `docs/catalog.md` is its output.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from usage_anomaly.catalog import ANY, SLOTS, Call, Catalog, Kind, Limits
from usage_anomaly.detection.limits import FIGURES
from usage_anomaly.envelopes import event_time, read_payload
from usage_anomaly.rates import Prices
from usage_anomaly.usage import UsageEvent, read_usage
from usage_anomaly_cli.catalog_proof import SOME_TIME, Sample, decoded

RULES = {
    "ec2": "On-demand list price of the instance type in its region, by platform and tenancy. Spot is an upper bound.",
    "ebs": "List price of the volume type by GiB, and by IOPS and throughput where they are billed.",
    "rds": "On-demand list price of the instance class by engine and standby, without storage.",
    "nat_gateway": "List price per hour of one gateway, without the data it carries.",
    "elastic_ip": "List price per hour of one public IPv4 address.",
    "snapshot": "List price of snapshot storage by GiB: the size of the volume, an upper bound.",
    "fargate": "List price of Fargate by vCPU and GiB, by platform. Tasks on instances cost nothing themselves.",
    "eks": "List price per hour of one control plane, without its nodes.",
    "elasticache": "On-demand list price of the node type by engine.",
    "redshift": "On-demand list price of the node type, without managed storage.",
    "opensearch": "On-demand list price of the instance type, without storage.",
    "sagemaker": "On-demand list price of the ml. instance type, without storage.",
    "emr": "EMR's own price per hour of the instance type; the instances are priced as EC2's.",
    "commitment": "The USD per hour that the request binds the account to. Where it names an offer only: unknown.",
    "free": "Costs nothing itself.",
    "none": "Unknown: what sets the price is not in the record.",
}
NEEDS = {
    "": "Management events that write, which every trail has.",
    "data events": "Data events: a trail has them only where its selectors ask for them.",
    "read events": "Management events that read as well: `ReadWriteType: All`.",
    "global events": "Global service events, which stand in us-east-1: a trail of all regions, or of that one.",
}
HOUR, DAY = 12, 288  # buckets of 5 minutes
IDENTITY = ("type", "arn", "accessKeyId", "invokedBy")
KEPT = ("eventTime", "eventSource", "eventName", "awsRegion", "errorCode", "recipientAccountId")
BODIES = ("requestParameters", "responseElements", "resources")
BLANKS = {slot: f"{{{slot}}}" for slot in SLOTS}  # a command as it is, with its slots still open
CONTAINERS = frozenset({"items", "item"})
UNSHOWN = frozenset({"event_id", "event_time", "event_source", "event_name", "origin", "catalog_version"})
HEAD = """# What counts as usage

Written by `usage-anomaly catalog docs` from `layers/core/usage_anomaly/kinds/`; change the files there, not this page.
Limits are units above which an account is unusual, per 10 minutes; {hour} times them per hour and {day} times per day.
Prices are list prices before discounts. *Attempts* are refused calls, dry runs and calls that used nothing; their limits
are their own.
"""
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")
_WORD = re.compile(r"\w+")


def page(catalog: Catalog, prices: Prices, folder: Path) -> str:
    """The whole page. Raises StopIteration where a kind has no sample that counts; `catalog check` says so first."""
    kinds = sorted(catalog.kinds.values(), key=lambda kind: kind.kind)
    factors = {window.buckets: window.factor for window in FIGURES.windows}
    lines = [
        HEAD.format(hour=factors[HOUR], day=factors[DAY]),
        "| kind | what | limits | price |",
        "|---|---|---|---|",
        *(f"| [{kind.kind}](#{kind.kind.replace('.', '')}) | {plain(kind.title)} | {figures(kind.limits)} |"
          f" {plain(RULES[kind.price])} |" for kind in kinds),
    ]  # fmt: skip
    for kind in kinds:
        lines += ["", *_section(kind, catalog, prices, folder)]
    return "\n".join(lines) + "\n"


def plain(text: str) -> str:
    """Text that markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """Text as code on one line, whatever backticks it holds."""
    text = " ".join(text.split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}"


def block(value: object) -> list[str]:
    """JSON as a block, one line for each field of the outermost object."""
    text = json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict) and value:
        inner = ",\n".join(
            f"  {json.dumps(key)}: {json.dumps(each, ensure_ascii=False)}" for key, each in value.items()
        )
        text = f"{{\n{inner}\n}}"
    return ["```json", text, "```"]


def figures(limits: Limits | None) -> str:
    """The three limits, or that nothing is judged."""
    if limits is None:
        return "evidence only"
    return f"{limits.production:,} / {limits.staging:,} / {limits.development:,}"


def _section(kind: Kind, catalog: Catalog, prices: Prices, folder: Path) -> Iterator[str]:
    yield from (f"## {kind.kind}", "", f"{plain(kind.title)}, counted in {plain(kind.many)}.", "")
    for direction, said in (("use", "Counts"), ("definition", "Says what one costs"), ("release", "Releases")):
        if any(call.direction == direction for call in kind.calls):
            yield f"- {said}: {'; '.join(_calls(kind, direction))}."
    yield f"- Attempts: {_attempts(kind)}."
    yield f"- Price: {plain(RULES[kind.price])}"
    yield f"- The trail must log: {NEEDS[kind.needs]}"
    yield from ("", "| limits | production | staging | development | why |", "|---|---|---|---|---|")
    for name, limits in ((kind.many, kind.limits), ("attempts", kind.attempt_limits)):
        if limits is not None:
            yield f"| {plain(name)} | {figures(limits).replace(' / ', ' | ')} | {plain(limits.reason)} |"
        elif name == kind.many:
            yield f"| {plain(name)} | - | - | - | Evidence only: kept, and judged by nobody. |"
    yield from _guidance(kind, folder)
    yield from ("", "Not counted, and what to know:", "")
    for note in kind.notes:
        names = f"{', '.join(map(code, note.names))}: " if note.names else ""
        yield f"- {names}{plain(note.reason)}"
    yield from _example(kind, catalog, prices, folder)


def _calls(kind: Kind, direction: str) -> Iterator[str]:
    """The calls of one direction by source and condition."""
    named: dict[str, list[str]] = {}
    for call in kind.calls:
        if call.direction == direction:
            of = "" if call.names == (ANY,) else f" of {code(call.source or kind.source)}"
            named.setdefault(of + _condition(call), []).extend(call.names)
    for place, names in named.items():
        yield f"{'every call' if names == [ANY] else ', '.join(map(code, names))}{place}"


def _condition(call: Call) -> str:
    parts = [f"errorCode contains {' or '.join(map(code, call.errors))}"] if call.errors else []
    if call.where is not None:
        values = " or ".join(map(code, call.where.values)) or "there"
        parts.append(f"{code(call.where.path)} is {values}" + (" or missing" if call.where.missing else ""))
    return f" where {' and '.join(parts)}" if parts else ""


def _attempts(kind: Kind) -> str:
    uses = [call for call in kind.calls if call.direction == "use" and not call.errors]
    watched = [call for call in uses if call.attempts]
    if watched and len(watched) == len(uses):
        return "each of these calls that was refused, a dry run or used nothing"
    return ", ".join(code(name) for call in watched for name in call.names) or "none"


def _guidance(kind: Kind, folder: Path) -> Iterator[str]:
    yield from ("", "What to do:", "")
    for check in kind.guidance.check:
        yield f"- Check {code(check.field)}, {plain(check.span)}: {plain(check.question)}"
    for step in kind.guidance.contain:
        yield f"- Contain {plain(step.text)}: {code(step.command.format_map(BLANKS))}"
    for each in kind.guidance.prevent:
        ready = f" (policy in `{folder.name}/{kind.kind}/kind.json`)" if each.policy is not None else ""
        yield f"- Prevent: {plain(each.text)}{ready}"
    links = (
        f"[{name}](https://attack.mitre.org/techniques/{name.replace('.', '/')}/)" for name in kind.guidance.attack
    )
    yield f"- ATT&CK: {', '.join(links)}"


def _example(kind: Kind, catalog: Catalog, prices: Prices, folder: Path) -> Iterator[str]:
    sample, record, events = worked(kind, catalog, prices, folder)
    yield from ("", f"Example: {plain(sample.name)}. The record, cut down to what is read:", "", *block(record))
    for event in events:
        yield from ("", "The usage event:", "", *block(_shown(event)))
        price = "unknown" if event.usd_per_hour is None else f"{event.usd_per_hour:.4g}"
        basis = f" ({plain(event.price_basis)})" if event.price_basis else ""
        yield from ("", f"USD per hour: {price}{basis}.")


def worked(
    kind: Kind, catalog: Catalog, prices: Prices, folder: Path
) -> tuple[Sample, dict[str, Any], list[UsageEvent]]:
    """The first sample of use, its record cut down, and the events of the kind that this record gives."""
    lines = (folder / kind.kind / "samples.jsonl").read_bytes().splitlines()
    sample = next(
        each for each in map(decoded, lines) if any(want.get("direction", "use") == "use" for want in each.expect)
    )
    record = trimmed(sample.record, _words(kind, sample.record))
    return sample, record, read(kind, record, catalog, prices)


def read(kind: Kind, record: dict[str, Any], catalog: Catalog, prices: Prices) -> list[UsageEvent]:
    """The events of one kind that a record gives."""
    (each,) = read_payload(msgspec.json.encode(record), "sample.json").records
    events = read_usage(each, event_time(each) or SOME_TIME, "", catalog, prices)
    return [event for event in events if event.kind == kind.kind]


def trimmed(record: dict[str, Any], words: frozenset[str]) -> dict[str, Any]:
    """The record with those fields only that are read of any record, or stand in the kind's paths."""
    identity = record.get("userIdentity") or {}
    kept: dict[str, Any] = {name: record[name] for name in KEPT if record.get(name) is not None}
    names = IDENTITY if identity.get("arn") else (*IDENTITY, "principalId")
    kept["userIdentity"] = {name: identity[name] for name in names if identity.get(name)}
    kept.update({name: _trimmed(record[name], words) for name in BODIES if record.get(name) is not None})
    return kept


def _trimmed(value: Any, words: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {name: _trimmed(each, words) for name, each in value.items() if name in words or name in CONTAINERS}
    if isinstance(value, list):
        return [_trimmed(each, words) for each in value]
    return value


def _words(kind: Kind, record: dict[str, Any]) -> frozenset[str]:
    """Every name in the paths of the calls that read this record; JMESPath's own words are no names of fields."""
    calls = (call for call in kind.calls if call.names == (ANY,) or record["eventName"] in call.names)
    texts = (text for call in calls for text in _texts(msgspec.to_builtins(call)))
    return frozenset(word for text in texts for word in _WORD.findall(text))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        parts: Iterable[object] = value.values() if isinstance(value, dict) else value
        for each in parts:
            yield from _texts(each)


def _shown(event: UsageEvent) -> dict[str, Any]:
    """What the event says; what is not known is left out, but for the price."""
    fields: dict[str, Any] = msgspec.to_builtins(event)
    known = {
        name: value for name, value in fields.items() if value not in (None, False, (), [], "") and name not in UNSHOWN
    }
    return {**known, "usd_per_hour": event.usd_per_hour}
