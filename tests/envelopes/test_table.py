"""Which records are read from CSV exports, and what is said of the rows and cells that cannot be?"""

from __future__ import annotations

import gzip
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.envelopes.building import Fields, content, csv_of, encode, log, made, table, zipped
from tests.envelopes.test_promises import TEXT, VALUE
from tests.usage.calls import TinyPrices

from usage_anomaly.catalog import Catalog
from usage_anomaly.envelopes import Oddity, Rejection, event_time, read_payload
from usage_anomaly.envelopes.struct_text import read_struct
from usage_anomaly.usage import read_usage

ATHENA = (
    "{type=AssumedRole, principalid=AROAEXAMPLE:ci@example.com, arn=arn:aws:sts::111122223333:assumed-role/build/ci, "
    "accountid=111122223333, invokedby=null, accesskeyid=ASIAEXAMPLE, username=null, sessioncontext={attributes="
    "{mfaauthenticated=false, creationdate=2026-01-20T09:58:11Z}, sessionissuer={type=Role, principalid=AROAEXAMPLE, "
    "arn=arn:aws:iam::111122223333:role/build, accountid=111122223333, username=build}}}"
)
LAKE = (
    "{type=AssumedRole, principalid=AROAEXAMPLE:ci, arn=arn:aws:sts::111122223333:assumed-role/build/ci, "
    "accountid=111122223333, accesskeyid=ASIAEXAMPLE, username=, sessioncontext={attributes={creationdate=2026-01-20 "
    "09:58:11.000, mfaauthenticated=true}, sessionissuer={type=Role, principalid=AROAEXAMPLE, arn=arn:aws:iam::111122223333:"
    "role/build, accountid=111122223333, username=build}, webidfederationdata={federatedprovider=x, attributes={a:b=c, d=}}, "
    "sourceidentity=null, ec2roledelivery=null, ec2issuedinvpc=null}, invokedby=null, identityprovider=null, "
    "credentialid=null, onbehalfof=null}"
)
CONSOLE = (
    "User name,AWS access key,Event time,Event source,Event name,AWS region,Source IP address,User agent,Error code,"
    "Resources,Request ID,Event ID,Read-only,Event type,Recipient Account Id,Event category\n"
    'ci,AKIAEXAMPLE,2026-01-20T10:00:07Z,ec2.amazonaws.com,RunInstances,us-east-1,203.0.113.7,aws-cli/2.17,,"[{""a"":1}]",'
    "r,00000000-0000-0000-0000-000000000007,false,AwsApiCall,111122223333,Management\n"
)
CELLS = st.fixed_dictionaries(
    {},
    optional={
        "userIdentity": st.dictionaries(TEXT, VALUE, max_size=3),
        "requestParameters": st.dictionaries(TEXT, VALUE, max_size=3),
        "userAgent": TEXT.filter(lambda text: text not in ("", "-", "null")),
        "sourceIPAddress": st.sampled_from(['a"b', "a,b", 'a""', '"', "a\nb", "a\r\nb\n", ",", "\r"]),
    },
)


@given(changes=st.lists(CELLS, min_size=1, max_size=5), packed=st.booleans(), marked=st.booleans())
def test_an_athena_export_gives_the_records_themselves(changes: list[Fields], packed: bool, marked: bool) -> None:
    """The same call from the export and from the bucket must be recognised, or its use counts twice."""
    trail = [made(n, **each) for n, each in enumerate(changes)]
    text = (b"\xef\xbb\xbf" if marked else b"") + table(trail)
    found = read_payload(zipped(text) if packed else text, "export.csv")
    expected = read_payload(log(trail), "log")
    assert [content(r) for r in found.records] == [content(r) for r in expected.records]
    assert found.keys == expected.keys
    assert (found.rejected, found.oddities) == ([], [])


@pytest.mark.parametrize("lines", ["\n", "\r\n"])
def test_columns_are_known_in_any_case_and_order_and_others_do_not_matter(lines: str) -> None:
    """Everyone selects other columns, and spreadsheets change the rest."""
    rows = [
        "Note,EventName, AWS_Region ,EVENTSOURCE,eventtime",
        '"a, b",RunInstances,us-east-1,ec2.amazonaws.com,2026-01-20 10:00:00.000',
    ]
    (record,) = read_payload((lines.join(rows) + lines * 2).encode(), "x").records
    assert (record.event_name, record.region, record.event_source) == ("RunInstances", "us-east-1", "ec2.amazonaws.com")
    assert record.event_time == "2026-01-20 10:00:00.000"


