"""ExternalDNS: writes the records of Services, Ingresses and routes into Route 53.

Follows v0.22.0, https://github.com/kubernetes-sigs/external-dns/blob/v0.22.0/docs/tutorials/aws.md, whose records are
changed in any zone of the account; here only in the zones of the scope. The names of the TXT records that it marks its
own by are those of docs/registry/txt.md of that version.
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import HOSTED_ZONES, Items
from ._model import Argument, Cluster, Definition, allow


def statements(cluster: Cluster, *, hosted_zone_arns: Sequence[str], record_names: Sequence[str]) -> list[Statement]:
    """Change records in the zones, and find out which zones there are and how they are tagged."""
    all_names = [name for record in record_names for name in _with_marks(record)]
    names = {"ForAllValues:StringLike": {"route53:ChangeResourceRecordSetsNormalizedRecordNames": all_names}}
    zones = cluster.arn("route53", "hostedzone/*", region="", account="")
    return [
        allow("ChangeRecords", ["route53:ChangeResourceRecordSets"], hosted_zone_arns, names if record_names else None),
        allow("ReadRecords", ["route53:ListResourceRecordSets"], hosted_zone_arns),
        # It asks for the tags of all zones that it lists, to filter by them.
        allow("ReadTags", ["route53:ListTagsForResources"], [zones]),
        allow("ListZones", ["route53:ListHostedZones"], ["*"]),
    ]


def _with_marks(record: str) -> list[str]:
    """A record's name, and those of the TXT records that go with it in one change, which end in it after a prefix."""
    # A pattern that begins with any text covers them.
    return [record] if record.startswith("*") else [record, *(f"{kind}-{record}" for kind in ("a", "aaaa", "cname"))]


PRESET = Definition(
    name="external-dns",
    title="ExternalDNS",
    version="v0.22.0",
    source="https://github.com/kubernetes-sigs/external-dns/blob/v0.22.0/docs/tutorials/aws.md",
    namespace="external-dns",
    service_account="external-dns",
    addon="external-dns",
    statements=statements,
    scope=(
        Argument("hosted_zone_arns", HOSTED_ZONES, "the zones whose records it keeps", required=True),
        Argument(
            "record_names",
            Items(
                "names of records, in which `*` may stand for any text",
                "*.shop.example.com",
                r"(?!\*$)[a-z0-9_*.\\-]{1,255}",
            ),
            "the only records that it may change, and the TXT records by which it marks them as its own; all of the "
            "zones' where left out",
        ),
    ),
    note=(
        "In an account with other zones too, give it `--zone-id-filter` for each of the scope's: it reads every zone "
        "that its filters leave, and changes nothing at all if it may not read one. `record_names` covers the TXT "
        "records of A, AAAA and CNAME records; with `--txt-prefix`, `--txt-suffix` or other `--managed-record-types` "
        "it has to name the TXT records too."
    ),
)
