"""Ask a real subscription what no document says: ``python -m infra.acceptance --stack NAME``."""

import sys

from infra.acceptance.interrupts import listen

try:
    listen()

    from infra.acceptance.command import app

    app(prog_name="python -m infra.acceptance")
except KeyboardInterrupt:
    # It came before anything was made.
    sys.exit(130)
