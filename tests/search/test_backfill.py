"""Does `usage-anomaly backfill` bring history in once, whatever breaks, and touch nothing?"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sys
import threading
from datetime import timedelta
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConnectionError as NoConnection
from tests.envelopes.building import log, made
from tests.search.backfills import KINDS, NOW, Backfill, finished, name_of, put_files
from tests.search.making import NOBODY
from tests.search.serving import LOOPBACK, documents

from usage_anomaly.envelopes import Payload, read_payload
from usage_anomaly.errors import UnusableInput
from usage_anomaly.search import history, indexes
from usage_anomaly.search.indexes import PROFILES
from usage_anomaly_cli import backfill_command, backfilling
from usage_anomaly_cli.backfilling import MOST_EVENTS, Pace
from usage_anomaly_cli.main import cli

pytestmark = LOOPBACK


def broken_after(calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cluster goes away behind so many bulk requests, and nobody waits for it."""
    bulk, left, lock = OpenSearch.bulk, iter(range(calls)), threading.Lock()

    def breaking(self: OpenSearch, **arguments: Any) -> Any:
        with lock:
            if next(left, None) is None:
                raise NoConnection("N/A", "gone", Exception())
        return bulk(self, **arguments)

    monkeypatch.setattr(OpenSearch, "bulk", breaking)
    monkeypatch.setattr(backfilling, "PATIENCE", 0.0)


def test_twice_is_the_same_as_once(backfill: Backfill, client: OpenSearch, tmp_path: Path) -> None:
    """Whoever is not sure that it went through runs it again."""
    put_files(tmp_path / "trail", 20)
    first = backfill(tmp_path / "trail")
    before = documents(client)
    second = backfill(tmp_path / "trail", "--jobs", "2")
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "20 objects, 60 records" in first.stdout
    assert f"Events    {60 * KINDS} new, 0 there already, 0 rejected, 0 outside" in first.stdout
    assert f"Events    0 new, {60 * KINDS} there already" in second.stdout
    assert len(before) == 60 * KINDS
    assert documents(client) == before


def test_it_is_marked_as_history_and_touches_nothing(backfill: Backfill, client: OpenSearch, tmp_path: Path) -> None:
    """A tick that took a month of history for news would tell a month of anomalies in one night."""
    put_files(tmp_path, 3)
    assert backfill(tmp_path).exit_code == 0
    client.indices.refresh(index=indexes.ALL_EVENTS)
    hits = client.search(index=indexes.ALL_EVENTS, body={"size": 100})["hits"]["hits"]
    assert {hit["_source"]["origin"] for hit in hits} == {"backfill"}
    assert {hit["_source"]["ingest_time"] for hit in hits} == {"2026-01-25T12:00:00Z"}
    assert history.touched(client, NOW - timedelta(days=40), NOW + timedelta(days=1)) == []
    assert history.newest_ingest(client) is None
    assert len(history.days(client, "111122223333")) == 1


def test_the_last_hour_is_left_to_live_records(backfill: Backfill, client: OpenSearch, tmp_path: Path) -> None:
    """What stands there as history already, ingest cannot bring as news any more: nobody would ever be told of it."""
    file, progress = tmp_path / "a.json", tmp_path / "progress"
    file.write_bytes(log([made(1, eventTime="2026-01-25T11:30:00Z"), made(2)]))
    result = backfill(file, "--progress-file", progress)
    assert f"Events    {KINDS} new, 0 there already, 0 rejected, {KINDS} outside the span" in result.stdout
    assert finished(progress) == []  # a later run has to take the rest
    assert f"{KINDS} new" in backfill(file, "--progress-file", progress, "--until", "2026-01-25T12:00").stdout
    assert len(finished(progress)) == 1


def test_since_and_until_bound_what_is_written(backfill: Backfill, client: OpenSearch, tmp_path: Path) -> None:
    """Times of use, the end left out."""
    file = tmp_path / "a.json"
    times = ("2026-01-20T09:59:59Z", "2026-01-20T10:00:00Z", "2026-01-20T11:00:00Z")
    file.write_bytes(log([made(number, eventTime=at) for number, at in enumerate(times)]))
    assert backfill(file, "--since", "2026-01-20T10:00", "--until", "2026-01-20T11:00").exit_code == 0
    assert {each["event_time"] for each in documents(client).values()} == {"2026-01-20T10:00:00Z"}


