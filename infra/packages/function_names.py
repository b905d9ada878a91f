"""The names of the functions that Azure is to list, read from the function's own source."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

SOURCE: Final = Path("function", "function_app.py")


class FunctionNamesError(ValueError):
    """The source declares no function, so that a deployment of it would wait for nothing."""


def function_names(project: Path) -> tuple[str, ...]:
    """Return the names of the functions that ``function_app.py`` declares with the decorators of its ``app``.

    Args:
        project: the program's folder.

    Raises:
        FunctionNamesError: there is none.
        SyntaxError: the source is no Python.
    """
    path = project / SOURCE
    names = []
    for node in ast.parse(path.read_text(encoding="utf-8"), str(path)).body:
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef):
            decorators = [each for each in node.decorator_list if _of_app(each)]
            if decorators:
                names.append(next((name for each in decorators if (name := _given(each))), node.name))
    if not names:
        raise FunctionNamesError(f"{path} declares no function. Decorate one, as with @app.queue_trigger(...).")
    return tuple(sorted(names))


def _given(decorator: ast.expr) -> str | None:
    """Return the name that ``@app.function_name(...)`` gives."""
    if not isinstance(decorator, ast.Call) or not isinstance(decorator.func, ast.Attribute):
        return None
    if decorator.func.attr != "function_name":
        return None
    values = [*decorator.args, *(each.value for each in decorator.keywords if each.arg == "name")]
    return str(ast.literal_eval(values[0])) if values else None


def _of_app(decorator: ast.expr) -> bool:
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "app"
