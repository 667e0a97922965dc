"""Pulumi plugin ``kubernetes`` for machines where the official one cannot be downloaded.

It serves every kind of object that the cluster's API has, by discovery, under the official provider's tokens, state,
annotations and rules (https://www.pulumi.com/registry/packages/kubernetes/), so that a stack may be moved from one to
the other. Not served are what is no object of a cluster (Helm releases and charts, Kustomize, ConfigFile and
ConfigGroup) and rendering to YAML files. ``python -m local.plugins.kubernetes <engine address>`` is the plugin's
executable.

It differs from the official provider where that is no risk to a stack: an import takes what somebody set and leaves
out the API server's defaults; the state does without ``metadata.managedFields``; a Service is ready when one of its
pods is, whether or not an EndpointSlice says so; an Ingress is not waited for; a refresh does not judge readiness.
"""