def test_the_consoles_export_is_read_as_far_as_it_tells(catalog: Catalog) -> None:
    """It has neither request nor response: a launch counts one instance, and the reader says why."""
    payload = read_payload(CONSOLE.encode(), "event_history.csv")
    assert payload.rejected == []
    assert payload.oddities == [
        Oddity("CSV export without request and response: quantities are the smallest possible", 1)
    ]
    assert payload.keys == read_payload(log([made(7)]), "x").keys
    record = payload.records[0]
    assert msgspec.json.decode(record.user_identity) == {"userName": "ci", "accessKeyId": "AKIAEXAMPLE"}
    time = event_time(record)
    assert time is not None
    events = read_usage(record, time, "x", catalog, TinyPrices())
    launches = [each for each in events if each.kind == "ec2.instances"]
    assert [(each.quantity, each.truncated, each.access_key_id) for each in launches] == [(1, True, "AKIAEXAMPLE")]


@pytest.mark.parametrize("column", ["CloudTrailEvent", "eventJson"])
def test_a_column_with_the_record_itself_stands_for_all_others(column: str) -> None:
    """Nothing an export makes of a record is better than the record."""
    rows = [["EventName", column], *(["x", encode(made(n)).decode()] for n in range(3)), ["x", "no JSON"]]
    payload = read_payload(csv_of(rows), "x")
    assert payload.keys == read_payload(log([made(n) for n in range(3)]), "x").keys
    assert payload.rejected == [Rejection("broken JSON at line 5", 5, 1)]


def test_rows_that_are_no_records_are_named_with_their_lines() -> None:
    """The reader opens the file at that line."""
    header = "eventname,eventsource,eventtime,useragent\n"
    good = "RunInstances,ec2.amazonaws.com,2026-01-20T10:00:00Z,x\n"
    rows = [
        header,
        good,
        ",ec2.amazonaws.com,,\n",
        '"a\nb","c\nd",,\n',
        "a,b\n",
        "\n",
        header,
        'a"b,c,d,e\n',
        good,
        '"a,b,c,d\n',
        good,
    ]
    payload = read_payload("".join(rows).encode(), "x")
    assert [record.event_name for record in payload.records] == ["RunInstances", "a\nb", "RunInstances", "RunInstances"]
    assert payload.rejected == [
        Rejection("no CloudTrail record: no eventName at line 3", 3, 1),
        Rejection("CSV row of another length at line 7", 7, 1),
        Rejection("broken CSV row, first at line 10", 10, 2),
    ]


@given(row=st.integers(1, 9), place=st.integers(0, 60), count=st.integers(1, 2))
def test_one_damaged_row_loses_only_itself(row: int, place: int, count: int) -> None:
    """A stray quote must not swallow the rest of the file into one cell."""
    rows = table([made(n) for n in range(10)]).splitlines(keepends=True)
    rows[row] = rows[row][:place] + b'"' * count + rows[row][place:]
    payload = read_payload(b"".join(rows), "x")
    whole = read_payload(log([made(n) for n in range(10) if n != row - 1]), "x").keys
    assert [key for key in payload.keys if key in whole] == whole
    assert len(payload.keys) + sum(each.count for each in payload.rejected) == 10


def test_many_damaged_rows_cost_no_more_than_as_many_sound_ones() -> None:
    """Each quote without an end could make the reader go through the rest of the file again."""
    line = b'"a' + b"x" * 100 + b'",b\n'
    sound, broken = line * 20_000, (line + b'"broken,b\n') * 10_000
    assert len(broken) < len(sound)
    payload = read_payload(b"eventname,eventsource\n" + broken, "x")
    assert (len(payload.records), payload.rejected[0].count) == (10_000, 10_000)


