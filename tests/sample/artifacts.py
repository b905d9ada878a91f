"""An artifact of the test's own, and the settings to install it with."""

from __future__ import annotations

from pathlib import Path


def settings(tmp_path: Path, **changes: str) -> dict[str, str]:
    return {
        "APP_ALIAS": "tool",
        "APP_FILE": "tool.sh",
        "APP_INSTALLER_FILE": "setup/run.sh",
        "APP_PREFIX": str(tmp_path / "app"),
        "APP_SETUP_ARGS": "",
        "PATH": "/usr/bin:/bin",
        "RELEASE_VERSION": "1.0",
    } | changes


def put(artifact: Path, name: str, content: str | bytes) -> None:
    path = artifact / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
