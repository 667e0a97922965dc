"""Pulumi plugin ``aws`` for machines where the official one cannot be downloaded.

It serves the resource types and functions that this repository's stacks use, under the official provider's tokens,
property names, defaults, replacement rules and ids, so that a stack may be moved from one to the other. Properties
and functions follow https://www.pulumi.com/registry/packages/aws/; a test holds them against the classes of
`pulumi_aws`. ``python -m local.plugins.aws <engine address>`` is the plugin's executable.
"""
