"""The blog's pod."""

from typing import Any

from ._findings import Finding, is_list, known_items, matches
from ._names import judge_namespace, judge_service_account

_IMAGES_PAGE = "https://kubernetes.io/docs/concepts/containers/images/"


def demo_app(
    *,
    namespace: Any = None,
    service_account: Any = None,
    pod_name: Any = None,
    image: Any = None,
    command: Any = None,
) -> list[Finding]:
    """A pod of one container: names that Kubernetes takes, and an image by a fixed version."""
    findings = judge_namespace(namespace)
    findings += judge_service_account(service_account)
    label = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
    findings += matches(
        "pod-name",
        "pod_name",
        pod_name,
        label,
        "this cannot name both the pod and its container",
        "Use at most 63 lower-case letters, digits and hyphens, starting and ending with a letter or digit",
        "https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names",
    )
    findings += matches(
        "pod-image",
        "image",
        image,
        r"[^\s:@]+(:\d+/[^\s:@]+)?(:(?!latest$)[\w][\w.-]{0,127}(@sha256:[0-9a-f]{64})?|@sha256:[0-9a-f]{64})",
        "the image is not named by a fixed version",
        "Give a tag other than latest, or a digest, as in amazon/aws-cli:2.31.13",
        _IMAGES_PAGE,
    )
    findings += is_list("pod-command", "command", command)
    for where, word in known_items("command", command):
        if not isinstance(word, str):
            findings.append(Finding("pod-command", where, word, "a word of the command is a text", "Put it in quotes"))
    return findings
