"""Does a path find a value in every form, and nothing where there is none?"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage_anomaly.errors import CatalogError
from usage_anomaly.paths import compile_path, is_omitted, items_of, number_of, text_of


@pytest.mark.parametrize(
    ("path", "request_value", "found"),
    [
        ("request.a.b", {"a": {"b": 1}}, 1),
        ("request.a.b", {"a": [{"b": 1}, {"b": 2}]}, 1),
        ("request.a.b", {"a": []}, None),
        ("request.a.b", {"a": "text"}, None),
        ("request.a.b", None, None),
        ("request.a[?k=='x'] | [0].v", {"a": [{"k": "x", "v": 1}]}, 1),
        ("request.a[?k=='x'] | [0].v", {"a": {"k": "x"}}, None),
        ("sum(request.a)", {"a": ["x"]}, None),
        ("request.a && 'spot'", {"a": "sir-1"}, "spot"),
    ],
)
def test_a_path_finds_its_value_or_none(path: str, request_value: object, found: object) -> None:
    """A path meets every form the same field has in other records, and must raise on none of them."""
    assert compile_path(path)({"request": request_value}) == found


@pytest.mark.parametrize("path", ["", "reply.a", "a", "request..a", "request.a[?", "length(@)"])
def test_a_path_that_can_find_nothing_is_refused(path: str) -> None:
    """A misspelt path would read as "not in the record" for ever."""
    with pytest.raises(CatalogError):
        compile_path(path)


@pytest.mark.parametrize(
    ("value", "number"),
    [(1, 1.0), ("1", 1.0), ("8.5", 8.5), (0, 0.0), (-1, None), ("-1", None), ("", None), ("1e999", None), ("nan", None),
     (True, None), (None, None), ({}, None), (10**30, None), ("9" * 99, None)],
)  # fmt: skip
def test_a_number_may_be_written_as_text(value: object, number: float | None) -> None:
    """CloudTrail writes the size of a volume as "100" in one record and 100 in the next."""
    assert number_of(value) == number


def test_text_is_clipped_and_never_empty() -> None:
    """An empty id is no id, and a megabyte of it no longer one."""
    unusable: list[object] = ["", None, {}, [], 10**30]
    assert [text_of(value) for value in unusable] == [None] * 5
    assert [text_of("a"), text_of(7), text_of(True)] == ["a", "7", "true"]
    assert text_of("x" * 999, 10) == "x" * 10


def test_a_cut_list_is_known_as_cut() -> None:
    """A list that CloudTrail left out is not an empty list: nothing launched, or a hundred."""
    assert is_omitted({"omitted": True})
    assert not is_omitted({"omitted": False})
    assert items_of({"omitted": True, "items": [{"a": 1}]}) == ([{"a": 1}], True)
    assert items_of({"items": {}}) == ([], False)


ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(ANYTHING)
def test_reading_a_value_never_fails(value: object) -> None:
    """What these functions are given comes from strangers."""
    text_of(value)
    number_of(value)
    is_omitted(value)
    items, _ = items_of(value)
    assert all(isinstance(item, dict) for item in items)
