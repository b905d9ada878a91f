"""For how many days files may be kept: what the rules of an account count, and that no input outlives its receipt."""

from __future__ import annotations

from typing import Final

# A file may wait for a week until somebody looks after the workers, and a rule counts so many days at most.
# Source: https://learn.microsoft.com/azure/templates/microsoft.storage/storageaccounts/managementpolicies
LONGEST_DAYS: Final = 99_999
SHORTEST_DAYS: Final = 7


def days_problem(days: int) -> str | None:
    """Return what is wrong with a number of days that something is kept, or None."""
    if days == 0 or SHORTEST_DAYS <= days <= LONGEST_DAYS:
        return None
    return f"Allowed: 0 for ever, or {SHORTEST_DAYS} to {LONGEST_DAYS} days."


def retention_problems(input_days: int, result_days: int) -> list[str]:
    """Return what is wrong with two such numbers beside each other.

    An input without a receipt is an input to process, so no receipt may go before its input is gone. A receipt is
    never older than its input, and rules are run once a day.
    """
    if not result_days or 0 < input_days < result_days:
        return []
    kept = f"for {input_days} days" if input_days else "for ever"
    allowed = f"0, or an inputRetentionDays from {SHORTEST_DAYS} to {result_days - 1}"
    return [
        f"resultRetentionDays is {result_days}, but inputs are kept {kept} (inputRetentionDays): an input that "
        "outlives its receipt may be processed again. "
        f"Allowed: {allowed if result_days > SHORTEST_DAYS else '0, or more days'}."
    ]
