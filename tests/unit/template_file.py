"""template.yaml as data, for the tests that read it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short tags, each as its long form."""


def _tag(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _tag)
TEMPLATE: dict[str, Any] = yaml.load((ROOT / "template.yaml").read_text("utf-8"), Loader=_Loader)  # noqa: S506
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
DEFINITION_TEXT = (ROOT / "statemachine" / "retraining.asl.json").read_text("utf-8")
DEFINITION: dict[str, Any] = json.loads(DEFINITION_TEXT)


def properties(name: str) -> dict[str, Any]:
    """A resource's properties, with what Globals give a function."""
    resource = RESOURCES[name]
    given: dict[str, Any] = resource["Properties"]
    if resource["Type"] != "AWS::Serverless::Function":
        return given
    common = TEMPLATE["Globals"]["Function"]
    merged = {**common, **given, "Layers": [*common["Layers"], *given.get("Layers", [])]}
    variables = common["Environment"]["Variables"] | given.get("Environment", {}).get("Variables", {})
    return {**merged, "Environment": {"Variables": variables}}


def of_type(kind: str) -> list[str]:
    """Logical ids of all resources of a type."""
    return [name for name, resource in RESOURCES.items() if resource["Type"] == kind]


def statements(name: str) -> list[dict[str, Any]]:
    """Every policy statement of a role, managed policy or resource policy."""
    own = properties(name)
    documents = [policy["PolicyDocument"] for policy in own.get("Policies", [])]
    documents += [own[key] for key in ("PolicyDocument", "KeyPolicy") if key in own]
    return [statement for document in documents for statement in document["Statement"]]


def as_list(value: Any) -> list[Any]:
    """IAM's one-or-many."""
    return value if isinstance(value, list) else [value]


def actions(name: str) -> set[str]:
    """Everything that a role may do."""
    return {action for statement in statements(name) for action in as_list(statement["Action"])}


def references(value: Any) -> Iterator[str]:
    """Logical ids that a value names, by Ref, GetAtt or Sub."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "Ref":
                yield inner
            elif key == "Fn::GetAtt":
                yield inner[0]
            elif key == "Fn::Sub":
                yield from re.findall(r"\$\{([A-Za-z0-9]+)[.}]", inner)
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


ROLES = [*of_type("AWS::IAM::Role"), *of_type("AWS::IAM::ManagedPolicy")]


def user_data() -> str:
    """The script as an instance gets it."""
    written = properties("TrainerTemplate")["LaunchTemplateData"]["UserData"]["Fn::Base64"]["Fn::Sub"]

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if name.startswith("!"):
            return f"${{{name[1:]}}}"
        assert name.startswith("AWS::") or name in RESOURCES, name
        return f"arn:aws:lambda:eu-central-1:123456789012:layer:{name}:1" if "Layer" in name else name

    return re.sub(r"\$\{([^}]+)\}", fill, written)
