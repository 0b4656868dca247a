"""What is kept of the past of a kind in an account, and since when?

One document for each pair. It is read by its id, so that what was just written is found, and written on condition that
nobody wrote it since: of a tick and a job that both make it anew, one has seen less.
"""

from __future__ import annotations

import time
import zlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any

import msgspec
from opensearchpy import OpenSearch

from usage_anomaly.history import Kept, PastOvertaken
from usage_anomaly.search.client import READ_WAITS, Answer, SearchRefused, SearchUnavailable, Wait, answering, patiently
from usage_anomaly.search.indexes import PROFILES
from usage_anomaly.series import Past, bucket_start

NO_INDEX = "index_not_found_exception"  # before the first past is written
FORM = 1  # of what is packed: another form is as good as none, and written anew
_PAST = msgspec.msgpack.Decoder(Past)


def read(client: OpenSearch, account_ids: Sequence[str], kind: str, wait: Wait = time.sleep) -> list[Kept]:
    """The past of each account as it is kept. No part of them is an answer: a past that is not read would look like none."""
    if not account_ids:
        return []
    body = {"ids": [_id(each, kind) for each in account_ids]}

    def send() -> list[Answer]:
        with answering():
            found: list[Answer] = client.mget(index=PROFILES, body=body)["docs"]
        failed = [each["error"] for each in found if "error" in each and each["error"].get("type") != NO_INDEX]
        if failed:
            raise SearchUnavailable(f"{len(failed)} pasts not read: {failed[0].get('type')}")
        return found

    return list(map(_kept, patiently(send, READ_WAITS, wait)))


def write(client: OpenSearch, account_id: str, kind: str, past: Past, kept: Kept, wait: Wait = time.sleep) -> None:
    """Keep a past in place of the one that was read. Raises PastOvertaken if somebody else wrote meanwhile."""
    body = {
        "account_id": account_id,
        "kind": kind,
        "cut": bucket_start(past.cut),
        "form": FORM,
        "packed": pack(past),
    }
    params: dict[str, Any] = {"op_type": "create"}
    if kept.version is not None:
        params = dict(zip(("if_seq_no", "if_primary_term"), kept.version, strict=True))

    def send() -> None:
        with answering():
            client.index(index=PROFILES, id=_id(account_id, kind), body=msgspec.json.encode(body), params=params)

    try:
        patiently(send, READ_WAITS, wait)
    except SearchRefused as error:
        if error.status == 409:
            raise PastOvertaken(f"the past of {kind} in {account_id} was written meanwhile") from error
        raise


def pack(past: Past) -> str:
    """A past as text: forty days of a busy kind are 10,000 numbers and more."""
    return b64encode(zlib.compress(msgspec.msgpack.encode(past))).decode()


def unpack(text: str) -> Past:
    """What was packed. Raises ValueError where it was not."""
    try:
        return _PAST.decode(zlib.decompress(b64decode(text, validate=True)))
    except (zlib.error, msgspec.DecodeError) as error:
        raise ValueError(f"no past: {error}") from error


def _kept(found: Answer) -> Kept:
    if not found.get("found"):
        return Kept()
    return Kept(_past(found["_source"]), (int(found["_seq_no"]), int(found["_primary_term"])))


def _past(source: Answer) -> Past | None:
    if source.get("form") != FORM:
        return None
    try:
        return unpack(str(source.get("packed")))
    except ValueError:  # cut off or written by hand: as good as none
        return None


def _id(account_id: str, kind: str) -> str:
    return f"{account_id}#{kind}"
