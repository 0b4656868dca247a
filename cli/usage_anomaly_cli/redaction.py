"""Which pseudonym stands for this value, so that a report can be shown to strangers?

Values are exchanged where they are known: on usage events, on accounts, on the names of files. Every sentence is made
afterwards and can hold pseudonyms only. Under one key a value has one pseudonym everywhere; without the key nobody can
find a value by trying all account ids or addresses. What is not known to be AWS's own word counts as a name.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from usage_anomaly.callers import ip_of
from usage_anomaly.enrichment.accounts import TYPE_WORDS, Account, account_type, read_tags
from usage_anomaly.enrichment.automation import words_of
from usage_anomaly.envelopes import Rejection
from usage_anomaly.intake import ObjectRead
from usage_anomaly.replay import Arrival
from usage_anomaly.usage import UNKNOWN, UsageEvent
from usage_anomaly_cli import aws_words
from usage_anomaly_cli.archives import ARCHIVE_SUFFIXES
from usage_anomaly_cli.deeds import ActorRead, Created, Deed, Done, Used
from usage_anomaly_cli.doers import Doer
from usage_anomaly_cli.reading import TRAIL_SUFFIXES, Result

T = TypeVar("T", bound=msgspec.Struct)

HASH = 12  # hexadecimal digits: among 100,000 names two share a pseudonym under one of 50,000 keys
TYPED_HASH = 8  # there are few accounts, and a mail's subject has little room
SHORT = {"production": "prod", "staging": "staging", "development": "dev"}
CACHED = 1 << 16  # values of each sort whose pseudonym is kept; about 20 MB at most
ROUNDS = 8
ID_DIGITS = 17  # as many as AWS writes today

_SEPARATORS = re.compile(r"([:/#|])")
_AWS_MANAGED = re.compile("arn:[^:]*:[^:]*:[^:]*:aws:")
_QUOTED = re.compile(r" \(.*\)", re.DOTALL)  # what a library said of a file may hold its name


class Redaction:
    """Pseudonyms under one key (any bytes; 16 random ones or more keep the values from being guessed)."""

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.sha256(key).digest()
        self.text = lru_cache(CACHED)(self._text)
        self.name = lru_cache(CACHED)(self._name)
        self.account = lru_cache(CACHED)(self._account)
        self.address = lru_cache(CACHED)(self._address)
        self.agent = lru_cache(CACHED)(self._agent)
        self.file = lru_cache(CACHED)(self._file)
        self._fields: dict[str, Callable[[str], str]] = {
            **dict.fromkeys(("event_id", "shared_event_id"), self.event_id),
            **dict.fromkeys(("event_source", "invoked_by", "source_address", "source_ip"), self.address),
            **dict.fromkeys(("event_name", "error_code"), self.code),
            **dict.fromkeys(("actor_arn", "actor_session", "access_key_id", "launcher_id"), self.text),
            **dict.fromkeys(("image_id", "key_name", "function_name"), self.text),
            **dict.fromkeys(("market", "platform", "tenancy"), self._one_of(aws_words.LAUNCHES)),
            "account_id": self.account,
            "region": self.region,
            "group": self.group,
            "actor_type": self._one_of(aws_words.ACTOR_TYPES),
            "automation": self.automation,
            "user_agent": self.agent,
            "record_location": self.location,
        }
        self._of_deeds: dict[str, Callable[[str], str]] = {
            **{field: self._fields[field] for field in ("event_id", "account_id", "region", "access_key_id")},
            **{field: self._fields[field] for field in ("error_code", "source_address", "user_agent")},
            "source": self.address,
            "call": self.code,
            "arn": self.identity,
            "record_location": self.location,
        }

    def event(self, event: UsageEvent) -> UsageEvent:
        """The event with pseudonyms; what it counts, costs and says about time stays."""
        return _exchanged(event, self._fields, resource_ids=tuple(map(self.text, event.resource_ids)))

    def deed(self, deed: Deed) -> Deed:
        """One call of a doer."""
        made = deed.created
        created = made and Created(made.what, self.text(made.identity), self.text(made.whose) if made.whose else None)
        # That AWS manages a policy is known once a call got through with it; a refused one may name anything.
        refused = deed.outcome == "refused"
        about = tuple(
            self.name(each) if refused and _AWS_MANAGED.match(each) else self.text(each) for each in deed.about
        )
        ids = tuple(map(self.text, deed.ids))
        used = tuple(Used(each.quantity, each.unit, each.group and self.group(each.group)) for each in deed.used)
        return _exchanged(deed, self._of_deeds, about=about, ids=ids, used=used, created=created)

    def doer(self, doer: Doer) -> Doer:
        """Whom the reader asked for."""
        return Doer(self.identity(doer.text), doer.sort)

    def identity(self, value: str) -> str:
        """An ARN, a key, a name, an address or a service."""
        return self.address(value) if value.endswith(".amazonaws.com") else self.text(value)

    def accounts(self, accounts: Mapping[str, Account]) -> dict[str, Account]:
        """The accounts file; what tells an account's type stays."""
        return {self.account(each): self._entry(account) for each, account in accounts.items()}

    def result(self, result: Result[ObjectRead]) -> Result[ObjectRead]:
        """What was read of one object."""
        value = None if result.value is None else self._object(result.value)
        return msgspec.structs.replace(self.of_file(result), value=value)

    def actor(self, result: Result[ActorRead]) -> Result[ActorRead]:
        """What was read of one object for one doer."""
        read = result.value
        if read is None:
            return self.of_file(result)
        changed = msgspec.structs.replace(
            read,
            done=[Done(each.key, self.deed(each.deed), tuple(map(self.event, each.events))) for each in read.done],
            others=list(map(self.event, read.others)),
            keys=frozenset((self.text(arn), self.text(key)) for arn, key in read.keys),
            alike=Counter({self.identity(each): count for each, count in read.alike.items()}),
        )
        return msgspec.structs.replace(self.of_file(result), value=changed)

    def of_file(self, result: Result[Any]) -> Result[Any]:
        """The name of an object and what was said of it; its value stays."""
        rejected = [Rejection(_QUOTED.sub("", each.reason), each.offset, each.count) for each in result.rejected]
        return msgspec.structs.replace(result, name=self.file(result.name), rejected=rejected)

    def _object(self, read: ObjectRead) -> ObjectRead:
        return msgspec.structs.replace(
            read,
            name=self.file(read.name),
            arrivals=tuple((minute, self._arrival(arrival)) for minute, arrival in read.arrivals),
            presence={
                (self.account(account), self.region(region)): hours
                for (account, region), hours in read.presence.items()
            },
        )

    def _arrival(self, arrival: Arrival) -> Arrival:
        return Arrival(
            arrival.keys,
            tuple((position, tuple(map(self.event, events))) for position, events in arrival.wanted),
            {self.account(account): first for account, first in arrival.coverage.items()},
        )

    def _entry(self, account: Account) -> Account:
        return Account(
            id=self.account(account.id),
            name=self.typed(account.name) if account.name else "",
            status=account.status if account.status in aws_words.STATUSES else self.name(account.status),
            tags={key: self.typed(value) for key, value in read_tags(account.tags).items()},
        )

    def typed(self, value: str) -> str:
        """An account's name or tag: a type word stays, and of other values the type that they tell."""
        if not value.strip() or value.lower() in TYPE_WORDS:
            return value
        told = account_type(Account(id="", name=value))
        return self.name(value) if told == UNKNOWN else f"{SHORT[told]}-{self._hex(value, TYPED_HASH)}"

    def _account(self, value: str) -> str:
        """Twelve digits for twelve digits, one to one."""
        return (
            f"{self._permuted(int(value), 10**6, 'account'):012d}"
            if aws_words.ACCOUNT.fullmatch(value)
            else self.name(value)
        )

    def region(self, value: str) -> str:
        return value if aws_words.REGION.fullmatch(value) else self.name(value)

    def group(self, value: str) -> str:
        """Types of machines, storage and models are AWS's, words of the catalog ours; a task definition's name is neither."""
        known = (
            value in aws_words.GROUPS
            or value in aws_words.said_by_catalog()
            or aws_words.MACHINE.fullmatch(value)
            or aws_words.MODEL.fullmatch(value)
            or aws_words.HOSTS.fullmatch(value)
        )
        return value if known else self.text(value)

    def code(self, value: str) -> str:
        return value if aws_words.CODE.fullmatch(value) else self.name(value)

    def automation(self, value: str) -> str:
        return value if value in aws_words.AUTOMATIONS else self.address(value)

    def event_id(self, value: str) -> str:
        prefix, mark, rest = value.rpartition(":")
        return f"sha256:{self._hex(rest, 32)}" if mark and prefix == "sha256" else self._uuid(value)

    def location(self, value: str) -> str:
        name, mark, position = value.rpartition("#")
        return f"{self.file(name)}#{position}" if mark and position.isdecimal() else self.file(value)

    def _file(self, value: str) -> str:
        suffix = max(
            (each for each in (*TRAIL_SUFFIXES, *ARCHIVE_SUFFIXES) if value.lower().endswith(each)), key=len, default=""
        )
        return f"file-{self._hex(value, HASH)}{suffix}"

    def _address(self, value: str) -> str:
        """Addresses become ones of the range for documentation; services stay."""
        ip = ip_of(value)
        if ip is not None:
            return self._documentation_address(ip)
        if value in aws_words.NAMES or aws_words.SERVICE.fullmatch(value):
            return value
        domain = aws_words.SERVICE_DOMAIN.search(value)
        return f"host-{self._hex(value, HASH)}{domain[0] if domain else ''}"

    def _documentation_address(self, ip: str) -> str:
        """IPv4 finds room in IPv6's range only (2001:db8::/32): IPv4's holds 768, so that strangers would become one."""
        address = ipaddress.ip_address(ip)
        if address.version == 4:
            number = self._permuted(int(address), 1 << 16, "address")
            return str(ipaddress.ip_address(f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::4"))
        digits = self._hex(ip, 20)
        groups = ":".join(digits[at : at + 4] for at in range(0, 20, 4))
        return str(ipaddress.ip_address(f"2001:db8:{groups}:6"))

    def _agent(self, value: str) -> str:
        """The products that everybody has, in their order; a hash for the rest."""
        if aws_words.SERVICE.fullmatch(value) or value in aws_words.NAMES:
            return value
        kept = [found for found in map(_product, value.split()) if found]
        rest = [] if " ".join(kept) == value else [f"agent-{self._hex(value, HASH)}"]
        return " ".join([*kept, *rest])

    def _text(self, value: str) -> str:
        """An ARN, an id, a name, or several with marks between them."""
        parts = value.split(":", 5)
        if len(parts) == 6 and parts[0] == "arn":
            if parts[4] == "aws":  # policies that AWS manages
                return value
            account = self.account(parts[4]) if parts[4] else ""
            region = self.region(parts[3]) if parts[3] else ""
            partition = parts[1] if aws_words.PARTITION.fullmatch(parts[1]) else self.name(parts[1])
            service = parts[2] if aws_words.ARN_SERVICE.fullmatch(parts[2]) else self.name(parts[2])
            return ":".join(["arn", partition, service, region, account, self._pieces(parts[5])])
        return value if aws_words.SERVICE.fullmatch(value) else self._pieces(value)

    def _pieces(self, value: str) -> str:
        if ip_of(value) is not None:
            return self.address(value)
        pieces = _SEPARATORS.split(value)
        several = len(pieces) > 1
        return "".join(self._piece(piece, several) if at % 2 == 0 else piece for at, piece in enumerate(pieces))

    def _piece(self, piece: str, several: bool) -> str:
        if not piece or (
            several and (piece in aws_words.RESOURCES or aws_words.SMALL_NUMBER.fullmatch(piece) or _known(piece))
        ):
            return piece
        if aws_words.ACCOUNT.fullmatch(piece):
            return self.account(piece)
        if found := aws_words.KEY.fullmatch(piece):
            return found[1] + self._letters(piece, min(28, max(16, len(piece) - 4)))
        if found := aws_words.RESOURCE_ID.fullmatch(piece):
            return f"{found[1]}-{self._hex(piece, ID_DIGITS)}"
        if found := aws_words.FLEET.fullmatch(piece):
            return f"{found[1]}-{self._uuid(piece)}"
        if aws_words.CLUSTER.fullmatch(piece):
            return f"j-{self._letters(piece, 13)}"
        if aws_words.UUID.fullmatch(piece):
            return self._uuid(piece)
        if aws_words.TASK.fullmatch(piece):
            return self._hex(piece, 32)
        return self.address(piece) if ip_of(piece) else self.name(piece)

    def _name(self, value: str) -> str:
        """A name, with what the rules for automations look for in it."""
        if value in aws_words.NAMES:
            return value
        if found := aws_words.SERVICE_ROLE.fullmatch(value):
            return found[1] + (f"_{self._name(found[2])}" if found[2] else "")
        bare, words = value.strip().lower(), words_of(value)
        if any(mark.how == "is" and mark.text == bare for mark in aws_words.NAME_MARKS):
            return value
        starts = [
            len(mark.text) for mark in aws_words.NAME_MARKS if mark.how == "starts" and bare.startswith(mark.text)
        ]
        kept = list[str]()
        for phrase in aws_words.PHRASES:  # the longer ones first: "karpenter node" holds karpenter
            if f" {phrase} " in words and not any(f" {phrase} " in f" {each} " for each in kept):
                kept.append(phrase)
        start = value.strip()[: max(starts, default=0)]
        stem = [each for phrase in kept or ([] if start else ["name"]) for each in phrase.split(" ")]
        mark = "-" if start[-1:].isalnum() else ""
        return f"{start}{mark}{'-'.join([*stem, self._hex(value, HASH)])}"

    def _one_of(self, words: frozenset[str]) -> Callable[[str], str]:
        return lambda value: value if value in words else self.name(value)

    def _digest(self, value: str, size: int) -> bytes:
        return hashlib.blake2b(value.encode("utf-8", "surrogatepass"), key=self._key, digest_size=size).digest()

    def _hex(self, value: str, digits: int) -> str:
        return self._digest(value, 20).hex()[:digits]

    def _letters(self, value: str, number: int) -> str:
        return base64.b32encode(self._digest(value, 20)).decode()[:number]

    def _uuid(self, value: str) -> str:
        digits = self._hex(value, 32)
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def _permuted(self, number: int, half: int, sort: str) -> int:
        """A number below half x half for each, one to one: a Feistel network of keyed hashes."""
        left, right = divmod(number, half)
        for turn in range(ROUNDS):
            mixed = int.from_bytes(self._digest(f"{sort}/{turn}/{right}", 8), "big")
            left, right = right, (left + mixed) % half
        return left * half + right


def _exchanged(struct: T, pseudonyms: Mapping[str, Callable[[str], str]], **others: object) -> T:
    changed = {field: new(value) for field, new in pseudonyms.items() if (value := getattr(struct, field)) is not None}
    return msgspec.structs.replace(struct, **changed, **others)


def _known(piece: str) -> bool:
    return bool(
        aws_words.REGION.fullmatch(piece) or aws_words.DEVICE.fullmatch(piece) or aws_words.SERVICE.fullmatch(piece)
    )


def _product(word: str) -> str | None:
    """The product and version at the beginning of a word of a user agent, if everybody has it."""
    bare = word.strip("[](),;")
    if aws_words.SERVICE.fullmatch(bare):
        return bare
    lowered = bare.lower()
    for mark in aws_words.AGENT_MARKS:
        if lowered == mark.text or (mark.how == "starts" and lowered.startswith(mark.text)):
            version = aws_words.VERSION.match(bare, len(mark.text))
            return bare[: version.end() if version else len(mark.text)]
    name, _, _ = bare.partition("/")
    if name.lower() not in aws_words.PRODUCTS:
        return None
    version = aws_words.VERSION.match(bare, len(name))
    return bare[: version.end()] if version else name
