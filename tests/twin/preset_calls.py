"""Calls that the workloads of presets make, inside their scope and outside, on a running endpoint.

A scenario makes what it needs as the operator. Its calls are those that moto answers and of which the endpoint can tell
what resources and tags they are about; the others are tried by the evaluator alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from components import presets

from .authorization.support import ACCOUNT, REGION, Aws, trusting, unique

CLUSTER = presets.Cluster("aws", REGION, ACCOUNT, "prod")


class Call(NamedTuple):
    """A call of a boto3 client's method."""

    service: str
    operation: str
    arguments: dict[str, Any]

    def by(self, caller: Aws) -> Any:
        """Make the call as a principal."""
        return getattr(getattr(caller, self.service), self.operation)(**self.arguments)


class Scenario(NamedTuple):
    """A preset's scope, what a workload with it does, and what it must not."""

    scope: dict[str, Any]
    allowed: list[Call]
    denied: list[Call]


def call(service: str, operation: str, **arguments: Any) -> Call:
    return Call(service, operation, arguments)


def _tags(**values: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in values.items()]


def _objects(bucket: str, key: str) -> dict[str, str]:
    return {"Bucket": bucket, "Key": key}


def _events() -> list[dict[str, Any]]:
    return [{"timestamp": int(time.time() * 1000), "message": "x"}]


def ack_s3(operator: Aws) -> Scenario:
    mine, other = unique("my-team"), operator.bucket()
    versioning = {"VersioningConfiguration": {"Status": "Enabled"}}
    place = {"CreateBucketConfiguration": {"LocationConstraint": REGION}}
    return Scenario(
        {"bucket_names": ["my-team-*"]},
        [
            call("s3", "create_bucket", Bucket=mine, **place),
            call("s3", "put_bucket_versioning", Bucket=mine, **versioning),
            call("s3", "list_buckets"),
            call("s3", "delete_bucket", Bucket=mine),
        ],
        [
            call("s3", "create_bucket", Bucket=unique("your-team"), **place),
            call("s3", "put_bucket_versioning", Bucket=other, **versioning),
            call("s3", "delete_bucket", Bucket=other),
            call("s3", "put_object", **_objects(mine, "key"), Body=b"x"),
        ],
    )


def _ecr(operator: Aws) -> Scenario:
    mine, other = unique("team/shop"), unique("other/shop")
    for name in (mine, other):
        operator.ecr.create_repository(repositoryName=name)
    images = {"imageIds": [{"imageTag": "v1"}]}
    return Scenario(
        {"repository_arns": [CLUSTER.arn("ecr", "repository/team/*")]},
        [
            call("ecr", "get_authorization_token"),
            call("ecr", "list_images", repositoryName=mine),
            call("ecr", "batch_get_image", repositoryName=mine, **images),
        ],
        [
            call("ecr", "list_images", repositoryName=other),
            call("ecr", "batch_get_image", repositoryName=other, **images),
            call("ecr", "batch_delete_image", repositoryName=mine, **images),
            call("ecr", "create_repository", repositoryName="team/new"),
        ],
    )


def appmesh_controller(operator: Aws) -> Scenario:
    mine, other = unique("mesh"), unique("mesh")
    for name in (mine, other):
        operator.appmesh.create_mesh(meshName=name)
    spec = {"spec": {"listeners": [{"portMapping": {"port": 80, "protocol": "http"}}]}}
    return Scenario(
        {"mesh_arns": [CLUSTER.arn("appmesh", f"mesh/{mine}")]},
        [
            call("appmesh", "list_meshes"),
            call("appmesh", "describe_mesh", meshName=mine),
            call("appmesh", "create_virtual_node", meshName=mine, virtualNodeName="orders", **spec),
            call("appmesh", "delete_virtual_node", meshName=mine, virtualNodeName="orders"),
        ],
        [
            call("appmesh", "describe_mesh", meshName=other),
            call("appmesh", "create_virtual_node", meshName=other, virtualNodeName="orders", **spec),
            call("appmesh", "delete_mesh", meshName=other),
        ],
    )


