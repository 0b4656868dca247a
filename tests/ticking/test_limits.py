"""Does a deployment judge by the limits that people set, and by the last good ones when their parameter fails?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import msgspec
import pytest
from moto import mock_aws
from tests.anomalies.test_series import START
from tests.replay.test_promises import ACCOUNTS
from tests.ticking.conftest import Executions, MemoryHistory, make_table, reader_of
from tests.ticking.test_ticks import ACCOUNT, INCIDENT, KIND, always, told
from tests.workflow.world import context, load_app

from usage_anomaly.anomalies.overrides import NONE, Overrides
from usage_anomaly.bench import Reader
from usage_anomaly.catalog import Catalog
from usage_anomaly.limits_parameter import READ_EVERY, LimitsParameter
from usage_anomaly.state import Table
from usage_anomaly.ticking import tick

NAME = "/usage-anomaly/limits"
FORTY = Overrides({KIND: {"production": 40}})
REGION = "eu-central-1"


class Parameters:
    """The service, with what it is asked for counted."""

    def __init__(self) -> None:
        self.client = boto3.client("ssm", region_name=REGION)
        self.asked = 0

    def put(self, text: str) -> None:
        self.client.put_parameter(Name=NAME, Value=text, Type="String", Overwrite=True)

    def get_parameter(self, **arguments: Any) -> Any:
        self.asked += 1
        return self.client.get_parameter(**arguments)


@pytest.fixture
def aws() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture
def table(aws: None) -> Table:
    return make_table()


@pytest.fixture
def parameters(aws: None) -> Parameters:
    return Parameters()


def test_the_parameter_is_asked_for_every_five_minutes_at_most(
    parameters: Parameters, table: Table, catalog: Catalog
) -> None:
    """Ticks come each minute; a change holds after five."""
    parameters.put(FORTY.text())
    limits = LimitsParameter(parameters, table, NAME, catalog)
    assert limits.at(START) == FORTY
    parameters.put("{}")
    assert limits.at(START + READ_EVERY - timedelta(seconds=1)) == FORTY
    assert parameters.asked == 1
    assert limits.at(START + READ_EVERY) == NONE
    assert (parameters.asked, limits.problem) == (2, None)


def test_without_a_name_nobody_is_asked(parameters: Parameters, table: Table, catalog: Catalog) -> None:
    """Most deployments set no limits; the right to read a parameter is not theirs either."""
    limits = LimitsParameter(parameters, table, "", catalog)
    assert (limits.at(START), limits.problem, parameters.asked) == (NONE, None, 0)


@pytest.mark.parametrize(
    "text", ['{"ec2.instances": {"production": 9}, "ec2.instance": {"staging": 1}}', "{,}", '{"\\ud800": {}}']
)
def test_what_cannot_be_taken_is_refused_as_a_whole_and_the_last_good_limits_stay(
    parameters: Parameters, table: Table, catalog: Catalog, text: str
) -> None:
    """Half of a change is a set of limits that nobody meant; a typing error must not undo what was set before."""
    parameters.put(FORTY.text())
    limits = LimitsParameter(parameters, table, NAME, catalog)
    limits.at(START)
    parameters.put(text)
    assert limits.at(START + READ_EVERY) == FORTY
    assert limits.problem is not None
    assert limits.problem.startswith(f"parameter {NAME}: ")
    parameters.put('{"ec2.instances": {"production": 9}}')
    assert limits.at(START + 2 * READ_EVERY) == Overrides({KIND: {"production": 9}})
    assert limits.problem is None


def test_a_new_process_knows_the_last_good_limits_while_the_parameter_fails(
    parameters: Parameters, table: Table, catalog: Catalog
) -> None:
    """Lambda begins a new process whenever it likes; the limits of a thousand accounts must not depend on it."""
    parameters.put(FORTY.text())
    LimitsParameter(parameters, table, NAME, catalog).at(START)
    parameters.client.delete_parameter(Name=NAME)
    limits = LimitsParameter(parameters, table, NAME, catalog)
    assert limits.at(START) == FORTY
    assert limits.problem is not None
    assert "ParameterNotFound" in limits.problem


def test_a_parameter_that_was_never_there_leaves_the_catalogs_limits(
    parameters: Parameters, table: Table, catalog: Catalog
) -> None:
    """Detection does not wait for somebody to write it."""
    limits = LimitsParameter(parameters, table, NAME, catalog)
    assert limits.at(START) == NONE
    assert limits.problem is not None


def at(reader: Reader, minute: int, table: Table, executions: Executions) -> None:
    tick(reader, table, executions.start, START + timedelta(minutes=minute), always)


def test_a_tick_judges_by_the_limits_it_is_given(catalog: Catalog, table: Table) -> None:
    """What an account was allowed is told nobody; by the catalog's limit it is."""
    allowing = Overrides({KIND: {ACCOUNT: 20}, "burn_rate_usd_per_hour": {ACCOUNT: 1_000}})
    history, executions = MemoryHistory(), Executions()
    history.ingest(START + timedelta(minutes=12), INCIDENT)
    reader = reader_of(catalog, history, ACCOUNTS)
    at(msgspec.structs.replace(reader, overrides=allowing), 12, table, executions)
    assert (told(table), executions.inputs) == ((), {})
    history.ingest(START + timedelta(minutes=14), [msgspec.structs.replace(INCIDENT[-1], event_id="more")])
    at(reader, 14, table, executions)
    assert len(told(table)) == 1


