"""Does `usage-anomaly actor` tell all that one doer did, and nothing of others?"""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.command import takeover
from tests.command.conftest import Command

from usage_anomaly_cli.case import lines
from usage_anomaly_cli.deeds import Deed
from usage_anomaly_cli.doers import alike, did, identity_of, read_doer

KEY = "AKIAIOSFODNN7EXAMPLE"
USER = "arn:aws:iam::111122223333:user/ci-legacy"
ROLE = "arn:aws:iam::111122223333:role/path/deploy"
SESSION = "arn:aws:sts::111122223333:assumed-role/deploy/jane"
START = datetime(2026, 11, 25, 10, tzinfo=UTC)


def user(**fields: object) -> dict[str, Any]:
    return {"type": "IAMUser", "arn": USER, "accountId": "111122223333", "accessKeyId": KEY, **fields}


def role(session: str = "jane") -> dict[str, Any]:
    issuer = {"type": "Role", "arn": ROLE, "principalId": "AROAIOSFODNN7EXAMPLE"}
    return {
        "type": "AssumedRole",
        "arn": f"arn:aws:sts::111122223333:assumed-role/deploy/{session}",
        "principalId": f"AROAIOSFODNN7EXAMPLE:{session}",
        "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
        "sessionContext": {"sessionIssuer": issuer},
    }


def record(number: int, name: str, minutes: float, identity: dict[str, Any], **fields: object) -> dict[str, Any]:
    return {
        "eventID": f"00000000-0000-4000-8000-{number:012d}",
        "eventName": name,
        "eventSource": "ec2.amazonaws.com",
        "eventTime": f"{START + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}",
        "awsRegion": "us-east-1",
        "recipientAccountId": "111122223333",
        "sourceIPAddress": "203.0.113.77",
        "userAgent": "aws-cli/2.31.20",
        "userIdentity": identity,
        **fields,
    }


def launched(*ids: str) -> dict[str, Any]:
    items = [{"instanceId": each, "instanceType": "p3.16xlarge"} for each in ids]
    return {
        "requestParameters": {"instanceType": "p3.16xlarge"},
        "responseElements": {"instancesSet": {"items": items}},
    }


def ended(*ids: str) -> dict[str, Any]:
    items = [{"instanceId": each, "previousState": {"name": "running"}} for each in ids]
    return {"responseElements": {"instancesSet": {"items": items}}}