def cloudwatch_observability(operator: Aws) -> Scenario:
    mine, other = "/aws/containerinsights/prod/performance", "/aws/containerinsights/staging/performance"
    data = {"MetricData": [{"MetricName": "cpu", "Value": 1.0}]}
    return Scenario(
        {"metric_namespaces": ["Shop"]},
        [
            call("logs", "create_log_group", logGroupName=mine),
            call("logs", "create_log_stream", logGroupName=mine, logStreamName="node"),
            call("logs", "put_log_events", logGroupName=mine, logStreamName="node", logEvents=_events()),
            call("cloudwatch", "put_metric_data", Namespace="Shop", **data),
            call("ec2", "describe_volumes"),
        ],
        [
            call("logs", "create_log_group", logGroupName=other),
            call("cloudwatch", "put_metric_data", Namespace="Other", **data),
            call("logs", "delete_log_group", logGroupName=mine),
        ],
    )


def gateway_controller(operator: Aws) -> Scenario:
    key, vpc = "application-networking.k8s.aws/ManagedBy", "vpc-0123456789abcdef0"
    mine, other = {key: f"{ACCOUNT}/prod/{vpc}"}, {key: f"{ACCOUNT}/staging/{vpc}"}
    return Scenario(
        {"vpc_ids": [vpc]},
        [
            call("vpc-lattice", "create_service", name=unique("svc"), tags=mine),
            call("vpc-lattice", "create_service_network", name=unique("net"), tags=mine),
            call("vpc-lattice", "list_services"),
        ],
        [
            call("vpc-lattice", "create_service", name=unique("svc")),
            call("vpc-lattice", "create_service", name=unique("svc"), tags=other),
            call("vpc-lattice", "create_service_network", name=unique("net"), tags=other),
        ],
    )


def _vpc(operator: Aws) -> tuple[str, list[str]]:
    """A new VPC with two subnets."""
    vpc = operator.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        operator.ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"{REGION}{zone}")
        for n, zone in enumerate("ab")
    ]
    return vpc, [subnet["Subnet"]["SubnetId"] for subnet in subnets]


def lb_controller(operator: Aws) -> Scenario:
    (vpc, _), (other, _) = _vpc(operator), _vpc(operator)
    key = "elbv2.k8s.aws/cluster"
    mine, others = _tags(**{key: "prod"}), _tags(**{key: "staging"})
    target_group = {"Protocol": "HTTP", "Port": 80, "VpcId": vpc, "TargetType": "ip"}

    def group(vpc_id: str, tags: list[dict[str, str]]) -> Call:
        made = [{"ResourceType": "security-group", "Tags": tags}]
        return call(
            "ec2",
            "create_security_group",
            GroupName=unique("lb"),
            Description="lb",
            VpcId=vpc_id,
            TagSpecifications=made,
        )

    return Scenario(
        {"vpc_ids": [vpc]},
        [
            call("elbv2", "describe_load_balancers"),
            call("elbv2", "create_target_group", Name=unique("tg"), Tags=mine, **target_group),
            group(vpc, mine),
            call("wafv2", "list_web_acls", Scope="REGIONAL"),
        ],
        [
            call("elbv2", "create_target_group", Name=unique("tg"), Tags=others, **target_group),
            call("elbv2", "create_target_group", Name=unique("tg"), **target_group),
            group(vpc, others),
            group(other, mine),
            call("ec2", "create_vpc", CidrBlock="10.1.0.0/16"),
        ],
    )


