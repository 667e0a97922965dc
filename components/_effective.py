"""Whether an association is effective: whether a pod that is made now gets credentials by it.

EKS has no API for that. What can be seen is the admission of a pod: the cluster is asked to admit one and not to keep
it (a server-side dry run), and answers with the pod as it would be, with or without what EKS injects. See
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html and
https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run.
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pulumi
import yaml

from ._base import _after, token

INJECTED = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
"""The variable by which the AWS SDKs of a pod find the agent."""

_REQUEST_SECONDS = 10
_INTERVAL_SECONDS = 0.5
_REPORT_SECONDS = 10

# Threads of its own: in the loop's, all of which may be taken by registrations that wait for these very observations,
# none would ever be free.
_THREADS = ThreadPoolExecutor(8, "effective")


class NotEffective(Exception):
    """Pods do not get credentials by an association within the time that was given."""


class EffectiveAssociation(pulumi.ComponentResource):
    """There once an association is effective: its creation, and its update to another association, wait for that.

    It is part of the state, so an association that was seen to be effective is not asked for again; one that was not
    is, at the next update.

    Args:
        name: The name, unique.
        kubeconfig: How the cluster is reached, JSON or YAML.
        namespace: The ServiceAccount's namespace, which exists.
        service_account: The ServiceAccount, which exists.
        association_id: The association's id.
        seconds: For how long to wait.
        opts: The options.
    """

    def __init__(
        self,
        name: str,
        kubeconfig: pulumi.Input[str],
        namespace: pulumi.Input[str],
        service_account: pulumi.Input[str],
        association_id: pulumi.Input[str],
        seconds: int,
        opts: pulumi.ResourceOptions,
    ):
        async def wait(made: pulumi.ResourceHookArgs) -> None:
            known = made.new_inputs or {}
            config = await pulumi.Output.from_input(kubeconfig).future()
            assert config is not None, "hooks do not run in previews"
            await until_seen(config, known["namespace"], known["service_account"], seconds, self)

        hooks = pulumi.ResourceHookBinding(before_create=[wait], before_update=[wait])
        super().__init__(
            token("EffectiveAssociation"),
            name,
            {
                # Not before the way to the cluster is known: a hook that waits takes one of the engine's few hands.
                "namespace": _after(pulumi.Output.from_input(kubeconfig), pulumi.Output.from_input(namespace)),
                "service_account": service_account,
                "association_id": association_id,
            },
            pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(hooks=hooks)),
        )
        self.register_outputs({})


async def until_seen(
    kubeconfig: str, namespace: str, service_account: str, seconds: float, resource: pulumi.Resource
) -> None:
    """Wait until a cluster would give credentials to pods with a ServiceAccount; progress is shown at a resource.

    Raises:
        NotEffective: The time is over.
    """
    await until_effective(
        lambda: observe(kubeconfig, namespace, service_account),
        f"pods with ServiceAccount {service_account} in namespace {namespace}",
        seconds,
        lambda text: pulumi.log.info(text, resource, ephemeral=True),
    )


async def until_effective(
    observe: Callable[[], str | None], whose: str, seconds: float, report: Callable[[str], None]
) -> None:
    """Wait until an observation has nothing more to object.

    Args:
        observe: Says why the association is not effective, or None when it is. It blocks, and runs in a thread.
        whose: Whose credentials they are, for messages.
        seconds: For how long to wait.
        report: Shows progress.

    Raises:
        NotEffective: The time is over.
    """
    loop = asyncio.get_running_loop()
    begin = time.monotonic()
    next_report = begin + _REPORT_SECONDS
    while (objection := await loop.run_in_executor(_THREADS, observe)) is not None:
        now = time.monotonic()
        if now - begin > seconds:
            raise NotEffective(
                f"{whose} get no credentials {seconds} s after the association was made: {objection}. Look at the "
                "cluster's reachability and rights from here, and at the association (aws eks "
                "list-pod-identity-associations); then run pulumi up again, with a longer ready_timeout if need be"
            )
        if now > next_report:
            report(f"{whose} get no credentials yet, after {now - begin:.0f} s: {objection}")
            next_report += _REPORT_SECONDS
        # A dry run cannot be watched: the cluster has to be asked again.
        await asyncio.sleep(_INTERVAL_SECONDS)


def observe(kubeconfig: str, namespace: str, service_account: str) -> str | None:
    """Ask the cluster to admit a pod, and say why it would get no credentials; None when it would."""
    # Only a deployment that waits for an association pays for the client.
    from kubernetes.client import ApiException
    from kubernetes.config import ConfigException
    from urllib3.exceptions import HTTPError

    try:
        response = _clients.get(kubeconfig).create_namespaced_pod(
            namespace,
            probe(service_account),
            dry_run="All",
            _preload_content=False,
            _request_timeout=_REQUEST_SECONDS,
        )
    except ApiException as error:
        # Its credentials may be what is wrong, and new ones right.
        _clients.forget(kubeconfig)
        return f"the cluster does not admit a pod ({error.status}: {_message(error.body)})"
    except (HTTPError, ConfigException, OSError) as error:
        _clients.forget(kubeconfig)
        return f"the cluster is not reached ({error})"
    if is_injected(json.loads(response.data)):
        return None
    return f"a pod is admitted without {INJECTED}"


def is_injected(pod: Mapping[str, Any]) -> bool:
    """Whether EKS has put its variables into a pod's first container."""
    variables = pod["spec"]["containers"][0].get("env") or []
    return any(variable["name"] == INJECTED for variable in variables)


def probe(service_account: str) -> dict[str, Any]:
    """The pod whose admission is tried; it meets the strictest Pod Security Standard and names its resources."""
    amounts = {"cpu": "1m", "memory": "1Mi"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "pod-identity-probe-"},
        "spec": {
            "serviceAccountName": service_account,
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "probe",
                    "image": "pause",
                    "resources": {"requests": amounts, "limits": amounts},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }


class _Clients:
    """A client for each kubeconfig, because its credentials are worth more than one request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Any] = {}

    def get(self, kubeconfig: str) -> Any:
        from kubernetes.client import CoreV1Api
        from kubernetes.config import new_client_from_config_dict

        with self._lock:
            if kubeconfig not in self._known:
                # JSON is YAML too.
                self._known[kubeconfig] = CoreV1Api(new_client_from_config_dict(yaml.safe_load(kubeconfig)))
            return self._known[kubeconfig]

    def forget(self, kubeconfig: str) -> None:
        with self._lock:
            self._known.pop(kubeconfig, None)


_clients = _Clients()


def _message(body: Any) -> str:
    try:
        return json.loads(body)["message"]
    except (TypeError, ValueError, KeyError):
        return str(body)
