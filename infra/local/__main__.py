"""Run the pipeline on this machine, ``python -m infra.local up``, and look after its files, or those in Azure."""

import errno
import os
import sys
from typing import Final, NoReturn

from infra.local.commands.interrupts import held_back, listen

INTERRUPTED: Final = 130


def run() -> int:
    """Do what the command line says, and return the exit code; to be interrupted is how ``up`` ends well."""
    try:
        listen()
        with held_back():
            from infra.local.commands.app import app
            from pipeline_app.rest.proxies import keep_near

        keep_near()
        app(prog_name="python -m infra.local")
    except KeyboardInterrupt:
        # It came before the imports were done, so there is nothing to take down.
        code = INTERRUPTED
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    else:
        code = 0
    # The parser of the command line has a code of its own for an interrupt that comes while it is at work.
    return 0 if code == INTERRUPTED and sys.argv[1:2] == ["up"] else code


def leave(code: int) -> NoReturn:
    """End at once with an exit code.

    The interpreter's own end would tear down threads of gRPC that are within C++, which aborts the process, and it
    kills the process by SIGINT where an interrupt came while a string was executed, as each dataclass does once,
    whoever caught it (``_Py_UnhandledKeyboardInterrupt`` in CPython's Python/pythonrun.c).
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            # Whoever read it is gone, or the disk is full; the exit code is all that can still be told. A terminal that
            # was closed took nothing with it that anybody waits for.
            if error.errno != errno.EIO:
                code = code or 1
    os._exit(code)


leave(run())