CALLS = [
    record(1, "GetCallerIdentity", 0, user(), eventSource="sts.amazonaws.com"),
    record(2, "RunInstances", 4, user(), errorCode="Client.DryRunOperation"),
    record(3, "RunInstances", 10, user(), errorCode="Client.VcpuLimitExceeded"),
    record(
        4,
        "CreateAccessKey",
        12,
        user(),
        eventSource="iam.amazonaws.com",
        requestParameters={"userName": "svc-bk"},
        responseElements={"accessKey": {"accessKeyId": "AKIAI44QH8DHBEXAMPLE", "userName": "svc-bk"}},
    ),
    record(5, "RunInstances", 13, user(), **launched("i-0123456789abcdef0", "i-0123456789abcdef1")),
    record(6, "TerminateInstances", 20, role("on-call"), **ended("i-0123456789abcdef1")),
    record(7, "DescribeInstances", 21, user(accessKeyId="AKIAI55QH8DHBEXAMPLE")),
    record(8, "CreateVolume", 22, role(), sourceIPAddress="198.51.100.7"),
]


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A folder with the calls above in two files, one of the records three times."""
    folder = tmp_path / "case"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps({"Records": [*CALLS[4:], CALLS[4]]}))
    (folder / "b.json").write_text(json.dumps({"Records": CALLS[:5]}))
    return folder


def deeds(command: Command, *arguments: object) -> list[dict[str, Any]]:
    result = command("actor", *arguments, "--format", "jsonl")
    assert result.exit_code == 0
    return [json.loads(line) for line in result.stdout.splitlines()]


def numbers(found: list[dict[str, Any]]) -> list[int]:
    return [int(each["event_id"][-12:]) for each in found]


@pytest.mark.parametrize(
    ("doer", "expected"),
    [
        (KEY, [1, 2, 3, 4, 5]),
        (USER, [1, 2, 3, 4, 5, 7]),
        ("ci-legacy", [1, 2, 3, 4, 5, 7]),
        (ROLE, [6, 8]),
        ("arn:aws:iam::111122223333:role/deploy", [6, 8]),
        ("AROAIOSFODNN7EXAMPLE", [6, 8]),
        ("deploy", [6, 8]),
        (SESSION, [8]),
        ("jane", [8]),
        ("198.51.100.7", [8]),
        ("autoscaling.amazonaws.com", []),
    ],
)
def test_every_call_of_the_doer_and_no_other_is_told_once(
    command: Command, case: Path, doer: str, expected: list[int]
) -> None:
    """A call that is missing may be the one that matters; one of somebody else accuses the wrong person."""
    found = deeds(command, doer, case)
    assert numbers(found) == expected
    assert [each["time"] for each in found] == sorted(each["time"] for each in found)


def test_refused_calls_dry_runs_and_identity_changes_are_marked(command: Command, case: Path) -> None:
    """They say what the doer tried, and how it means to come back."""
    found = deeds(command, KEY, case)
    assert [each["outcome"] for each in found] == ["done", "dry run", "refused", "done", "done"]
    assert [each["mark"] for each in found] == ["read", "write", "write", "identity", "write"]
    text = command("actor", KEY, case).output
    assert "ec2 RunInstances x1 (1 dry run)" in text
    assert "ec2 RunInstances x2 (1 REFUSED: Client.VcpuLimitExceeded)" in text
    assert "IDENTITY  iam CreateAccessKey x1" in text


def test_the_account_says_what_runs_what_was_created_and_what_to_do(command: Command, case: Path) -> None:
    """The reader's next question is what to stop; what somebody else stopped already is left out."""
    text = command("actor", KEY, case).output
    assert f"{KEY}, taken for an access key" in text
    assert "2 more delivered twice" in text
    assert "the same user's, not used here: AKIAI55QH8DHBEXAMPLE" in text
    assert "2 instances, 1 not seen released, 24.5 USD/h" in text
    assert f"usage-anomaly actor AKIAI44QH8DHBEXAMPLE {case}" in text
    assert f"update-access-key --user-name ci-legacy --access-key-id {KEY} --status Inactive" in text
    assert "--instance-ids i-0123456789abcdef0\n" in text


def test_what_the_doer_made_is_told_for_every_kind_of_use(command: Command, tmp_path: Path) -> None:
    """Tasks are priced by a definition, sign-ins fail without a code, and CloudTrail's own counts stand beside calls."""
    packed = takeover.write(tmp_path)
    text = command("actor", "acme-payroll-bot", packed).output
    assert (
        "Did      728 calls: 723 that write, 4 on identities, 1 that read; 1 refused; 40,000 more by CloudTrail" in text
    )
    assert "lambda Invoke x40,000 (counted by CloudTrail)" in text
    assert "130 tasks, 130 not seen released, 23.7 USD/h + 10 unpriced" in text
    assert "Made     700 invocations\n" in text
    assert f"usage-anomaly actor {takeover.NEW_KEY} {packed}" in text
    assert "signin ConsoleLogin x40 (40 REFUSED: no code)" in command("actor", takeover.ADDRESS, packed).output


