"""Cluster insights. Nothing inspects the local clusters, so there are none to list.

https://docs.aws.amazon.com/eks/latest/userguide/cluster-insights.html
"""

from __future__ import annotations

from typing import Any

from ..protocol import ServiceError
from .call import Call, behaviour


@behaviour
def list_insights(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """ListInsights."""
    call.cluster(request["clusterName"])
    insights, token = call.page({}, request)
    return {"insights": insights, "nextToken": token}


@behaviour
def describe_insight(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeInsight."""
    call.cluster(request["clusterName"])
    raise ServiceError("ResourceNotFoundException", f"No insight found for ID: {request['id']}")


@behaviour
def start_insights_refresh(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """StartInsightsRefresh; with nothing to inspect it ends at once."""
    cluster = call.active_cluster(request["clusterName"])
    cluster.insights_refresh = {"status": "COMPLETED", "startedAt": call.now, "endedAt": call.now}
    return {"message": "Insights refresh started", "status": "IN_PROGRESS"}


@behaviour
def describe_insights_refresh(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeInsightsRefresh."""
    cluster = call.cluster(request["clusterName"])
    if cluster.insights_refresh is None:
        raise ServiceError("ResourceNotFoundException", "No insights refresh was started for the cluster.")
    return dict(cluster.insights_refresh)
