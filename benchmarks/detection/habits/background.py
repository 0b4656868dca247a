"""What is called, refused and tried day and night without being news?

AWS Config, Security Hub and inventory tools sweep with thousands of reads. Reads are no usage: no kind reads them, so
there is nothing to generate here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from math import cos, pi

from benchmarks.detection import doers
from benchmarks.detection.calls import denied, invocations, model_calls, refused
from benchmarks.detection.setting import Setting, after, around
from usage_anomaly.usage import UsageEvent

SLOTS = 288
MODEL = "anthropic.claude-3-5-sonnet-20241022-v2:0"


def lambda_day_and_night(setting: Setting) -> Iterator[UsageEvent]:
    """One to three functions are invoked by day and night, in production millions of times a day; one event for each
    five minutes. Less by night and at weekends; some functions also run at each full hour."""
    traits, account = setting.traits, setting.account
    doer = doers.service(traits.choice(("apigateway.amazonaws.com", "sqs.amazonaws.com", "s3.amazonaws.com")))
    low, high = {"production": (1500, 9000), "staging": (30, 250)}.get(account.stage, (3, 40))
    for number in range(traits.randint(1, 3)):
        peak, night = traits.uniform(low, high) * account.size, traits.uniform(0.15, 0.7)
        weekend, noise, hourly = traits.uniform(0.3, 0.9), traits.uniform(0.05, 0.3), traits.random() < 0.3
        region = traits.choice(account.regions)
        for day in setting.days():
            busy = peak * day.times * (weekend if day.weekend else 1)
            for slot in range(SLOTS):
                wave = night + (1 - night) * (1 - cos(2 * pi * (slot / SLOTS - 2 / 24))) / 2
                mean = busy * wave * (1.8 if hourly and slot % 12 == 0 else 1)
                count = round(mean * day.dice.lognormvariate(0, noise))
                if count:
                    at = after(setting.at(day.date, slot / 12), seconds=day.dice.randrange(300))
                    yield invocations(setting, at, doer, count, f"function-{number}", region)


def bedrock_assistants(setting: Setting) -> Iterator[UsageEvent]:
    """People ask assistants in office hours, one event for each five minutes."""
    traits, account = setting.traits, setting.account
    doer = doers.application(account, "assistant-backend")
    peak = traits.uniform(8, 40) * account.size * (3 if account.stage == "production" else 1)
    noise = traits.uniform(0.1, 0.4)
    for day in setting.days():
        busy = peak * day.times * (0.06 if day.weekend else 1)
        for slot in range(8 * 12, 19 * 12):
            count = round(busy * day.dice.lognormvariate(0, noise) * (0.5 if slot // 12 == 12 else 1))
            if count:
                at = after(setting.at(day.date, slot / 12), seconds=day.dice.randrange(300))
                yield model_calls(setting, at, doer, count, MODEL)


def refused_log_delivery(setting: Setting) -> Iterator[UsageEvent]:
    """A role without the right to write logs tries all day and is refused each time, every 2 to 20 minutes."""
    traits, doer = setting.traits, doers.role(setting.account, "report-writer", "report", doers.CLUSTER, doers.PYTHON)
    every, since = traits.choice((2, 5, 10, 20)), traits.choice((0, 0, 9))
    for day in list(setting.days())[since:]:
        for minute in range(0, 24 * 60, every):
            for _ in range(round(day.times)):
                at = after(setting.at(day.date, minute / 60), seconds=day.dice.randrange(60))
                yield denied(setting, at, doer, "logs.amazonaws.com", "CreateLogStream")


def failed_logins(setting: Setting) -> Iterator[UsageEvent]:
    """People mistype their password, none to four times a day."""
    names = doers.PEOPLE
    for day in setting.days():
        dice = day.dice
        for _ in range(round(dice.choice((0, 0, 1, 1, 2, 4)) * day.times * (0.2 if day.weekend else 1))):
            name = dice.choice(names)
            doer = doers.user(setting.account, name, "", doers.OFFICE, doers.BROWSER)
            yield _login(setting, day.date, dice.uniform(8, 18), doer)


def _login(setting: Setting, day: date, hour: float, doer: doers.Doer) -> UsageEvent:
    at = setting.at(day, hour)
    return setting.event(at, doer, "ConsoleLogin", "console.logins", "use", 1, group="failed", region="us-east-1")


def eks_dry_runs(setting: Setting) -> Iterator[UsageEvent]:
    """EKS node groups check with dry runs whether they could launch, 2 to 40 times a day."""
    account = setting.account
    doer = doers.service_role(account, "AWSServiceRoleForAmazonEKSNodegroup", "EKS", "eks-nodegroup.amazonaws.com")
    per_day = setting.traits.uniform(2, 40)
    for day in setting.days():
        for _ in range(around(day.dice, per_day * day.times, 0.4)):
            at = setting.at(day.date, day.dice.uniform(0, 24))
            yield refused(setting, at, doer, "m6i.xlarge", "Client.DryRunOperation")
