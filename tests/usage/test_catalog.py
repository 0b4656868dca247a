"""Is the catalog what its files say, and do broken files fail with their remedy?"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from usage_anomaly.catalog import BUNDLED, Catalog, load
from usage_anomaly.enrichment.prices import PriceTable
from usage_anomaly.errors import CatalogError
from usage_anomaly_cli import catalog_proof
from usage_anomaly_cli.catalog_command import catalog as command

SCHEMA = BUNDLED.with_name("schemas") / "kind.schema.json"
KINDS = sorted(path.parent.name for path in BUNDLED.glob("*/kind.json"))
SAMPLES = [
    pytest.param(kind, line, id=f"{kind}: {json.loads(line)['name']}")
    for kind in KINDS
    for line in (BUNDLED / kind / "samples.jsonl").read_text("utf-8").splitlines()
]
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the bundled kinds, to be broken."""
    return Path(shutil.copytree(BUNDLED, tmp_path / "kinds"))


def change(folder: Path, how: Change, kind: str = "nat.gateways") -> None:
    file = folder / kind / "kind.json"
    document = json.loads(file.read_text("utf-8"))
    how(document)
    file.write_text(json.dumps(document), "utf-8")


def test_the_first_kinds_are_there() -> None:
    """Issue 3 promises these six; a folder lost in packaging would silently judge less."""
    promised = ["ebs.volumes", "ec2.instances", "elastic.ips", "lambda.invocations", "nat.gateways", "rds.instances"]
    assert set(promised) <= set(KINDS)


