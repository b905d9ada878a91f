"""The image from more than one machine, with no Docker engine, from other registries, and under young roles."""

from __future__ import annotations

from typing import Any, Final, Literal

import pytest

from tests.engine.deployment import ROOT, Deployment, NewSite
from tests.engine.standin.cloud import Fault
from tests.engine.standin.docker import NO_ENGINE, NO_HELPER

GIVEN: Final = f"registry.example/worker@sha256:{'b' * 64}"
LOOP: Final = "pipeline_app/worker/loop.py"

# What the program declared before it set tags by itself.
OLD_WAY: Final = """

import pulumi_docker as docker

_repository = pulumi.Output.format("{0}/{1}", registry.login_server, cfg.image_repository())
_tag = docker.Tag(
    "worker-image-latest",
    source_image=pulumi.Output.format("{0}:{1}", _repository, "VERSION"),
    tag_triggers=[image],
    target_image=pulumi.Output.format("{0}:latest", _repository),
)
docker.RegistryImage(
    "worker-image-latest-push",
    auth_config=docker.RegistryImageAuthConfigArgs(
        address=registry.login_server, password=registry.password, username=registry.username
    ),
    keep_remotely=True,
    name=_tag.target_image,
    triggers={"digest": image},
)
"""


def deployed_image(deployment: Deployment) -> str:
    """Return the image that the group runs."""
    groups = [
        each for each in deployment.site.cloud.read()["resources"].values() if each["type"].endswith(":ContainerGroup")
    ]
    image: str = groups[0]["inputs"]["containers"][0]["image"]
    return image


def edit(deployment: Deployment, text: str) -> None:
    with (deployment.site.project / LOOP).open("a", encoding="utf-8") as file:
        file.write(text)


def tags(deployment: Deployment) -> dict[str, str]:
    """Return the digest by the tag of the worker's repository."""
    images: dict[str, str] = deployment.site.cloud.read()["images"]
    return {name.rpartition(":")[2]: digest for name, digest in images.items() if "@" not in name}


@pytest.fixture(scope="module")
def deployment(new_site: NewSite) -> Deployment:
    deployment = new_site("image").deployment()
    deployment.up()
    return deployment


@pytest.fixture(scope="module")
def elsewhere(deployment: Deployment) -> Deployment:
    """The same stack on another machine."""
    return deployment.site.another_machine("elsewhere").deployment()


@pytest.mark.parametrize("subject", ["worker-image", "worker-image-latest"])
@pytest.mark.parametrize("fault", ["after", "before"])
def test_what_one_machine_leaves_half_done_another_ends(
    deployment: Deployment, elsewhere: Deployment, fault: Fault, subject: str
) -> None:
    """A run breaks off before and after it pushes and tags; whoever comes next has an engine that knows of nothing."""
    machines = [deployment, elsewhere] if fault == "before" else [elsewhere, deployment]
    for machine in machines:
        edit(machine, f"\n# {fault} {subject}\n")
    version_before = deployed_image(deployment)
    deployment.site.cloud.fail_once(fault, [subject])
    assert machines[0].try_up().failed == {subject}
    deployment.site.cloud.fail_once(None)
    assert deployed_image(deployment) == version_before
    for machine in machines:
        machine.site.engine.start()
    machines[1].up()

    assert deployed_image(deployment) != version_before
    assert tags(deployment)["latest"] == deployed_image(deployment).rpartition("@")[2]
    assert set(machines[0].preview().summary) == {"same"}


def test_another_build_of_the_same_content_moves_no_group(deployment: Deployment) -> None:
    before, manifests = deployed_image(deployment), set(deployment.site.cloud.read()["manifests"])
    deployment.site.engine.start()
    changes = deployment.replace("worker-image").changes

    assert set(deployment.site.cloud.read()["manifests"]) > manifests
    assert changes == {"worker-image": "replace", "worker-image-latest": "update"}
    assert deployed_image(deployment) == before
    assert set(tags(deployment).values()) >= {before.rpartition("@")[2]}
    assert tags(deployment)["latest"] == before.rpartition("@")[2]
    assert set(deployment.preview().summary) == {"same"}


def test_a_tag_that_somebody_moved_is_found_and_moved_back(deployment: Deployment) -> None:
    before = tags(deployment)
    with deployment.site.cloud.open() as content:
        name = next(each for each in content["images"] if each.endswith(":latest"))
        content["images"][name] = next(iter(set(content["manifests"]) - {before["latest"]}))
    deployment.refresh()

    assert deployment.up().changes == {"worker-image-latest": "update"}
    assert tags(deployment) == before