def lb_controller_targets(operator: Aws) -> Scenario:
    vpc, _ = _vpc(operator)
    settings = {"Protocol": "HTTP", "Port": 80, "VpcId": vpc, "TargetType": "ip"}
    mine, other = (
        operator.elbv2.create_target_group(Name=unique("tg"), **settings)["TargetGroups"][0]["TargetGroupArn"]
        for _ in range(2)
    )
    groups = [
        operator.ec2.create_security_group(GroupName=unique("node"), Description="n", VpcId=vpc)["GroupId"]
        for _ in range(2)
    ]
    targets = {"Targets": [{"Id": "10.0.0.10"}]}
    opening = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "CidrIp": "10.0.0.0/16"}
    return Scenario(
        {
            "target_group_arns": [mine],
            "security_group_arns": [CLUSTER.arn("ec2", f"security-group/{groups[0]}")],
        },
        [
            call("elbv2", "describe_target_groups"),
            call("elbv2", "register_targets", TargetGroupArn=mine, **targets),
            call("elbv2", "deregister_targets", TargetGroupArn=mine, **targets),
            call("ec2", "authorize_security_group_ingress", GroupId=groups[0], **opening),
        ],
        [
            call("elbv2", "register_targets", TargetGroupArn=other, **targets),
            call("elbv2", "delete_target_group", TargetGroupArn=mine),
            call("ec2", "authorize_security_group_ingress", GroupId=groups[1], **opening),
        ],
    )


def _queues(operator: Aws) -> tuple[str, str, list[str]]:
    """The URLs of two queues, and the ARN of the first."""
    names = [unique("queue"), unique("queue")]
    urls = [operator.sqs.create_queue(QueueName=name)["QueueUrl"] for name in names]
    return urls[0], urls[1], [CLUSTER.arn("sqs", names[0])]


def node_termination_handler(operator: Aws) -> Scenario:
    mine, other, arns = _queues(operator)
    return Scenario(
        {"queue_arns": arns},
        [
            call("sqs", "receive_message", QueueUrl=mine),
            call("autoscaling", "describe_tags"),
            call("ec2", "describe_instances"),
        ],
        [
            call("sqs", "receive_message", QueueUrl=other),
            call("sqs", "send_message", QueueUrl=mine, MessageBody="x"),
            call("ec2", "terminate_instances", InstanceIds=["i-0123456789abcdef0"]),
        ],
    )


def privateca_issuer(operator: Aws) -> Scenario:
    subject = {"KeyAlgorithm": "RSA_2048", "SigningAlgorithm": "SHA256WITHRSA", "Subject": {"CommonName": "ca"}}
    authorities = operator.client("acm-pca")
    mine, other = (
        authorities.create_certificate_authority(
            CertificateAuthorityConfiguration=subject, CertificateAuthorityType="ROOT"
        )["CertificateAuthorityArn"]
        for _ in range(2)
    )
    request = authorities.get_certificate_authority_csr(CertificateAuthorityArn=mine)["Csr"]
    issuing = {"Csr": request, "SigningAlgorithm": "SHA256WITHRSA", "Validity": {"Type": "DAYS", "Value": 1}}
    return Scenario(
        {"certificate_authority_arns": [mine]},
        [
            call("acm-pca", "describe_certificate_authority", CertificateAuthorityArn=mine),
            call("acm-pca", "issue_certificate", CertificateAuthorityArn=mine, **issuing),
        ],
        [
            call("acm-pca", "describe_certificate_authority", CertificateAuthorityArn=other),
            call("acm-pca", "issue_certificate", CertificateAuthorityArn=other, **issuing),
            call("acm-pca", "delete_certificate_authority", CertificateAuthorityArn=mine),
        ],
    )


