"""Is a catalog file true to its format, its own samples and common sense?

Each problem names the file and the remedy. A sample is one line `{"name", "expect", "record"}`: a promise, the usage
events of this kind (and its attempts) that the record must give, in order, each with the fields that matter, and a
record shaped like CloudTrail's. An empty `expect` is a record that must stay silent.
"""

from __future__ import annotations

import inspect
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from string import Formatter
from typing import Any

import jsonschema
import msgspec
from jsonschema.exceptions import best_match

from usage_anomaly.catalog import ANY, ATTEMPTS, SLOTS, Catalog, Kind, Limits, load, read_kind
from usage_anomaly.envelopes import event_time, read_payload
from usage_anomaly.errors import CatalogError
from usage_anomaly.rates import Prices
from usage_anomaly.usage import UsageEvent, read_usage

COUNTING_SAMPLES = 2
SILENT_SAMPLES = 4
SOME_TIME = datetime(2026, 1, 1, tzinfo=UTC)


class Sample(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of samples.jsonl."""

    name: str
    expect: tuple[dict[str, Any], ...]
    record: dict[str, Any]


def schema() -> dict[str, Any]:
    """The JSON Schema of kind.json, made from the structs that read it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "kind.schema.json",
        **_dedented(msgspec.json.schema(Kind)),
    }


def _dedented(part: Any) -> Any:
    """The same with the docstrings that it quotes free of indentation, which Python strips from 3.13 on only."""
    if isinstance(part, dict):
        return {name: _dedented(value) for name, value in part.items()}
    if isinstance(part, list):
        return [_dedented(value) for value in part]
    return inspect.cleandoc(part) if isinstance(part, str) and "\n" in part else part


def schema_text() -> str:
    """The schema as it is committed."""
    return json.dumps(schema(), indent=2, sort_keys=True) + "\n"


def problems(folder: Path, prices: Prices) -> list[str]:
    """Everything wrong with a folder of kinds, in order of the files; [] when all is proved."""
    files = sorted(folder.glob("*/kind.json"))
    if not files:
        return [f"{folder}: no kind in it; each is a folder <kind> with a kind.json"]
    found = [problem for file in files for problem in _of_file(file)]
    if found:
        return found
    catalog = load(folder)
    return [problem for file in files for problem in _of_samples(file, catalog, prices)]


def _of_file(file: Path) -> Iterator[str]:
    content = file.read_bytes()
    try:
        document = json.loads(content)
    except ValueError as error:
        yield f"{file}: {error}; make it one JSON object"
        return
    validator = jsonschema.Draft202012Validator(schema())
    # Of a field that may be missing, what is wrong inside it, not that it fits neither way.
    errors = [best_match([error]) for error in validator.iter_errors(document)]
    broken = [f"{file}: {error.json_path}: {error.message}" for error in errors if error is not None]
    if broken:
        yield from sorted(broken)
        return
    try:
        kind = read_kind(content, file)
    except CatalogError as error:
        yield str(error)
        return
    yield from (f"{file}: {problem}" for problem in _of_kind(kind))


def _of_kind(kind: Kind) -> Iterator[str]:
    read = Counter((call.source or kind.source, name) for call in kind.calls for name in call.names)
    for (_, name), times in read.items():
        if times > 1:
            yield f"{name} is read {times} times and would count double; name it in one call only"
    for call in kind.calls:
        if (call.names == (ANY,)) != bool(call.errors) or (ANY in call.names and kind.source != ANY):
            yield f"{', '.join(call.names)}: {ANY} stands for all calls of source {ANY}, and needs errors; nothing else does"
    watched = any(call.direction == "use" and call.attempts and not call.errors for call in kind.calls)
    if watched != (kind.attempt_limits is not None):
        yield "attempt_limits stand exactly where a use is watched for attempts; add them, or set attempts to false"
    yield from _of_limits("limits", kind.limits)
    yield from _of_limits("attempt_limits", kind.attempt_limits)
    releases = any(call.direction == "release" for call in kind.calls)
    if releases != kind.releasable:
        yield f"releasable is {json.dumps(kind.releasable)}, its calls say otherwise; correct one of them"
    if kind.keep != "tally" and any(call.aggregated for call in kind.calls):
        yield "aggregated calls are told apart from single ones in a tally only; set keep to tally"
    for step in kind.guidance.contain:
        yield from _of_command(step.command)


