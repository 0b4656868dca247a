"""Which caller does `{type=IAMUser, principalid=..., sessioncontext={...}}` name?

Athena and CloudTrail Lake write the row type of userIdentity so, without quotes. A name that its bearer chose may look like
more of the text, so only what can be read in one way is read: every piece begins with a field that a caller has, no field
stands twice, and braces hold rows alone. Anything else is no caller.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

Fields: TypeAlias = Mapping[str, "Fields | None"]  # None: the field holds a text
Row: TypeAlias = dict[str, "str | Row"]

_ANY: Fields = {}  # a row of any fields: passed over
_ISSUER: Fields = dict.fromkeys(("type", "principalId", "arn", "accountId", "userName"))
_SESSION: Fields = {
    "attributes": dict.fromkeys(("mfaAuthenticated", "creationDate")),
    "sessionIssuer": _ISSUER,
    "webIdFederationData": {"federatedProvider": None, "attributes": _ANY},
    **dict.fromkeys(("sourceIdentity", "ec2RoleDelivery", "ec2IssuedInVpc", "assumedRoot")),
}
_CALLER: Fields = {
    **dict.fromkeys(("type", "principalId", "arn", "accountId", "invokedBy", "accessKeyId", "userName", "userId")),
    **dict.fromkeys(("identityProvider", "credentialId", "identityStoreArn")),
    "sessionContext": _SESSION,
    "onBehalfOf": dict.fromkeys(("userId", "identityStoreArn")),
    "inScopeOf": dict.fromkeys(("issuerType", "sourceArn", "sourceAccount", "credentialsIssuedTo")),
}
_KEY = re.compile(r"([A-Za-z0-9]+)=")
# Without possessive quantifiers, which Python 3.11 reads wrongly in its first releases.
_TEXT = re.compile(r"[^{},]*(?:,(?! )[^{},]*)*")
_ROW = re.compile(r"\{[^{}]*\}")


class _NoStruct(ValueError):
    """The text can be read in more than one way, or in none."""


def read_struct(text: str) -> Row | None:
    """The caller of a row's text, with CloudTrail's names for the fields; None where it cannot be read for certain."""
    try:
        row, end = _row(text, 0, _CALLER)
    except _NoStruct:
        return None
    return row if end == len(text) else None


def _row(text: str, start: int, fields: Fields) -> tuple[Row, int]:
    """The row that begins at `start`, and where it ends."""
    if not text.startswith("{", start):
        raise _NoStruct
    known, row, position = {name.lower(): name for name in fields}, Row(), start + 1
    while key := _KEY.match(text, position):
        name = known.pop(key[1].lower(), None)
        if name is None:
            raise _NoStruct
        value, position = _value(text, key.end(), fields[name])
        if value != "null":
            row[name] = value
        if text.startswith("}", position):
            return row, position + 1
        if not text.startswith(", ", position):
            break
        position += 2
    raise _NoStruct


def _value(text: str, start: int, inner: Fields | None) -> tuple[str | Row, int]:
    if inner is None or not text.startswith("{", start):
        found = _TEXT.match(text, start)
        return (found[0], found.end()) if found else ("", start)
    if inner is not _ANY:
        return _row(text, start, inner)
    passed = _ROW.match(text, start)
    if passed is None:
        raise _NoStruct
    return "null", passed.end()
