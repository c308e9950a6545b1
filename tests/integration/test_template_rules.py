"""The template's rules: parameters that do not go together are refused before anything is made."""

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from local.engine import Engine
from tests.integration.engine_support import Aws, eventually
from tests.unit.template_file import TEMPLATE

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with Engine(tmp_path_factory.mktemp("engine")) as engine:
        yield Aws(engine)


def created(aws: Aws, **given: str) -> str:
    """The name of a stack with the template's rules, the parameters that they are about, and a topic."""
    template = {
        "Parameters": {name: TEMPLATE["Parameters"][name] for name in ("VpcId", "SubnetIds")},
        "Rules": TEMPLATE["Rules"],
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
    }
    name = f"stack-{uuid4().hex}"
    aws.client("cloudformation").create_stack(
        StackName=name,
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
    )
    return name


def test_a_vpc_without_subnets_is_refused(aws: Aws) -> None:
    with pytest.raises(ClientError, match="VpcId without SubnetIds"):
        created(aws, VpcId="vpc-0123")


@pytest.mark.parametrize(
    "given",
    [{}, {"SubnetIds": "subnet-0123"}, {"VpcId": "vpc-0123", "SubnetIds": "subnet-0123, subnet-4567"}],
)
def test_what_goes_together_is_made(aws: Aws, given: dict[str, str]) -> None:
    stacks = aws.client("cloudformation")
    name = created(aws, **given)

    def made() -> bool:
        status = stacks.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
        return bool(status == "CREATE_COMPLETE")

    assert eventually(made)
