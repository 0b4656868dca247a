"""How much did this call use, and is that the whole of it?

Where responseElements is missing or cut, the request
says how many: the smallest number with which the call can have succeeded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from usage_anomaly.catalog import Condition, Reading
from usage_anomaly.paths import MOST_UNITS, Document, Path, first_number, is_omitted, items_of, text_of


class Lot(NamedTuple):
    """One item of the record, how many units it stands for, and the things that it counts once for, where read."""

    item: Document
    units: int
    per: Sequence[Document] = ()


class Quantity(NamedTuple):
    """The units of one call, item by item; `truncated` where the record does not tell all of them."""

    lots: list[Lot]
    truncated: bool


def holds(condition: Condition, document: Document) -> bool:
    """Whether the value a condition looks at is one of those it names; without names, whether there is one."""
    value = condition.path(document)
    if value is None:
        return condition.missing
    return not condition.values or text_of(value) in condition.values


def quantity_of(reading: Reading, document: Document) -> Quantity:
    """The units of a successful call, at most MOST_UNITS."""
    lots, truncated = _per_each(reading, document) if reading.per_items else _lots(reading, document)
    if sum(lot.units for lot in lots) <= MOST_UNITS:
        return Quantity(lots, truncated)
    return Quantity(_bounded(lots), True)


def _lots(reading: Reading, document: Document) -> Quantity:
    unanswered = reading.call.answered and not _answered(document)
    if not reading.items:
        if reading.where is not None and not holds(reading.where, document):
            return Quantity([], False)
        units, told = _units(reading, document)
        return Quantity([Lot({}, units)] if units or not told else [], unanswered or not told)
    items, cut = _items(reading.items, document)
    seen = [item for item in items if _passes(reading.where, item, document)]
    if cut or unanswered:
        return Quantity(_asked_for(reading.requested_items, reading.requested, document, seen), True)
    lots, all_told = list[Lot](), True
    for item in seen:
        document["item"] = item
        units, told = _units(reading, document)
        lots.append(Lot(item, units))
        all_told = all_told and told
    return Quantity(lots, not all_told)


def _units(reading: Reading, document: Document) -> tuple[int, bool]:
    """How many units the call, or the item in the document, stands for, and whether the record tells."""
    if not reading.count:
        return 1, True
    count = first_number(reading.count, document)
    if count is None and reading.call.default is not None:
        count = float(reading.call.default)
    before = first_number(reading.less, document) if reading.less else 0.0
    if count is None or before is None:
        return 0 if reading.less else 1, False
    return int(max(count - before, 0)), True


def _per_each(reading: Reading, document: Document) -> Quantity:
    """Items of the request, each once per thing launched. Without any item the image decides: partial, quantity 0."""
    launched, cut = _items(reading.per_items, document)
    truncated = cut or not _answered(document)
    number = len(launched)
    if truncated:
        number = sum(lot.units for lot in _asked_for((), reading.per_requested, document, launched))
    if number == 0:
        return Quantity([], False)
    items, items_cut = _items(reading.items, document)
    lots = [Lot(item, number, launched) for item in items if _passes(reading.where, item, document)]
    return Quantity(lots or [Lot({}, 0)], truncated or items_cut or not lots)


def _asked_for(named: Iterable[Path], numbers: Iterable[Path], document: Document, seen: list[Document]) -> list[Lot]:
    wanted, _ = _items(named, document)
    items = wanted if len(wanted) > len(seen) else seen
    asked = min(first_number(numbers, document) or 0, MOST_UNITS)
    missing = max(int(asked), len(items), 1) - len(items)
    return [Lot(item, 1) for item in items] + ([Lot({}, missing)] if missing else [])


def _items(containers: Iterable[Path], document: Document) -> tuple[list[Document], bool]:
    """The items of the first container that has any."""
    cut = False
    for container in containers:
        items, was_cut = items_of(container(document))
        cut = cut or was_cut
        if items:
            return items, cut
    return [], cut


def _answered(document: Document) -> bool:
    answer = document["response"]
    return type(answer) is dict and not is_omitted(answer)


def _passes(where: Condition | None, item: Document, document: Document) -> bool:
    document["item"] = item
    return where is None or holds(where, document)


def _bounded(lots: list[Lot]) -> list[Lot]:
    kept: list[Lot] = []
    left = MOST_UNITS
    for lot in lots:
        if left == 0:
            break
        kept.append(lot._replace(units=min(lot.units, left)))
        left -= kept[-1].units
    return kept