def _change(zone: str, kind: str = "TXT", value: str = '"x"') -> Call:
    record = {"Name": "a.example.com", "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value}]}
    changes = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
    return call("route53", "change_resource_record_sets", HostedZoneId=zone, ChangeBatch=changes)


def _zones(operator: Aws) -> tuple[str, str, list[str]]:
    """The ids of two zones, and the ARN of the first."""
    mine, other = (
        operator.route53.create_hosted_zone(Name="example.com", CallerReference=unique("zone"))["HostedZone"]["Id"]
        for _ in range(2)
    )
    arn = CLUSTER.arn("route53", mine.strip("/"), region="", account="")
    return mine.rpartition("/")[2], other.rpartition("/")[2], [arn]


def cert_manager(operator: Aws) -> Scenario:
    mine, other, arns = _zones(operator)
    return Scenario(
        {"hosted_zone_arns": arns},
        [_change(mine), call("route53", "get_change", Id="C1"), call("route53", "list_hosted_zones_by_name")],
        [_change(other), call("route53", "list_hosted_zones"), call("route53", "delete_hosted_zone", Id=mine)],
    )


def external_dns(operator: Aws) -> Scenario:
    mine, other, arns = _zones(operator)
    return Scenario(
        {"hosted_zone_arns": arns},
        [call("route53", "list_hosted_zones"), _change(mine), _change(mine, "A", "10.0.0.1")],
        [
            _change(other),
            call("route53", "delete_hosted_zone", Id=mine),
        ],
    )


def cluster_autoscaler(operator: Aws) -> Scenario:
    return Scenario(
        {},
        [
            call("autoscaling", "describe_auto_scaling_groups"),
            call("autoscaling", "describe_scaling_activities"),
            call("ec2", "describe_instance_types", InstanceTypes=["m5.large"]),
        ],
        [
            call("autoscaling", "delete_auto_scaling_group", AutoScalingGroupName="other"),
            call("ec2", "terminate_instances", InstanceIds=["i-0123456789abcdef0"]),
        ],
    )


def ebs_csi(operator: Aws) -> Scenario:
    zone = f"{REGION}a"

    def volume(**tags: str) -> Call:
        made = [{"ResourceType": "volume", "Tags": _tags(**tags)}]
        return call("ec2", "create_volume", AvailabilityZone=zone, Size=1, TagSpecifications=made)

    key, owned = "ebs.csi.aws.com/cluster-name", {"kubernetes.io/cluster/prod": "owned"}
    mine, other, old = (volume(**tags).by(operator)["VolumeId"] for tags in ({key: "prod"}, {key: "staging"}, owned))
    snapshot = [{"ResourceType": "snapshot", "Tags": _tags(**{key: "prod"})}]
    return Scenario(
        {"owned_volumes": True},
        [
            call("ec2", "describe_volumes"),
            volume(**{key: "prod"}),
            call("ec2", "create_snapshot", VolumeId=mine, TagSpecifications=snapshot),
            call("ec2", "delete_volume", VolumeId=mine),
            call("ec2", "delete_volume", VolumeId=old),
        ],
        [
            volume(),
            volume(**{key: "staging"}),
            volume(**owned),
            call("ec2", "create_snapshot", VolumeId=other, TagSpecifications=snapshot),
            call("ec2", "delete_volume", VolumeId=other),
        ],
    )


def efs_csi(operator: Aws) -> Scenario:
    mine, other = (operator.efs.create_file_system(CreationToken=unique("fs"))["FileSystemId"] for _ in range(2))
    tags = _tags(**{"efs.csi.aws.com/cluster": "true"})
    return Scenario(
        {"file_system_arns": [CLUSTER.arn("elasticfilesystem", f"file-system/{mine}")]},
        [
            call("efs", "describe_file_systems", FileSystemId=mine),
            call("efs", "create_access_point", ClientToken=unique("ap"), FileSystemId=mine, Tags=tags),
        ],
        [
            call("efs", "create_access_point", ClientToken=unique("ap"), FileSystemId=mine),
            call("efs", "create_access_point", ClientToken=unique("ap"), FileSystemId=other, Tags=tags),
            call("efs", "delete_file_system", FileSystemId=mine),
        ],
    )


def external_secrets(operator: Aws) -> Scenario:
    mine, other, own = unique("orders/db"), unique("admin/db"), unique("orders/pushed")
    tags = _tags(**{"managed-by": "external-secrets"})
    for name, given in ((mine, []), (other, tags), (own, tags)):
        operator.secretsmanager.create_secret(Name=name, SecretString="s", Tags=given)
    key = operator.kms.create_key()["KeyMetadata"]["KeyId"]
    return Scenario(
        {
            "secret_arns": [CLUSTER.arn("secretsmanager", "secret:orders/*")],
            "parameter_arns": [CLUSTER.arn("ssm", "parameter/orders/*")],
            "kms_key_arns": [CLUSTER.arn("kms", f"key/{key}")],
            "push": True,
        },
        [
            call("secretsmanager", "get_secret_value", SecretId=mine),
            call("secretsmanager", "list_secrets"),
            call("secretsmanager", "create_secret", Name=unique("orders/new"), SecretString="s", Tags=tags),
            call("secretsmanager", "delete_resource_policy", SecretId=own),
            call("secretsmanager", "untag_resource", SecretId=own, TagKeys=["team"]),
            call("secretsmanager", "put_secret_value", SecretId=own, SecretString="t"),
            call("secretsmanager", "delete_secret", SecretId=own),
            call("ssm", "describe_parameters"),
            call("kms", "generate_data_key", KeyId=key, KeySpec="AES_256"),
        ],
        [
            call("secretsmanager", "get_secret_value", SecretId=other),
            call("secretsmanager", "create_secret", Name=unique("admin/new"), SecretString="s", Tags=tags),
            call("secretsmanager", "delete_resource_policy", SecretId=mine),
            call("secretsmanager", "delete_secret", SecretId=mine),
            call("secretsmanager", "delete_secret", SecretId=other),
            call("secretsmanager", "rotate_secret", SecretId=mine),
            call("kms", "schedule_key_deletion", KeyId=key),
        ],
    )


def secrets_store_csi(operator: Aws) -> Scenario:
    mine, other = unique("shop/db"), unique("admin/db")
    for name in (mine, other):
        operator.secretsmanager.create_secret(Name=name, SecretString="s")
    return Scenario(
        # As one writes it who has not seen the secret's ARN.
        {"secret_arns": [CLUSTER.arn("secretsmanager", f"secret:{mine}-??????")]},
        [
            call("secretsmanager", "get_secret_value", SecretId=mine),
            call("secretsmanager", "describe_secret", SecretId=mine),
        ],
        [
            call("secretsmanager", "get_secret_value", SecretId=other),
            call("secretsmanager", "put_secret_value", SecretId=mine, SecretString="t"),
        ],
    )


def fluent_bit(operator: Aws) -> Scenario:
    bucket, group = operator.bucket(), unique("/shop/orders")
    streams, deliveries = [unique("logs"), unique("logs")], [unique("logs"), unique("logs")]
    for name in streams:
        operator.kinesis.create_stream(StreamName=name, ShardCount=1)
    target = {"RoleARN": operator.role(trusting({"AWS": ACCOUNT})), "BucketARN": f"arn:aws:s3:::{bucket}"}
    for name in deliveries:
        operator.firehose.create_delivery_stream(DeliveryStreamName=name, S3DestinationConfiguration=target)

    def record(stream: str) -> Call:
        return call("kinesis", "put_records", StreamName=stream, Records=[{"Data": b"x", "PartitionKey": "x"}])

    def deliver(stream: str) -> Call:
        return call("firehose", "put_record_batch", DeliveryStreamName=stream, Records=[{"Data": b"x"}])

    return Scenario(
        {
            "log_group_names": [group],
            "locations": [f"{bucket}/prod"],
            "stream_arns": [CLUSTER.arn("kinesis", f"stream/{streams[0]}")],
            "delivery_stream_arns": [CLUSTER.arn("firehose", f"deliverystream/{deliveries[0]}")],
        },
        [
            call("logs", "create_log_group", logGroupName=group),
            call("logs", "create_log_stream", logGroupName=group, logStreamName="pod"),
            call("logs", "put_retention_policy", logGroupName=group, retentionInDays=1),
            call("logs", "put_log_events", logGroupName=group, logStreamName="pod", logEvents=_events()),
            call("s3", "put_object", **_objects(bucket, "prod/a"), Body=b"x"),
            record(streams[0]),
            deliver(deliveries[0]),
        ],
        [
            call("logs", "create_log_group", logGroupName=unique("/other")),
            call("logs", "delete_log_group", logGroupName=group),
            call("s3", "put_object", **_objects(bucket, "staging/a"), Body=b"x"),
            call("s3", "get_object", **_objects(bucket, "prod/a")),
            record(streams[1]),
            deliver(deliveries[1]),
        ],
    )


def fsx_csi(operator: Aws) -> Scenario:
    _, subnets = _vpc(operator)
    settings = {"FileSystemType": "LUSTRE", "StorageCapacity": 1200, "SubnetIds": subnets[:1]}
    return Scenario(
        {},
        [
            call("fsx", "describe_file_systems"),
            call("fsx", "create_file_system", Tags=_tags(CSIVolumeName="pvc-1"), **settings),
        ],
        [call("fsx", "create_file_system", **settings), call("fsx", "describe_backups")],
    )


def karpenter(operator: Aws) -> Scenario:
    mine, other, queues = _queues(operator)
    owned = {
        "kubernetes.io/cluster/prod": "owned",
        "eks:eks-cluster-name": "prod",
        "karpenter.sh/nodepool": "default",
    }
    profile = {
        "kubernetes.io/cluster/prod": "owned",
        "eks:eks-cluster-name": "prod",
        "topology.kubernetes.io/region": REGION,
        "karpenter.k8s.aws/ec2nodeclass": "default",
    }

    def template(**tags: str) -> Call:
        made = [{"ResourceType": "launch-template", "Tags": _tags(**tags)}]
        data = {"InstanceType": "m5.large"}
        name = unique("karpenter")
        return call(
            "ec2", "create_launch_template", LaunchTemplateName=name, LaunchTemplateData=data, TagSpecifications=made
        )

    def instance_profile(**tags: str) -> Call:
        return call("iam", "create_instance_profile", InstanceProfileName=unique("karpenter"), Tags=_tags(**tags))

    return Scenario(
        {"node_role_arns": [operator.role(trusting({"Service": "ec2.amazonaws.com"}))], "queue_arns": queues},
        [
            call("ec2", "describe_instances"),
            template(**owned),
            instance_profile(**profile),
            call("sqs", "receive_message", QueueUrl=mine),
            call("sqs", "get_queue_url", QueueName=mine.rpartition("/")[2]),
        ],
        [
            template(),
            template(**owned | {"eks:eks-cluster-name": "staging"}),
            instance_profile(**profile | {"eks:eks-cluster-name": "staging"}),
            call("sqs", "receive_message", QueueUrl=other),
            call("iam", "create_role", RoleName="r", AssumeRolePolicyDocument=trusting({"AWS": ACCOUNT})),
        ],
    )


def keda(operator: Aws) -> Scenario:
    mine, other, queues = _queues(operator)
    streams, tables = [unique("stream"), unique("stream")], [unique("table"), unique("table")]
    for name in streams:
        operator.kinesis.create_stream(StreamName=name, ShardCount=1)
    keys = {
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    }
    for name in tables:
        operator.dynamodb.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **keys)
    # Pods' session tags go along, and have to be let in.
    trust = trusting({"AWS": ACCOUNT}, "sts:AssumeRole", "sts:TagSession")
    roles = [operator.role(trust) for _ in range(2)]
    length = {"AttributeNames": ["ApproximateNumberOfMessages"]}
    query = {"KeyConditionExpression": "id = :i", "ExpressionAttributeValues": {":i": {"S": "x"}}}
    return Scenario(
        {
            "queue_arns": queues,
            "stream_arns": [CLUSTER.arn("kinesis", f"stream/{streams[0]}")],
            "table_arns": [CLUSTER.arn("dynamodb", f"table/{tables[0]}")],
            "role_arns": roles[:1],
            "cloudwatch": True,
        },
        [
            call("sqs", "get_queue_attributes", QueueUrl=mine, **length),
            call("kinesis", "describe_stream_summary", StreamName=streams[0]),
            call("dynamodb", "describe_table", TableName=tables[0]),
            call("dynamodb", "query", TableName=tables[0], **query),
            call("cloudwatch", "get_metric_data", MetricDataQueries=[], StartTime=0, EndTime=1),
            call("sts", "assume_role", RoleArn=roles[0], RoleSessionName="KEDA"),
        ],
        [
            call("sqs", "get_queue_attributes", QueueUrl=other, **length),
            call("sqs", "receive_message", QueueUrl=mine),
            call("kinesis", "describe_stream_summary", StreamName=streams[1]),
            call("dynamodb", "query", TableName=tables[1], **query),
            call("dynamodb", "put_item", TableName=tables[0], Item={"id": {"S": "x"}}),
            call("sts", "assume_role", RoleArn=roles[1], RoleSessionName="KEDA"),
        ],
    )