def test_a_broken_run_goes_on_where_it_stopped(
    backfill: Backfill, client: OpenSearch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No object that is noted lacks an event, and no other is left out."""
    put_files(tmp_path / "trail", 40)
    progress = tmp_path / "progress"
    monkeypatch.setattr(backfilling, "MOST_EVENTS", 10)
    with monkeypatch.context() as broken:
        broken_after(9, broken)
        first = backfill(tmp_path / "trail", "--progress-file", progress)
    assert first.exit_code == 1
    assert "broken off: OpenSearch does not answer" in first.stderr
    assert "Run it again: nothing is counted twice, what is finished is left out" in first.stderr
    kept = {str(each["record_location"]).partition("#")[0] for each in documents(client).values()}
    noted = finished(progress)
    assert 0 < len(noted) < 40
    assert {each["name"] for each in noted} <= kept
    second = backfill(tmp_path / "trail", "--progress-file", progress)
    assert second.exit_code == 0
    assert f"Read      {40 - len(noted)} objects" in second.stdout
    assert f"{len(noted)} finished before" in second.stdout
    assert len(documents(client)) == 120 * KINDS
    assert len({each["name"] for each in finished(progress)}) == 40
    assert (
        "Read      0 objects, 0 records, 40 finished before"
        in backfill(tmp_path / "trail", "--progress-file", progress).stdout
    )


def test_ctrl_c_keeps_what_was_taken(
    backfill: Backfill, client: OpenSearch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must end soon although a busy cluster is waited for, and what is under way must not be noted."""
    put_files(tmp_path / "trail", 10, each=1)
    monkeypatch.setattr(backfilling, "MOST_EVENTS", KINDS)
    take = backfilling.Backfill._take
    left = iter(range(5))

    def interrupted(self: backfilling.Backfill, *arguments: Any) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        take(self, *arguments)

    monkeypatch.setattr(backfilling.Backfill, "_take", interrupted)
    progress = tmp_path / "progress"
    assert backfill(tmp_path / "trail", "--progress-file", progress).exit_code == 1
    assert {each["name"] for each in finished(progress)} == {
        str(each["record_location"]).partition("#")[0] for each in documents(client).values()
    }
    assert len(finished(progress)) == 5


def test_a_busy_cluster_gets_less_at_a_time_and_loses_nothing(
    backfill: Backfill, client: OpenSearch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """429 says: the queue is full. Sending on as before would keep it full for ingest too."""
    put_files(tmp_path, 60)
    monkeypatch.setattr(backfilling, "MOST_EVENTS", 32)
    bulk, lock, sizes = OpenSearch.bulk, threading.Lock(), list[int]()

    def busy(self: OpenSearch, **arguments: Any) -> Any:
        with lock:
            sizes.append(arguments["body"].count(b"\n") // 2)
            refuse = len(sizes) <= 4
        if refuse:
            item = {"create": {"status": 429, "error": {"type": "rejected_execution_exception", "reason": "full"}}}
            return {"items": [item] * sizes[-1]}
        return bulk(self, **arguments)

    monkeypatch.setattr(OpenSearch, "bulk", busy)
    result = backfill(tmp_path)
    assert result.exit_code == 0
    assert "Waited    4 times for the cluster" in result.stdout
    assert len(documents(client)) == 180 * KINDS
    assert max(sizes[:4]) == 32
    assert min(sizes[:-2]) <= 8


def test_the_pace_falls_fast_and_recovers_slowly() -> None:
    """Half at each refusal down to one small batch at a time, and up again by the batches that were taken at once."""
    pace = Pace()
    assert (pace.writers, pace.events) == (4, MOST_EVENTS)
    pace.slower()
    assert (pace.writers, pace.events) == (2, MOST_EVENTS // 2)
    for _ in range(10):
        pace.slower()
    assert (pace.writers, pace.events) == (1, MOST_EVENTS // 16)
    for _ in range(20):
        pace.faster()
    assert (pace.writers, pace.events) == (4, MOST_EVENTS)


def test_what_is_kept_for_longer_now_is_taken_by_the_next_run(backfill: Backfill, tmp_path: Path) -> None:
    """Too old for one retention is no reason to leave it out for ever."""
    file, progress = tmp_path / "a.json", tmp_path / "progress"
    file.write_bytes(log([made(1, eventTime="2025-12-01T00:00:00Z"), made(2)]))
    first = backfill(file, "--progress-file", progress)
    assert f"Events    {KINDS} new, 0 there already, 0 rejected, {KINDS} outside the span" in first.stdout
    second = backfill(file, "--progress-file", progress, "--retention-days", "90")
    assert f"Events    {KINDS} new, {KINDS} there already, 0 rejected, 0 outside" in second.stdout


def test_what_is_rejected_is_counted_and_kept(
    backfill: Backfill, client: OpenSearch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By reason on the screen; in the file with the event itself. One grows too old while the run goes on."""
    rejects = tmp_path / "rejects"
    times = chain([NOW], repeat(NOW + timedelta(hours=2)))
    monkeypatch.setattr(backfill_command, "clock", lambda: next(times))
    old, none = made(1, eventTime="2025-12-20T13:00:00Z"), made(2, eventTime="soon")
    (tmp_path / "a.json").write_bytes(log([old, none, made(3), 7]))
    result = backfill(tmp_path / "a.json", "--rejected", rejects)
    assert result.exit_code == 0
    assert f"Events    {KINDS} new, 0 there already, {KINDS + 2} rejected" in result.stdout
    assert f"Rejected  {KINDS} event_time is older than the 36 days that are kept" in result.stdout
    found = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert {each["event"]["event_id"] for each in found if each["event"]} == {old["eventID"]}
    assert sum(each["count"] for each in found) == KINDS + 2
    assert {each["object"].partition("#")[0] for each in found} == {str(tmp_path / "a.json")}
    assert client.indices.exists(index="usage-events-2025.12.20") is False


def test_what_was_delivered_before_retention_is_not_read(backfill: Backfill, tmp_path: Path) -> None:
    """A bucket holds years; their names tell that nothing in them is kept."""
    file = tmp_path / name_of(0, "2025/06/01")
    file.parent.mkdir(parents=True)
    file.write_bytes(b"never opened")
    put_files(tmp_path, 1)
    result = backfill(tmp_path)
    assert "Read      1 objects, 3 records, 1 delivered before the span" in result.stdout
    assert result.exit_code == 0


def test_an_object_that_cannot_be_read_is_told_and_tried_again(backfill: Backfill, tmp_path: Path) -> None:
    """The others are taken; the exit code says that something is missing."""
    put_files(tmp_path / "trail", 2)
    (tmp_path / "trail" / "gone.json.gz").symlink_to(tmp_path / "nowhere")
    (tmp_path / "trail" / "notes.txt").write_text("no trail file")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/trail/\xff.json")).write_bytes(log([made(100)]))
    progress, rejects = tmp_path / "progress", tmp_path / "rejects"
    result = backfill(tmp_path / "trail", "--progress-file", progress, "--rejected", rejects)
    assert result.exit_code == 1
    assert json.loads(rejects.read_text())["object"] == str(tmp_path / "trail" / "gone.json.gz")
    assert "1 no trail files" in result.stdout
    assert "gone.json.gz: cannot be read" in result.stdout
    assert "1 objects could not be read. Run it again" in result.stderr
    assert len(finished(progress)) == 3
    again = backfill(tmp_path / "trail", "--progress-file", progress)
    assert (again.exit_code, "3 finished before" in again.stdout) == (1, True)


def test_profiles_of_touched_pairs_are_dropped(backfill: Backfill, client: OpenSearch, tmp_path: Path) -> None:
    """They were computed without the new history; so were the sums of all accounts, which would call old habits new."""
    ids = ("111122223333#ec2.instances", "organization#ec2.instances", "111122223333#rds.instances")
    for each in ids:
        client.index(index=PROFILES, id=each, body={}, params={"refresh": "true"})
    put_files(tmp_path / "trail", 1)
    progress = tmp_path / "progress"
    assert "Profiles  2 dropped" in backfill(tmp_path / "trail", "--progress-file", progress).stdout
    client.indices.refresh(index=PROFILES)
    hits = client.search(index=PROFILES)["hits"]["hits"]
    assert [hit["_id"] for hit in hits] == ["111122223333#rds.instances"]
    assert "Profiles" not in backfill(tmp_path / "trail", "--progress-file", progress).stdout


def test_a_cluster_that_was_not_set_up_is_refused(
    url: str, bare: OpenSearch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without our template the first write would make an index of guessed fields, for good."""
    put_files(tmp_path, 1)
    arguments = ["backfill", str(tmp_path), "--endpoint", url, "--auth", "none"]
    result = CliRunner().invoke(cli, arguments)
    assert isinstance(result.exception, UnusableInput)
    assert "deploy the application first" in str(result.exception)
    older = indexes.templates()[indexes.EVENTS]
    del older["template"]["mappings"]["properties"]["aggregated"]
    bare.indices.put_index_template(name=indexes.EVENTS, body=older)
    result = CliRunner().invoke(cli, arguments)
    assert "it lacks aggregated" in str(result.exception)
    assert bare.cat.indices(format="json") == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (["--endpoint", "search.example.com"], "give https://HOST"),
        (["--endpoint", "https://host:port", "--auth", "none"], "give https://HOST"),
        (["--endpoint", "http://search.example.com"], "with --auth sigv4: give https://HOST"),
        (["--endpoint", "https://search.example.com"], "no AWS region"),
        (["--endpoint", "https://search.example.com", "--region", "us-east-1"], "no AWS credentials"),
        (["--endpoint", NOBODY, "--auth", "none"], "does not answer"),
    ],
)
def test_input_that_cannot_be_used_is_told_with_the_remedy(
    changed: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is read."""
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    result = CliRunner().invoke(cli, ["backfill", str(tmp_path), *changed])
    assert said in str(result.exception)


def test_a_login_that_is_over_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ "The cluster does not answer" would send people to the cluster."""
    config = tmp_path / "config"
    session = "sso_session = s\nsso_account_id = 111122223333\nsso_role_name = r\nregion = us-east-1"
    config.write_text(
        f"[profile over]\n{session}\n[sso-session s]\nsso_start_url = https://x.example\nsso_region = us-east-1\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))  # logins lie there
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    said = {"over": "no request can be signed: ", "other": "no AWS credentials (The config profile (other)"}
    for profile, text in said.items():
        monkeypatch.setenv("AWS_PROFILE", profile)
        result = CliRunner().invoke(cli, ["backfill", str(tmp_path), "--endpoint", "https://search.example.com"])
        assert isinstance(result.exception, UnusableInput)
        assert text in str(result.exception)


def test_missing_libraries_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever replays files only has neither of them."""
    for name in ("usage_anomaly_cli.backfilling", "opensearchpy"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "usage_anomaly_cli.backfilling")
    for name in [name for name in sys.modules if name.startswith(("usage_anomaly.ingesting", "usage_anomaly.search"))]:
        monkeypatch.delitem(sys.modules, name)
    result = CliRunner().invoke(cli, ["backfill", "x", "--endpoint", NOBODY])
    assert isinstance(result.exception, UnusableInput)
    assert "backfill needs opensearchpy" in str(result.exception)
    assert "usage-anomaly[aws]" in str(result.exception)


def test_an_archives_members_are_finished_one_by_one(backfill: Backfill, tmp_path: Path) -> None:
    """A zip file is read in place, so its members are known again; a packed tar file is unfolded anew and read again."""
    put_files(tmp_path / "trail", 5)
    progress = tmp_path / "progress"
    archive = shutil.make_archive(str(tmp_path / "case"), "zip", tmp_path / "trail")
    assert backfill(archive, "--progress-file", progress).exit_code == 0
    assert "5 finished before" in backfill(archive, "--progress-file", progress).stdout
    packed = shutil.make_archive(str(tmp_path / "case"), "gztar", tmp_path / "trail")
    assert "5 objects, 15 records" in backfill(packed, "--progress-file", progress).stdout
    assert f"{15 * KINDS} there already" in backfill(packed, "--progress-file", progress).stdout


def test_a_name_too_long_for_the_index_loses_no_event(backfill: Backfill, client: OpenSearch, tmp_path: Path) -> None:
    """A member's name may have 65,535 bytes, a keyword 32,766: the event counts more than its place."""
    read = backfilling.extract(_payload(b"x" * 40_000), "")
    assert [each.record_location for each in read.events] == [None] * KINDS
    assert [each.record_location for each in backfilling.extract(_payload(b"short"), "").events] == ["short#0"] * KINDS


def _payload(name: bytes) -> Payload:
    return read_payload(gzip.compress(log([made(1)])), name.decode())