def _of_limits(field: str, limits: Limits | None) -> Iterator[str]:
    if limits is not None and not limits.production >= limits.staging >= limits.development:
        yield f"{field}: development must not allow more than staging, nor staging more than production"


def _of_command(command: str) -> Iterator[str]:
    try:
        used = {name for _, name, _, _ in Formatter().parse(command) if name is not None}
    except ValueError as error:
        yield f"command {command!r}: {error}; write {{{{ for a brace that is no slot"
        return
    for slot in sorted(used - set(SLOTS)):
        yield f"command {command!r}: no slot {{{slot}}}; there are {', '.join(SLOTS)}"


def _of_samples(file: Path, catalog: Catalog, prices: Prices) -> Iterator[str]:
    path = file.with_name("samples.jsonl")
    if not path.is_file():
        yield f"{path}: missing; samples are left out of an installed package, so check in a checkout"
        return
    samples: list[Sample] = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            sample = decoded(line)
        except msgspec.DecodeError as error:
            yield f"{path}:{number}: {error}; a line is one object with name, expect and record"
            continue
        samples.append(sample)
        found = of_sample(file.parent.name, sample, catalog, prices)
        yield from (f"{path}:{number}: {sample.name!r}: {each}" for each in found)
    yield from (f"{path}: {each}" for each in _of_choice(samples))


def decoded(line: bytes) -> Sample:
    """Read one line of samples.jsonl. Raises msgspec.DecodeError."""
    return msgspec.json.decode(line, type=Sample)


def of_sample(kind: str, sample: Sample, catalog: Catalog, prices: Prices) -> Iterator[str]:
    """Where the events of a sample's record, of its own kind and attempts, are not those expected."""
    payload = read_payload(msgspec.json.encode(sample.record), "sample.json")
    events = [
        event
        for record in payload.records
        for event in read_usage(record, event_time(record) or SOME_TIME, record.event_id or "", catalog, prices)
    ]
    own = [event for event in events if event.kind in (kind, kind + ATTEMPTS)]
    yield from _differences(sample.expect, own)


def _of_choice(samples: list[Sample]) -> Iterator[str]:
    for name, times in Counter(sample.name for sample in samples).items():
        if times > 1:
            yield f"{times} samples are called {name!r}; a promise has one sample"
    counting = sum(1 for sample in samples if any(each.get("direction") != "attempt" for each in sample.expect))
    silent = sum(1 for sample in samples if not sample.expect)
    if counting < COUNTING_SAMPLES:
        yield f"{counting} samples count; add records until {COUNTING_SAMPLES} do"
    if silent < SILENT_SAMPLES:
        yield f"{silent} samples stay silent; add look-alikes until {SILENT_SAMPLES} do"


def _differences(expect: Iterable[dict[str, Any]], events: list[UsageEvent]) -> Iterator[str]:
    wanted = list(expect)
    given: list[dict[str, Any]] = [msgspec.to_builtins(event) for event in events]
    if len(wanted) != len(given):
        said = [f"{each['direction']} {each['quantity']} {each['kind']}" for each in given]
        yield f"expects {len(wanted)} events, got {len(given)} ({'; '.join(said) or 'none'}); correct one of them"
        return
    for want, got in zip(wanted, given, strict=True):
        for field, value in want.items():
            if got.get(field, "no such field") != _plain(value):
                yield f"expects {field} {value!r}, got {got.get(field, 'no such field')!r}; correct one of them"


def _plain(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
