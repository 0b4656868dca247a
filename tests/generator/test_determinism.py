"""Does the same seed give the same bytes?"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.generator.conftest import MONDAY

from usage_anomaly_generator import Habit, Incident, Organization, accounts_json, demo, encode, generate, records
from usage_anomaly_generator.calls import Record

PROGRAM = """
import hashlib, sys
from usage_anomaly_generator import Habit, accounts_json, demo, encode, generate
digest = hashlib.sha256(accounts_json(demo.ORGANIZATION))
for log_object in generate(demo.ORGANIZATION, demo.HABITS_OF_THE_DEMO, [], demo.START, 2, int(sys.argv[1])):
    digest.update(log_object.name.encode() + encode(log_object))
print(digest.hexdigest())
"""


def digest_elsewhere(seed: int, hash_seed: str) -> str:
    folders = os.pathsep.join(str(Path(part).resolve()) for part in sys.path if part)
    environment = {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": folders}
    command = [sys.executable, "-c", PROGRAM, str(seed)]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


def digest_here(seed: int) -> str:
    digest = hashlib.sha256(accounts_json(demo.ORGANIZATION))
    for log_object in generate(demo.ORGANIZATION, demo.HABITS_OF_THE_DEMO, [], demo.START, 2, seed):
        digest.update(log_object.name.encode() + encode(log_object))
    return digest.hexdigest()


def test_the_same_seed_gives_the_same_bytes_in_any_process() -> None:
    """The demo's alert stands in the README; it may not depend on the order of a set."""
    assert digest_here(1) == digest_elsewhere(1, "0") == digest_elsewhere(1, "4242")


def test_another_seed_gives_another_trail() -> None:
    """Rules are tried on seeds that nobody tuned them to."""
    assert digest_here(1) != digest_here(2)


def test_adding_an_incident_changes_no_other_record(demo_records: list[Record], demo_incident: Incident) -> None:
    """A trail with and without its incident must differ by the incident alone, or a comparison says nothing."""
    without = list(records(demo.ORGANIZATION, demo.HABITS_OF_THE_DEMO, [], demo.START, demo.DAYS, demo.SEED))
    ids = {record["eventID"] for record in without}
    assert [record for record in demo_records if record["eventID"] in ids] == without
    assert len(demo_records) - len(without) == 1 + 6 + 4 + 3 + 19


def test_two_habits_of_one_name_in_one_account_differ() -> None:
    """Two batches a night are two batches, not one batch delivered twice."""
    organization, name = Organization((demo.PRODUCTION,)), demo.PRODUCTION.name
    twice = [Habit("nightly_batch", name), Habit("nightly_batch", name, {"hour": 4})]
    made = list(records(organization, twice, [], MONDAY, 1, 1))
    assert len({record["eventID"] for record in made}) == len(made)


@pytest.mark.parametrize("name", ["sandbox-ml", "111122223333"])
def test_an_account_is_found_by_name_and_by_id(name: str) -> None:
    """Plans are written by people, expectations by id."""
    assert demo.ORGANIZATION.account(name) is demo.SANDBOX
