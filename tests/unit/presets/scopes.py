"""A scope for every preset, with each of its arguments, in a partition of choice."""

from __future__ import annotations

from typing import Any

from components import presets

PARTITIONS = {"aws": "eu-west-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
ACCOUNT = "111122223333"
UUID = "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"


def cluster(partition: str = "aws", name: str = "prod") -> presets.Cluster:
    return presets.Cluster(partition, PARTITIONS[partition], ACCOUNT, name)


def scopes(partition: str = "aws") -> dict[str, dict[str, Any]]:
    here = cluster(partition)
    zone = here.arn("route53", "hostedzone/Z0123456789ABCDEFGHIJ", region="", account="")
    key = here.arn("kms", f"key/{UUID}")
    queue = here.arn("sqs", "events")
    secret = here.arn("secretsmanager", "secret:orders/*")
    parameter = here.arn("ssm", "parameter/orders/*")
    certificate = here.arn("acm", f"certificate/{UUID}")
    authority = here.arn("acm-pca", f"certificate-authority/{UUID}")
    stream = here.arn("kinesis", "stream/logs")
    delivery = here.arn("firehose", "deliverystream/logs")
    repository = here.arn("ecr", "repository/team/*")
    mesh = here.arn("appmesh", "mesh/shop")
    role = here.arn("iam", "role/nodes/KarpenterNodeRole-prod", region="")
    vpc = "vpc-0123456789abcdef0"
    return {
        "ack-s3": {"bucket_names": ["my-team-*", "shop-assets"], "replication_role_arns": [role]},
        "amazon-managed-service-prometheus": {
            "workspace_arns": [here.arn("aps", "workspace/ws-0a1b2c3d")],
            "query": True,
        },
        "argocd-image-updater": {"repository_arns": [repository]},
        "aws-appmesh-controller": {
            "mesh_arns": [mesh],
            "certificate_arns": [certificate],
            "certificate_authority_arns": [authority],
            "cloud_map_namespace_arns": [here.arn("servicediscovery", "namespace/ns-0123456789abcdef")],
            "hosted_zone_arns": [zone],
        },
        "aws-appmesh-envoy-proxy": {
            "mesh_arns": [mesh],
            "certificate_arns": [certificate],
            "certificate_authority_arns": [authority],
        },
        "aws-cloudwatch-observability": {"log_group_names": ["/shop/orders"], "metric_namespaces": ["Shop"]},
        "aws-gateway-controller": {
            "vpc_ids": [vpc],
            "shared_service_network_arns": [
                here.arn("vpc-lattice", "servicenetwork/sn-0123456789abcdef0", account="444455556666")
            ],
            "access_log_bucket_names": ["access-logs"],
            "access_log_stream_arns": [delivery],
        },
        "aws-load-balancer-controller": {"vpc_ids": [vpc]},
        "aws-load-balancer-controller-targets": {
            "target_group_arns": [here.arn("elasticloadbalancing", "targetgroup/shop/0123456789abcdef")],
            "security_group_arns": [here.arn("ec2", "security-group/sg-0123456789abcdef0")],
        },
        "aws-node-termination-handler": {"queue_arns": [queue]},
        "aws-privateca-issuer": {"certificate_authority_arns": [authority]},
        "bedrock-invoke": {
            "model_arns": [here.arn("bedrock", "foundation-model/anthropic.claude-*", account="")],
            "inference_profile_arns": [here.arn("bedrock", "inference-profile/eu.amazon.nova-lite-v1:0")],
            "guardrail_arns": [here.arn("bedrock", "guardrail/a1b2c3d4e5")],
        },
        "cert-manager": {"hosted_zone_arns": [zone]},
        "cluster-autoscaler": {},
        "ebs-csi": {"kms_key_arns": [key], "owned_volumes": True},
        "efs-csi": {"file_system_arns": [here.arn("elasticfilesystem", "file-system/fs-0123456789abcdef0")]},
        "external-dns": {"hosted_zone_arns": [zone], "record_names": ["*.shop.example.com", "shop.example.com"]},
        "external-secrets": {
            "secret_arns": [secret],
            "parameter_arns": [parameter],
            "kms_key_arns": [key],
            "push": True,
        },
        "fluent-bit": {
            "log_group_names": ["/shop/*", "audit"],
            "locations": ["shop-logs/cluster/prod"],
            "delivery_stream_arns": [delivery],
            "stream_arns": [stream],
            "opensearch_domain_arns": [here.arn("es", "domain/logs")],
        },
        "flux-image-reflector": {"repository_arns": [repository]},
        "fsx-lustre-csi": {"bucket_names": ["training-data"]},
        "karpenter": {"node_role_arns": [role], "queue_arns": [queue]},
        "keda": {
            "queue_arns": [queue],
            "stream_arns": [stream],
            "table_arns": [here.arn("dynamodb", "table/jobs")],
            "cloudwatch": True,
            "role_arns": [role],
        },
        "mountpoint-s3-csi": {
            "locations": ["models", "datasets/public/", "datasets/team"],
            "kms_key_arns": [key],
            "read_only": False,
        },
        "pganalyze": {
            "db_instance_arns": [here.arn("rds", "db:shop-*")],
            "db_cluster_arns": [here.arn("rds", "cluster:shop")],
        },
        "secrets-store-csi": {"secret_arns": [secret], "parameter_arns": [parameter], "kms_key_arns": [key]},
        "velero": {"locations": ["backups/prod"], "kms_key_arns": [key]},
        "vpc-cni": {"vpc_ids": [vpc], "ip_family": "ipv4", "network_policy_logs": True},
    }
