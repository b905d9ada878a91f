"""The receipt of an input's version, and what the metadata of receipts and logs say without their being read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Final, Literal

from pipeline_app.contract.reading import ContractError, json_object, known, shown

# What the error of a receipt begins with where the runtime step had gone well.
EXPORT_PROBLEM: Final = "In the export step: "

# The receipt's blob metadata name the input version, so that a HEAD or a listing answers "is this version done?".
RECEIPT_ETAG_METADATA: Final = "input_etag"
RECEIPT_STATUS_METADATA: Final = "status"

# While an application runs for longer than a moment, the log's blob metadata say so, and for how many seconds since
# its last change this is to be believed. A duplicate of the job and the sweep then leave the file alone.
LOG_SECONDS_METADATA: Final = "claim_seconds"
LOG_STATE_METADATA: Final = "state"
LOG_WORKING: Final = "working"

Status = Literal["failed", "succeeded"]


@dataclass(frozen=True, kw_only=True)
class InputVersion:
    """The version of the input that a receipt speaks of; ``size`` in bytes, ``sha256`` null if never downloaded."""

    name: str
    etag: str
    size: int
    sha256: str | None


@dataclass(frozen=True, kw_only=True)
class OutputFile:
    """One result file: its blob name, size in bytes and SHA-256 in hex."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """The terminal record of one version of one input; it is written last, so seeing it means seeing the results.

    Times are RFC 3339 UTC. ``error`` is a sentence and ``log_tail`` the end of the log, both null on success.
    ``warning`` is a sentence about a success that is hardly meant, or None. ``confined`` says whether the application
    was kept from other files and the worker; None where none ran.
    """

    status: Status
    input: InputVersion
    outputs: tuple[OutputFile, ...]
    image: str
    release: str
    config_sha256: str
    attempt: int
    event_id: str
    queued_at: str
    started_at: str
    finished_at: str
    exit_code: int | None
    error: str | None
    log_tail: str | None = None
    warning: str | None = None
    confined: bool | None = None

    def encode(self) -> str:
        """Return the receipt as indented JSON; what is None and came later than the others is left out."""
        record = asdict(self)
        for name in ("confined", "warning"):
            if record[name] is None:
                del record[name]
        return json.dumps(record, indent=2) + "\n"

    @classmethod
    def decode(cls, text: str) -> Receipt:
        """Read a receipt; unknown fields are ignored.

        Raises:
            ContractError: the text is no receipt.
        """
        what = "the receipt"
        record = json_object(text, what)
        try:
            version = InputVersion(**known(record["input"], InputVersion, f"'input' of {what}"))
            outputs = tuple(OutputFile(**known(each, OutputFile, f"'outputs' of {what}")) for each in record["outputs"])
            receipt = cls(**known(record, cls, what) | {"input": version, "outputs": outputs})
        except (KeyError, TypeError) as error:
            raise ContractError(f"{what.capitalize()} is incomplete: {error}.") from error
        if receipt.status not in ("failed", "succeeded"):
            raise ContractError(f"The receipt has status {shown(receipt.status)}; it must be 'failed' or 'succeeded'.")
        return receipt
