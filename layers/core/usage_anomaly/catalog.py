"""What counts as usage?

Each usage kind is one file, `kinds/<kind>/kind.json`, with its sample records beside it; this room loads, checks and
compiles them. Adding a service touches one folder. The structs below are the file's format (`schemas/kind.schema.json`
is made from them); `usage-anomaly catalog check` proves what a format cannot say.
"""

from __future__ import annotations

import hashlib
from pathlib import Path as File
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from usage_anomaly.errors import CatalogError
from usage_anomaly.paths import Path, compile_path

Direction = Literal["use", "release", "attempt", "definition"]
# "free" costs nothing itself (a refused call, a login); "none" and "emr" are not known.
PriceRule = Literal[
    "ec2", "ebs", "snapshot", "rds", "fargate", "eks", "elasticache", "redshift", "opensearch", "sagemaker", "nat_gateway",
    "elastic_ip", "commitment", "free", "emr", "none",
]  # fmt: skip
Needs = Literal["", "data events", "read events", "global events"]
Attribute = Literal[
    "image_id", "key_name", "market", "platform", "tenancy", "launcher_id", "function_name", "engine", "multi_az",
    "launch_type",
]  # fmt: skip
# "mib" and "cpu_units" are gib and vcpus in 1/1024, as container services write them.
Measure = Literal["gib", "mib", "vcpus", "cpu_units", "iops", "throughput", "usd_per_hour_asked", "hosts"]
# A JSON Schema made by msgspec says nothing of a dict's keys; decoding checks them all the same.
AttributeKeys = Meta(extra_json_schema={"propertyNames": {"enum": sorted(get_args(Attribute))}})
MeasureKeys = Meta(extra_json_schema={"propertyNames": {"enum": sorted(get_args(Measure))}})
Text = Annotated[str, Meta(min_length=1, max_length=1_000)]
Units = Annotated[int, Meta(ge=0, le=1_000_000)]
Source = Annotated[str, Meta(pattern=r"^([a-z0-9.-]+\.amazonaws\.com|\*)$")]  # ec2.amazonaws.com
Paths = tuple[Text, ...]

ATTEMPTS = ".attempts"
ANY = "*"
BUNDLED = File(__file__).with_name("kinds")


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Quantity per 10 minutes above which an account of a type is unusual, and why that figure."""

    production: Units
    staging: Units
    development: Units
    reason: Text

    def of(self, account_type: str) -> int:
        """The limit of an account type; sandbox and testing are development's, unknown types staging's."""
        if account_type == "production":
            return self.production
        if account_type in ("development", "sandbox", "testing"):
            return self.development
        return self.staging


class Where(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A condition on one value. `missing` says whether it holds where the record has no such value."""

    path: Text
    values: tuple[Text, ...] = msgspec.field(name="in", default=())  # empty: any value will do
    missing: bool = False