def mountpoint_s3_csi(operator: Aws) -> Scenario:
    bucket, other = operator.bucket(), operator.bucket()
    for key in ("team/a", "private/a"):
        operator.s3.put_object(**_objects(bucket, key), Body=b"x")
    return Scenario(
        {"locations": [f"{bucket}/team"]},
        [
            call("s3", "list_objects_v2", Bucket=bucket, Prefix="team/"),
            call("s3", "get_object", **_objects(bucket, "team/a")),
            call("s3", "put_object", **_objects(bucket, "team/b"), Body=b"y"),
        ],
        [
            call("s3", "list_objects_v2", Bucket=bucket),
            call("s3", "list_objects_v2", Bucket=bucket, Prefix="private/"),
            call("s3", "get_object", **_objects(bucket, "private/a")),
            call("s3", "put_object", **_objects(other, "team/b"), Body=b"y"),
        ],
    )


def pganalyze(operator: Aws) -> Scenario:
    mine, other = "RDSOSMetrics", unique("other")
    for name in (mine, other):
        operator.logs.create_log_group(logGroupName=name)
        operator.logs.create_log_stream(logGroupName=name, logStreamName="db")
    metric = {"Namespace": "AWS/RDS", "MetricName": "CPUUtilization", "Statistics": ["Average"]}
    return Scenario(
        {"db_instance_arns": [CLUSTER.arn("rds", "db:shop")]},
        [
            call("logs", "get_log_events", logGroupName=mine, logStreamName="db"),
            call("cloudwatch", "get_metric_statistics", StartTime=0, EndTime=60, Period=60, **metric),
        ],
        [
            call("logs", "get_log_events", logGroupName=other, logStreamName="db"),
            # How the collector looks for an endpoint.
            call("rds", "describe_db_instances"),
        ],
    )


