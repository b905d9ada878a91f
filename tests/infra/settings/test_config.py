"""The configuration tells everything that is wrong with it, at once and before anything is made."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from infra.settings.config import KEYS, check
from tests.infra.settings.problems import problems


def test_no_setting_at_all_is_a_valid_configuration(project: Path) -> None:
    config = check({}, project)
    assert (config.storage_container, config.input_path, config.output_path) == (
        "pipeline-files",
        "incoming",
        "outgoing",
    )
    assert config.worker_environment()["APP_RUNTIME_CONFIG_FILE"] == "/mnt/azurefiles/config/runtime.json"


def test_no_variable_of_the_worker_is_empty(project: Path) -> None:
    environment = check({"runtimeConfigFile": ""}, project).worker_environment()
    assert all(environment.values())
    configs = {f"APP_{step}_CONFIG_{what}" for step in ("EXPORT", "RUNTIME") for what in ("FILE", "SHA256")}
    assert not (configs | {"APP_SCRATCH_BYTES"}) & environment.keys()


def test_the_worker_is_told_the_hash_of_each_config_as_it_will_be_on_the_share(project: Path) -> None:
    (project / "pipeline_app" / "config" / "export.json").write_text("{}", encoding="utf-8")
    config = check({"exportConfigFile": "pipeline_app/config/export.json"}, project)
    # A file with the line ends of another system goes to the share with those of Linux.
    (project / config.runtime_config_file).write_bytes(b'{"args":\r\n["\xc3\xbc"]}')
    environment, files = config.worker_environment(), config.share_files()
    assert files["config/runtime.json"] == '{"args":\n["ü"]}'
    assert {name: environment[f"APP_{name}_CONFIG_SHA256"] for name in ("EXPORT", "RUNTIME")} == {
        "EXPORT": hashlib.sha256(files["config/export.json"].encode()).hexdigest(),
        "RUNTIME": hashlib.sha256(files["config/runtime.json"].encode()).hexdigest(),
    }


def test_the_limits_of_a_run_reach_the_worker_in_its_own_units(project: Path) -> None:
    environment = check({"maxOutputFiles": "50", "scratchGib": "1.5"}, project).worker_environment()
    assert (environment["APP_MAX_OUTPUT_FILES"], environment["APP_SCRATCH_BYTES"]) == ("50", "1610612736")


def test_the_configuration_does_not_change_once_it_is_read(project: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        check({}, project).input_path = "elsewhere"


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("actionGroupId", "my-group", "the resource id of an action group"),
        ("alertBacklogJobs", "0", "greater than or equal to 1"),
        ("alertEmails", "team@example.com, nobody", "e-mail addresses"),
        ("alertFailedFiles", "-1", "greater than or equal to 0"),
        ("appAlias", "a/b", "1 to 64 letters"),
        ("appSetupArgs", "a\nb", "one line"),
        ("appStorageAccountName", "My-Files", "3 to 24 lower-case letters and digits"),
        ("artifactContainer", "a--b", "single hyphens"),
        ("artifactFolder", "/a", "single slashes"),
        ("artifactSha256", "abc", "64 hexadecimal digits"),
        ("artifactStorageAccountName", "x", "3 to 24 lower-case letters and digits"),
        ("buildNumber", "1_2", "single dots or hyphens"),
        ("claimSeconds", "5", "greater than or equal to 10"),
        ("containerCpu", "8", "with runner containerInstances: 1 to 4"),
        ("containerCpu", "0.5", "with runner containerInstances: 1 to 4"),
        ("containerCpu", "1.25", "tenths"),
        ("containerGroupCount", "0", "greater than or equal to 1"),
        ("containerMemoryGib", "17", "with runner containerInstances: 1 to 16"),
        ("containerMemoryGib", "many", "valid number"),
        ("containerOsType", "Windows", "Linux"),
        ("functionMemoryMb", "1024", "512, 2048 or 4096"),
        ("functionMemoryMb", "much", "valid integer"),
        ("imageReference", "registry.example/worker:latest", "an image by digest"),
        ("inputPath", "/incoming", "no slash at either end"),
        ("inputPath", "", "no slash at either end"),
        ("logFile", "/var/log/app.log", "below /mnt/azurefiles"),
        ("logFile", "/mnt/azurefiles/../app.log", "below /mnt/azurefiles"),
        ("logFile", "/mnt/azurefiles/CONFIG/runtime.json", "not below /mnt/azurefiles/config"),
        ("logFile", "/mnt/azurefiles/a:b.log", "no ':' in a name"),
        ("logFile", "/mnt/azurefiles/logs/" + "x" * 250, "up to 255 characters"),
        ("logRetentionDays", "7", "greater than or equal to 30"),
        ("modelName", "Model", "lower-case"),
        ("maxOutputFiles", "0", "greater than or equal to 1"),
        ("maxOutputFiles", "100001", "less than or equal to 100000"),
        ("appNetwork", "some", "'full', 'no-metadata' or 'none'"),
        ("appWritablePaths", "tmp", "absolute paths"),
        ("appWritablePaths", "/tmp:/", "not / itself"),
        ("appWritablePaths", "/tmp/../etc", "absolute paths"),
        ("appWritablePaths", "/mnt/azurefiles/config", "nothing below /mnt/azurefiles"),
        ("registryName", "my-registry", "5 to 50 letters and digits"),
        ("registrySku", "Classic", "'Basic', 'Standard' or 'Premium'"),
        ("scratchGib", "0", "greater than or equal to 0.1"),
        ("scratchGib", "51", "less than or equal to 50"),
        ("scratchGib", "nan", "less than or equal to 50"),
        ("shareName", "S", "3 to 63 lower-case"),
        ("shareQuotaGib", "0", "greater than or equal to 1"),
        ("slots", "0", "greater than or equal to 1"),
        ("storageContainer", "dead-letters", "holds dead letters"),
        ("storageContainer", "pipeline-state", "holds the sweep's state"),
        ("artifactContainer", "function-packages", "holds the function's packages"),
        ("sweepSchedule", "*/5 * * * *", "six fields"),
        ("tags", "team=files", "object of texts"),
        ("tags", '{"team": 1}', "valid string"),
        ("uploaderIds", "me", "00000000-0000-0000-0000-000000000000"),
        ("uploaderType", "Robot", "'User', 'Group' or 'ServicePrincipal'"),
        ("vaultName", "1vault", "beginning with a letter"),
        ("vaultRetentionDays", "91", "less than or equal to 90"),
        ("vaultSecretsOfficerId", "me", "00000000-0000-0000-0000-000000000000"),
    ],
)
def test_a_wrong_value_is_named_with_its_key_and_what_is_allowed(
    project: Path, key: str, value: str, allowed: str
) -> None:
    (problem,) = problems({key: value}, project)
    shown = value if problem.startswith(f"{key} is {value}.") else repr(value)
    assert problem.startswith(f"{key} is {shown}")
    assert allowed in problem


def test_every_problem_is_told_at_once(project: Path) -> None:
    found = problems(
        {
            "containerCpu": "9",
            "inputPath": "files",
            "inputPth": "incoming",
            "outputPath": "files/results",
            "runtimeConfigFile": "missing.json",
            "storageContainer": "X",
        },
        project,
        "azure-native:environment is 'mars'.",
    )
    for part in ("azure-native:environment", "containerCpu", "inputPath", "inputPth", "missing.json", "'X'"):
        assert any(part in each for each in found), part
    assert len(found) == 6


@pytest.mark.parametrize(
    ("key", "nearest"), [("inputpath", "inputPath"), ("container_cpu", "containerCpu"), ("shareNmae", "shareName")]
)
def test_an_unknown_key_is_told_with_the_nearest_known_one(project: Path, key: str, nearest: str) -> None:
    assert problems({key: "x"}, project) == [f"{key} is no key of this project. Did you mean {nearest}?"]


def test_a_key_that_resembles_none_is_told_with_all_of_them(project: Path) -> None:
    (problem,) = problems({"zzz": "x"}, project)
    assert all(key in problem for key in KEYS)


def test_what_the_program_fills_in_itself_is_no_key(project: Path) -> None:
    assert "is no key of this project" in problems({"project": "x"}, project)[0]


@pytest.mark.parametrize(
    ("paths", "wrong"),
    [(("a", "a"), True), (("a", "a/b"), True), (("a/b", "a"), True), (("a", "ab"), False), (("a/b", "a/c"), False)],
)
def test_input_and_output_may_not_contain_each_other(project: Path, paths: tuple[str, str], wrong: bool) -> None:
    settings = {"inputPath": paths[0], "outputPath": paths[1]}
    if wrong:
        assert "results would count as inputs" in problems(settings, project)[0]
    else:
        assert check(settings, project).input_path == paths[0]


def test_alert_addresses_are_taken_apart_and_each_is_kept_once(project: Path) -> None:
    config = check({"alertEmails": " a@example.com,b@example.com ,, a@example.com"}, project)
    assert config.alert_emails == ("a@example.com", "b@example.com")


def test_an_image_that_is_there_already_needs_no_artifact(project: Path) -> None:
    reference = f"registry.example/worker@sha256:{'0' * 64}"
    assert check({"artifactPath": "", "imageReference": reference}, project).image_reference == reference


REGISTRY_ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/Theirs"


@pytest.mark.parametrize("server", ["theirs.azurecr.io", "theirs-d5f2a8b1c3e4f6a7.azurecr.io", "theirs.azurecr.cn"])
def test_another_registry_is_named_with_the_image_that_is_in_it(project: Path, server: str) -> None:
    settings = {"artifactPath": "", "imageReference": f"{server}/worker@sha256:{'0' * 64}"}
    assert check(settings | {"imageRegistryId": REGISTRY_ID}, project).image_registry_id == REGISTRY_ID


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"imageRegistryId": REGISTRY_ID}, "imageReference is missing"),
        (
            {"imageReference": f"mine.azurecr.io/w@sha256:{'0' * 64}", "imageRegistryId": REGISTRY_ID},
            "imageReference is in 'mine.azurecr.io', which is not the server of that registry",
        ),
        (
            {"imageReference": f"theirs.example/w@sha256:{'0' * 64}", "imageRegistryId": REGISTRY_ID},
            "imageReference is in 'theirs.example', which is not the server of that registry",
        ),
        ({"imageRegistryId": "theirs"}, "the resource id of an Azure container registry"),
    ],
)
def test_a_registry_and_an_image_that_do_not_belong_together_are_refused(
    project: Path, settings: dict[str, str], text: str
) -> None:
    assert text in "".join(problems(settings, project))


def test_the_two_accounts_cannot_have_one_name(project: Path) -> None:
    settings = {"appStorageAccountName": "same", "artifactStorageAccountName": "same"}
    assert "Choose two names" in problems(settings, project)[0]
