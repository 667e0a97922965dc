"""The provider's configuration.

See https://www.pulumi.com/registry/packages/kubernetes/api-docs/provider/#inputs.
"""

import os

from ..base.properties import Bool, Float, Int, Object, Property, Str, optional
from ..base.wire import Values


def _only_official(_: object) -> str:
    return "only the official kubernetes plugin renders objects into files"


CONFIG: dict[str, Property] = {
    "alwaysRender": optional(Bool()),
    "cluster": optional(Str()),
    "clusterIdentifier": optional(Str()),
    "context": optional(Str()),
    "deleteUnreachable": optional(Bool()),
    "enableConfigMapMutable": optional(Bool()),
    "enablePatchForce": optional(Bool()),
    "enableSecretMutable": optional(Bool()),
    "enableServerSideApply": optional(Bool()),
    # Of Helm releases, which only the official plugin serves: there is nothing here that they could change.
    "helmReleaseSettings": optional(
        Object(
            {
                "driver": optional(Str()),
                "pluginsPath": optional(Str()),
                "registryConfigPath": optional(Str()),
                "repositoryCache": optional(Str()),
                "repositoryConfigPath": optional(Str()),
                "suppressBetaWarning": optional(Bool()),
            }
        )
    ),
    # This client is bounded by the engine's parallelism, so of these only the timeout has an effect.
    "kubeClientSettings": optional(
        Object({"burst": optional(Int()), "qps": optional(Float()), "timeout": optional(Int(least=1))})
    ),
    "kubeconfig": optional(Str(), secret=True),
    "namespace": optional(Str()),
    "renderYamlToDirectory": optional(Str(rule=_only_official)),
    "skipUpdateUnreachable": optional(Bool()),
    "suppressDeprecationWarnings": optional(Bool()),
    "suppressHelmHookWarnings": optional(Bool()),
    "upsertExistingObjects": optional(Bool()),
}

_SWITCHES = {
    "deleteUnreachable": "PULUMI_K8S_DELETE_UNREACHABLE",
    "enableConfigMapMutable": "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE",
    "enablePatchForce": "PULUMI_K8S_ENABLE_PATCH_FORCE",
    "enableSecretMutable": "PULUMI_K8S_ENABLE_SECRET_MUTABLE",
    "enableServerSideApply": "PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY",
    "skipUpdateUnreachable": "PULUMI_K8S_SKIP_UPDATE_UNREACHABLE",
    "suppressDeprecationWarnings": "PULUMI_K8S_SUPPRESS_DEPRECATION_WARNINGS",
    "upsertExistingObjects": "PULUMI_K8S_UPSERT_EXISTING_OBJECTS",
}


def with_environment(config: Values) -> Values:
    """Fill in what the environment sets and the configuration does not.

    The SDK does this for explicit providers; the default provider has only what is in the stack's configuration.
    """
    found = {
        name: os.environ[variable].strip().lower() in ("1", "t", "true")
        for name, variable in _SWITCHES.items()
        if os.environ.get(variable)
    }
    return {"enableServerSideApply": True, **found, **config}
