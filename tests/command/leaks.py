"""Which names, ids and addresses does a folder of trail files hold, and does a text hold any of them?"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from usage_anomaly_cli import aws_words

# Fields whose values name something of the account.
NAMING = re.compile(
    r"(?i).*(name|id|ids|arn|arns|keys?|bucket|user|email|host|owner|address|ip|prefix|identifier|group|principal|definition|family|cluster|provider)"
)
SHAPED = re.compile(
    r"[0-9]{12}|A[A-Z]{3}[A-Z0-9]{12,}|[a-z]{1,12}-[0-9a-f]{8,}|[0-9a-f-]{32,36}|(?:[0-9]{1,3}\.){3}[0-9]{1,3}"
)
# AWS's own words that stand in such fields.
PUBLIC = re.compile(
    r"(?i)true|false|none|null|unknown|default|running|pending|stopped|terminated|root|organization|public|private|redacted"
    r"|[0-9]{1,5}|[0-9]{2}Z|[0-9]{4}([-/][0-9]{2})+(T[0-9]{2})?/?|[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com(\.cn)?|.*\.(nano|micro|small|medium|large|[0-9]*xlarge|metal)"
)
# Words of our own sentences, or of every trail, that some field holds too.
WORDS = {"AWS", "Internal", "Linux", "all", "account", "id", "name", "person", "session", "source", "trail", "user"}
WORDS |= {"version", "aws", "sda1", "sdb", "a-role", "user-name", "user.name", "elasticmapreduce", "namespace"}
WORDS |= {"IP", "autoscaling", "cli", "internal", "logs", "Name", "app", "family", "main"}
POLICIES = re.compile(r"AdministratorAccess|ReadOnlyAccess|AmazonSSMManagedInstanceCore|AWSCompromisedKeyQuarantineV\d")
LEAST = 3


def records(folder: Path) -> Iterator[dict[str, Any]]:
    """Every JSON object of the files that looks like a record."""
    for file in sorted(folder.rglob("*.json*")):
        data = file.read_bytes()
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8", "replace")
        try:
            documents = [json.loads(text)]
        except ValueError:
            documents = [json.loads(line) for line in text.splitlines() if line.strip()]
        for document in documents:
            listed = document if isinstance(document, list) else document.get("Records", [document])
            yield from (each for each in listed if isinstance(each, dict))


def secrets(folder: Path) -> set[str]:
    """What must not be told: values of naming fields, their parts, and whatever has the shape of an id."""
    found: set[str] = set()
    calls: set[str] = set()
    for record in records(folder):
        calls |= {str(record.pop("eventName", "")), str(record.pop("eventSource", "")).partition(".")[0]}
        for field in ("eventTime", "eventType", "eventCategory", "eventVersion", "awsRegion", "tlsDetails"):
            record.pop(field, None)
        for name, value in leaves(record, ""):
            found.update(part for part in parts(value) if NAMING.fullmatch(name) or SHAPED.fullmatch(part))
    calls |= {call.partition(":")[2] for call in calls}
    return {value for value in found if len(value) >= LEAST and value not in calls and not is_public(value)}


def parts(value: str) -> set[str]:
    """The value, its words, and the words of these; of an ARN without partition, service and region."""
    found = {value}
    for word in re.split(r"[ ,\[\]\"{}\\]+", value):
        if word.startswith("arn:aws:iam::aws:"):  # AWS's own policies
            continue
        tail = word.split(":", 4)[4] if word.startswith("arn:") and word.count(":") >= 4 else word
        found.update([word, *re.split(r"[:/#|]+", tail)])
    return found


def leaves(value: object, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each, name)
    elif isinstance(value, str):
        yield name, value


def is_public(value: str) -> bool:
    """Whether AWS wrote it and every account's trail may hold it."""
    kept = (aws_words.NAMES, aws_words.RESOURCES, aws_words.ACTOR_TYPES, aws_words.LAUNCHES, aws_words.GROUPS)
    return (
        PUBLIC.fullmatch(value) is not None
        or POLICIES.fullmatch(value) is not None
        or value.strip("<>/") in WORDS
        or value.removeprefix("/dev/") in WORDS
        or aws_words.REGION.fullmatch(value) is not None
        or aws_words.MODEL.fullmatch(value) is not None
        or aws_words.SERVICE_ROLE.fullmatch(value) is not None
        or value.lower() in aws_words.PRODUCTS
        or any(value in words for words in kept)
        or any(value.lower() in {phrase, phrase.replace(" ", "-")} for phrase in aws_words.PHRASES)
        or any(mark.text == value.lower() for mark in (*aws_words.NAME_MARKS, *aws_words.AGENT_MARKS))
        or value.startswith("arn:aws:iam::aws:")
    )


def told(text: str, values: set[str]) -> list[str]:
    """The values that the text holds, as whole words."""
    spaced = _words(text)
    each_word = set(spaced.split())

    def stands(value: str) -> bool:
        words = _words(value)
        return bool(words.strip()) and each_word.issuperset(words.split()) and words in spaced

    return sorted(filter(stands, values))


def _words(text: str) -> str:
    return f" {re.sub(r'[^A-Za-z0-9_]+', ' ', text).strip()} "
