"""By which limits is a kind judged in this account, or over the whole organization?"""

from __future__ import annotations

from usage_anomaly.catalog import Catalog, is_attempts
from usage_anomaly.detection.judging import Rules
from usage_anomaly.detection.limits import FIGURES
from usage_anomaly.enrichment.accounts import AccountType
from usage_anomaly.series import BUCKETS_PER_HOUR

ORGANIZATION = "organization"  # stands for all accounts where an account id is expected

Pair = tuple[str, str]  # account id or ORGANIZATION, kind


def limit_of(catalog: Catalog, pair: Pair, account_type: AccountType) -> int:
    """The quantity per 10 minutes that is still usual."""
    account_id, kind = pair
    if account_id == ORGANIZATION:
        return catalog.limit(kind, "production") * FIGURES.organization_factor.factor
    return catalog.limit(kind, account_type)


def rules_of(catalog: Catalog, pair: Pair, account_type: AccountType, since: int = 0, judged_from: int = 0) -> Rules:
    """All that `extents` needs to judge the pair; `since` and `judged_from` are buckets.

    The organization is judged in windows of up to an hour and by quantity; refused calls cost nothing.
    """
    account_id, name = pair
    kind = catalog.kind_of(name)
    refused = is_attempts(name)
    everyone = account_id == ORGANIZATION
    burn = FIGURES.burn_rate_usd_per_hour
    burns = {"production": burn.production, "development": burn.development}
    whose = f"{account_type} accounts" if account_type != "unknown" else "accounts of unknown type"
    return Rules(
        limit=limit_of(catalog, pair, account_type),
        burn_limit=None if refused or everyone else burns.get(account_type, burn.staging),
        windows=tuple(each for each in FIGURES.windows if not everyone or each.buckets <= BUCKETS_PER_HOUR),
        scope="organization" if everyone else "account",
        unit=f"refused calls for {kind.many}" if refused else kind.many,
        one=f"refused call for {kind.many}" if refused else kind.one,
        whose="the organization" if everyone else whose,
        since=since,
        judged_from=judged_from,
    )


def told_each(catalog: Catalog, name: str) -> bool:
    """Whether none is usual in any account: every further use is news."""
    return all(catalog.limit(name, each) == 0 for each in ("production", "staging", "development"))


def releasable(catalog: Catalog, name: str) -> bool:
    """Whether anything releases what the series counts; nothing releases a refused call."""
    return catalog.kind_of(name).releasable and not is_attempts(name)
