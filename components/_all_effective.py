"""Whether many associations of one cluster are effective, awaited together."""

import asyncio
from collections.abc import Mapping, Sequence

import pulumi

from ._base import _after, token
from ._effective import NotEffective, until_seen

_SHOWN = 3


class EffectiveAssociations(pulumi.ComponentResource):
    """There once associations are effective: its creation waits for all of them, its update for those that are new.

    Each is effective some seconds after its making, so that the waits for many are one wait, which begins when the last
    is made. One entry of the state for all of them says which were seen to be effective; those that were not are
    awaited at the next update.

    Args:
        name: The name, unique.
        cluster_name: The cluster's name.
        kubeconfig: How the cluster is reached, JSON or YAML.
        association_ids: The associations' ids, by `<namespace>/<ServiceAccount>`.
        seconds: For how long to wait for each, by the same keys.
        service_accounts: The ServiceAccounts that are made, which have to be there before anything can be seen.
        opts: The options.
    """

    def __init__(
        self,
        name: str,
        cluster_name: pulumi.Input[str],
        kubeconfig: pulumi.Input[str],
        association_ids: Mapping[str, pulumi.Input[str]],
        seconds: Mapping[str, int],
        service_accounts: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions,
    ):
        async def wait(made: pulumi.ResourceHookArgs) -> None:
            config = await pulumi.Output.from_input(kubeconfig).future()
            assert config is not None, "hooks do not run in previews"
            before = (made.old_inputs or {}).get("association_ids", {})
            after = (made.new_inputs or {}).get("association_ids", {})
            new = [key for key, association_id in after.items() if before.get(key) != association_id]
            subjects = {key: key.partition("/") for key in new}
            waits = [
                until_seen(config, namespace, service_account, seconds[key], self)
                for key, (namespace, _, service_account) in subjects.items()
            ]
            results = await asyncio.gather(*waits, return_exceptions=True)
            failed = [error for error in results if error is not None]
            if failed:
                more = f"; and so with {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else ""
                raise NotEffective("; ".join(map(str, failed[:_SHOWN])) + more)

        super().__init__(
            token("EffectiveAssociations"),
            name,
            {
                # Not before the way to the cluster is known: a hook that waits takes one of the engine's few hands.
                "cluster_name": _after(pulumi.Output.from_input(kubeconfig), pulumi.Output.from_input(cluster_name)),
                "association_ids": association_ids,
            },
            pulumi.ResourceOptions.merge(
                opts,
                pulumi.ResourceOptions(
                    depends_on=service_accounts,
                    hooks=pulumi.ResourceHookBinding(before_create=[wait], before_update=[wait]),
                ),
            ),
        )
        self.register_outputs({})
