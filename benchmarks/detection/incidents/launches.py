"""What goes wrong where instances are launched?"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.detection import doers
from benchmarks.detection.accounts import image
from benchmarks.detection.calls import end, launch, refused
from benchmarks.detection.incidents.cast import Cast
from benchmarks.detection.setting import after, new_ids, portions
from usage_anomaly.usage import UsageEvent

OVER_QUOTA, NOT_ALLOWED = "Client.VcpuLimitExceeded", "Client.UnauthorizedOperation"
GIANTS = ("u-12tb1.112xlarge", "u-6tb1.112xlarge", "u-24tb1.112xlarge", "p5.48xlarge", "p6-b200.48xlarge")
UNPRICED = "p6e-gb200.36xlarge"


def leaked_key(cast: Cast) -> Iterator[UsageEvent]:
    """A stolen key probes, meets a quota, then starts 20-60 GPU instances in two to five regions never used, within an
    hour. In every second case an administrator ends some of them hours later."""
    dice, setting = cast.dice, cast.setting
    doer, machine = doers.thief(cast.account, dice), dice.choice(("p3.16xlarge", "g5.48xlarge", "p4d.24xlarge"))
    regions, left, minutes = cast.regions(dice.randint(2, 5)), dice.randint(20, 60), dice.uniform(20, 55)
    for index in range(10):
        why = OVER_QUOTA if index > 5 else "Client.DryRunOperation"
        yield refused(setting, after(cast.at, seconds=7 * index), doer, machine, why, region=regions[0])
    begin, ended, every = after(cast.at, minutes=6), dice.random() < 0.5, max(1, left // 3)
    while left:
        count = min(left, dice.randint(1, 5))
        at, region, ids = (
            after(begin, minutes=dice.uniform(0, minutes)),
            dice.choice(regions),
            new_ids(dice, "i", count),
        )
        yield from launch(setting, at, doer, machine, ids, region=region, of=_foreign(cast, region))
        if ended and left % every < count:
            admin = doers.role(cast.account, "OrganizationAccountAccessRole", "on-call", doers.OFFICE, doers.CLI)
            yield from end(setting, after(begin, hours=dice.uniform(2, 5)), admin, ids, region=region)
        left -= count


def giant_node(cast: Cast) -> Iterator[UsageEvent]:
    """The autoscaler picks one huge machine for a pod that needs one vCPU."""
    ids, machine = new_ids(cast.dice, "i", 1), cast.dice.choice(GIANTS)
    doer = doers.karpenter(cast.account)
    yield from launch(cast.setting, cast.at, doer, machine, ids, of="node", launcher="default", gib=40)


def provisioner_loop(cast: Cast) -> Iterator[UsageEvent]:
    """A provisioner launches 8-24 nodes an hour for six to fourteen hours and ends none."""
    dice, doer = cast.dice, doers.karpenter(cast.account)
    hours, per_hour = dice.uniform(6, 14), dice.uniform(8, 24)
    machine = dice.choice(("m5.large", "m6i.xlarge", "c5.2xlarge"))
    for index in range(round(hours * per_hour)):
        at = after(cast.at, hours=index / per_hour, seconds=dice.uniform(0, 60))
        ids = new_ids(dice, "i", 1)
        yield from launch(cast.setting, at, doer, machine, ids, of="node", launcher="default", gib=40)


def thin_spread(cast: Cast) -> Iterator[UsageEvent]:
    """GPU instances two or three at a time in ten to sixteen regions."""
    dice, doer = cast.dice, doers.thief(cast.account, cast.dice)
    machine, minutes = dice.choice(("g4dn.xlarge", "g5.xlarge", "g4dn.2xlarge")), dice.uniform(30, 90)
    regions = cast.regions(dice.randint(10, 14))
    for index, region in enumerate(regions):
        at, ids = after(cast.at, minutes=minutes * index / len(regions)), new_ids(dice, "i", dice.randint(2, 3))
        yield from launch(cast.setting, at, doer, machine, ids, region=region, of=_foreign(cast, region))


def refused_launches(cast: Cast) -> Iterator[UsageEvent]:
    """150-400 refused launches within half an hour, by a stolen key or a broken pipeline; then silence."""
    dice = cast.dice
    doer = doers.thief(cast.account, dice) if dice.random() < 0.5 else doers.ci_runner(cast.account)
    calls, minutes = dice.randint(150, 400), dice.uniform(10, 30)
    for index in range(calls):
        at = after(cast.at, minutes=minutes * index / calls)
        yield refused(cast.setting, at, doer, "c5.18xlarge", dice.choice((OVER_QUOTA, NOT_ALLOWED)))


def unknown_price(cast: Cast) -> Iterator[UsageEvent]:
    """6-14 instances of a type that no price list has yet."""
    dice, doer = cast.dice, doers.developer(cast.account, "raj")
    for index, some in enumerate(portions(new_ids(dice, "i", dice.randint(6, 14)), 2)):
        yield from launch(cast.setting, after(cast.at, minutes=6 * index), doer, UNPRICED, some, of="batch")


def change_window(cast: Cast) -> Iterator[UsageEvent]:
    """Terraform, by its usual role, builds 15-50 instances within 40 minutes."""
    dice, doer = cast.dice, doers.terraform(cast.account)
    ids, minutes = new_ids(dice, "i", dice.randint(15, 50)), dice.uniform(5, 40)
    machine = dice.choice(("m6i.xlarge", "c6i.2xlarge", "r6i.xlarge"))
    for index, some in enumerate(portions(ids, 3)):
        at = after(cast.at, minutes=minutes * 3 * index / len(ids))
        yield from launch(cast.setting, at, doer, machine, some, launcher="blue-green", gib=50)


def brand_new_account(cast: Cast) -> Iterator[UsageEvent]:
    """In an account that began days ago a person starts 8-30 large instances."""
    dice, doer = cast.dice, doers.developer(cast.account, "max")
    for index, some in enumerate(portions(new_ids(dice, "i", dice.randint(8, 30)), 5)):
        yield from launch(cast.setting, after(cast.at, minutes=4 * index), doer, "m5.4xlarge", some)


def truncated_launch(cast: Cast) -> Iterator[UsageEvent]:
    """One call for 20-60 instances whose answer did not fit the record: the request's count, no ids."""
    dice, doer = cast.dice, doers.application(cast.account, "render-farm")
    ids = new_ids(dice, "i", dice.randint(20, 60))
    yield from launch(cast.setting, cast.at, doer, "c5.xlarge", ids, of="batch", truncated=True)


