"""The command and its trail, as in tests/command."""

from __future__ import annotations

from tests.command.conftest import command, trail

__all__ = ["command", "trail"]
