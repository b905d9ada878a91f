"""One edit, one diff: what an edit of the project changes in the stack, and that nothing else moves."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from tests.engine.deployment import Deployment, FirstDeploy

Edit: TypeAlias = Callable[[Path], None]

# Whatever changes of the pipeline is verified again.
CANARY: Final = {"verification-canary": "update"}
CODE: Final = CANARY | {"function-code": "update", "function-package": "replace"}
# What sends a group's logs goes with it.
GROUP: Final = CANARY | {"worker-1": "replace", "worker-1-logs": "replace"}
IMAGE: Final = {"worker-image": "update", "worker-image-latest": "update"}


@pytest.fixture
def deployment(first_deploy: FirstDeploy) -> Deployment:
    """The deployed stack with the edits of the tests before, which are deployed as well."""
    return first_deploy.deployment


def appended(name: str, text: str) -> Edit:
    """Return an edit that adds to a file."""

    def edit(project: Path) -> None:
        with (project / name).open("a", encoding="utf-8") as file:
            file.write(text)

    return edit


def written(name: str, text: str) -> Edit:
    """Return an edit that makes a file anew."""

    def edit(project: Path) -> None:
        (project / name).parent.mkdir(exist_ok=True, parents=True)
        (project / name).write_text(text, encoding="utf-8")

    return edit


@pytest.mark.parametrize(
    ("edit", "changes"),
    [
        (appended("function/pipeline_function/handlers.py", "\n# Edited.\n"), CODE),
        (appended("pipeline_app/worker/loop.py", "\n# Edited.\n"), GROUP | IMAGE),
        (appended("pipeline_app/Dockerfile", "\n# Edited.\n"), GROUP | IMAGE),
        (appended("pipeline_app/sample/csvreport/cli.py", "\n# Edited.\n"), GROUP | IMAGE | {"application": "replace"}),
        (
            written("pipeline_app/config/runtime.json", '{"args": ["{input}", "{output}"]}'),
            GROUP | {"worker-config-config-runtime.json": "update"},
        ),
    ],
    ids=["function", "worker", "dockerfile", "artifact", "runtime-config"],
)
def test_an_edit_of_a_file_changes_what_is_made_of_it_and_nothing_else(
    deployment: Deployment, edit: Edit, changes: dict[str, str]
) -> None:
    edit(deployment.site.project)

    assert deployment.up().changes == changes


def test_a_new_package_is_there_before_the_old_one_goes(deployment: Deployment) -> None:
    appended("function/pipeline_function/events.py", "\n# Edited.\n")(deployment.site.project)

    assert deployment.up().order("function-package") == ["create-replacement", "replace", "delete-replaced"]


@pytest.mark.parametrize("shared", ["pipeline_app/contract/names.py", "pipeline_app/rest/endpoint.py"])
def test_a_preview_says_what_an_edit_of_both_programs_will_change(deployment: Deployment, shared: str) -> None:
    appended(shared, "\n# Edited.\n")(deployment.site.project)
    preview, up = deployment.preview(), deployment.up()

    assert preview.changes == up.changes == CODE | GROUP | IMAGE


def test_an_edit_of_a_config_file_reaches_the_share(deployment: Deployment) -> None:
    files = {
        each["name"]: each["text"]
        for each in deployment.site.cloud.read()["resources"].values()
        if each["type"] == "file"
    }
    config = deployment.site.project / "pipeline_app" / "config"

    assert files == {
        "config/export.json": (config / "export.json").read_text(encoding="utf-8"),
        "config/runtime.json": (config / "runtime.json").read_text(encoding="utf-8"),
    }


def test_a_tag_is_changed_in_place_everywhere_and_nothing_else_moves(deployment: Deployment) -> None:
    tagged = {each["urn"].rpartition("::")[2] for each in deployment.resources() if "tags" in each["inputs"]}
    deployment.configure(tags='{"team": "files"}')

    assert tagged >= {"file-processing-pipeline", "files", "function", "registry", "vault", "worker-1"}
    # A group keeps those that it was made with, since Azure takes none later and a new group would end running work.
    assert deployment.up().changes == dict.fromkeys(tagged - {"worker-1"}, "update")


@pytest.mark.parametrize(("key", "value"), [("containerCpu", "2"), ("containerMemoryGib", "3")])
def test_cpu_or_memory_replaces_the_group_which_goes_first(deployment: Deployment, key: str, value: str) -> None:
    deployment.configure(**{key: value})
    up = deployment.up()

    assert up.changes == GROUP
    assert up.order("worker-1") == ["delete-replaced", "replace", "create-replacement"]


def test_the_input_path_changes_the_filter_the_settings_and_the_group(deployment: Deployment) -> None:
    deployment.configure(inputPath="inbox")
    changes = GROUP | {"function": "update", "uploads-to-queue": "update", "worker-identity-files": "update"}

    assert deployment.preview().changes == changes
    assert deployment.up().changes == changes


def test_what_is_not_deployed_changes_nothing(deployment: Deployment) -> None:
    """Dates, bytecode, other people's folders, documentation, and how the program is written."""
    project = deployment.site.project
    for name in ("function/host.json", "pipeline_app/contract/names.py", "pipeline_app/sample/csvreport/cli.py"):
        os.utime(project / name, (1, 1))
    for name in (
        ".git/HEAD",
        ".local/outputs.json",
        "function/pipeline_function/__pycache__/handlers.cpython-312.pyc",
        "pipeline_app/sample/csvreport/__pycache__/cli.cpython-312.pyc",
        "pipeline_app/worker/__pycache__/loop.cpython-312.pyc",
        "pipeline_app/worker/notes.txt",
    ):
        written(name, "anything")(project)
    appended("README.md", "\nEdited.\n")(project)
    appended("infra/deployer/one_deploy.py", "\n# Edited.\n")(project)
    appended("infra/deployer/share_file.py", "\n# Edited.\n")(project)

    assert set(deployment.preview().summary) == {"same"}


def test_an_edit_that_is_taken_back_leaves_nothing_to_do(deployment: Deployment) -> None:
    source = deployment.site.project / "pipeline_app" / "worker" / "loop.py"
    before = source.read_bytes()
    appended("pipeline_app/worker/loop.py", "\n# Edited again.\n")(deployment.site.project)
    assert deployment.preview().changes == GROUP | IMAGE
    source.write_bytes(before)

    assert set(deployment.preview().summary) == {"same"}


def test_a_new_artifact_account_gets_the_code_which_is_deployed_from_there(deployment: Deployment) -> None:
    """The app keeps what it runs in that account, so a package that is the same has to be deployed again."""
    deployment.configure(artifactStorageAccountName="otherartifacts")
    deployment.up()
    resources = deployment.site.cloud.read()["resources"].values()

    assert [each["inputs"]["package"].split("/")[2] for each in resources if each["type"] == "deployment"] == [
        "otherartifacts.blob.core.windows.net"
    ]
    assert set(deployment.preview().summary) == {"same"}
