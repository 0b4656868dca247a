"""Whom does the reader mean, and did that doer make this call?

A doer is named by an access key, an ARN, a principal's id, an address, a service, or a name. A name is compared with that
of the user, the role and the session.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Literal

import msgspec

from usage_anomaly.callers import Caller, ip_of, read_caller

Sort = Literal["access key", "principal id", "role session", "role", "user", "identity", "address", "service", "name"]

SAID: dict[Sort, str] = {
    "access key": "an access key",
    "principal id": "a principal's id",
    "role session": "a session: of the role this session only",
    "role": "a role: all its sessions",
    "user": "a user: all its keys and sessions",
    "identity": "an identity, by its whole ARN",
    "address": "an address",
    "service": "an AWS service: what it called, and what was called through it",
    "name": "a name: of a user, a role or a session, in any account",
}
_KEY = re.compile(r"A[KS]IA[A-Z0-9]{8,124}")
_PRINCIPAL = re.compile(r"A(?:IDA|ROA|GPA|NPA)[A-Z0-9]{8,124}(?::.+)?", re.DOTALL)
_SERVICE = re.compile(r"AWS Internal|[a-z0-9.-]+\.amazonaws\.com(?:\.cn)?")
_NETWORK_BITS = {4: 24, 6: 64}  # addresses of one network are alike
_MISTYPED = 2  # characters by which a key may differ and still be alike
_LEAST = 4  # characters of a name that is looked for within others


class Doer(msgspec.Struct, frozen=True):
    """Whom the reader asks for, and what the text was taken for."""

    text: str
    sort: Sort


class Identity(msgspec.Struct, frozen=True):
    """Who made a call: the caller, with the ARN and principal id as they stand in the record."""

    caller: Caller
    arn: str | None
    principal: str | None


def read_doer(text: str) -> Doer:
    """What the text is taken for, by its shape."""
    if text.startswith("arn:"):
        return Doer(text, _sort_of_arn(text.split(":", 5)[-1]))
    if _KEY.fullmatch(text):
        return Doer(text, "access key")
    if _PRINCIPAL.fullmatch(text):
        return Doer(text, "principal id")
    address = ip_of(text)
    if address is not None:
        return Doer(address, "address")
    return Doer(text, "service" if _SERVICE.fullmatch(text) else "name")


def _sort_of_arn(resource: str) -> Sort:
    kind, _, rest = resource.partition("/")
    if kind == "assumed-role":
        return "role session" if "/" in rest else "role"
    named: dict[str, Sort] = {"role": "role", "user": "user", "federated-user": "role session"}
    return named.get(kind, "identity")


# The same few callers stand in thousands of records.
@lru_cache(maxsize=4096)
def identity_of(user_identity: bytes, source_address: str | None) -> Identity:
    """Read `userIdentity`, whatever it is."""
    try:
        fields = msgspec.json.decode(user_identity)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        fields = None
    known = fields if type(fields) is dict else {}
    return Identity(read_caller(fields, source_address), _text(known.get("arn")), _text(known.get("principalId")))


def _text(value: object) -> str | None:
    return value if type(value) is str and value else None


@lru_cache(maxsize=4096)
def did(doer: Doer, identity: Identity, source_address: str | None) -> bool:
    """Whether the doer made a call of this identity from this address."""
    caller, text = identity.caller, doer.text
    match doer.sort:
        case "access key":
            return caller.access_key_id == text
        case "principal id":
            principal = identity.principal or ""
            return principal == text or principal.startswith(f"{text}:")
        case "role session" | "identity":
            return identity.arn == text
        case "role" | "user":
            return caller.arn is not None and _named(caller.arn) == _named(text)
        case "address":
            return ip_of(source_address) == text
        case "service":
            return text in (source_address, caller.invoked_by)
        case "name":
            return text in (name_of(caller.arn), caller.session, source_address)


def name_of(arn: str | None) -> str:
    """The name at the end of an ARN of a user or role."""
    return (arn or "").rsplit("/", 1)[-1]


def _named(arn: str) -> tuple[str, str, str]:
    """Account, kind and name: a role's path is in the ARN of the role, not in that of its session."""
    parts = arn.split(":", 5)
    kind, _, name = (parts[5] if len(parts) == 6 else "").partition("/")
    if kind == "assumed-role":
        return parts[4], "role", name.split("/", 1)[0]
    return (parts[4] if len(parts) == 6 else ""), kind, name_of(name)


@lru_cache(maxsize=4096)
def alike(doer: Doer, identity: Identity, source_address: str | None) -> str | None:
    """What is like the doer about a call that it did not make: an ARN, a key or an address to ask for instead."""
    caller = identity.caller
    if doer.sort == "access key":
        key = caller.access_key_id or ""
        apart = sum(one != other for one, other in zip(key, doer.text, strict=False))
        return key if len(key) == len(doer.text) and apart <= _MISTYPED else None
    if doer.sort == "address":
        ip = ip_of(source_address)
        return ip if ip is not None and _network(ip) == _network(doer.text) else None
    if doer.sort in ("principal id", "service"):
        return None
    wanted = (_named(doer.text)[2] if doer.sort in ("role", "user") else name_of(doer.text)).lower()
    if doer.sort == "identity":
        wanted = doer.text.split(":", 5)[-1].lower()
        return identity.arn if (identity.arn or "").lower().endswith(f":{wanted}") else None
    for name in (name_of(caller.arn), caller.session or ""):
        if name.lower() == wanted or (len(wanted) >= _LEAST and wanted in name.lower()):
            return identity.arn or caller.arn
    return None


def _network(ip: str) -> object:
    address = ipaddress.ip_address(ip)
    return ipaddress.ip_network(f"{ip}/{_NETWORK_BITS[address.version]}", strict=False)
