"""What is used of the plugin here. `pulumi package add` writes such classes for all of it, with typed arguments."""

from typing import Any

import pulumi


class _Component(pulumi.ComponentResource):
    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None, **arguments: Any):
        # The outputs are asked for by naming them; what they are comes from the plugin.
        outputs = dict.fromkeys(type(self).__annotations__)
        token = f"eks-pod-identity:index:{type(self).__name__}"
        super().__init__(token, name, {**outputs, **arguments}, opts, remote=True)

    def translate_input_property(self, prop: str) -> str:
        """The schema's name of an argument, which is in camelCase."""
        first, *rest = prop.split("_")
        return first + "".join(word.capitalize() for word in rest)

    def translate_output_property(self, prop: str) -> str:
        """The name here of an output of the schema's."""
        return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in prop)


class ExistingCluster(_Component):
    cluster_name: pulumi.Output[str]
    cluster_arn: pulumi.Output[str]
    kubeconfig: pulumi.Output[str]
    oidc_issuer: pulumi.Output[str]
    ready: pulumi.Output[str]


class PodIdentityRole(_Component):
    role_arn: pulumi.Output[str]
    resolved_role_arn: pulumi.Output[str]


class PodIdentityAssociation(_Component):
    association_id: pulumi.Output[str]
    ready: pulumi.Output[str]
