"""Can text from a record do anything in a mail but be read?"""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage_anomaly.alerts.plain import ascii_line, inert

HOSTILE = st.text(max_size=500) | st.text(
    alphabet="\n\r\t\x00\x1b\u202e\u200b\u2028\u0301\ud800\ue000\u3164 a.:/wh@", max_size=500
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ci-legacy", "ci-legacy"),
        ("a\nOWNER nobody", "a\\nOWNER nobody"),
        ("a\r\n\tb", "a\\r\\n\\tb"),
        ("abc\u202egnp", "abc\\u202egnp"),
        ("pay\u200bpal", "pay\\u200bpal"),
        ("a\u3164b\ufe0f", "a\\u3164b\\ufe0f"),
        ("e\u0301", "e\u0301"),
        ("z" + "\u0301" * 4, "z\u0301\u0301\\u0301\\u0301"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a     b", "a b"),
        ("", "(empty)"),
        ("  ", "(empty)"),
        ("see https://evil.example/x", "see https[:]//evil.example/x"),
        ("www.evil.example", "www[.]evil.example"),
        ("mailto:a@b.c", "mailto[:]a@b.c"),
        ("Zürich, 東京", "Zürich, 東京"),
    ],
)
def test_value_is_shown_as_what_it_is(text: str, shown: str) -> None:
    """Odd characters are shown, not dropped: a forged name must not look like the true one."""
    assert inert(text) == shown


def test_long_value_is_cut_visibly() -> None:
    """10 kB of user agent end in an ellipsis."""
    assert inert("a" * 10_000, 20) == "a" * 19 + "…"
    assert ascii_line("é" * 10_000, 20) == "?" * 17 + "..."


@given(HOSTILE, st.integers(4, 120))
def test_any_value_is_one_visible_line(text: str, limit: int) -> None:
    """No control, bidi, zero-width or line character survives, no link, no run of blanks, and never too long."""
    line = inert(text, limit)
    assert 0 < len(line) <= max(limit, len("(empty)"))
    assert all(unicodedata.category(each) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for each in line)
    assert "://" not in line
    assert "  " not in line
    assert line == line.strip()


@given(HOSTILE, st.integers(10, 99))
def test_subject_part_is_printable_ascii(text: str, limit: int) -> None:
    """SNS refuses a subject with anything else."""
    line = ascii_line(text, limit)
    assert len(line) <= limit
    assert all(" " <= each <= "~" for each in line)
