"""Which objects lie in this bucket, and how do their bytes get here?

Objects are listed while others are read, and a few are fetched ahead into files: memory and disk do not grow with the bucket.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from msgspec.structs import replace

from usage_anomaly.alerts.plain import inert
from usage_anomaly.envelopes.unpack import MIB
from usage_anomaly.errors import UnusableInput
from usage_anomaly.search.client import READ_WAITS, patiently
from usage_anomaly_cli.archives import CHUNK, LARGEST_FILE, archive_kind
from usage_anomaly_cli.reading import Source, why_not
from usage_anomaly_cli.taken import Item

SCHEME = "s3://"
FETCHERS = 16
AHEAD = 64  # objects that lie fetched and unread, besides those of the reading processes
_SHOWN = 300  # letters of a folder's name, which may be anything
SPARE = timedelta(days=1)  # an object's folder is named after the day of its delivery, and that only roughly
# Digests and insights of a trail lie beside its records, in folders of these names.
_NO_RECORDS = re.compile(r"(?:^|/)CloudTrail-(?:Digest|Insight)/$")
# Written by a trail itself: in a copy without folders of days every name would lie before the day that is asked for.
_OF_A_REGION = re.compile(r"(?:^|/)AWSLogs/(?:o-[a-z0-9]+/)?\d{12}/CloudTrail/[a-z0-9-]+/$")


def connect(region: str | None) -> Any:
    """A client of S3 with the caller's own credentials. Raises UnusableInput where these or the region are of no use."""
    config = Config(retries={"mode": "standard", "total_max_attempts": 6}, max_pool_connections=FETCHERS)
    try:
        return boto3.client("s3", region_name=region, config=config)
    except BotoCoreError as error:
        raise UnusableInput(f"no bucket can be reached: {error}") from error


def listed(s3: Any, url: str, since: datetime) -> Iterator[Item]:
    """The objects under `s3://bucket/prefix`, folder by folder; their marks are their ETags.

    In a trail's folder of one region, which has folders of years, months and days, what lies before the day of `since` is
    not listed. Raises UnusableInput where the bucket cannot be listed.
    """
    bucket, _, prefix = url.removeprefix(SCHEME).partition("/")
    if not bucket:
        raise UnusableInput(f"{url} names no bucket: give {SCHEME}BUCKET/PREFIX")
    folders = [prefix]
    while folders:
        folder = folders.pop()
        where = {"Bucket": bucket, "Prefix": folder}
        if _OF_A_REGION.search(folder):
            where["StartAfter"] = f"{folder}{since - SPARE:%Y/%m/%d}"
        else:
            where["Delimiter"] = "/"
        inner: list[str] = []
        try:
            for page in s3.get_paginator("list_objects_v2").paginate(**where):
                yield from (_item(bucket, each) for each in page.get("Contents", ()))
                inner += (each["Prefix"] for each in page.get("CommonPrefixes", ()))
        except (ClientError, BotoCoreError) as error:
            place = inert(f"{SCHEME}{bucket}/{folder}", _SHOWN)
            raise UnusableInput(
                f"{place} cannot be listed ({error}): see that the bucket exists and that these "
                "credentials have s3:ListBucket on it"
            ) from error
        folders += (each for each in reversed(inner) if not _NO_RECORDS.search(each))


def _item(bucket: str, found: dict[str, Any]) -> Item:
    name, size = f"{SCHEME}{bucket}/{found['Key']}", int(found["Size"])
    unusable = why_not(name)
    if archive_kind(name) is not None:
        unusable = "an archive in a bucket: copy it here and name its path"
    elif size > LARGEST_FILE:
        unusable = f"larger than {LARGEST_FILE // MIB:,} MiB: split it"
    return Item(Source(name, "", size=size, unusable=unusable), str(found["ETag"]))


def fetched(s3: Any, items: Iterable[Item], folder: Path) -> Generator[Item, None, None]:
    """The items in their order, those of a bucket with their bytes in a file; what cannot be had says why."""
    pool = ThreadPoolExecutor(FETCHERS)
    waiting: deque[Future[Item]] = deque()
    try:
        for number, item in enumerate(items):
            waiting.append(pool.submit(_fetched, s3, item, folder / f"{number:08}"))
            if len(waiting) >= AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _fetched(s3: Any, item: Item, target: Path) -> Item:
    source = item.source
    if source.unusable is not None or not source.name.startswith(SCHEME):
        return item
    bucket, _, key = source.name.removeprefix(SCHEME).partition("/")

    def copy() -> None:
        # The very bytes that were listed: what replaced them since is another object, of the next run.
        body = s3.get_object(Bucket=bucket, Key=key, IfMatch=item.mark)["Body"]
        with target.open("wb") as file:
            for chunk in body.iter_chunks(CHUNK):
                file.write(chunk)

    try:
        patiently(copy, READ_WAITS, transient=BotoCoreError)  # botocore tries requests again, but no stream that broke
    except (ClientError, BotoCoreError, OSError) as error:
        target.unlink(missing_ok=True)
        return replace(item, source=replace(source, unusable=f"cannot be fetched ({error})"))
    return Item(replace(source, path=str(target)), item.mark, fetched=True)
