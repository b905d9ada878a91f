"""What the tests of installing and of the installed sample share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sample.installed import CACHE, copied, install


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    folder = tmp_path / "artifact"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the installed command; artifact and prefix have names that a careless script would break on."""
    folder = tmp_path_factory.mktemp("it's a folder")
    # A zip may have lost the permission to execute.
    artifact = copied(folder)
    (artifact / "install.sh").chmod(0o644)
    result = install(artifact, folder / "app $HOME", XDG_CACHE_HOME=str(CACHE))
    assert result.returncode == 0, result.stdout + result.stderr
    return folder / "app $HOME" / "bin" / "csvreport"
