"""cert-manager: solves ACME's DNS-01 challenges in Route 53.

Follows v1.20, https://cert-manager.io/v1.20-docs/configuration/acme/dns01/route53/, with the zones named.
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import HOSTED_ZONES
from ._model import Argument, Cluster, Definition, allow


def statements(cluster: Cluster, *, hosted_zone_arns: Sequence[str]) -> list[Statement]:
    """Write TXT records in the zones, and await that they are there."""
    txt_only = {"ForAllValues:StringEquals": {"route53:ChangeResourceRecordSetsRecordTypes": ["TXT"]}}
    changes = cluster.arn("route53", "change/*", region="", account="")
    return [
        allow("AwaitChanges", ["route53:GetChange"], [changes]),
        allow("ChangeTextRecords", ["route53:ChangeResourceRecordSets"], hosted_zone_arns, txt_only),
        allow("ReadRecords", ["route53:ListResourceRecordSets"], hosted_zone_arns),
        allow("FindZones", ["route53:ListHostedZonesByName"], ["*"]),
    ]


PRESET = Definition(
    name="cert-manager",
    title="cert-manager",
    version="v1.20",
    source="https://cert-manager.io/v1.20-docs/configuration/acme/dns01/route53/",
    namespace="cert-manager",
    service_account="cert-manager",
    statements=statements,
    scope=(Argument("hosted_zone_arns", HOSTED_ZONES, "the zones of the domains to certify", required=True),),
)