def velero(operator: Aws) -> Scenario:
    bucket = operator.bucket()
    volume = operator.ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=1)["VolumeId"]

    def snapshot(**tags: str) -> Call:
        made = [{"ResourceType": "snapshot", "Tags": _tags(**tags)}]
        return call("ec2", "create_snapshot", VolumeId=volume, TagSpecifications=made)

    mine, other = (snapshot(**tags).by(operator)["SnapshotId"] for tags in ({"velero.io/backup": "daily"}, {"a": "b"}))
    return Scenario(
        {"locations": [f"{bucket}/prod"]},
        [
            call("s3", "put_object", **_objects(bucket, "prod/backup.tar.gz"), Body=b"x"),
            call("s3", "list_objects_v2", Bucket=bucket, Prefix="prod/"),
            call("s3", "delete_object", **_objects(bucket, "prod/backup.tar.gz")),
            call("ec2", "describe_snapshots", OwnerIds=["self"]),
            snapshot(**{"velero.io/backup": "daily"}),
            call("ec2", "delete_snapshot", SnapshotId=mine),
        ],
        [
            call("s3", "put_object", **_objects(bucket, "staging/backup.tar.gz"), Body=b"x"),
            call("s3", "list_objects_v2", Bucket=bucket, Prefix="staging/"),
            snapshot(team="a"),
            call("ec2", "delete_snapshot", SnapshotId=other),
            call("ec2", "delete_volume", VolumeId=volume),
        ],
    )


