"""What the tests of settings share: a small project."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A program's folder with an application and a runtime config."""
    (tmp_path / "pipeline_app" / "sample").mkdir(parents=True)
    (tmp_path / "pipeline_app" / "sample" / "app.py").write_text("pass", encoding="utf-8")
    (tmp_path / "pipeline_app" / "sample" / "install.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    (tmp_path / "pipeline_app" / "config").mkdir()
    (tmp_path / "pipeline_app" / "config" / "runtime.json").write_text('{"args": ["{input}"]}', encoding="utf-8")
    return tmp_path
