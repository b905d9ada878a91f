"""No application reaches another process of its user, or leaves it anything, by calls that name no file."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pipeline_app.worker.confinement import filters
from pipeline_app.worker.process import Keeper, StepResult
from tests.worker.probes import allowed, run

pytestmark = [
    pytest.mark.skipif(not filters.available(), reason="needs x86_64 or aarch64, and filters of system calls"),
    pytest.mark.usefixtures("adopting"),
]

CALLS = """
import ctypes, errno, os, resource, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    ctypes.set_errno(0)
    function = getattr(libc, name)
    print(errno.errorcode.get(ctypes.get_errno(), "done") if function(*arguments) == -1 else "done")
"""
REFUSED = {
    "limits of the keeper": ("resource.prlimit(os.getppid(), resource.RLIMIT_FSIZE, (9, 9))", errno.EPERM),
    "limits of the worker": ("resource.prlimit({worker}, resource.RLIMIT_CPU, (9, 9))", errno.EPERM),
    "priority of the keeper": ("os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)", errno.EPERM),
    "priority of the user": ("os.setpriority(os.PRIO_USER, 0, 19)", errno.EPERM),
    "scheduler of the keeper": ("os.sched_setscheduler(os.getppid(), os.SCHED_IDLE, os.sched_param(0))", errno.EPERM),
    "attributes": ("os.setxattr('.', 'user.x', b'x')", errno.EOPNOTSUPP),
    "shared memory of System V": ("call('shmget', 0x5eed, 4096, 0o1600)", errno.ENOSYS),
    "semaphores of System V": ("call('semget', 0x5eed, 1, 0o1600)", errno.ENOSYS),
    "queues of System V": ("call('msgget', 0x5eed, 0o1600)", errno.ENOSYS),
    "keys": ("call('syscall', 248, b'user', b'x', b'x', 1, -4)", errno.ENOSYS),
}


@pytest.mark.parametrize("confined", [True, False])
@pytest.mark.parametrize("name", REFUSED)
def test_what_reaches_others_is_refused(tmp_path: Path, name: str, confined: bool) -> None:
    source, number = REFUSED[name]
    given = allowed(tmp_path)
    with Keeper(given if confined else None) as keeper:
        tried = f"try:\n    {source.format(worker=os.getpid())}\nexcept OSError as error:\n"
        _, text = run(keeper, tmp_path, f"{CALLS}\n{tried}    print(errno.errorcode[error.errno])")
    assert text == f"{errno.errorcode[number]}\n"


def test_a_program_may_ask_for_limits_and_set_its_own(tmp_path: Path) -> None:
    source = (
        "import os, resource\n"
        "print(resource.prlimit(os.getppid(), resource.RLIMIT_CORE), resource.prlimit(0, resource.RLIMIT_CORE))\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (99, 99)); os.nice(1); os.setpriority(os.PRIO_PROCESS, 0, 5)\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE), os.getpriority(os.PRIO_PROCESS, 0))"
    )
    with Keeper(allowed(tmp_path)) as keeper:
        assert run(keeper, tmp_path, source) == (
            StepResult(error=None, exit_code=0),
            "(0, 0) (0, 0)\n(99, 99) 5\n",
        )


def test_a_run_is_scheduled_as_usual_whatever_the_one_before_did_to_its_keeper(tmp_path: Path) -> None:
    with Keeper(allowed(tmp_path)) as keeper:
        tell = "import os; print(len(os.sched_getaffinity(0)), os.sched_getscheduler(0))"
        _, before = run(keeper, tmp_path, tell)
        spoil = "import os; os.sched_setaffinity(os.getppid(), {0})"
        assert run(keeper, tmp_path, spoil)[0] == StepResult(error=None, exit_code=0)
        assert run(keeper, tmp_path, tell)[1] == before
