"""Does `usage-anomaly backfill` read a bucket as it reads a folder, fetching only what it needs?"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from opensearchpy import OpenSearch
from tests.envelopes.building import log, made, zipped
from tests.search.backfills import KINDS, NOW, Backfill, name_of
from tests.search.serving import LOOPBACK, documents

from usage_anomaly.errors import UnusableInput
from usage_anomaly_cli import backfilling, bucket
from usage_anomaly_cli.taken import Item

pytestmark = LOOPBACK


def test_a_bucket_is_read_like_a_folder(
    backfill: Backfill, client: OpenSearch, s3: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Digests and old days are not fetched, names may hold anything, and nothing stays on the disk."""
    hostile = ["org/AWSLogs/ü \u202e<!channel>'\"#?%2F.json", "org/a//b/../../../etc/x.json", "org/\x1b[2J.json.gz"]
    records = iter(range(100))
    for key in [f"org/{name_of(n, region=r)}" for n in range(3) for r in ("us-east-1", "eu-west-1")] + hostile:
        body = log([made(next(records))])
        s3.put_object(Bucket="trail", Key=key, Body=zipped(body) if key.endswith(".gz") else body)
    s3.put_object(Bucket="trail", Key="org/AWSLogs/111122223333/CloudTrail-Digest/us-east-1/x.json.gz", Body=b"no")
    s3.put_object(Bucket="trail", Key=f"org/{name_of(9, '2025/01/01')}", Body=b"no")
    s3.put_object(Bucket="trail", Key="org/notes.txt", Body=b"no")
    s3.put_object(Bucket="trail", Key="other/x.json", Body=log([made(99)]))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    progress = tmp_path / "progress"
    first = backfill("s3://trail/org/", "--progress-file", progress)
    assert first.exit_code == 0, first.output
    assert "Read      9 objects, 9 records, 1 no trail files" in first.stdout
    assert "\x1b" not in first.output
    found = documents(client)
    assert len(found) == 9 * KINDS
    assert {str(each["record_location"]) for each in found.values()} >= {f"s3://trail/{key}#0" for key in hostile}
    assert [path.name for path in tmp_path.iterdir()] == ["progress"]
    s3.put_object(Bucket="trail", Key=hostile[0], Body=log([made(0), made(77)]))
    second = backfill("s3://trail/org/", "--progress-file", progress)
    assert "Read      1 objects, 2 records, 8 finished before" in second.stdout


def test_an_object_of_a_bucket_that_cannot_be_had_is_told(backfill: Backfill, s3: Any, tmp_path: Path) -> None:
    """Replaced between listing and fetching: the next run takes what stands there now."""
    s3.put_object(Bucket="trail", Key="a.json", Body=log([made(1)]))
    (item,) = bucket.listed(s3, "s3://trail", NOW)
    s3.put_object(Bucket="trail", Key="a.json", Body=log([made(2)]))
    (found,) = bucket.fetched(s3, [item], tmp_path)
    assert "cannot be fetched" in str(found.source.unusable)
    assert "PreconditionFailed" in str(found.source.unusable)
    assert list(tmp_path.iterdir()) == []


def test_a_copy_without_folders_of_days_is_read_too(backfill: Backfill, s3: Any) -> None:
    """Its names come before those of years: listing from a day on would pass over all of them without a word."""
    flat = name_of(1).rpartition("/")[2]
    for folder in ("copy/CloudTrail/us-east-1", "CloudTrail/export"):
        s3.put_object(Bucket="trail", Key=f"{folder}/{flat}", Body=zipped(log([made(1)])))
    assert "Read      2 objects, 2 records" in backfill("s3://trail").stdout


def test_objects_are_fetched_no_further_ahead_than_they_are_read(s3: Any, tmp_path: Path) -> None:
    """A bucket may hold a terabyte, the disk here does not."""
    for number in range(200):
        s3.put_object(Bucket="trail", Key=f"{number:03}.json", Body=b"{}")
    results = bucket.fetched(s3, bucket.listed(s3, "s3://trail", NOW), tmp_path)
    assert next(results).source.name == "s3://trail/000.json"
    results.close()
    assert 0 < len(list(tmp_path.iterdir())) <= bucket.AHEAD


def test_after_ctrl_c_nothing_more_is_fetched(
    backfill: Backfill, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixteen threads that write into a folder while it is removed make it fail; and the user waits for them."""
    for number in range(200):
        s3.put_object(Bucket="trail", Key=f"{number:03}.json", Body=b"{}")
    fetch, got = bucket._fetched, list[str]()

    def slowly(s3: Any, item: Item, target: Path) -> Item:
        got.append(item.source.name)
        time.sleep(0.02)
        return fetch(s3, item, target)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bucket, "_fetched", slowly)
    monkeypatch.setattr(backfilling.Backfill, "_take", interrupted)
    assert backfill("s3://trail").exit_code == 1
    ended = len(got)
    time.sleep(0.1)
    assert 0 < len(got) == ended < 200


def test_a_folder_that_cannot_be_listed_says_nothing_to_the_terminal() -> None:
    """Whoever writes into the bucket names its folders."""

    class Denied:
        def get_paginator(self, _: str) -> Denied:
            return self

        def paginate(self, **where: str) -> list[dict[str, Any]]:
            if where["Prefix"]:
                raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListObjectsV2")
            return [{"CommonPrefixes": [{"Prefix": "\x1b]0;owned\x07/"}]}]

    with pytest.raises(UnusableInput, match="owned") as caught:
        list(bucket.listed(Denied(), "s3://trail", NOW))
    assert str(caught.value).isprintable()


def test_a_bucket_that_cannot_be_listed_is_unusable_input(backfill: Backfill, s3: Any) -> None:
    """With what is needed to list it."""
    result = backfill("s3://no-such-bucket/x")
    assert isinstance(result.exception, UnusableInput)
    assert "s3:ListBucket" in str(result.exception)
    result = backfill("s3://trail", "--region", "us east")
    assert isinstance(result.exception, UnusableInput)
    assert "'us east'" in str(result.exception)
