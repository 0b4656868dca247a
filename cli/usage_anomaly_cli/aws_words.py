"""Which words are AWS's own, so that a report full of pseudonyms can still be read?

Only what stands here, or has a shape that only AWS writes, is kept. A word that is missing costs the reader a word; one too
many could tell a stranger a name.
"""

from __future__ import annotations

import re
from functools import lru_cache

from usage_anomaly.anomalies.rules import ORGANIZATION
from usage_anomaly.enrichment.automation import MACHINE_ROLES, MARKS
from usage_anomaly.usage import UNKNOWN
from usage_anomaly_cli.bundled import loaded


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NAMES = _words(
    "OrganizationAccountAccessRole AWSControlTowerExecution EMR_DefaultRole EMR_EC2_DefaultRole arn root * $LATEST"
)
NAMES |= {"AWS Internal", UNKNOWN, ORGANIZATION}
# The first words of the resources in an ARN, and of paths that AWS sets.
RESOURCES = _words("""
    accesspoint alias application assumed-role autoScalingGroup autoScalingGroupName aws-reserved aws-service-role
    bucket build catalog certificate changeSet cluster container-instance containergroup crawler database db dbuser
    delivery-stream deliverystream dev distribution domain elastic-ip es event-bus event-source-mapping execution
    federated-user file-system function group hostedzone image instance instance-profile job jobflow job-definition
    job-queue key key-pair layer loadbalancer log-group log-stream mfa nat-gateway natgateway network-interface
    nodegroup oidc-provider og pg policy project provisioned-model repository role rule saml-provider secret
    secgrp security-group server service service-role snapshot stack stateMachine stream subgrp subnet table
    targetgroup task task-definition task-set topic training-job user volume vpc workgroup
""")
ACTOR_TYPES = _words("""
    AWSAccount AWSService AssumedRole Directory FederatedUser IAMUser IdentityCenterUser Role Root SAMLUser Unknown
    WebIdentityUser
""")
# Of market, platform and tenancy.
LAUNCHES = _words("""
    spot on-demand capacity-block scheduled managed-spot FARGATE_SPOT windows default dedicated host arm64 ARM64 X86_64
    Linux LINUX WINDOWS_SERVER_2019_CORE WINDOWS_SERVER_2019_FULL WINDOWS_SERVER_2022_CORE WINDOWS_SERVER_2022_FULL
""")
# Those that are no machine, model or word of the catalog.
GROUPS = _words("gp2 gp3 io1 io2 st1 sc1 standard FARGATE FARGATE_SPOT EC2 EXTERNAL MANAGED_INSTANCES system")
STATUSES = _words("ACTIVE SUSPENDED PENDING_CLOSURE")  # of accounts
PRODUCTS = _words("""
    apn apache-httpclient aws-cli aws-internal aws-sdk-cpp aws-sdk-dotnet-coreclr aws-sdk-go aws-sdk-go-v2 aws-sdk-java
    aws-sdk-js aws-sdk-kotlin aws-sdk-nodejs aws-sdk-php aws-sdk-ruby aws-sdk-ruby3 aws-sdk-rust aws-sdk-swift
    aws-toolkit boto boto3 botocore cloudformation coral-jersey curl elasticwolf exec-env go-http-client hashicorp
    java kubernetes lambda okhttp powershell python python-requests python-urllib3 s3fs sts
""")
_PREFIXES = _words("""
    acl ami aki ari capacity-block cgw cr crf dopt eigw eipalloc eipassoc eni fs fsap fsmt h hr i igw import-ami import-snap key
    lgw lt mi nat pcx pg pl r rtb rtbassoc sg sir snap subnet tgw tgw-attach vgw vol vpc vpce vpn
""")

_CONSTANT = re.compile("'([^']*)'")  # of a path


@lru_cache(maxsize=1)
def said_by_catalog() -> frozenset[str]:
    """Groups that the catalog names itself ("Savings Plan"), as constants of its paths; they come from no record."""
    paths = (path for kind in loaded()[0].kinds.values() for call in kind.calls for path in call.group)
    return frozenset(word for path in paths for word in _CONSTANT.findall(path))


