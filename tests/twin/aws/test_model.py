"""Every operation of EKS's model is routed: carried out, or refused by name in an error that it models."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.model import ServiceModel

from local.aws.eks.service import NOT_OFFERED, unrouted_operations
from local.aws.protocol import Router, operations_of
from tests.twin.aws.support import World, client, refused

MODEL = ServiceModel(Loader().load_service_model("eks", "service-2"), "eks")
OPERATIONS: list[str] = list(MODEL.operation_names)  # type: ignore[call-overload]


def _example(shape: Any) -> Any:
    """Make the smallest value that a shape allows."""
    if shape.type_name == "structure":
        return {name: _example(shape.members[name]) for name in shape.required_members}
    if shape.type_name == "list":
        return [_example(shape.member)]
    if shape.type_name == "map":
        return {"key": "value"}
    if shape.type_name == "boolean":
        return True
    if shape.type_name in ("integer", "long"):
        return 1
    return shape.enum[0] if shape.enum else "nothing"


def test_nothing_is_forgotten() -> None:
    assert len(OPERATIONS) >= 64
    assert unrouted_operations() == set()


def test_every_path_leads_to_its_operation() -> None:
    router = Router(operations_of("eks"))
    for name in OPERATIONS:
        http: dict[str, Any] = MODEL.operation_model(name).http  # type: ignore[assignment]
        path = http["requestUri"].replace("{", "x").replace("}", "")
        found = router.match(http["method"], path)
        assert found is not None
        assert found[0] == name


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_answers_as_its_model_says(world: World, name: str) -> None:
    operation: Any = MODEL.operation_model(name)
    method = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
    modelled = {shape.name for shape in operation.error_shapes}
    try:
        answer = getattr(world.eks, method)(**_example(operation.input_shape))
    except ClientError as error:
        details = error.response["Error"]  # type: ignore[typeddict-item]
        assert details["Code"] in modelled
        assert ("not offered" in details["Message"]) == (name in NOT_OFFERED)
    else:
        assert name not in NOT_OFFERED
        assert set(answer) - {"ResponseMetadata"} <= set(operation.output_shape.members)


def test_a_parameter_out_of_its_limits_is_refused_by_the_server(aws_endpoint: str) -> None:
    # The client would not send these; switch its own check off.
    eks = client(aws_endpoint, "eks", parameter_validation=False)
    with refused("InvalidParameterException", "maximum 100"):
        eks.list_clusters(maxResults=101)
    with refused("InvalidParameterException", "pattern"):
        eks.create_cluster(name="-bad", roleArn="x", resourcesVpcConfig={})
    with refused("InvalidParameterException", "Missing required parameter"):
        eks.create_cluster(name="good")
    with refused("InvalidParameterException", "valid min value: 1"):
        eks.list_insights(clusterName="x", maxResults=0)