class Per(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What each item counts once for: a volume of a launch once for each instance launched, which its id names as
    `per.`."""

    items: Annotated[Paths, Meta(min_length=1)]
    requested: Paths = ()


class Call(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one set of API calls of a kind's source is read. Paths in a list are alternatives: the first value stands.

    Without `items` the call is one unit. With them each item that `where` lets pass is one; a successful call that
    has none launched nothing. If `answered` and responseElements is missing or cut, the quantity is the largest of the
    items left, the items named in the request and the count it asked for, and at least 1, marked truncated.

    `count` says how many units an item, or the call, stands for, `less` how many of them were there before: a service
    set from 2 tasks to 50 starts 48. A count that the record does not tell is 1, with `less` 0, and marked truncated;
    `default` is what AWS takes where the request leaves the count out, and marks nothing.

    A definition uses nothing (quantity 0): it says what one unit of its group costs, for uses whose record does not.

    A release with `holders` names what the resources hang on: an instance `i-1` ends the volumes whose launch was read
    with an id `i-1:...`. How many those are its record does not say: its quantity is 0.
    """

    names: Annotated[tuple[Annotated[str, Meta(pattern=r"^([A-Za-z][A-Za-z0-9]*|\*)$")], ...], Meta(min_length=1)]
    direction: Literal["use", "release", "definition"]
    source: Annotated[str, Meta(pattern=r"^([a-z0-9.-]+\.amazonaws\.com)?$")] = ""  # where it is not the kind's own
    # Parts of error codes. With them only a call that failed with one of them counts; "*" then stands for all calls of
    # all services that no other kind keeps as attempts, service callers left out.
    errors: tuple[Text, ...] = ()
    items: Paths = ()
    requested_items: Paths = ()
    requested: Paths = ()
    count: Paths = ()
    less: Paths = ()
    default: Annotated[int, Meta(ge=0)] | None = None
    answered: bool = True
    per: Per | None = None
    where: Where | None = None
    dry_run: Where | None = None
    aggregated: bool = False  # CloudTrail's five-minute summaries of this call count as well; needs keep "tally"
    attempts: bool = True  # False: a refused call is another kind's attempt (RunInstances and its volumes)
    group: Paths = ()
    resource_ids: Paths = ()
    lower_ids: bool = False
    holders: bool = False
    attributes: Annotated[dict[Attribute, Paths], AttributeKeys] = {}
    measures: Annotated[dict[Measure, Paths], MeasureKeys] = {}


class Check(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to look at first: a field of the records, a time span, a question."""

    field: Text
    span: Text
    question: Text


class Contain(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A step that stops it. `command` is a format string with SLOTS; a step whose slot has no value is left out."""

    text: Text
    command: Text


class Prevent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The policy, quota or budget that would have prevented it."""

    text: Text
    policy: dict[str, Any] | None = None


class Guidance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person does about an anomaly of this kind."""

    check: Annotated[tuple[Check, ...], Meta(min_length=2, max_length=4)]
    contain: Annotated[tuple[Contain, ...], Meta(min_length=1, max_length=5)]
    prevent: Annotated[tuple[Prevent, ...], Meta(min_length=1, max_length=3)]
    attack: Annotated[tuple[Annotated[str, Meta(pattern=r"^T\d{4}(\.\d{3})?$")], ...], Meta(min_length=1)]


class Note(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why calls of the same service that look alike do not count, or what a reader of the figures has to know."""

    names: tuple[Text, ...] = ()
    reason: Text


class Kind(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One usage kind: which calls consume it, how much, at which price and limits, and what to do about it."""

    kind: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9]*(\.[a-z][a-z0-9]*)?$", max_length=60)]  # ec2.instances
    title: Text  # EC2 instances
    one: Text  # instance (singular, as said to people; may use the group: "47 p3.16xlarge")
    many: Text  # instances; the unit of its usage events
    source: Source
    keep: Literal["events", "tally"]  # tally: busy kinds, summed per bucket in replay
    releasable: bool  # False: nothing ever releases it (invocations)
    price: PriceRule
    calls: Annotated[tuple[Call, ...], Meta(min_length=1)]
    limits: Limits | None = None  # without them it is evidence only: kept, and judged by nobody
    attempt_limits: Limits | None = None  # needed where a call is watched for attempts
    guidance: Guidance
    needs: Needs = ""  # which records the trail must log for it, where it may not
    notes: tuple[Note, ...] = ()


def is_attempts(kind_name: str) -> bool:
    """Whether a series counts the attempts of a kind: refused calls, dry runs, calls that used nothing."""
    return kind_name.endswith(ATTEMPTS)


def costs_nothing(kind: Kind, kind_name: str) -> bool:
    """Whether what a series counts is never billed: refused calls, logins."""
    return kind.price == "free" or is_attempts(kind_name)


def has_price(kind: Kind) -> bool:
    """Whether records can hold what the price of this kind depends on."""
    return kind.price not in ("none", "emr")


SLOTS = ("region", "ids", "account_id", "user", "role", "access_key_id", "function_name")


class Condition(msgspec.Struct, frozen=True):
    """A compiled Where."""

    path: Path
    values: frozenset[str]
    missing: bool


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One call of one kind, its paths compiled."""

    kind: Kind
    call: Call
    items: tuple[Path, ...]
    requested_items: tuple[Path, ...]
    requested: tuple[Path, ...]
    count: tuple[Path, ...]
    less: tuple[Path, ...]
    per_items: tuple[Path, ...]
    per_requested: tuple[Path, ...]
    where: Condition | None
    dry_run: Condition | None
    group: tuple[Path, ...]
    resource_ids: tuple[Path, ...]
    attributes: dict[Attribute, tuple[Path, ...]]
    measures: dict[Measure, tuple[Path, ...]]

    @property
    def watches(self) -> bool:
        """Whether a refused call is kept as an attempt."""
        return self.call.direction == "use" and self.call.attempts and not self.call.errors


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """All kinds. `wanted` answers with one look-up which readings a record's (eventSource, eventName) has."""

    kinds: dict[str, Kind]
    version: str
    wanted: dict[tuple[str, str], tuple[Reading, ...]]
    denied: tuple[Reading, ...]  # of calls that are wanted for their error, whatever their name
    attempted: frozenset[tuple[str, str]]  # calls whose refusal is an attempt of their own kind

    def readings(self, source: str, name: str, error: str | None) -> tuple[Reading, ...]:
        """How a call is read; () for most."""
        found = self.wanted.get((source, name), ())
        if error and self.denied and (source, name) not in self.attempted:
            found += tuple(each for each in self.denied if any(part in error for part in each.call.errors))
        return found

    def judges(self, kind_name: str) -> bool:
        """Whether a kind, or the refused calls for it, is known and has limits to be judged by."""
        kind = self.kinds.get(kind_name.removesuffix(ATTEMPTS))
        return kind is not None and kind.limits is not None

    def kind_of(self, name: str) -> Kind:
        """The kind of a name, also of its attempts ("ec2.instances.attempts"). Raises KeyError for others."""
        return self.kinds[name.removesuffix(ATTEMPTS)]

    def limit(self, kind_name: str, account_type: str) -> int:
        """Quantity per 10 minutes above which an account of this type is unusual."""
        kind = self.kind_of(kind_name)
        limits = kind.attempt_limits if is_attempts(kind_name) else kind.limits
        if limits is None:
            raise CatalogError(f"{kind_name} has no limits: it is evidence only")
        return limits.of(account_type)


def load(folder: File = BUNDLED) -> Catalog:
    """Load every `<kind>/kind.json` of a folder. Takes milliseconds: the caller keeps it. Raises CatalogError."""
    files = sorted(folder.glob("*/kind.json"))
    if not files:
        raise CatalogError(f"{folder}: no kind in it; each is a folder <kind> with a kind.json")
    kinds: dict[str, Kind] = {}
    digest = hashlib.blake2b(digest_size=6)
    for file in files:
        content = file.read_bytes()
        kind = read_kind(content, file)
        kinds[kind.kind] = kind
        digest.update(kind.kind.encode() + b"\0" + content + b"\0")
    wanted, denied = _wanted(kinds)
    attempted = frozenset(key for key, readings in wanted.items() if any(each.watches for each in readings))
    return Catalog(kinds=kinds, version=digest.hexdigest(), wanted=wanted, denied=denied, attempted=attempted)


def read_kind(content: bytes, file: File) -> Kind:
    """Read one file strictly. Raises CatalogError that names the file and the remedy."""
    try:
        kind = msgspec.json.decode(content, type=Kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CatalogError(f"{file}: {error}; see schemas/kind.schema.json") from error
    if kind.kind != file.parent.name:
        raise CatalogError(f"{file}: calls itself {kind.kind!r}; rename the folder or the kind so that both agree")
    try:
        for call in kind.calls:
            _compile(kind, call)
    except CatalogError as error:
        raise CatalogError(f"{file}: {error}") from error
    return kind


def _wanted(kinds: dict[str, Kind]) -> tuple[dict[tuple[str, str], tuple[Reading, ...]], tuple[Reading, ...]]:
    wanted: dict[tuple[str, str], tuple[Reading, ...]] = {}
    denied: list[Reading] = []
    for kind in kinds.values():
        for call in kind.calls:
            reading = _compile(kind, call)
            if call.names == (ANY,):
                denied.append(reading)
                continue
            for name in call.names:
                key = (call.source or kind.source, name)
                wanted[key] = (*wanted.get(key, ()), reading)
    return wanted, tuple(denied)


def _compile(kind: Kind, call: Call) -> Reading:
    per = call.per
    return Reading(
        kind=kind,
        call=call,
        items=_paths(call.items),
        requested_items=_paths(call.requested_items),
        requested=_paths(call.requested),
        count=_paths(call.count),
        less=_paths(call.less),
        per_items=_paths(per.items if per else ()),
        per_requested=_paths(per.requested if per else ()),
        where=_condition(call.where),
        dry_run=_condition(call.dry_run),
        group=_paths(call.group),
        resource_ids=_paths(call.resource_ids),
        attributes={name: _paths(texts) for name, texts in call.attributes.items()},
        measures={name: _paths(texts) for name, texts in call.measures.items()},
    )


def _paths(texts: Paths) -> tuple[Path, ...]:
    return tuple(compile_path(text) for text in texts)


def _condition(where: Where | None) -> Condition | None:
    if where is None:
        return None
    return Condition(path=compile_path(where.path), values=frozenset(where.values), missing=where.missing)
