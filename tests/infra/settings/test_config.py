"""The configuration tells everything that is wrong with it, at once and before anything is made."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.settings.config import KEYS, ConfigError, StackConfig, check

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A program's folder with an application and a runtime config."""
    (tmp_path / "pipeline_app" / "sample").mkdir(parents=True)
    (tmp_path / "pipeline_app" / "sample" / "app.py").write_text("pass", encoding="utf-8")
    (tmp_path / "pipeline_app" / "sample" / "install.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    (tmp_path / "pipeline_app" / "config").mkdir()
    (tmp_path / "pipeline_app" / "config" / "runtime.json").write_text('{"args": ["{input}"]}', encoding="utf-8")
    return tmp_path


def problems(settings: dict[str, Any], project: Path, *others: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        check(settings, project, others)
    return [line.removeprefix("  - ") for line in str(caught.value).splitlines() if line.startswith("  - ")]


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
        ("containerCpu", "8", "less than or equal to 4"),
        ("containerCpu", "0.5", "greater than or equal to 1"),
        ("containerCpu", "1.25", "tenths"),
        ("containerGroupCount", "0", "greater than or equal to 1"),
        ("containerMemoryGib", "17", "less than or equal to 16"),
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


def test_a_file_that_cannot_prove_a_deploy_is_refused(project: Path) -> None:
    (problem,) = problems({"verifyFile": "gone.csv"}, project)
    assert problem.startswith("verifyFile is 'gone.csv': ")
    assert problem.endswith("Allowed: the path of a small file.")
    (project / "odd.").write_text("x")
    (problem,) = problems({"verifyFile": "odd."}, project)
    assert "is not a name that a blob can have" in problem
    with (project / "large.csv").open("wb") as file:
        file.truncate(64 * 1024 * 1024 + 1)
    (problem,) = problems({"verifyFile": "large.csv"}, project)
    assert "at most 67,108,864 are taken" in problem


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


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "is not JSON"),
        (b"[]", "must be an object"),
        (b'{"argz": []}', "argz"),
        (b'{"args": ["{inputs}"]}', "inputs"),
        (b"\xff", "invalid start byte"),
        (b" " * (1024 * 1024 + 1), "1048577 bytes"),
    ],
)
def test_a_config_file_that_the_worker_would_refuse_is_refused_here(project: Path, content: bytes, reason: str) -> None:
    (project / "export.json").write_bytes(content)
    (problem,) = problems({"exportConfigFile": "export.json"}, project)
    assert problem.startswith("exportConfigFile is 'export.json': ")
    assert reason in problem


def test_a_missing_config_file_is_named(project: Path) -> None:
    (problem,) = problems({"runtimeConfigFile": "nowhere.json"}, project)
    assert "nowhere.json" in problem
    assert "No such file" in problem


def test_a_missing_or_damaged_artifact_is_named(project: Path) -> None:
    assert "There is no file" in problems({"artifactPath": "nowhere.zip"}, project)[0]
    (project / "broken.zip").write_bytes(b"PK")
    (problem,) = problems({"artifactPath": "broken.zip"}, project)
    assert problem.startswith("artifactPath is 'broken.zip': ")
    (project / "empty").mkdir()
    assert "holds no file" in problems({"artifactPath": "empty"}, project)[0]


def test_an_installer_or_a_program_that_the_artifact_has_not_is_named_before_anything_is_made(project: Path) -> None:
    with zipfile.ZipFile(project / "app.zip", "w") as archive:
        archive.writestr("bin/score", b"")
    for path, has in (("app.zip", "bin/score"), ("pipeline_app/sample", "app.py, install.sh")):
        settings = {"appFile": "score", "artifactPath": path}
        assert problems(settings | {"appInstallerFile": "setup.sh"}, project) == [
            f"appInstallerFile is 'setup.sh', but {path!r} has no such file: it has {has}. Allowed: one of its files, "
            "or '' where there is no installer."
        ]
        assert problems(settings | {"appInstallerFile": ""}, project) == [
            f"appFile is 'score', but {path!r} has no such file: it has {has}. Allowed: one of its files."
        ]
    check({"appFile": "./bin/score", "appInstallerFile": "", "artifactPath": "app.zip"}, project)


def test_an_artifact_to_fetch_needs_its_name_and_hash(project: Path) -> None:
    found = problems({"artifactPath": ""}, project)
    assert [each.split()[0] for each in found] == ["artifactName", "artifactSha256"]
    config = check({"artifactName": "app.zip", "artifactPath": "", "artifactSha256": "A" * 64}, project)
    assert config.artifact_name == "app.zip"


def test_a_hash_is_compared_with_a_local_zip_and_refused_for_a_folder(project: Path) -> None:
    with zipfile.ZipFile(project / "app.zip", "w") as archive:
        archive.writestr("a", b"")
    assert "has " in problems({"artifactPath": "app.zip", "artifactSha256": "a" * 64}, project)[0]
    assert "the folder" in problems({"artifactSha256": "a" * 64}, project)[0]


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


def test_pulumi_yaml_and_the_program_agree_on_every_key_and_default() -> None:
    declared = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text(encoding="utf-8"))["config"]
    assert tuple(declared) == KEYS
    for name, field in StackConfig.model_fields.items():
        if field.is_required():
            continue
        entry = declared[str(field.alias)]
        assert set(entry) == {"default", "description", "type"}, name
        assert {bool: "boolean", int: "integer", str: "string"}[type(entry["default"])] == entry["type"]
        assert entry["description"].endswith(".")


def test_the_defaults_of_pulumi_yaml_are_those_of_the_program() -> None:
    declared = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text(encoding="utf-8"))["config"]
    # The engine hands every value over as text.
    assert check({key: str(entry["default"]) for key, entry in declared.items()}, PROJECT) == check({}, PROJECT)


def test_the_development_stack_is_valid() -> None:
    settings = yaml.safe_load((PROJECT / "Pulumi.dev.yaml").read_text(encoding="utf-8"))["config"]
    assert settings.pop("azure-native:location")
    prefix = "file-processing-pipeline:"
    config = check({key.removeprefix(prefix): value for key, value in settings.items()}, PROJECT)
    assert config.share_files().keys() == {"config/export.json", "config/runtime.json"}


def test_the_project_can_start_a_new_one() -> None:
    project = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text(encoding="utf-8"))
    assert project["name"] == "file-processing-pipeline"
    assert project["runtime"] == {"name": "python", "options": {"toolchain": "pip", "virtualenv": ".venv"}}
    assert project["template"]["config"]["azure-native:location"].keys() == {"default", "description"}


def test_a_path_may_begin_with_the_home_folder(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path_factory.mktemp("home")
    (home / "application").mkdir()
    (home / "application" / "install.sh").write_text("#!/bin/sh")
    monkeypatch.setenv("HOME", str(home))
    assert check({"artifactPath": "~/application"}, project).artifact_path == str(home / "application")


@pytest.mark.parametrize("path", ["missing.zip", "../missing", "~nobody-of-this-name/app.zip"])
def test_a_relative_path_that_is_not_there_is_told_with_where_it_begins(project: Path, path: str) -> None:
    (problem,) = problems({"artifactPath": path}, project)
    assert f"artifactPath is {path!r}: There is no file {project / path}" in problem
    assert "begins at the project's folder" in problem
