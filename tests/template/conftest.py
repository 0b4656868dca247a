"""What do the template's tests share? The template, read once as plain values."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.template.reading import Template, load


@pytest.fixture(scope="session")
def template(root: Path) -> Template:
    """template.yaml."""
    return load(root / "template.yaml")


@pytest.fixture(scope="session")
def chat_template(root: Path) -> Template:
    """The nested template of Q Business."""
    return load(root / "templates" / "q-business.yaml")
