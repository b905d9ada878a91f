"""The Pulumi program alone, under mocks: ``python -m tests.bench.program_run FOLDER``.

The function's archive is not made: it is there after the first run, and has its own cost.
"""

from __future__ import annotations

import sys
from pathlib import Path
from unittest.mock import patch

from infra.packages.function_package import FunctionPackage
from tests.infra.recording import run_program


def _main(folder: Path) -> None:
    archive = folder / "function.zip"
    archive.touch()
    package = FunctionPackage(path=archive, sha256="0" * 64)
    with patch("infra.wiring.function_archive", lambda _project: package):
        run = run_program({"artifactCache": str(folder / "cache")})
    if not run.resources:
        raise RuntimeError("The program made no resources.")


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
