"""The workflows sign in last, run what they say, and try a deploy again only where that may help."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
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
    (commands,) = re.findall(r"```bash\n(repository=OWNER/NAME\n.*?)```", DELIVERY, re.DOTALL)
    answer = json.dumps({"use_default": True} | ({"sub_claim_prefix": told} if told else {}))
    (tmp_path / "answer.json").write_text(answer, encoding="utf-8")
    script(
        tmp_path / "bin" / "gh",
        '[ "$2" = "repos/octocat/my-repo/actions/oidc/customization/sub" ] || exit 1\n'
        f'"{sys.executable}" -c '
        f'\'import json; print(json.load(open("{tmp_path}/answer.json")).get("sub_claim_prefix") or "")\'',
    )
    script(tmp_path / "bin" / "az", f'printf "%s\\0" "$@" >>"{tmp_path}/az"; echo id')
    run = subprocess.run(
        ["bash", "-euc", commands.replace("OWNER/NAME", "octocat/my-repo")],
        capture_output=True,
        check=False,
        env=os.environ | {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"},
        text=True,
    )
    assert run.returncode == 0, run.stderr
    given = [json.loads(each) for each in (tmp_path / "az").read_text(encoding="utf-8").split("\0") if each[:1] == "{"]
    subjects = [each["subject"] for each in given if "subject" in each]
    assert subjects == [f"{prefix}:environment:{name}" for name in ("preview", "production")]
    said = (tmp_path / "az").read_text(encoding="utf-8").split("\0")
    # A preview runs what a pull request brings, so it may change nothing.
    assert [said[at + 1] for at, each in enumerate(said) if each == "--role"] == [
        "Reader",
        "File pipeline preview",
        "Contributor",
        "Role Based Access Control Administrator",
    ]
