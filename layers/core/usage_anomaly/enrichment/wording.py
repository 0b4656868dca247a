"""How is a piece of evidence said?

Sentences for `evidence`, short and with numbers. Values from records are clipped here and made inert where they are shown
(`alerts.plain`): a statement may hold any character that a record held.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby

from usage_anomaly.anomalies import Actor, Statement
from usage_anomaly.usage import UsageEvent

CLAIMED = "the caller's own word"
ALONE = "not established, only this account was read"
_LONGEST = 64
_ENOUGH_DAYS = 14  # a shorter past is said as what was read, not as the account's habit
_UNPRICED = re.compile(r"price unknown for ([0-9][0-9,]{0,20}) of ")
_SERVICE = re.compile(r"AWS Internal|.*\.amazonaws\.com(?:\.cn)?", re.DOTALL)


def clip(text: str, limit: int = _LONGEST) -> str:
    """At most `limit` characters, an ellipsis where something was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def is_service(address: str) -> bool:
    """Whether a source address is an AWS service's name: shared by everybody, it tells nobody apart."""
    return _SERVICE.fullmatch(address[:300]) is not None


def commonest(values: Iterable[str | None]) -> str | None:
    counts = Counter(value for value in values if value)
    return min(counts, key=lambda value: (-counts[value], value), default=None)