def slow_ramp(cast: Cast) -> Iterator[UsageEvent]:
    """A scaling policy without a limit: from two instances an hour to twenty, over a day."""
    dice, doer = cast.dice, doers.auto_scaling(cast.account)
    hours = dice.uniform(14, 30)
    for hour in range(round(hours)):
        for some in portions(new_ids(dice, "i", round(2 + 18 * hour / hours)), 2):
            at = after(cast.at, hours=hour + dice.random())
            yield from launch(cast.setting, at, doer, "m6i.large", some, launcher="api", gib=30)


def new_image_everywhere(cast: Cast) -> Iterator[UsageEvent]:
    """One instance, or two, of one image nobody ever used in each of many accounts, within 40 minutes."""
    dice = cast.dice
    address, foreign = f"203.0.113.{dice.randrange(256)}", image("miner", "everywhere", dice.randrange(10**6))
    for index, setting in enumerate(cast.settings):
        doer = doers.role(setting.account, "OrganizationAccountAccessRole", "support", address, doers.PYTHON)
        at, ids = after(cast.at, minutes=40 * index / len(cast.settings)), new_ids(dice, "i", dice.randint(1, 2))
        yield from launch(setting, at, doer, "c5.xlarge", ids, of=foreign)


def _foreign(cast: Cast, region: str) -> str:
    return image(f"stranger/{cast.account.id}", region)
