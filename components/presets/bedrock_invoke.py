"""Workloads that invoke models of Amazon Bedrock.

Follows the service's user guide, https://docs.aws.amazon.com/bedrock/latest/userguide/inference-prereq.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-prereq.html, with models, profiles and
guardrails named. Converse and ConverseStream are allowed by the same two actions.
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import Items, arns
from ._model import Argument, Cluster, Definition, allow

_INVOKE = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]


def statements(
    cluster: Cluster,
    *,
    model_arns: Sequence[str],
    inference_profile_arns: Sequence[str],
    guardrail_arns: Sequence[str],
) -> list[Statement]:
    """Invoke the models, by themselves or through the profiles, and apply the guardrails."""
    result: list[Statement] = []
    if model_arns:
        result.append(allow("InvokeModels", _INVOKE, model_arns))
    if inference_profile_arns:
        through = {"StringLike": {"bedrock:InferenceProfileArn": list(inference_profile_arns)}}
        # A profile routes to the same model in several regions: the condition, not the region, is what narrows this.
        routed = cluster.arn("bedrock", "foundation-model/*", region="*", account="")
        result += [
            allow("InvokeProfiles", [*_INVOKE, "bedrock:GetInferenceProfile"], inference_profile_arns),
            allow("InvokeThroughProfiles", _INVOKE, [routed], through),
        ]
    if guardrail_arns:
        result.append(allow("ApplyGuardrails", ["bedrock:ApplyGuardrail"], guardrail_arns))
    return result


PRESET = Definition(
    name="bedrock-invoke",
    title="Amazon Bedrock, invoking models",
    version="user guide",
    source="https://docs.aws.amazon.com/bedrock/latest/userguide/inference-prereq.html",
    statements=statements,
    scope=(
        Argument(
            "model_arns",
            Items(
                "ARNs of models, in which `*` may stand for the end of the id",
                "arn:<partition>:bedrock:<region>::foundation-model/<id>",
                r"arn:aws(-[a-z]+)*:bedrock:([a-z]{2}(-[a-z]+)+-\d+):"
                r"(:foundation-model/[\w.:-]{2,140}|\d{12}:(custom-model-deployment|imported-model|provisioned-model)"
                r"/[\w.:/-]{2,140})\*?",
            ),
            "the models to invoke",
        ),
        Argument(
            "inference_profile_arns",
            arns(
                "ARNs of inference profiles",
                "arn:<partition>:bedrock:<region>:<account>:inference-profile/<id>",
                r"(application-)?inference-profile/[\w.:-]{2,140}",
            ),
            "the inference profiles to invoke models through",
        ),
        Argument(
            "guardrail_arns",
            arns(
                "ARNs of guardrails",
                "arn:<partition>:bedrock:<region>:<account>:guardrail/<id>",
                r"guardrail/[a-z0-9]{1,64}",
            ),
            "the guardrails to apply",
        ),
    ),
    any_of=("model_arns", "inference_profile_arns"),
    note="For the workloads' own ServiceAccounts.",
)