ACCOUNT = re.compile(r"[0-9]{12}")
RESOURCE_ID = re.compile(rf"({'|'.join(sorted(_PREFIXES, key=len, reverse=True))})-[0-9a-f]{{8,40}}")
FLEET = re.compile(r"(fleet|sfr)-[0-9a-f-]{8,40}")
CLUSTER = re.compile(r"j-[A-Z0-9]{8,20}")
KEY = re.compile(r"(A(?:KIA|SIA|IDA|ROA|IPA|NPA|NVA|PKA|SCA|GPA|BIA|CCA))[A-Z0-9]{4,}")  # of a key or a principal
UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
TASK = re.compile(r"[0-9a-f]{32}")
SMALL_NUMBER = re.compile(r"[0-9]{1,4}")  # a revision, a qualifier
DEVICE = re.compile(r"sd[a-z][0-9]{0,2}|xvd[a-z]{1,2}[0-9]?")
_PLACE = "central|(?:north|south)?(?:east|west)|north|south"
REGION = re.compile(rf"(?:af|ap|ca|cn|eu|eusc|il|me|mx|sa|us)(?:-gov|-iso[a-z]?|-de)?-(?:{_PLACE})-[0-9]{{1,2}}")
# One label is a service's, for AWS gives none to a customer; a second one may be a bucket or a machine's address.
SERVICE = re.compile(
    rf"[a-z][a-z0-9-]*(?:\.{REGION.pattern})?\.amazonaws\.com(?:\.cn)?"
    r"|[a-z-]+\.(?:logs|lambda|application-autoscaling|monitoring|apigateway|guardduty|backup)\.amazonaws\.com"
)
SERVICE_DOMAIN = re.compile(r"\.amazonaws\.com(?:\.cn)?$")
PARTITION = re.compile(r"(?:aws(?:-[a-z]+)*)?")
ARN_SERVICE = re.compile(r"[a-z0-9-]{0,24}")
MACHINE = re.compile(
    r"(?:(?:db|cache|ml|dax|search|mq)\.)?[a-z][a-z0-9-]{0,15}"
    r"\.(?:nano|micro|small|medium|metal|(?:[0-9]+x?|x)?large|xlplus|metal-[0-9]+xl|serverless)(?:\.(?:elastic)?search)?"
)
HOSTS = re.compile(r"[a-z][a-z0-9-]{0,15}(?:\.[a-z0-9-]{1,12})? dedicated hosts")  # by family or type
MODEL = re.compile(
    r"(?:[a-z]{2,6}\.|us-gov\.)?"
    r"(?:ai21|amazon|anthropic|cohere|deepseek|google|luma|meta|minimax|mistral|moonshot|nvidia|openai|qwen|stability"
    r"|twelvelabs|writer|zai)\.[a-z0-9.:-]+"
)
CODE = re.compile(r"[A-Za-z][A-Za-z0-9]{1,60}(?:\.[A-Za-z][A-Za-z0-9]{1,60}){0,3}")  # of a call or an error
SERVICE_ROLE = re.compile(r"(AWSServiceRoleFor[A-Za-z0-9]+)(?:_(.+))?", re.DOTALL)
# Four numbers may be an address, twelve digits an account.
VERSION = re.compile(r"[-/]?v?[0-9]{1,5}(?:\.[0-9]{1,5}){0,2}(?![0-9.])")

# What the rules for automations look for in names and user agents.
NAME_MARKS = [mark for mark in MARKS if mark.field in ("role", "session")]
AGENT_MARKS = sorted((mark for mark in MARKS if mark.field == "user_agent"), key=lambda mark: -len(mark.text))
PHRASES = sorted({*MACHINE_ROLES, *(mark.text for mark in NAME_MARKS if mark.how == "words")}, key=len, reverse=True)
AUTOMATIONS = frozenset(mark.automation for mark in MARKS)