def test_a_packed_export_whose_end_is_missing_gives_the_whole_rows() -> None:
    """The break is one loss, not two; and half a row may look like a whole one."""
    packed = gzip.compress(table([made(n, userAgent=f"{n * 7919:x}" * 9) for n in range(200)]))
    payload = read_payload(packed[: len(packed) // 2], "x.csv.gz")
    assert [each.reason for each in payload.rejected] == [f"gzip ends at byte {len(packed) // 2:,}"]
    assert 20 < len(payload.records) < 200
    assert payload.keys == read_payload(log([made(n) for n in range(len(payload.keys))]), "x").keys


def test_a_table_of_something_else_is_named() -> None:
    """A folder holds other exports too."""
    payload = read_payload(b"UserId,Cost\na,1\n", "bill.csv")
    assert [each.reason for each in payload.rejected] == [
        "a CSV file whose first row names no column for the event's name"
    ]


def test_cells_that_are_no_json_are_left_out_and_said() -> None:
    """CloudTrail Lake writes parameters as a map, of which nobody can say where a value ends."""
    text = csv_of(
        [["eventName", "eventSource", "requestParameters"], ["RunInstances", "e", "{instanceType=m5.large, a=b}"]]
    )
    payload = read_payload(text, "x")
    assert bytes(payload.records[0].request_parameters) == b"null"
    assert Oddity("requestParameters of a CSV export cannot be read: left out", 1) in payload.oddities


def test_half_a_surrogate_pair_in_a_cell_loses_itself_only() -> None:
    """One such character in the name of a tag would make a launch of fifty instances one of the smallest size."""
    cell = b'{"instanceCount": 50, "tag": "\\ud800"}'
    text = csv_of([["eventName", "eventSource", "requestParameters"], ["RunInstances", "e", cell.decode()]])
    payload = read_payload(text, "x")
    assert bytes(payload.records[0].request_parameters) == cell.replace(rb"\ud800", rb"\ufffd")
    assert Oddity("half a surrogate pair: replaced", 1) in payload.oddities


@pytest.mark.parametrize("text", [ATHENA, LAKE])
def test_the_caller_is_read_from_a_rows_text(text: str) -> None:
    """Without the caller an alert cannot say who."""
    caller: Any = read_struct(text)
    assert caller["arn"] == "arn:aws:sts::111122223333:assumed-role/build/ci"
    assert caller["sessionContext"]["sessionIssuer"]["arn"] == "arn:aws:iam::111122223333:role/build"
    assert caller["accessKeyId"] == "ASIAEXAMPLE"
    assert "invokedBy" not in caller
    payload = read_payload(csv_of([["eventName", "eventSource", "userIdentity"], ["a", "b", text]]), "x")
    assert msgspec.json.decode(payload.records[0].user_identity) == caller


NAME = st.text(st.sampled_from("abz019=,.@_+-/:{} "), max_size=12)


@given(name=NAME, session=NAME)
def test_a_name_is_read_as_it_is_or_not_at_all(name: str, session: str) -> None:
    """Whoever chooses a name must not choose the rest of the caller with it."""
    text = (
        f"{{type=IAMUser, principalid=AROA:{session}, arn=arn:aws:iam::111122223333:user/{name}, accountid=111122223333, "
        f"invokedby=null, accesskeyid=AKIAEXAMPLE, username={name}, sessioncontext=null}}"
    )
    caller = read_struct(text)
    plain = not any(mark in each for each in (name, session) for mark in ("{", "}", ", "))
    assert (caller is not None) == plain
    if caller is not None:
        assert caller == {
            "type": "IAMUser",
            "principalId": f"AROA:{session}",
            "arn": f"arn:aws:iam::111122223333:user/{name}",
            "accountId": "111122223333",
            "accessKeyId": "AKIAEXAMPLE",
            "userName": name,
        }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "{type=a",
        "type=a}",
        "{type=a}}",
        "{type=a, }",
        "{type=a, username=x, accesskeyid=AKIAOTHER, accesskeyid=AKIAEXAMPLE}",
        "{type=a, colour=red}",
        "{type={arn=b}}",
        "{sessioncontext={sessionissuer={sessioncontext={}}}}",
        "{sessioncontext={webidfederationdata={attributes={a={b}}}}}",
    ],
)
def test_what_can_be_read_in_two_ways_or_none_is_no_caller(text: str) -> None:
    """A wrong name in an alert sends someone to the wrong door."""
    assert read_struct(text) is None


@given(text=st.text(st.sampled_from("{}=, typearnsessioncontext"), max_size=60))
def test_any_text_is_a_caller_or_none(text: str) -> None:
    """Nothing raises on a record's content."""
    caller = read_struct(text)
    assert caller is None or isinstance(caller, dict)
