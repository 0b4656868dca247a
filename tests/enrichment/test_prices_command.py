"""Does `usage-anomaly prices` show what the table says, and refuse lists it cannot trust?"""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from usage_anomaly.enrichment import prices as price_room
from usage_anomaly_cli.prices_command import prices as command

BUNDLED = Path(price_room.__file__).with_name("prices.json")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["p3.16xlarge", "us-east-1"], ["24.48 USD/h", "64 vCPU, 488 GiB, 8 x V100", "confidence  1"]),
        (["gp3", "us-east-1"], ["0.08 USD per GiB-month", "date        2022-02-10"]),
        (["db.t3.micro", "us-east-1", "--engine", "postgres"], ["0.018 USD/h (postgres)"]),
        (["nat-gateway", "us-east-1"], ["0.045 USD/h", "NAT gateway list price"]),
        (["elastic-ip", "eu-west-1"], ["0.005 USD/h", "general knowledge"]),
        (["eks-cluster", "us-east-1"], ["0.1 USD/h", "EKS cluster list price"]),
        (["ebs-snapshot", "us-east-1"], ["0.05 USD per GiB-month", "upper bound: whole volume", "confidence  0.4"]),
        (["fargate-task", "us-east-1"], ["0.04937 USD/h (1 vCPU, 2 GiB)"]),
        (["fargate-task", "us-east-1", "--vcpus", "0.25", "--gib", "0.5", "--platform", "arm64"], ["0.0123425", "Arm"]),
        (["cache.m5.large", "eu-central-1"], ["0.186 USD/h (redis)", "date        2024-08-09"]),
        (["cache.m5.large", "us-east-1", "--engine", "valkey"], ["0.156 USD/h (valkey)", "Valkey costs less"]),
        (["ra3.4xlarge", "us-east-1"], ["3.26 USD/h", "date        2024-05"]),
        (["c4.2xlarge.search", "us-east-1"], ["0.587 USD/h", "OpenSearch instance list price"]),
        (["m5.large.search", "us-east-1"], ["0.1416 USD/h", "1.48 x EC2, the usual ratio", "confidence  0.4"]),
        (["ml.c5.xlarge", "us-east-1"], ["0.204 USD/h", "date        2025-04-11"]),
        (["c5-host", "us-east-1"], ["3.366 USD/h", "Dedicated Host list price"]),
        (["mac1.metal", "us-east-1"], ["12 vCPU", "price       unknown"]),
        (["db.t3.micro", "us-east-1", "--engine", "oracle-ee"], ["unknown (oracle-ee)"]),
    ],
)
def test_show_prints_price_facts_basis_and_doubt(arguments: list[str], expected: list[str]) -> None:
    """Who doubts an alert's figure looks it up here."""
    result = CliRunner().invoke(command, ["show", *arguments])
    assert result.exit_code == 0
    for text in expected:
        assert text in result.output


@pytest.mark.parametrize(
    ("arguments", "near"),
    [(["p3.16xlrge", "us-east-1"], "Near: p3.16xlarge"), (["m5.large", "eu-centrl-1"], "Near: eu-central-1")],
)
def test_show_names_near_matches_of_an_unknown_name(arguments: list[str], near: str) -> None:
    """A slip of the finger is answered with the remedy."""
    result = CliRunner().invoke(command, ["show", *arguments])
    assert result.exit_code == 2
    assert "price unknown" in result.output
    assert near in result.output


def test_build_writes_the_table_where_it_is_told(shared_data: Path, tmp_path: Path) -> None:
    """The committed table comes from this command."""
    output = tmp_path / "table.json"
    result = CliRunner().invoke(command, ["build", "--source", str(shared_data / "prices"), "--output", str(output)])
    assert result.exit_code == 0
    assert output.read_bytes() == BUNDLED.read_bytes()


def test_build_without_lists_names_the_missing_file_and_the_remedy(tmp_path: Path) -> None:
    """And writes nothing: half a table would be worse than the old one."""
    output = tmp_path / "table.json"
    result = CliRunner().invoke(command, ["build", "--source", str(tmp_path), "--output", str(output)])
    assert result.exit_code == 2
    assert "ec2_ondemand_linux_all_regions.csv" in result.output
    assert "--source" in result.output
    assert not output.exists()


def test_build_refuses_a_price_that_is_none(shared_data: Path, tmp_path: Path) -> None:
    """A price of 0 in a list would become "free" in an alert."""
    for path in (shared_data / "prices").glob("*.csv"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with (tmp_path / "rds_ondemand.csv").open("a", encoding="utf-8") as lines:
        lines.write("us-east-1,mysql,db.free.micro,single_az,0,\n")
    result = CliRunner().invoke(command, ["build", "--source", str(tmp_path), "--output", str(tmp_path / "table")])
    assert result.exit_code == 2
    assert "a price of 0 USD" in result.output


@pytest.mark.parametrize(
    ("name", "before", "after", "reason"),
    [
        (
            "elasticache_ondemand.csv",
            "us-east-1,redis,cache.m5.large,0.156",
            "us-east-1,redis,cache.m5.large,0.2",
            "two",
        ),
        ("infracost_us_east_1.csv", "redshift_cluster_test", "renamed_test", "no price of redshift"),
    ],
)
def test_build_refuses_lists_that_contradict_themselves_or_lost_a_service(
    shared_data: Path, tmp_path: Path, name: str, before: str, after: str, reason: str
) -> None:
    """A new list with another shape must not silently drop prices or take the last of two."""
    for path in (shared_data / "prices").glob("*.csv"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    content = (tmp_path / name).read_text("utf-8")
    assert before in content
    (tmp_path / name).write_text(content.replace(before, after), encoding="utf-8")
    result = CliRunner().invoke(command, ["build", "--source", str(tmp_path), "--output", str(tmp_path / "table")])
    assert result.exit_code == 2
    assert reason in result.output
    assert not (tmp_path / "table").exists()
