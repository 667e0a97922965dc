"""What EKS remembers: plain data, so that it can be written to a file and read back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# A resource's description, in the very shape in which the API answers it.
Description = dict[str, Any]


@dataclass
class AccessEntry:
    """An access entry and, by policy ARN, its associated access policies."""

    description: Description
    policies: dict[str, Description] = field(default_factory=dict)


@dataclass
class Update:
    """An update of a cluster, or of one of its node groups or add-ons."""

    description: Description
    nodegroup: str | None = None
    addon: str | None = None


@dataclass
class Cluster:
    """A cluster and all that lives and dies with it.

    Attributes:
        creator: ARN of the IAM principal that created the cluster.
        when_active: what joins the description once the cluster is ACTIVE.
    """

    description: Description
    creator: str
    nodegroups: dict[str, Description] = field(default_factory=dict)
    fargate_profiles: dict[str, Description] = field(default_factory=dict)
    addons: dict[str, Description] = field(default_factory=dict)
    access_entries: dict[str, AccessEntry] = field(default_factory=dict)
    associations: dict[str, Description] = field(default_factory=dict)
    identity_providers: dict[str, Description] = field(default_factory=dict)
    updates: dict[str, Update] = field(default_factory=dict)
    when_active: Description = field(default_factory=dict)
    insights_refresh: Description | None = None
    # Derived from `associations`: (namespace, service account) to association id.
    subjects: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.description["name"]

    @property
    def arn(self) -> str:
        """The cluster's ARN."""
        return self.description["arn"]


@dataclass
class Region:
    """One account's EKS in one region."""

    account: str
    name: str
    clusters: dict[str, Cluster] = field(default_factory=dict)


@dataclass
class Transition:
    """A change of state that completes at a known time.

    Attributes:
        due: seconds since the epoch.
        kind: what changes: cluster, nodegroup, fargate-profile, addon, identity-provider or insights.
        outcome: the status it ends in; empty when it ends in the resource being gone.
        update: id of the update object that succeeds with it.
    """

    due: float
    account: str
    region: str
    cluster: str
    kind: str
    name: str
    outcome: str
    update: str | None = None


@dataclass
class Remembered:
    """An answer given for a client request token, with the request that it belongs to."""

    at: float
    request: Description
    result: Description


@dataclass
class Store:
    """Everything."""

    regions: dict[tuple[str, str], Region] = field(default_factory=dict)
    transitions: list[Transition] = field(default_factory=list)
    tokens: dict[tuple[str, str, str, str], Remembered] = field(default_factory=dict)

    def region(self, account: str, name: str) -> Region:
        """Return one account's EKS in one region, empty at first use."""
        return self.regions.setdefault((account, name), Region(account, name))