def test_a_role_that_works_here_daily_is_not_to_be_denied_at_once(command: Command, tmp_path: Path) -> None:
    """Denied everything, a nightly job stops; only a role all of whose changes are of one day may be an intruder's."""
    file = tmp_path / "nights.json"
    nights = [record(number, "CreateVolume", 1_440 * number, role()) for number in range(5)]
    file.write_text(json.dumps({"Records": nights}))
    for arguments in ((), ("--since", "2026-11-29")):
        text = command("actor", "deploy", file, *arguments).output
        assert "ask its owner before denying it anything" in text
        assert "put-role-policy" not in text
        assert "too little was read" not in text
    file.write_text(json.dumps({"Records": [record(9, "GetRole", 0, user()), nights[4]]}))
    assert "put-role-policy --role-name deploy" in command("actor", "deploy", file).output


def test_a_name_like_an_option_stays_a_name_in_the_command_that_comes_next(command: Command, tmp_path: Path) -> None:
    """IAM allows a user `--redact`; pasted, the command has to look at that user."""
    profile = {"responseElements": {"loginProfile": {"userName": "--redact"}}}
    made = record(1, "CreateLoginProfile", 0, user(), eventSource="iam.amazonaws.com", **profile)
    file = tmp_path / "a.json"
    file.write_text(json.dumps({"Records": [made]}))
    assert f"usage-anomaly actor -- --redact {file}" in command("actor", KEY, file).output
    assert "taken for a name" in command("actor", "--", "--redact", file).output


def test_a_refused_call_shows_no_name_as_a_policy_of_aws(command: Command, tmp_path: Path) -> None:
    """Anybody can write `aws` for an account; only AWS can make such a policy exist."""
    asked = {"requestParameters": {"policyArn": "arn:aws:iam::aws:policy/AcmeSecret"}, "errorCode": "NoSuchEntity"}
    file = tmp_path / "a.json"
    calls = [record(1, "AttachUserPolicy", 0, user(), eventSource="iam.amazonaws.com", **asked)]
    file.write_text(json.dumps({"Records": calls}))
    assert "AcmeSecret" in command("actor", KEY, file).output
    key = tmp_path / "key"
    key.write_bytes(b"0123456789abcdef")
    assert "AcmeSecret" not in command("actor", KEY, file, "--redact", "--redact-key", key).output


def test_nothing_found_names_what_is_alike_and_succeeds(command: Command, case: Path) -> None:
    """A mistyped digit must not be read as innocence."""
    result = command("actor", "arn:aws:iam::999988887777:user/CI-Legacy", case)
    assert result.exit_code == 0
    assert "nothing in these records" in result.output
    assert f"8 records of {USER}" in result.output
    assert f"of {KEY}" in command("actor", KEY[:-1] + "F", case).output
    assert "of 203.0.113.77" in command("actor", "203.0.113.78", case).output
    assert "nobody of a like name" in command("actor", "somebody", case).output


def test_times_bound_the_calls_and_not_what_is_known_of_releases(command: Command, case: Path) -> None:
    """An instance that was ended after --until does not run."""
    until = ("--until", "2026-11-25T10:14")
    assert numbers(deeds(command, USER, case, *until)) == [1, 2, 3, 4, 5]
    text = command("actor", USER, case, *until).output
    assert "1 outside the span asked for" in text
    assert "2 instances, 1 not seen released" in text
    assert command("actor", USER, case, "--since", "2026-11-26", "--until", "2026-11-25").exit_code == 1


def test_thousands_of_reads_do_not_bury_the_writes(command: Command, tmp_path: Path) -> None:
    """Twenty calls that change something are what the reader looks for."""
    reads = [record(number, f"Describe{number % 40}", number / 60, user()) for number in range(2_000)]
    writes = [record(5_000 + number, "CreateTags", number, user()) for number in range(0, 34, 7)]
    file = tmp_path / "many.json"
    file.write_text(json.dumps({"Records": reads + writes}))
    text = command("actor", KEY, file).output
    assert sum(" read " in line for line in text.splitlines()) == 1
    assert "2,000 calls: ec2 Describe0 x50" in text
    assert text.count("ec2 CreateTags x1") == 5
    assert command("actor", KEY, file, "--reads").output.count(" read ") == 40


