"""A small function whose only dependencies are wheels on this machine."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path


def wheel(folder: Path, name: str, version: str, requires: str = "", python: str = "") -> None:
    """Write a small wheel with one module and one console script."""
    information = f"{name}-{version}.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    needs += f"Requires-Python: {python}\n" if python else ""
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as output:
        output.writestr(f"{name}.py", f"VERSION = {version!r}\n\n\ndef main():\n    print(VERSION)\n")
        output.writestr(
            f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}\n"
        )
        output.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        output.writestr(f"{information}/entry_points.txt", f"[console_scripts]\n{name} = {name}:main\n")
        output.writestr(f"{information}/RECORD", "")


def pin(project: Path, *lines: str) -> Path:
    """Write what the function's packages are pinned to, each with the hash of its wheel where there is one."""
    file = project / "function" / "requirements.txt"
    # Beside the projects of a test are its wheels.
    (wheels,) = (parent / "wheels" for parent in project.parents if (parent / "wheels").is_dir())
    texts = ["# Pinned."]
    for line in lines:
        name, _, version = line.partition(";")[0].strip().partition("==")
        found = wheels / f"{name}-{version}-py3-none-any.whl"
        digest = hashlib.sha256(found.read_bytes() if found.exists() else b"nothing").hexdigest()
        texts.append(f"{line} \\\n    --hash=sha256:{digest}")
    file.write_text("\n".join([*texts, ""]))
    return file


def sources(root: Path) -> Path:
    """Write a project with what belongs into the archive and what does not, and return its folder."""
    files = {
        "function/function_app.py": "import pipeline_function\n",
        "function/host.json": "{}\n",
        "function/local.settings.json": '{"Values": {"APP_STORAGE_CONNECTION": "a secret"}}\n',
        "function/pipeline_function/__init__.py": "",
        "function/pipeline_function/sub/data.txt": "data\n",
        "pipeline_app/__init__.py": "",
        "pipeline_app/contract/names.py": "VERSION = 1\n",
        "pipeline_app/rest/endpoint.py": "VERSION = 1\n",
        "pipeline_app/worker/main.py": "not for the function\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    pin(root, "leaf==1.0")
    return root
