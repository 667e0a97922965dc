"""`DemoApp`: the blog's pod, which lists buckets with its own role."""

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

from . import rules
from ._base import allowed, token, validated

DEFAULT_IMAGE = "amazon/aws-cli:2.31.13"


class DemoAppArgs(TypedDict):
    """The arguments of a `DemoApp`."""

    namespace: pulumi.Input[str]
    """The namespace. Give `PodIdentityAssociation.namespace`."""
    service_account: pulumi.Input[str]
    """The ServiceAccount. Give `PodIdentityAssociation.ready`: a pod that starts before stays without credentials."""
    association_id: pulumi.Input[str]
    """The association's id. Another one replaces the pod, which would keep the old one's credentials."""
    role_arn: pulumi.Input[str]
    """The ARN of the associated role. Another one replaces the pod, which would keep the old one's credentials for
    hours."""
    pod_name: NotRequired[pulumi.Input[str]]
    """The name of the pod, and of its container. Default: `demo-app`."""
    image: NotRequired[pulumi.Input[str]]
    """An image with the `aws` CLI, 2.15.0 or newer, by a fixed version. Default: `amazon/aws-cli:2.31.13`."""
    command: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """What the container runs, word by word. Default: `["sleep", "infinity"]`, so that commands can be run in it."""
    allow: NotRequired[Mapping[str, str]]
    """What is right here although a rule finds it: the rule's id, as it stands in brackets in the finding, and the
    reason. Default: nothing."""


class DemoApp(pulumi.ComponentResource):
    """A pod that may do what its ServiceAccount's association allows, and nothing else.

    It meets the Pod Security Standard `restricted`, has no token for the Kubernetes API and does not ask the node for
    credentials when it has none of its own. It is made by the Kubernetes provider among the component's options.

    Raises `InvalidArgs` on names that Kubernetes would refuse and on an image without a fixed version.

    See https://docs.aws.amazon.com/eks/latest/userguide/pod-id-configure-pods.html and
    https://www.pulumi.com/registry/packages/kubernetes/api-docs/core/v1/pod/.
    """

    pod_name: pulumi.Output[str]
    """The pod's name, once it runs."""
    allowed: pulumi.Output[Mapping[str, str]]
    """What `allow` lets pass, with the reasons."""

    def __init__(self, name: str, args: DemoAppArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__(token("DemoApp"), name, {**args}, opts)
        valid = validated(
            f"DemoApp {name!r}",
            rules.demo_app,
            {
                "namespace": args["namespace"],
                "service_account": args["service_account"],
                "pod_name": args.get("pod_name", "demo-app"),
                "image": args.get("image", DEFAULT_IMAGE),
                "command": args.get("command", ["sleep", "infinity"]),
            },
            args.get("allow"),
            declared=DemoAppArgs,
        )
        pod = kubernetes.core.v1.Pod(
            f"{name}-pod",
            metadata={
                "name": valid["pod_name"],
                "namespace": valid["namespace"],
                "labels": {"app.kubernetes.io/name": valid["pod_name"]},
            },
            spec={
                "service_account_name": valid["service_account"],
                "automount_service_account_token": False,
                "enable_service_links": False,
                "restart_policy": "Never",
                # What sleeps does not listen to the signal that asks it to end.
                "termination_grace_period_seconds": 1,
                "security_context": {
                    "run_as_non_root": True,
                    "run_as_user": 65534,
                    "run_as_group": 65534,
                    "seccomp_profile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": valid["pod_name"],
                        "image": valid["image"],
                        "command": valid["command"],
                        "env": [
                            # The CLI keeps its cache at home, and the root file system is read-only.
                            {"name": "HOME", "value": "/tmp"},
                            {"name": "AWS_EC2_METADATA_DISABLED", "value": "true"},
                        ],
                        "resources": {
                            "requests": {"cpu": "50m", "memory": "128Mi"},
                            "limits": {"cpu": "1", "memory": "256Mi"},
                        },
                        "security_context": {
                            "allow_privilege_escalation": False,
                            "read_only_root_filesystem": True,
                            "capabilities": {"drop": ["ALL"]},
                        },
                        "volume_mounts": [{"name": "tmp", "mount_path": "/tmp"}],
                    }
                ],
                "volumes": [{"name": "tmp", "empty_dir": {"size_limit": "64Mi"}}],
            },
            opts=pulumi.ResourceOptions(
                parent=self,
                replacement_trigger=pulumi.Output.all(args["association_id"], args["role_arn"]),
                # The new one has the old one's name.
                delete_before_replace=True,
            ),
        )
        self.pod_name = pod.metadata.apply(lambda metadata: str(metadata.name))
        self.allowed = allowed(args)
        self.register_outputs({"pod_name": self.pod_name, "allowed": self.allowed})
