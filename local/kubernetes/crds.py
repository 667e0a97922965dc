"""kwok's own objects that can be added while it runs: what ``kubectl exec`` and ``kubectl logs`` do in a pod.

kwok reads them either from its configuration file, once, or from the cluster, where it sees changes at once; the
latter needs their definitions. An object's name and namespace are its pod's.

https://kwok.sigs.k8s.io/docs/user/configuration/
"""

from __future__ import annotations

from typing import Any

GROUP = "kwok.x-k8s.io"
VERSION = "v1alpha1"
# Kind to plural.
KINDS = {"Exec": "execs", "Logs": "logs"}


def collection(kind: str, namespace: str | None = None) -> str:
    """Return the path of all objects of a kind, in a namespace or in all."""
    within = f"/namespaces/{namespace}" if namespace else ""
    return f"/apis/{GROUP}/{VERSION}{within}/{KINDS[kind]}"


def definitions() -> list[tuple[str, dict[str, Any]]]:
    """Return path and body of each kind's CustomResourceDefinition.

    Fields are kwok's business: it is the only reader, and its writer is this program.
    """
    found = []
    for kind, plural in KINDS.items():
        name = f"{plural}.{GROUP}"
        body = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": name},
            "spec": {
                "group": GROUP,
                "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
                "scope": "Namespaced",
                "versions": [
                    {
                        "name": VERSION,
                        "served": True,
                        "storage": True,
                        "subresources": {"status": {}},
                        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                ],
            },
        }
        found.append((f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}", body))
    return found