def vpc_cni(operator: Aws) -> Scenario:
    vpc, subnets = _vpc(operator)
    key = "cluster.k8s.amazonaws.com/name"

    def interface(**tags: str) -> Call:
        made = [{"ResourceType": "network-interface", "Tags": _tags(**tags)}]
        return call("ec2", "create_network_interface", SubnetId=subnets[0], TagSpecifications=made)

    mine, other = (
        interface(**{key: of}).by(operator)["NetworkInterface"]["NetworkInterfaceId"] for of in ("prod", "staging")
    )
    return Scenario(
        {"vpc_ids": [vpc], "network_policy_logs": True},
        [
            call("ec2", "describe_network_interfaces"),
            call("ec2", "assign_private_ip_addresses", NetworkInterfaceId=mine, SecondaryPrivateIpAddressCount=1),
            call("ec2", "delete_network_interface", NetworkInterfaceId=mine),
            call("logs", "create_log_group", logGroupName="/aws/eks/prod/cluster"),
        ],
        [
            interface(**{key: "staging"}),
            interface(),
            call("ec2", "assign_private_ip_addresses", NetworkInterfaceId=other, SecondaryPrivateIpAddressCount=1),
            call("ec2", "delete_network_interface", NetworkInterfaceId=other),
            call("logs", "create_log_group", logGroupName="/aws/eks/staging/cluster"),
        ],
    )


