"""By which limits is a kind judged in this account, or over the whole organization?"""

from __future__ import annotations

from usage_anomaly.anomalies.overrides import NONE, Overrides
from usage_anomaly.catalog import Catalog, costs_nothing, has_price, is_attempts
from usage_anomaly.detection.judging import Rules
from usage_anomaly.detection.learned import FIGURES as LEARNED
from usage_anomaly.detection.limits import FIGURES
from usage_anomaly.enrichment.accounts import AccountType
from usage_anomaly.series import BUCKETS_PER_HOUR

ORGANIZATION = "organization"  # stands for all accounts where an account id is expected

Pair = tuple[str, str]  # account id or ORGANIZATION, kind


def limit_of(catalog: Catalog, pair: Pair, account_type: AccountType, overrides: Overrides = NONE) -> int:
    """The quantity per 10 minutes that is still usual: what somebody set, else the catalog's."""
    if pair[0] == ORGANIZATION:
        return _production(catalog, pair[1], overrides) * FIGURES.organization_factor.factor
    return _limit(catalog, pair, account_type, overrides)


def burn_limit_of(account_id: str, account_type: AccountType, overrides: Overrides = NONE) -> float:
    """The USD per hour that may be added within an hour: what somebody set, else what the account's type may."""
    burn = FIGURES.burn_rate_usd_per_hour
    found = overrides.burn_limit(account_id, account_type)
    if found is not None:
        return found
    return {"production": burn.production, "development": burn.development}.get(account_type, burn.staging)


def cap_of(catalog: Catalog, pair: Pair, account_type: AccountType, overrides: Overrides = NONE) -> int:
    """How much of an account's use in a bucket counts for the organization: up to its own limit, and production's.

    The organization's limit is a multiple of the latter, so that no account's own limit lets it pass that alone.
    """
    return min(limit_of(catalog, pair, account_type, overrides), _production(catalog, pair[1], overrides))


def rules_of(
    catalog: Catalog,
    pair: Pair,
    account_type: AccountType,
    overrides: Overrides = NONE,
    since: int = 0,
    judged_from: int = 0,
) -> Rules:
    """All that `extents` needs to judge the pair; `since` and `judged_from` are buckets.

    The organization is judged in windows of up to an hour and by quantity; refused calls cost nothing.
    """
    account_id, name = pair
    kind = catalog.kind_of(name)
    refused = is_attempts(name)
    everyone = account_id == ORGANIZATION
    return Rules(
        limit=limit_of(catalog, pair, account_type, overrides),
        burn_limit=None if refused or everyone else burn_limit_of(account_id, account_type, overrides),
        windows=tuple(each for each in FIGURES.windows if not everyone or each.buckets <= BUCKETS_PER_HOUR),
        scope="organization" if everyone else "account",
        unit=f"refused calls for {kind.many}" if refused else kind.many,
        one=f"refused call for {kind.many}" if refused else kind.one,
        whose=_whose(pair, account_type, overrides),
        by_person=not everyone and overrides.limit(name, account_id, account_type) is not None,
        burn_by_person=not everyone and overrides.burn_limit(account_id, account_type) is not None,
        since=since,
        judged_from=judged_from,
    )


def told_each(catalog: Catalog, name: str) -> bool:
    """Whether none is usual in any account: every further use is news."""
    return all(catalog.limit(name, each) == 0 for each in ("production", "staging", "development"))


def releasable(catalog: Catalog, name: str) -> bool:
    """Whether anything releases what the series counts; nothing releases a refused call."""
    return catalog.kind_of(name).releasable and not is_attempts(name)


def _production(catalog: Catalog, kind: str, overrides: Overrides) -> int:
    """Production's limit, as all accounts together are judged by it.

    Where somebody set 0, each use of a production account is told by itself; five times nothing would count no account's.
    """
    return overrides.limit(kind, ORGANIZATION, "production") or catalog.limit(kind, "production")


def learnable(catalog: Catalog, name: str) -> bool:
    """Whether a learned detector sums what the series counts: its own, or that of every kind that has a price."""
    kind = catalog.kind_of(name)
    priced = has_price(kind) and not costs_nothing(kind, name)
    return any(each.kind == name or (each.kind is None and priced) for each in LEARNED.detectors)


def _limit(catalog: Catalog, pair: Pair, account_type: AccountType, overrides: Overrides) -> int:
    account_id, kind = pair
    found = overrides.limit(kind, account_id, account_type)
    return catalog.limit(kind, account_type) if found is None else found


def _whose(pair: Pair, account_type: AccountType, overrides: Overrides) -> str:
    """Whose limits these are, as findings say it."""
    if pair[0] == ORGANIZATION:
        return "the organization"
    if overrides.names(*pair):
        return "this account"
    return f"{account_type} accounts" if account_type != "unknown" else "accounts of unknown type"
