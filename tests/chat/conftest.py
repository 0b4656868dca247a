"""What do the chat tests share? The service on loopback, a client of it, and a clock that does not wait."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from tests.chat.service import APPLICATION, DATA_SOURCE, INDEX, Service, serving

from usage_anomaly.chat.documents import Document
from usage_anomaly.chat_services import DataSource, Pace

SOURCE = DataSource(application_id=APPLICATION, index_id=INDEX, data_source_id=DATA_SOURCE)
NOW = datetime(2026, 11, 25, 11, 12, tzinfo=UTC)


class Clock:
    """Seconds that pass only while somebody waits."""

    def __init__(self, seconds: float = 60.0) -> None:
        self.left = seconds
        self.waits: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.left -= seconds

    @property
    def pace(self) -> Pace:
        return Pace(time_left=lambda: self.left, wait=self.wait)


def documents(number: int) -> list[Document]:
    """So many small documents."""
    return [
        Document(
            id=f"ec2-instances-111122223333-{each:04}",
            title=f"EC2 instances {each}",
            body=f"# EC2 instances {each}\n",
            attributes={"severity": "HIGH", "usd_per_hour": each, "anomaly_date": NOW},
        )
        for each in range(number)
    ]


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """None that open anything."""
    for name, value in {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def address(service: Service, socket_enabled: None) -> Iterator[str]:
    """Where the service listens; loopback is the only network these tests use."""
    with serving(service) as url:
        yield url


@pytest.fixture
def client(credentials: None, address: str) -> Iterator[Any]:
    """As the function makes it: botocore tries nothing again by itself."""
    made = boto3.client(
        "qbusiness", endpoint_url=address, config=Config(retries={"mode": "standard", "total_max_attempts": 1})
    )
    yield made
    made.close()