SCENARIOS: dict[str, Callable[[Aws], Scenario]] = {
    "ack-s3": ack_s3,
    "argocd-image-updater": _ecr,
    "aws-appmesh-controller": appmesh_controller,
    "aws-cloudwatch-observability": cloudwatch_observability,
    "aws-gateway-controller": gateway_controller,
    "aws-load-balancer-controller": lb_controller,
    "aws-load-balancer-controller-targets": lb_controller_targets,
    "aws-node-termination-handler": node_termination_handler,
    "aws-privateca-issuer": privateca_issuer,
    "cert-manager": cert_manager,
    "cluster-autoscaler": cluster_autoscaler,
    "ebs-csi": ebs_csi,
    "efs-csi": efs_csi,
    "external-dns": external_dns,
    "external-secrets": external_secrets,
    "fluent-bit": fluent_bit,
    "flux-image-reflector": _ecr,
    "fsx-lustre-csi": fsx_csi,
    "karpenter": karpenter,
    "keda": keda,
    "mountpoint-s3-csi": mountpoint_s3_csi,
    "pganalyze": pganalyze,
    "secrets-store-csi": secrets_store_csi,
    "velero": velero,
    "vpc-cni": vpc_cni,
}
"""By preset."""
LEFT_OUT = {
    "amazon-managed-service-prometheus": "samples are written and queried by Prometheus' own API, which moto has not",
    "aws-appmesh-envoy-proxy": "it streams its configuration, which no SDK does",
    "bedrock-invoke": "the endpoint does not know the operations that invoke models",
}
"""Presets without a scenario, and why."""
