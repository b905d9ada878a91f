"""How long starts take, and what they consist of."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from infra.local.services.functions import unpack
from infra.packages.function_package import function_archive
from tests.bench.applications import Application, copying
from tests.bench.imports import imports
from tests.bench.measurement import Result, Row, Samples, Target
from tests.bench.processes import PROJECT
from tests.bench.setting import Setting
from tests.bench.storage import Storage, input_names, running_storage

TOPIC: Final = "starts"

PROGRAM_TARGET: Final = Target("at most", 1.5)
SECONDS: Final = 300.0
WORKER_TARGET: Final = Target("at most", 0.3)

# As the local run's host does it: the environment's packages stand in for the archive's, which are for another Python.
FUNCTION: Final = (
    "import sys; sys.path.insert(0, {root!r}); sys.path.append({root!r} + '/.python_packages/lib/site-packages'); "
    "import function_app"
)


ROWS: Final[Mapping[str, tuple[str, str, Target | None]]] = {
    "bare function": (
        "function, the same without any bytecode",
        "the archive has none; here the standard library has none either, so it is an upper bound",
        None,
    ),
    "demo": ("second demo", "all of 'python -m infra.local demo' with the bundled samples", None),
    "function": ("function, import of function_app", "of the archive, its dependencies with bytecode", None),
    "program": ("Pulumi program under mocks", "a whole process, the function's archive left out", PROGRAM_TARGET),
    "worker": ("worker, start to first claim", "with bytecode, as in the image", WORKER_TARGET),
}


def measure(setting: Setting) -> Result:
    """Start each thing so many times, in turns; then once more under the profiler of imports."""
    folder = setting.place("starts")
    root = folder / "function"
    unpack(function_archive(PROJECT).path, root)
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    bare = {**plain, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": str(folder / "none")}
    function = ["-s", "-P", "-c", FUNCTION.format(root=str(root))]
    program = ["-m", "tests.bench.program_run", str(folder)]
    demo = ["-m", "infra.local", "demo", "--data", str(folder / "demo")]
    if not setting.quick:
        setting.say(f"{TOPIC}: a first demo")
        _run(demo, plain)
    with running_storage(folder / "storage") as storage:
        application = copying(folder)
        starts: dict[str, Callable[[], float]] = {
            "worker": lambda: _worker(setting, storage, application),
            "function": lambda: _run(function, plain),
            "bare function": lambda: _run(function, bare),
            "program": lambda: _run(program, plain),
            "demo": lambda: _run(demo, plain),
        }
        if setting.quick:
            for key in ("bare function", "demo"):
                del starts[key]
        seconds: dict[str, list[float]] = {key: [] for key in starts}
        for number in range(setting.rounds):
            setting.say(f"{TOPIC}: round {number + 1} of {setting.rounds}")
            for key, start in starts.items():
                seconds[key].append(start())
        worker = setting.launcher.environment(storage.account, application)
        profiled = {
            "worker": (["-m", "pipeline_app.worker"], worker),
            "function": (function, plain),
            "bare function": (function, bare),
            "program": (program, plain),
            "demo": (demo, plain),
        }
        notes = {key: imports(*profiled[key]) for key in starts}
    return Result(
        rows=[_row(key, Samples(tuple(each)), notes[key]) for key, each in seconds.items()],
        skipped=["A quick run leaves out the demo and the function without bytecode."] if setting.quick else [],
    )


def _row(key: str, seconds: Samples, imported: str) -> Row:
    measure, note, target = ROWS[key]
    return Row(measure=measure, note=f"{note}; {imported}", ours=seconds, target=target, topic=TOPIC, unit="s")


def _worker(setting: Setting, storage: Storage, application: Application) -> float:
    storage.begin()
    storage.put_jobs(storage.put_inputs(input_names(1), b"x"))
    storage.forget()
    start = time.monotonic()
    setting.launcher.start(storage.account, application).wait(SECONDS)
    return next(each.moment for each in storage.seen() if each.claims) - start


def _run(arguments: Sequence[str], environment: Mapping[str, str]) -> float:
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        check=False,
        cwd=PROJECT,
        env=environment,
        text=True,
        timeout=SECONDS,
    )
    seconds = time.monotonic() - start
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} ended with exit code {done.returncode}:\n{done.stderr[-2000:]}")
    return seconds
