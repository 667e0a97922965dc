"""Kubernetes versions that EKS offers.

https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from .call import Call, behaviour


@dataclass(frozen=True)
class KubernetesVersion:
    """A minor version, its newest patch on EKS, and its dates."""

    name: str
    patch: str
    platform: str
    released: dt.date
    standard_until: dt.date
    extended_until: dt.date

    @property
    def minor(self) -> int:
        """The minor number, for comparisons."""
        return int(self.name.partition(".")[2])

    def status(self, today: dt.date) -> str:
        """Return the support status on a day, as the API names it."""
        if today > self.extended_until:
            return "UNSUPPORTED"
        return "STANDARD_SUPPORT" if today <= self.standard_until else "EXTENDED_SUPPORT"


_DATE = dt.date.fromisoformat
DEFAULT = "1.36"
# Standard support lasts fourteen months from the release on EKS, extended support twelve more.
VERSIONS = {
    version.name: version
    for version in (
        KubernetesVersion("1.36", "1.36.3", "eks.6", _DATE("2026-06-02"), _DATE("2027-08-02"), _DATE("2028-08-02")),
        KubernetesVersion("1.35", "1.35.6", "eks.14", _DATE("2026-01-27"), _DATE("2027-03-27"), _DATE("2028-03-27")),
        KubernetesVersion("1.34", "1.34.9", "eks.23", _DATE("2025-10-02"), _DATE("2026-12-02"), _DATE("2027-12-02")),
        KubernetesVersion("1.33", "1.33.12", "eks.37", _DATE("2025-05-29"), _DATE("2026-07-29"), _DATE("2027-07-29")),
        KubernetesVersion("1.32", "1.32.13", "eks.44", _DATE("2025-01-23"), _DATE("2026-03-23"), _DATE("2027-03-23")),
        KubernetesVersion("1.31", "1.31.14", "eks.60", _DATE("2024-09-26"), _DATE("2025-11-26"), _DATE("2026-11-26")),
    )
}


def offered(today: dt.date) -> dict[str, KubernetesVersion]:
    """Return the versions with which a cluster can be created on a day."""
    return {name: version for name, version in VERSIONS.items() if version.status(today) != "UNSUPPORTED"}


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)


@behaviour
def describe_cluster_versions(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeClusterVersions, newest first."""
    if request.get("clusterType", "eks") != "eks":
        call.refuse_parameter(f"Invalid cluster type: {request['clusterType']}")
    today = call.now.date()
    wanted = request.get("versionStatus") or request.get("status", "").replace("-", "_").upper()
    found: dict[str, dict[str, Any]] = {}
    for name in request.get("clusterVersions") or []:
        if name not in VERSIONS:
            call.refuse_parameter(f"Invalid Kubernetes version: {name}")
    for version in VERSIONS.values():
        status = version.status(today)
        if wanted and status != wanted:
            continue
        if not wanted and not request.get("includeAll") and status == "UNSUPPORTED":
            continue
        if request.get("defaultOnly") and version.name != DEFAULT:
            continue
        if request.get("clusterVersions") and version.name not in request["clusterVersions"]:
            continue
        # Keys sort ascending while the answer runs from new to old.
        found[f"{1000 - version.minor}"] = {
            "clusterVersion": version.name,
            "clusterType": "eks",
            "defaultPlatformVersion": version.platform,
            "defaultVersion": version.name == DEFAULT,
            "releaseDate": _midnight(version.released),
            "endOfStandardSupportDate": _midnight(version.standard_until),
            "endOfExtendedSupportDate": _midnight(version.extended_until),
            "status": status.lower().replace("_", "-"),
            "versionStatus": status,
            "kubernetesPatchVersion": version.patch,
        }
    versions, token = call.page(found, request)
    return {"clusterVersions": versions, "nextToken": token}
