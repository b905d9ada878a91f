"""The workflows sign in last, run what they say, and try a deploy again only where that may help."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).parents[1]
DELIVERY = (PROJECT / "docs" / "delivery.md").read_text(encoding="utf-8")
WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
TRANSITIONING = "Code=ContainerGroupTransitioning The container group 'worker-1' is still transitioning"


def steps(path: Path) -> list[dict[str, Any]]:
    """Return the steps of all jobs of a workflow."""
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def script(path: Path, text: str) -> None:
    """Write an executable."""
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(f"#!/usr/bin/env bash\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_and_says_its_version(path: Path) -> None:
    used = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))
    assert [each for each in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)] == []


@pytest.mark.parametrize("name", ["deploy", "destroy", "preview"])
def test_the_sign_in_comes_after_all_that_is_slow_and_right_before_what_needs_it(name: str) -> None:
    """The identity token that Azure CLI keeps lives for minutes: AADSTS700024 is what an old one gets."""
    found = steps(PROJECT / ".github" / "workflows" / f"{name}.yml")
    (sign_in,) = (number for number, step in enumerate(found) if step.get("uses", "").startswith("azure/login@"))
    assert found[sign_in - 1]["run"] == "make pulumi"
    assert found[sign_in + 1]["run"] == f".github/scripts/{name}.sh"


@pytest.mark.parametrize(
    ("outputs", "runs", "code"),
    [
        ([(0, "done")], 1, 0),
        ([(1, TRANSITIONING), (0, "done")], 2, 0),
        ([(1, TRANSITIONING), (1, TRANSITIONING), (0, "done")], 2, 1),
        ([(1, "Code=QuotaExceeded"), (0, "done")], 1, 1),
    ],
    ids=["success", "passes", "stays", "other"],
)
def test_a_deploy_is_tried_once_more_for_a_group_in_transition_alone_with_all_output_kept(
    tmp_path: Path, outputs: list[tuple[int, str]], runs: int, code: int
) -> None:
    for number, (status, text) in enumerate(outputs, start=1):
        (tmp_path / f"{number}.txt").write_text(f"run {number}: {text}\n", encoding="utf-8")
        (tmp_path / f"{number}.code").write_text(str(status), encoding="utf-8")
    script(
        tmp_path / ".venv" / "bin" / "pulumi",
        'count=$(($(cat count 2>/dev/null || echo 0) + 1)); echo "$count" >count\n'
        'echo "$@" >>arguments; cat "$count.txt" >&2; exit "$(cat "$count.code")"',
    )
    run = subprocess.run(
        [PROJECT / ".github" / "scripts" / "deploy.sh"],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PAUSE": "0", "PULUMI_STACK": "dev"},
        text=True,
    )
    assert run.returncode == code
    assert re.findall(r"run (\d):", run.stdout) == [str(number) for number in range(1, runs + 1)]
    assert set((tmp_path / "arguments").read_text(encoding="utf-8").splitlines()) == {
        "up --yes --non-interactive --stack dev"
    }


def blocks(begin: str) -> str:
    """Return the commands of the document that begin so."""
    found: list[str] = [each for each in re.findall(r"```bash\n(.*?)```", DELIVERY, re.DOTALL) if begin in each]
    (commands,) = found
    return commands


def said(folder: Path, commands: str, **answers: str) -> list[list[str]]:
    """Run commands of the document with stand-ins for az, gh and pulumi; return what these were asked, in order.

    ``answers`` is what gh says of the ``subject``; the user is 4711, and all else is answered with ``id``.
    """
    folder.mkdir(exist_ok=True)
    for name in ("az", "gh", "pulumi"):
        script(
            folder / "bin" / name,
            f'printf "%s\\0" {name} "$@" >>"{folder}/said"\n'
            f'case " $* " in *" --input - "*) cat >>"{folder}/said" ;; esac\n'
            f'printf "\\n\\0" >>"{folder}/said"\n'
            'case "$*" in\n'
            f'*customization/sub*) echo "{answers.get("subject", "")}" ;;\n'
            "api\\ user*) echo 4711 ;;\n"
            "*) echo id ;;\n"
            "esac",
        )
    run = subprocess.run(
        ["bash", "-euc", commands.replace("OWNER/NAME", "octocat/my-repo")],
        capture_output=True,
        check=False,
        env=os.environ | {"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"},
        text=True,
    )
    assert run.returncode == 0, run.stderr
    words = (folder / "said").read_text(encoding="utf-8").split("\0")
    calls: list[list[str]] = [[]]
    for word in words[:-1]:
        if word.endswith("\n") and not word.strip():
            calls.append([])
        elif word.endswith("\n"):
            calls[-1].append(word.strip())
            calls.append([])
        else:
            calls[-1].append(word)
    return calls[:-1]


def roles(calls: list[list[str]]) -> list[tuple[str, str]]:
    """Return the roles that were given, each with its scope."""
    return [
        (call[call.index("--role") + 1], call[call.index("--scope") + 1])
        for call in calls
        if call[:4] == ["az", "role", "assignment", "create"]
    ]


@pytest.mark.parametrize(
    ("told", "prefix"),
    [
        ("repo:octocat@123456/my-repo@456789", "repo:octocat@123456/my-repo@456789"),
        ("", "repo:octocat/my-repo"),
    ],
    ids=["immutable", "by-name"],
)
def test_the_federated_credentials_of_the_document_have_the_subject_that_github_says(
    tmp_path: Path, told: str, prefix: str
) -> None:
    """Repositories made, renamed or moved since 2026-07-15 have the ids of owner and repository in it."""
    calls = said(tmp_path, blocks("az ad app create"), subject=told)
    assert ["gh", "api", "repos/octocat/my-repo/actions/oidc/customization/sub"] in [call[:3] for call in calls]
    subjects = [json.loads(call[-1])["subject"] for call in calls if "federated-credential" in call]
    assert subjects == [f"{prefix}:environment:{name}" for name in ("preview", "production")]


def test_two_identities_are_made_and_one_of_them_may_change_something(tmp_path: Path) -> None:
    calls = said(tmp_path, blocks("az ad app create"))
    made = [call[call.index("--display-name") + 1] for call in calls if call[:4] == ["az", "ad", "app", "create"]]
    assert made == ["file-pipeline-preview", "file-pipeline-production"]
    assert roles(calls) == [
        ("Contributor", "/subscriptions/id"),
        ("User Access Administrator", "/subscriptions/id"),
    ]
    # They come after both identities' credentials, so they are the second one's.
    order = [name for call in calls for name in ("federated-credential", "--role") if name in call]
    assert order == ["federated-credential", "federated-credential", "--role", "--role"]


def test_a_preview_reads_the_stack_s_group_alone_and_lists_what_the_program_lists(tmp_path: Path) -> None:
    calls = said(tmp_path, blocks("File pipeline preview"))
    assert roles(calls) == [("Reader", "id"), ("File pipeline preview", "id")]
    (definition,) = (json.loads(call[-1]) for call in calls if "--role-definition" in call)
    assert definition == {
        "Actions": [
            "Microsoft.ContainerRegistry/registries/listCredentials/action",
            "Microsoft.Storage/storageAccounts/listKeys/action",
        ],
        "AssignableScopes": ["id"],
        "Name": "File pipeline preview",
    }
    assert ["pulumi", "stack", "output", "resourceGroupName"] in calls


def test_the_environments_ask_for_reviewers_and_production_takes_main_alone(tmp_path: Path) -> None:
    calls = said(tmp_path, blocks("deployment-branch-policies"))
    environments = {
        call[4].rpartition("/")[2]: json.loads(call[-1])
        for call in calls
        if "PUT" in call and "/environments/" in call[4]
    }
    reviewers = [{"id": 4711, "type": "User"}]
    assert environments.keys() == {"preview", "production"}
    for environment in environments.values():
        assert environment["reviewers"] == reviewers
    assert environments["preview"]["deployment_branch_policy"] is None
    assert environments["production"]["deployment_branch_policy"] == {
        "custom_branch_policies": True,
        "protected_branches": False,
    }
    policies = [call[4:] for call in calls if "POST" in call]
    assert policies == [["repos/octocat/my-repo/environments/production/deployment-branch-policies", "-f", "name=main"]]


def test_the_environments_are_there_before_anything_can_be_had_in_them() -> None:
    assert DELIVERY.index("/environments/") < DELIVERY.index("federated-credential")


# What only the identity that deploys has, and what only the one that previews has.
DEPLOYS = {"vars.AZURE_CLIENT_ID", "secrets.PULUMI_ACCESS_TOKEN"}
PREVIEWS = {"vars.AZURE_PREVIEW_CLIENT_ID", "secrets.PULUMI_PREVIEW_ACCESS_TOKEN"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_what_a_pull_request_starts_gets_nothing_of_the_identity_that_deploys(path: Path) -> None:
    """Each name is in the text of a workflow itself, so that no setting of a whole repository can mix them up."""
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    # YAML takes the word for true.
    events = workflow[True]
    used = set(re.findall(r"\$\{\{ *((?:vars|secrets)\.\w+)", path.read_text(encoding="utf-8")))
    environments = {job.get("environment") for job in workflow["jobs"].values()} - {None}
    assert "pull_request_target" not in events
    if "pull_request" in events:
        assert not used & DEPLOYS
        assert environments <= {"preview"}
    else:
        assert not used & PREVIEWS
        assert environments == {"production"}
        assert set(events) <= {"push", "workflow_dispatch"}
        assert events.get("push", {"branches": ["main"]}) == {"branches": ["main"]}
    # An identity is had in an environment alone, whose rules are GitHub's to keep.
    for job in workflow["jobs"].values():
        if "id-token" in job.get("permissions", {}):
            assert job["environment"] in ("preview", "production")
        else:
            assert not set(re.findall(r"(?:vars|secrets)\.\w+", json.dumps(job))) - {"vars.PULUMI_STACK"}


def test_preview_and_deploy_sign_in_as_who_they_are_and_read_the_state_by_tokens_of_their_own() -> None:
    for name, own in (("deploy", DEPLOYS), ("destroy", DEPLOYS), ("preview", PREVIEWS)):
        text = (PROJECT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8")
        (job,) = (job for job in yaml.safe_load(text)["jobs"].values() if "environment" in job)
        client, token = sorted(own, reverse=True)
        assert job["env"]["ARM_CLIENT_ID"] == f"${{{{ {client} }}}}"
        assert job["env"]["PULUMI_ACCESS_TOKEN"] == f"${{{{ {token} }}}}"
        (sign_in,) = (step for step in job["steps"] if step.get("uses", "").startswith("azure/login@"))
        assert sign_in["with"]["client-id"] == f"${{{{ {client} }}}}"
        # The document says which environment each is set in.
        for each in own:
            environment = "preview" if name == "preview" else "production"
            assert re.search(rf"^\| `{each.partition('.')[2]}` \| \w+ \| `{environment}` \|", DELIVERY, re.MULTILINE)
