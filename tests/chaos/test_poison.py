"""A short form of the poison in ``make chaos``."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.poison import MIB, Dose, poisons, run


def test_each_kind_of_poison_ends_in_its_receipt_and_harms_no_other_file(
    connection_string: str, tmp_path: Path
) -> None:
    dose = Dose(attempts=1, children=10, disk_bytes=64 * MIB, files=12_000, output_bytes=32 * MIB, timeout_seconds=30)
    results = run(connection_string, tmp_path, print, dose)
    assert {result.kind: result.problem for result in results} == {poison.kind: None for poison in poisons(dose)}
    # Measuring nothing would find nothing.
    assert all(result.worker_bytes > 10 * MIB for result in results)
    assert max(result.scratch_bytes for result in results) > 32 * MIB