@pytest.mark.parametrize("modes", ["go-rwx", "g+w,o-rwx"], ids=["077", "007"])
def test_a_checkout_of_another_umask_is_the_same(elsewhere: Deployment, modes: Literal["go-rwx"]) -> None:
    for path in elsewhere.site.project.rglob("*"):
        if not path.is_symlink() and ".venv" not in path.parts:
            mode = path.stat().st_mode
            path.chmod(mode & ~0o077 if modes == "go-rwx" else (mode | 0o020) & ~0o007)

    assert set(elsewhere.preview().summary) == {"same"}


def test_a_stack_of_the_old_way_sheds_its_tags_without_a_push(deployment: Deployment, elsewhere: Deployment) -> None:
    program = deployment.site.project / "__main__.py"
    plain = program.read_text(encoding="utf-8")
    version = next(tag for tag, digest in tags(deployment).items() if tag != "latest" and _is_current(deployment, tag))
    program.write_text(plain + OLD_WAY.replace("VERSION", version), encoding="utf-8")
    # Only the machine that built the image can tag it in this way, which is why it is not done so any more.
    deployment.site.engine.start()
    assert "No such image" in str(deployment.try_up().error)
    deployment.replace("worker-image")
    program.write_text(plain, encoding="utf-8")
    deployment.site.cloud.take_log()
    up = elsewhere.up()

    assert up.changes == {"worker-image-latest": "delete", "worker-image-latest-push": "delete"}
    assert ["docker", "docker:index/registryImage:RegistryImage"] not in deployment.site.cloud.take_log()


def _is_current(deployment: Deployment, tag: str) -> bool:
    (image,) = [each for each in deployment.resources() if each["type"] == "docker:index/image:Image"]
    return str(image["outputs"]["imageName"]).endswith(f":{tag}")


def test_a_credential_helper_that_is_missing_stops_before_the_build(deployment: Deployment) -> None:
    edit(deployment, "\n# Not to be built.\n")
    deployment.site.engine.start(helper="desktop")
    run = deployment.try_up()
    images = deployment.site.engine.read()["images"]
    deployment.site.engine.start()

    assert run.failed == {"worker-image"}
    assert NO_HELPER.format("desktop") in str(run.error)
    assert images == {}


def test_without_an_engine_nothing_is_built_and_the_words_are_in_the_document(deployment: Deployment) -> None:
    deployment.site.engine.stop()
    runs = [deployment.try_preview(), deployment.try_up()]
    deployment.site.engine.start()
    document = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")

    assert [NO_ENGINE in str(run.error) for run in runs] == [True, True]
    assert NO_ENGINE in document
    assert NO_HELPER.partition(" -")[0] in document


def test_an_image_from_elsewhere_takes_over_without_an_engine(deployment: Deployment) -> None:
    deployment.up()
    deployment.site.engine.stop()
    deployment.configure(imageReference=GIVEN)
    deployment.up()

    assert deployed_image(deployment) == GIVEN
    assert not [each for each in deployment.resources() if each["type"].startswith("docker:")]
    (group,) = [each for each in deployment.resources() if each["type"].endswith(":ContainerGroup")]
    assert "imageRegistryCredentials" not in group["inputs"]
    assert set(deployment.preview().summary) == {"same"}


def test_a_stack_that_built_its_image_is_destroyed_without_an_engine(new_site: NewSite) -> None:
    deployment = new_site("no-engine").deployment()
    deployment.up()
    deployment.site.engine.stop()
    deployment.destroy()

    assert deployment.site.cloud.read()["resources"] == {}
    assert deployment.resources() == []


def test_an_image_in_another_registry_is_pulled_by_a_role_on_it_once_that_is_in_force(new_site: NewSite) -> None:
    other = new_site("other-registry").deployment("other")
    other.configure(**{"azure-native:location": "westeurope"}, registryName="otherregistry")
    other.up()
    reference = deployed_image(other)
    registry = next(key for key in other.site.cloud.ids() if key.endswith("/registries/otherregistry"))
    stack = other.site.deployment()
    stack.configure(imageReference=reference, imageRegistryId=registry)
    _set_role_seconds(stack, 3600)
    refused = stack.try_up()
    assert refused.failed == {"worker-1"}
    assert "the role to pull from otherregistry.azurecr.io is not in force yet" in str(refused.error)
    stack.destroy()
    _set_role_seconds(stack, 5)
    stack.configure(roleWaitSeconds="6")
    up = stack.up()

    assert up.changes["worker-identity-pull-given-image"] == "create"
    groups: list[dict[str, Any]] = [
        each for each in stack.site.cloud.read()["resources"].values() if each["type"].endswith(":ContainerGroup")
    ]
    assert [[each["server"] for each in group["inputs"]["imageRegistryCredentials"]] for group in groups] == [
        ["otherregistry.azurecr.io"]
    ] * 2


def _set_role_seconds(deployment: Deployment, seconds: float) -> None:
    with deployment.site.cloud.open() as content:
        content["role_seconds"] = seconds