def several(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def counted(number: int, many: str) -> str:
    """ "1 instance", "2 instances", "1 address", "1 refused call for instances", from a kind's plural."""
    if number != 1:
        return f"{number:,} {many}"
    thing, for_what, rest = many.partition(" for ")
    return f"1 {thing[:-2] if thing.endswith('sses') else thing.removesuffix('s')}{for_what}{rest}"


def percent(share: float) -> str:
    """ "52%"; what is not all or nothing never rounds to it."""
    if 0 < share < 0.005:
        return "under 1%"
    return "over 99%" if 0.995 <= share < 1 else f"{share:.0%}"


def read_for(days: float) -> str:
    """The past that was looked at: "in the 28 days before", "in the 5 days read", "in the 25 minutes read"."""
    if days >= _ENOUGH_DAYS:
        return f"in the {int(days)} days before"
    if days >= 1:
        return f"in the {several(int(days), 'day', 'days')} read"
    if days * 24 >= 1:
        return f"in the {several(round(days * 24), 'hour', 'hours')} read"
    return f"in the {several(max(1, round(days * 1440)), 'minute', 'minutes')} read"


def identity(arn: str) -> str:
    """An ARN as said to people: "IAM user ci-legacy", "role deploy", "root user", else the text itself."""
    if not arn:
        return "caller not named"
    parts = arn.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn":
        return ("service " if is_service(arn) else "identity ") + clip(arn)
    kind, _, rest = parts[5].partition("/")
    if kind == "root":
        return "root user"
    if kind == "assumed-role":
        return "role " + clip(rest.split("/", 1)[0])
    named = {"user": "IAM user ", "role": "role ", "federated-user": "federated user "}
    return named[kind] + clip(rest.rsplit("/", 1)[-1]) if rest and kind in named else f"identity {clip(arn)}"


def agent(user_agent: str) -> str:
    """The first product a user agent names: "aws-cli" of "[aws-cli/2.13 Python/3.11 ...]"."""
    words = user_agent.strip("[] ").split(None, 1)
    return clip(words[0].split("/", 1)[0] if words else "", 40)


def calls(uses: Sequence[UsageEvent], tallied: bool = False) -> str:
    """ "19 calls", counting a record once however many groups it launched; each use is a call where events are tallies."""
    if tallied:
        return several(sum(event.quantity for event in uses), "call", "calls")
    return several(len({event.event_id for event in uses}), "call", "calls")


def refusals(attempts: Sequence[UsageEvent]) -> str:
    """ "300 refused and 12 dry RunInstances (VcpuLimitExceeded 300)"."""
    names = _ranked(_quantities((event.event_name, event) for event in attempts), 3)
    dry = sum(event.quantity for event in attempts if event.dry_run)
    refused = sum(event.quantity for event in attempts) - dry
    numbers = " and ".join(f"{count:,} {word}" for count, word in ((refused, "refused"), (dry, "dry")) if count)
    text = f"{numbers or '0'} {', '.join(name for name, _ in names) or 'calls'}"
    codes = _quantities((each.error_code, each) for each in attempts if each.error_code and not each.dry_run)
    return text + (f" ({', '.join(f'{clip(code)} {count:,}' for code, count in _ranked(codes, 3))})" if codes else "")


def _quantities(named: Iterable[tuple[str, UsageEvent]]) -> Counter[str]:
    """By name; an event of a busy kind stands for several calls."""
    counts: Counter[str] = Counter()
    for name, event in named:
        counts[name] += event.quantity
    return counts


def size(uses: Sequence[UsageEvent]) -> str:
    """What stands behind the quantity where the records tell: "376 GPUs, 3,008 vCPUs", "43 TiB", "function orders"."""
    gpus, vcpus, gib = (sum(value or 0.0 for value in values) for values in _measures(uses))
    parts = [f"{gpus:,.0f} GPUs"] if gpus else []
    if vcpus:
        told = f"{vcpus:,.4g} vCPUs" if vcpus < 1_000 else f"{vcpus:,.0f} vCPUs"
        total, known = sum(event.quantity for event in uses), sum(event.quantity for event in uses if event.vcpus)
        parts.append(told if known == total else f"{told} in {known:,} of them")
    elif gib:
        parts.append(f"{gib / 1024:,.0f} TiB" if gib >= 10_240 else f"{gib:,.0f} GiB")
    functions: Counter[str] = Counter()
    for event in uses:
        if event.function_name:
            functions[event.function_name] += event.quantity
    if len(functions) == 1:
        parts.append(f"function {clip(next(iter(functions)))}")
    elif functions:
        shown = ", ".join(f"{clip(name)} {count:,}" for name, count in _ranked(functions, 3))
        parts.append(f"{len(functions):,} functions: {shown}" + (", ..." if len(functions) > 3 else ""))
    return ", ".join(parts)


def _measures(uses: Sequence[UsageEvent]) -> tuple[list[float | None], list[float | None], list[float | None]]:
    return [event.gpus for event in uses], [event.vcpus for event in uses], [event.gib for event in uses]


def share(actor: Actor, found: Sequence[UsageEvent], total: int, tallied: bool = False) -> str:
    """Who, by which key, how much of it, from where, with what."""
    quantity = actor.quantity or round(actor.share * total)
    part = quantity / total if total else actor.share
    key = f", long-lived key {clip(actor.access_key_id)}" if actor.long_lived_key and actor.access_key_id else ""
    by = "" if tallied else f", {calls(found)}"
    text = f"{identity(actor.arn)}{key}: {quantity:,} of {total:,} ({percent(part)}){by}"
    origin = [clip(actor.source_address)] if actor.source_address and actor.source_address != actor.arn else []
    if actor.user_agent and actor.user_agent not in (actor.source_address, actor.arn):
        origin.append(agent(actor.user_agent))
    return f"{text}, from {' and '.join(origin)}" if origin else text


def by_others(actors: Sequence[Actor], total: int) -> int:
    """How much was made by actors that are not named; 0 where their own figures were not kept."""
    named = [actor.quantity for actor in actors]
    return max(0, total - sum(named)) if all(named) and named else 0


def actor_before(actor: Actor, before: Sequence[UsageEvent], unit: str, days: float, tallied: bool) -> str:
    """Whether the actor did such a thing before."""
    who = identity(actor.arn)
    if not before:
        return f"{who} is new here: none by it {read_for(days)}"
    quantity = sum(event.quantity for event in before)
    by = "" if tallied else f" by {calls(before)}"
    return f"{who} used {counted(quantity, unit)}{by} {read_for(days)}"


def refused_before(actor: Actor, before: Sequence[UsageEvent], days: float) -> str:
    """Whether the actor's calls of the kind were refused before."""
    if not before:
        return f"no refused calls by {identity(actor.arn)} before, {read_for(days)}"
    number = sum(event.quantity for event in before)
    return f"{several(number, 'refused call', 'refused calls')} by {identity(actor.arn)} {read_for(days)}"


def none_through(actor: Actor, days: float) -> str:
    """For a known doer of refused calls: none of them ever got through."""
    return f"nothing of the kind by {identity(actor.arn)} got through {read_for(days)}"


def address_through(address: str, used: Sequence[UsageEvent], refused: int, days: float, tallied: bool) -> str:
    """Whether calls of the kind came from the address before, those that got through and those refused."""
    if not used and not refused:
        return f"address {clip(address)} is new here: no such call from it {read_for(days)}"
    return f"address {clip(address)} made {calls(used, tallied)} of the kind and {refused:,} refused {read_for(days)}"


def address_before(address: str, before: Sequence[UsageEvent], days: float, tallied: bool) -> str:
    """Whether such a call came from the address before."""
    if not before:
        return f"address {clip(address)} is new here: no such call from it {read_for(days)}"
    return f"address {clip(address)} made {calls(before, tallied)} of the kind {read_for(days)}"


def made_by(name: str, field: str, basis: str, quantity: int, total: int) -> str:
    """The automation with the field it rests on and what that field is worth."""
    said = {
        "invoked_by": "invokedBy",
        "user_agent": "the user agent",
        "role": "the role",
        "session": "the session name",
    }
    if basis == "claimed by the caller":
        return f"{quantity:,} of {total:,} claim to be {name} by {said[field]} ({CLAIMED})"
    return f"{name} made {quantity:,} of {total:,}, by {said[field]} ({basis})"


def trustworthy(automation: str | None, actors: Sequence[Actor], statements: Iterable[Statement]) -> str | None:
    """The automation to name in short: none that the caller only claims, none that would hide a long-lived key."""
    claimed = any(each.topic == "automation" and each.text.endswith(f"({CLAIMED})") for each in statements)
    return None if claimed or any(actor.long_lived_key for actor in actors[:1]) else automation


def no_automation(ranked: Sequence[tuple[str, int]], total: int) -> str:
    if not ranked:
        return "no automation and no console in invokedBy, user agent, role or session name"
    parts = ", ".join(f"{name} {quantity:,}" for name, quantity in ranked[:3])
    return f"no one automation made more than half of {total:,}: {parts}"


def regions_before(new: Sequence[str], used: Mapping[str, int], known: Collection[str], days: float) -> str:
    """Which of the regions never had this kind: "none of 3 regions used"."""
    if not new:
        return f"{'all' if len(used) > 1 else 'the'} {_region_word(len(used))} used {read_for(days)} too"
    usual = ", ".join(clip(region) for region in sorted(known)[:3])
    if not known:
        return f"none in any region {read_for(days)}"
    if len(new) == len(used):
        return f"{'none' if len(used) > 1 else 'not'} used {read_for(days)}; regions used then: {usual}"
    shown = ", ".join(clip(region) for region in new[:5]) + (f" and {len(new) - 5:,} more" if len(new) > 5 else "")
    return f"{len(new)} of {len(used)} not used {read_for(days)}: {shown}"


def _region_word(number: int) -> str:
    return "region was" if number == 1 else "regions were"


def before(found: Sequence[UsageEvent], names: Sequence[str], begins: datetime | None = None) -> str:
    """The refused and dry calls by minute: "09:51 6 dry RunInstances; 09:58 4 refused RunInstances (VcpuLimitExceeded)"."""
    if not found and begins is not None:
        return (
            f"not established: records begin at {begins:%H:%M}, refused and dry calls of the hour before may be missing"
        )
    if not found:
        return f"no refused or dry call by the same {', '.join(names)} in the hour before"
    runs = groupby(found, key=lambda event: (event.dry_run, event.event_name, event.error_code or ""))
    parts = []
    for (dry, name, code), events in runs:
        group = list(events)
        reason = f" ({clip(code)})" if code and not dry else ""
        number = sum(event.quantity for event in group)
        parts.append(f"{group[0].event_time:%H:%M} {number:,} {'dry' if dry else 'refused'} {clip(name)}{reason}")
    more = f"; and {len(parts) - 4:,} more" if len(parts) > 4 else ""
    return "; ".join(parts[:4]) + more + f", by the same {names[0]}"


def identity_changes(found: Sequence[UsageEvent], name: str, begins: datetime | None) -> str:
    """What was changed and when: "10:02 CreateUser svc-bk; 10:02 CreateAccessKey svc-bk, by the same key"."""
    if not found:
        since = "from 24 hours before on" if begins is None else f"in the records, which begin at {begins:%H:%M}"
        return f"no change of users, keys or permissions by the same {name} {since}"
    runs = groupby(found, key=lambda event: (event.event_name, event.resource_ids[-1:]))
    parts = []
    for (call, ids), events in runs:
        group = list(events)
        times = f" x{len(group):,}" if len(group) > 1 else ""
        parts.append(f"{group[0].event_time:%H:%M} {clip(call)}{times}{''.join(f' {clip(each)}' for each in ids)}")
    more = f"; and {len(parts) - 5:,} more" if len(parts) > 5 else ""
    return "; ".join(parts[:5]) + more + f", by the same {name}"


def also(found: Sequence[UsageEvent], name: str) -> str:
    """What else the same doer used."""
    units: Counter[str] = Counter()
    for event in found:
        units[event.unit] += event.quantity
    shown = ", ".join(counted(count, clip(unit)) for unit, count in _ranked(units, 4))
    more = f" and {len(units) - 4:,} more kinds" if len(units) > 4 else ""
    return f"same {name} also: {shown}{more}"


def through(found: Sequence[UsageEvent], name: str) -> str:
    """What the same doer got through with while others of its calls were refused."""
    if not found:
        return f"nothing of the same {name} got through in that time"
    kinds: Counter[str] = Counter()
    for event in found:
        kinds[event.kind] += event.quantity
    parts = ", ".join(f"{clip(kind)} {count:,}" for kind, count in _ranked(kinds, 3))
    return f"got through in that time, by the same {name}: {parts}"


def unpriced(notes: Iterable[str]) -> int:
    """How much of the quantity has no price, by the note that `cost.gaps` wrote; 0 without one."""
    found = (_UNPRICED.match(note) for note in notes)
    return next((int(match[1].replace(",", "")) for match in found if match), 0)


def elsewhere(name: str, found: Sequence[UsageEvent], number: int, alone: bool) -> str:
    if not found and alone:
        return f"same {name} in other accounts: {ALONE}"
    if not found:
        return f"same {name} in other accounts: none found"
    accounts = sorted({event.account_id for event in found})
    shown = ", ".join(clip(account, 12) for account in accounts[:3]) + (", ..." if len(accounts) > 3 else "")
    where = several(len(accounts), "other account", "other accounts")
    return f"same {name} in {where} ({shown}): {several(number, 'call', 'calls')}"


def released(gone: int, total: int, others: bool) -> str:
    """How much is gone; `others` were released in that time when none of these was."""
    if gone == 0:
        return "none of these seen released" if others else "no release seen"
    left = max(0, total - gone)
    if left:
        return f"{gone:,} of {total:,} released; {left:,} not seen released"
    return f"all {total:,} released" if total > 1 else "released"


def _ranked(counts: Counter[str], top: int) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:top]