@pytest.mark.parametrize(("kind", "line"), SAMPLES)
def test_a_sample_counts_as_said(catalog: Catalog, prices: PriceTable, kind: str, line: str) -> None:
    """The samples are the meaning of a kind: what counts, and the look-alikes that must not."""
    sample = catalog_proof.decoded(line.encode())
    assert list(catalog_proof.of_sample(kind, sample, catalog, prices)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_obeys_the_committed_schema(kind: str) -> None:
    """Editors check files against the schema while they are written; it must not refuse what the code takes."""
    schema = json.loads(SCHEMA.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads((BUNDLED / kind / "kind.json").read_text("utf-8")), schema)


def test_the_committed_schema_is_the_code_s() -> None:
    """Renew it with `usage-anomaly catalog schema`: an outdated one would refuse new files or pass broken ones."""
    assert SCHEMA.read_text("utf-8") == catalog_proof.schema_text()


def test_one_look_up_finds_every_reader_of_a_call(catalog: Catalog) -> None:
    """RunInstances is read twice, for instances and volumes; the other 99 % of records cost this look-up only."""
    readers = catalog.wanted["ec2.amazonaws.com", "RunInstances"]
    assert [reading.kind.kind for reading in readers] == ["ebs.volumes", "ec2.instances"]
    for name in ("CreateFleet", "RequestSpotFleet", "RequestSpotInstances", "AssociateAddress", "ModifyVolume"):
        assert ("ec2.amazonaws.com", name) not in catalog.wanted
    assert ("lambda.amazonaws.com", "InvokeExecution") not in catalog.wanted
    assert ("rds.amazonaws.com", "CreateDBCluster") not in catalog.wanted


@pytest.mark.parametrize(
    ("kind", "account_type", "limit"),
    [
        ("ec2.instances", "production", 10),
        ("ec2.instances", "staging", 5),
        ("ec2.instances", "development", 2),
        ("ec2.instances", "sandbox", 2),
        ("ec2.instances", "testing", 2),
        ("ec2.instances", "unknown", 5),
        ("lambda.invocations", "production", 1000),
        ("ebs.volumes", "development", 5),
        ("ec2.instances.attempts", "production", 50),
        ("elastic.ips.attempts", "development", 20),
    ],
)
def test_limits_are_those_of_the_design(catalog: Catalog, kind: str, account_type: str, limit: int) -> None:
    """People configured their expectations by the design's figures."""
    assert catalog.limit(kind, account_type) == limit


def test_attempts_belong_to_their_kind(catalog: Catalog) -> None:
    """An anomaly of refused launches takes title and guidance from the instances."""
    assert catalog.kind_of("ec2.instances.attempts") is catalog.kind_of("ec2.instances")
    with pytest.raises(KeyError):
        catalog.kind_of("ec2.unknown")


def test_the_version_follows_the_files(folder: Path) -> None:
    """Events carry it: figures that changed with the catalog can be told from figures that changed by themselves."""
    before = load(folder).version
    assert load(folder).version == before
    change(folder, lambda kind: kind["limits"].update(production=11))
    assert load(folder).version != before


def test_every_note_gives_a_reason_and_is_about_this_service(catalog: Catalog) -> None:
    """ "Why does CreateFleet not count?" is asked by every reader; the answer stands beside the calls that do."""
    for kind in catalog.kinds.values():
        read = {name for each in kind.calls for name in each.names}
        assert any(set(note.names) - read for note in kind.notes), kind.kind
        assert all(len(note.reason) > 20 for note in kind.notes)


@pytest.mark.parametrize(
    ("how", "remedy"),
    [
        (lambda kind: kind.update(kinds="x"), "'kinds' was unexpected"),
        (lambda kind: kind.pop("guidance"), "'guidance' is a required property"),
        (lambda kind: kind.pop("attempt_limits"), "attempt_limits stand exactly where a use is watched"),
        (lambda kind: kind["calls"][0].update(errors=["AccessDenied"]), "and needs errors; nothing else does"),
        (lambda kind: kind["limits"].update(production=-1), "less than the minimum of 0"),
        (lambda kind: kind["limits"].update(development=9), "development must not allow more"),
        (lambda kind: kind["calls"].append(kind["calls"][0]), "CreateNatGateway is read 2 times"),
        (lambda kind: kind["calls"][0].update(resource_ids=["respnse.id"]), "begin it with one of"),
        (lambda kind: kind["calls"][0].update(resource_ids=["response[?"]), "is no JMESPath"),
        (lambda kind: kind["calls"][0].update(resource_ids=["keys(@)"]), "starts nowhere"),
        (lambda kind: kind["calls"][0]["attributes"].update(color=["response.c"]), "'color' is not one of"),
        (lambda kind: kind["guidance"]["contain"][0].update(command="rm {path}"), "no slot {path}"),
        (lambda kind: kind["guidance"]["contain"][0].update(command="x '{'"), "write {{ for a brace"),
        (lambda kind: kind["guidance"].update(attack=["mining"]), "does not match"),
        (lambda kind: kind.update(releasable=False), "its calls say otherwise"),
        (lambda kind: kind["calls"][0].update(aggregated=True), "set keep to tally"),
        (lambda kind: kind.update(kind="nat.gateway"), "rename the folder or the kind"),
        (lambda kind: kind["calls"][1].update(direction="use"), "correct one of them"),
        (lambda kind: kind["calls"][0].update(resource_ids=[]), "expects resource_ids"),
    ],
)
def test_a_broken_file_is_refused_with_its_name_and_the_remedy(folder: Path, how: Change, remedy: str) -> None:
    """The author of a kind sees what is wrong before a deployment judges by it."""
    change(folder, how)
    result = CliRunner().invoke(command, ["check", "--folder", str(folder)])
    assert result.exit_code == 1
    assert "nat.gateways" in result.stderr
    assert remedy in result.stderr


@pytest.mark.parametrize(
    ("lines", "remedy"),
    [
        (lambda lines: lines[:3], "0 samples stay silent; add look-alikes until 4 do"),
        (lambda lines: lines[3:], "0 samples count; add records until 2 do"),
        (lambda lines: [*lines, lines[0]], "2 samples are called"),
        (lambda lines: [*lines, "{"], "a line is one object with name, expect and record"),
        (lambda lines: [lines[0].replace('"quantity":1', '"quantity":2'), *lines[1:]], "expects quantity 2, got 1"),
        (lambda lines: [lines[0].replace('"expect":[{', '"expect":[{},{'), *lines[1:]], "expects 2 events, got 1"),
    ],
)
def test_samples_that_prove_too_little_are_refused(
    folder: Path, lines: Callable[[list[str]], list[str]], remedy: str
) -> None:
    """A kind without look-alikes would count them, and nobody would notice."""
    file = folder / "nat.gateways" / "samples.jsonl"
    file.write_text("".join(f"{line}\n" for line in lines(file.read_text("utf-8").splitlines())), "utf-8")
    result = CliRunner().invoke(command, ["check", "--folder", str(folder)])
    assert result.exit_code == 1
    assert remedy in result.stderr


def test_a_broken_file_does_not_load(folder: Path) -> None:
    """A kind that is half read would judge by half its calls."""
    change(folder, lambda kind: kind["calls"][0].update(item="response.x"))
    with pytest.raises(CatalogError, match=r"nat\.gateways.*unknown field `item`.*schemas/kind\.schema\.json"):
        load(folder)
    with pytest.raises(CatalogError, match="no kind in it"):
        load(folder / "nat.gateways")


def test_check_proves_the_bundled_files() -> None:
    """The command that authors run is the one that CI runs."""
    result = CliRunner().invoke(command, ["check"])
    assert (result.exit_code, result.stdout) == (0, f"{len(KINDS)} kinds proved by {len(SAMPLES)} samples\n")


def test_list_shows_calls_unit_limits_and_price() -> None:
    """A reader asks "does it see X?" before anything else."""
    result = CliRunner().invoke(command, ["list"])
    line = next(line for line in result.stdout.splitlines() if line.startswith("ec2.instances"))
    assert result.exit_code == 0
    assert line.split("  ")[0] == "ec2.instances"
    for text in ("use: RunInstances, StartInstances", "instances", "10/5/2", "EC2 type, per hour"):
        assert text in line
    assert max(map(len, result.stdout.splitlines())) <= 140
