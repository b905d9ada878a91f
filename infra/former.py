"""Where the modules are that stacks of earlier releases name in their state.

A dynamic resource has its provider in the state, pickled by the name of its module, and what is deleted is deleted by
the provider of the run that made it. Until a stack has been deployed anew, that is the name that the module had then.
Source: ``serialize_provider`` and ``get_provider`` in https://github.com/pulumi/pulumi/tree/master/sdk/python/lib/pulumi/dynamic
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

MODULES: Final = {
    "infra.image_tag": "infra.deployer.image_tag",
    "infra.one_deploy": "infra.deployer.one_deploy",
    "infra.role_wait": "infra.deployer.role_wait",
    "infra.share_file": "infra.deployer.share_file",
    "infra.verify_deploy": "infra.verification.resource",
}


class _Former(Loader, MetaPathFinder):
    """Finds a module by the name that it had, with all that the module of the name that it has now holds."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in MODULES else None

    def exec_module(self, module: ModuleType) -> None:
        present = import_module(MODULES[module.__name__])
        vars(module).update({name: value for name, value in vars(present).items() if not name.startswith("__")})


def know_former_names() -> None:
    """Let modules be imported by their former names, too."""
    if not any(isinstance(finder, _Former) for finder in sys.meta_path):
        sys.meta_path.append(_Former())
