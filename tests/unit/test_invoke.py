"""What `make invoke` makes of names, of what a function prints, and of what is missing."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from local.engine import Engine, EngineError
from local.invoke import InvokeError, answer_of, apart, docker_host, invoke, logical_id, read_event

EVENT = Path(__file__).resolve().parents[2] / "events" / "decide.json"


@pytest.mark.parametrize(
    "name", ["WatchInstancesFunction", "WatchInstances", "watch_instances", "watchInstances"]
)
def test_a_function_has_several_names(name: str) -> None:
    assert logical_id(name) == "WatchInstancesFunction"


def test_a_template_is_taken_apart_from_its_layers() -> None:
    def layer(folder: str) -> dict[str, Any]:
        return {"Properties": {"ContentUri": folder}}

    template = {
        "Globals": {"Function": {"Layers": [{"Ref": "Code"}, {"Ref": "Core"}], "Timeout": 60}},
        "Resources": {
            "F": {"Properties": {"CodeUri": "F", "Layers": [{"Ref": "Learn"}]}},
            "G": {"Properties": {"CodeUri": "G"}},
            **{name: layer(f"{name}Layer") for name in ("Code", "Core", "Learn")},
        },
    }
    bare, layers = apart(deepcopy(template), "F")
    assert layers == ["LearnLayer", "CoreLayer", "CodeLayer"]
    assert bare["Globals"] == {"Function": {"Timeout": 60}}
    assert bare["Resources"]["F"]["Properties"] == {"CodeUri": "F"}
    assert apart(deepcopy(template), "G")[1] == ["CoreLayer", "CodeLayer"]


def test_the_last_line_is_the_answer() -> None:
    assert answer_of("F", 'printed\n{"action": "skip"}\n') == {"action": "skip"}
    assert answer_of("F", "null") is None


@pytest.mark.parametrize("output", ["", "\n", "  \n\n"])
def test_no_answer_is_an_error(output: str) -> None:
    with pytest.raises(InvokeError, match="F left no answer: it ran out of time or memory"):
        answer_of("F", output)


def test_an_error_of_the_function_is_an_error() -> None:
    answer = json.dumps({"errorType": "AliasMoved", "errorMessage": "it is 3", "stackTrace": []})
    with pytest.raises(InvokeError, match=r"^F failed: AliasMoved: it is 3$"):
        answer_of("F", answer)


def test_what_is_no_json_is_an_error() -> None:
    with pytest.raises(InvokeError, match="left what is no JSON: Traceback"):
        answer_of("F", "Traceback")


@pytest.mark.parametrize("text", [None, "", "{broken"])
def test_an_event_that_cannot_be_read_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "event.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InvokeError, match=r"event\.json cannot be read as an event"):
        read_event(path)


def test_without_an_engine_it_says_what_starts_one(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="make up starts it"):
        invoke(Engine(tmp_path), "Decide", EVENT)


def test_without_docker_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    with pytest.raises(
        InvokeError, match="no Docker engine answers: start Docker, or name one in DOCKER_HOST"
    ):
        docker_host()
