"""Pulumi plugin ``eks``: the remote components behind the `pulumi_eks` SDK, for machines without the official one.

The SDK of `pulumi-eks` holds argument classes only; the components themselves live in the official plugin
(https://github.com/pulumi/pulumi-eks), which is not published to any package registry. This package serves the
same component types, with the same children (types, names, parents) and outputs, so that a stack may be moved
from one plugin to the other. ``python -m local.plugins.eks <engine address>`` is the plugin's executable.
"""