def test_processes_and_order_of_files_change_nothing(command: Command, trail: Path) -> None:
    """Two readers of one folder must tell the same story."""
    alone = command("actor", KEY, trail, "--format", "jsonl").stdout
    assert len(alone.splitlines()) > 20
    assert command("actor", KEY, trail, "--format", "jsonl", "--jobs", "2").stdout == alone


def test_what_records_hold_cannot_act_on_the_terminal(command: Command, tmp_path: Path) -> None:
    """A user's name or agent may hold escape codes, and a created name a command."""
    evil = "\x1b[31mred\u202e'; rm -rf ~ #\n"
    hostile = user(arn=f"arn:aws:iam::111122223333:user/{evil}", userName=evil)
    made = {"accessKey": {"accessKeyId": evil, "userName": evil}}
    file = tmp_path / "hostile.json"
    call = record(
        *(1, "CreateAccessKey\x1b]0;x\x07", 0, hostile),
        eventSource="iam.amazonaws.com",
        userAgent=evil,
        sourceIPAddress=evil,
        awsRegion=evil,
    )
    again = record(2, "CreateAccessKey", 1, hostile, eventSource="iam.amazonaws.com", responseElements=made)
    file.write_text(json.dumps({"Records": [call, again]}))
    for arguments in ((KEY,), (evil,), (KEY, "--redact")):
        text = command("actor", arguments[0], file, *arguments[1:]).output
        assert text.isprintable() or set(filter(lambda each: not each.isprintable(), text)) == {"\n"}
        assert "\u202e" not in text
    assert "usage-anomaly actor '\\x1b[31mred" in command("actor", KEY, file).output


def test_a_folder_without_records_is_refused_with_the_remedy(command: Command, tmp_path: Path) -> None:
    """As replay does."""
    result = command("actor", KEY, tmp_path)
    assert result.exit_code == 1
    assert "give log objects" in str(result.exception)


@given(
    st.recursive(
        st.none() | st.booleans() | st.text() | st.integers(),
        lambda each: (
            st.lists(each)
            | st.dictionaries(
                st.sampled_from(
                    ["arn", "accessKeyId", "principalId", "sessionContext", "sessionIssuer", "userName", "type"]
                ),
                each,
            )
        ),
    ),
    st.text(min_size=1),
    st.none() | st.text(),
)
def test_no_identity_and_no_argument_brings_the_reader_down(identity: object, text: str, address: str | None) -> None:
    """Both are whatever somebody wrote."""
    doer = read_doer(text)
    read = identity_of(json.dumps(identity).encode("utf-8", "replace"), address)
    assert did(doer, read, address) in (True, False)
    assert alike(doer, read, address) is None or did(doer, read, address) is not None


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3 * 86_400),
            st.sampled_from(["RunInstances", "CreateTags", "DescribeVpcs", "DescribeTags"]),
            st.sampled_from(["done", "refused", "dry run"]),
        ),
        max_size=60,
    ),
    st.booleans(),
)
def test_lines_hold_every_call_once_in_order(calls: list[tuple[int, str, Any]], reads: bool) -> None:
    """A call that no line counts is lost; lines out of order tell another story."""
    given_deeds = [
        Deed(
            time=START + timedelta(seconds=seconds),
            event_id=str(at),
            account_id="111122223333",
            region="us-east-1",
            source="ec2.amazonaws.com",
            call=name,
            mark="read" if name.startswith("Describe") else "write",
            outcome=outcome,
        )
        for at, (seconds, name, outcome) in enumerate(sorted(calls))
    ]
    told = lines(given_deeds, reads=reads)
    assert sum((line.calls for line in told), Counter()) == Counter((each.source, each.call) for each in given_deeds)
    assert sum((line.outcomes for line in told), Counter()) == Counter(each.outcome for each in given_deeds)
    assert [line.first for line in told] == sorted(line.first for line in told)
    assert all(line.first.date() == line.last.date() for line in told)
    assert all(len(line.calls) == 1 for line in told if reads or line.mark != "read")