def test_what_new_limits_allow_is_closed_as_withdrawn_at_the_next_use(catalog: Catalog, table: Table) -> None:
    """An anomaly that nobody would open any more must not be reminded of for ever."""
    history, executions = MemoryHistory(), Executions()
    reader = reader_of(catalog, history, ACCOUNTS)
    history.ingest(START + timedelta(minutes=5), INCIDENT[:2])
    at(reader, 5, table, executions)
    assert [each.state for each in told(table)] == ["open"]
    allowing = Overrides({KIND: {ACCOUNT: 20}, "burn_rate_usd_per_hour": {ACCOUNT: 1_000}})
    history.ingest(START + timedelta(minutes=9), INCIDENT[2:])
    at(msgspec.structs.replace(reader, overrides=allowing), 9, table, executions)
    assert [(each.state, each.closed_reason) for each in told(table)] == [("closed", "withdrawn")]


def test_the_doorway_hands_the_limits_over_and_says_when_they_are_not_the_newest(
    aws: None, parameters: Parameters, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An alarm rings on the metric; the reason stands in the log."""
    # A service of its own: Powertools keeps a logger, and the stream it writes to, for each name.
    for name, value in {
        "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "SEARCH_ENDPOINT": "http://127.0.0.1:1", "SEARCH_AUTH": "none",
        "STATE_TABLE": make_table().name, "STATE_MACHINE_ARN": "arn:aws:states:::stateMachine:x", "LIMITS_PARAMETER": NAME,
        "POWERTOOLS_METRICS_NAMESPACE": "MultiAccountAnomalyDetection", "POWERTOOLS_SERVICE_NAME": "limits",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    parameters.put(FORTY.text())
    app = load_app("detect")
    judged: list[Overrides] = []

    def ticked(reader: Reader, *_: object) -> Overrides:
        judged.append(reader.overrides)
        return reader.overrides

    monkeypatch.setattr(app, "tick", ticked)
    app.handler({}, context("detect"))
    assert "StaleLimits" not in capsys.readouterr().out
    parameters.put("{,}")
    monkeypatch.setattr(app.LIMITS, "_read_at", START - timedelta(days=9_000))
    app.handler({}, context("detect"))
    assert judged == [FORTY, FORTY]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (metric,) = (each for each in lines if "_aws" in each)
    assert metric["StaleLimits"] == [1.0]
    (warning,) = (each for each in lines if each.get("message", "").startswith("limits not taken"))
    assert warning["reason"].startswith(f"parameter {NAME}: ")
