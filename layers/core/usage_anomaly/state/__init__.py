"""What must survive a restart: what was told, what is still to be dispatched, how far was read? (DynamoDB, one table)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

Item = dict[str, Any]  # boto3's resource form: str, Decimal, list, dict


class Table(Protocol):
    """The part of boto3's DynamoDB Table that these rooms use."""

    @property
    def name(self) -> str: ...
    @property
    def meta(self) -> Any: ...
    def get_item(self, *, Key: Mapping[str, str], ConsistentRead: bool = ...) -> Item: ...  # noqa: N803 - boto3's names
    def put_item(self, **arguments: Any) -> Item: ...
    def update_item(self, **arguments: Any) -> Item: ...
    def delete_item(self, **arguments: Any) -> Item: ...
    def query(self, **arguments: Any) -> Item: ...
