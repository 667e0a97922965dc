"""The workloads that both programs make: each may read one bucket."""

import os
from typing import Any

CLUSTER = "eks-pod-identity-demo"
NAMESPACE = os.environ["BENCH_NAMESPACE"]
AWAIT = bool(os.environ.get("BENCH_AWAIT"))
NUMBER = int(os.environ["BENCH_WORKLOADS"])
WORKLOADS = [f"w{number:04}" for number in range(NUMBER)]


def statements(workload: str) -> list[dict[str, Any]]:
    return [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": f"arn:aws:s3:::{workload}-data/*"}]
