"""The command line of csvreport."""

from __future__ import annotations

import argparse
import errno
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import duckdb

from .errors import UnreadableFile
from .export import NoResults, export
from .report import make_report
from .wording import file_name, rows_line

DATA_ERROR: Final = 65
SYSTEM_ERROR: Final = 71
RELEASE_FILE: Final = Path(__file__).with_name("RELEASE")


def release() -> str:
    """Return the version that the installer noted, or ``not installed`` where this runs from its sources."""
    return RELEASE_FILE.read_text(encoding="utf-8").strip() if RELEASE_FILE.exists() else "not installed"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0, or 65 with a sentence on standard error if a file cannot be read."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal or log in another encoding than UTF-8 is no reason to fail.
            stream.reconfigure(errors="backslashreplace")
    given = list(sys.argv[1:] if arguments is None else arguments)
    return _export(given[1:]) if given[:1] == ["export"] else _report(given)


def _report(given: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="csvreport",
        description="Write cleaned.csv, summary.json and chart.svg of a CSV file into a folder.",
        epilog="'csvreport export FOLDER' makes report.html from the results in a folder.",
    )
    parser.add_argument("input", type=Path, help="the CSV file")
    parser.add_argument("output", type=Path, help="the folder for the results")
    parser.add_argument("--top", type=int, default=10, help="frequent texts to list for each column (default 10)")
    parser.add_argument("--version", action="version", version=f"csvreport {release()}")
    options = parser.parse_args(given)
    if options.top < 1:
        parser.error(f"--top is {options.top}; it must be 1 or more.")
    name = file_name(options.input)
    try:
        summary = make_report(options.input, options.output, options.top, release())
    except UnreadableFile as error:
        print(f"csvreport: {name} cannot be read as CSV. {error}", file=sys.stderr)
        return DATA_ERROR
    except (OSError, duckdb.Error) as error:
        print(f"csvreport: {name} could not be processed. {_reason(error)}", file=sys.stderr)
        return SYSTEM_ERROR
    print(f"{name}: {rows_line(summary)}")
    for sentence in summary["left_out"]:
        print(f"{name}: {sentence}")
    return 0


def _reason(error: Exception) -> str:
    if isinstance(error, duckdb.OutOfMemoryException):
        return (
            f"Its memory did not suffice: {str(error).splitlines()[0]} Give the container more (containerMemoryGib), "
            "or split the file."
        )
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in text:
        return f"There is no room on the disk for the results or for temporary files: {text}"
    if isinstance(error, FileExistsError | IsADirectoryError | NotADirectoryError | PermissionError):
        return f"The results cannot be written to {error.filename}: {error.strerror}. Name another folder for them."
    return f"The machine refused something: {text}"


def _export(given: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="csvreport export", description="Make report.html from results.")
    parser.add_argument("results", type=Path, help="the folder with summary.json")
    options = parser.parse_args(given)
    try:
        path = export(options.results)
    except NoResults as error:
        print(f"csvreport: {error}", file=sys.stderr)
        return DATA_ERROR
    except OSError as error:
        print(f"csvreport: {options.results} could not be exported. {_reason(error)}", file=sys.stderr)
        return SYSTEM_ERROR
    print(f"Wrote {path.name}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
