"""Who made this call?

`userIdentity` may be missing, null, a string or half filled; what cannot be read is None. A session's role and its
session name stand apart, so that a thousand sessions of one role are one actor.
"""

from __future__ import annotations

import ipaddress
import re

import msgspec

from usage_anomaly.paths import TEXT_CHARACTERS, text_of

_SESSION = re.compile(r"arn:(?P<partition>[^:]*):+(?:sts|iam):+(?P<account>\d*):assumed-role/(?P<rest>.+)", re.DOTALL)
_LONG_LIVED = "AKIA"
_CONSOLE = "signin.amazonaws.com"  # old records say invokedBy for a person at the console: that is no service's call


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """The caller as far as the record tells; `service` is true where an AWS service made the call by itself."""

    arn: str | None
    session: str | None
    type: str | None
    access_key_id: str | None
    account_id: str | None
    invoked_by: str | None
    service: bool

    @property
    def long_lived_key(self) -> bool:
        """Whether the key lives until someone deletes it (AWS marks those with AKIA, sessions with ASIA)."""
        return self.access_key_id is not None and self.access_key_id.startswith(_LONG_LIVED)


def read_caller(identity: object, source_address: str | None) -> Caller:
    """Read `userIdentity`, whatever it is."""
    fields = identity if type(identity) is dict else {}
    kind = text_of(fields.get("type"))
    invoked_by = text_of(fields.get("invokedBy"))
    arn, session = _actor(fields)
    return Caller(
        arn=arn,
        session=session,
        type=kind,
        access_key_id=text_of(fields.get("accessKeyId")),
        account_id=text_of(fields.get("accountId")),
        invoked_by=invoked_by,
        service=kind == "AWSService" or invoked_by not in (None, _CONSOLE) or _is_service(source_address),
    )


def _actor(fields: dict[str, object]) -> tuple[str | None, str | None]:
    """Return the role or user and the session name; the principal's id stands in where there is no ARN."""
    arn = text_of(fields.get("arn"), TEXT_CHARACTERS)
    issuer = text_of(_step(_step(fields, "sessionContext"), "sessionIssuer").get("arn"), TEXT_CHARACTERS)
    session = arn.rpartition("/")[2] or None if arn and _has_session(arn) else None
    actor = issuer or arn or text_of(fields.get("principalId"))
    return (role_of(actor) if actor else None), session


def _has_session(arn: str) -> bool:
    return ":assumed-role/" in arn or ":federated-user/" in arn


def role_of(arn: str) -> str:
    """Turn the ARN of a role's session into the role's own; other ARNs stay. The path of the role is not in it."""
    match = _SESSION.fullmatch(arn)
    if match is None:
        return arn
    role = match["rest"].rpartition("/")[0] or match["rest"]
    return f"arn:{match['partition'] or 'aws'}:iam::{match['account']}:role/{role}"


def principal(arn: str | None, session: str | None) -> str | None:
    """What an identity is called in any account: `role/Admin/jane`, `user/ci`; None where there is no ARN."""
    name = (arn or "").partition("::")[2].partition(":")[2]
    return "/".join(filter(None, (name, session))) or None


def _step(fields: dict[str, object], name: str) -> dict[str, object]:
    value = fields.get(name)
    return value if type(value) is dict else {}


def _is_service(name: str | None) -> bool:
    """Tell a service's name from a person's address."""
    if name is None or name == _CONSOLE:
        return False
    return name == "AWS Internal" or name.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def ip_of(address: str | None) -> str | None:
    """Return the address if it is one: `sourceIPAddress` holds a service's name in four of five records."""
    if address is None or "%" in address:
        return None
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return None
