"""What the function and the worker agree on: names, the job message, the receipt, and the events that they log.

This is the only code that both deploy units share. It uses the standard library alone, so that the function's
archive and the image can each carry a copy without carrying the other's dependencies.
"""

from pipeline_app.contract.connection import (
    StorageConnection,
)
from pipeline_app.contract.forms import (
    now,
    plain_etag,
)
from pipeline_app.contract.lifetimes import (
    ARRIVAL_SECONDS,
    least_lifetime,
    least_replica_timeout,
    lifetime_of,
    margin_seconds,
    usable_seconds,
)
from pipeline_app.contract.messages import (
    EVENTS_POISON_QUEUE,
    EVENTS_QUEUE,
    JOBS_POISON_QUEUE,
    JOBS_QUEUE,
    MAX_NATURAL,
    MAX_PEEKED,
    MESSAGE_VERSION,
    NEVER_EXPIRES,
    FileJob,
)
from pipeline_app.contract.names import (
    CANARY_FOLDER,
    LOG_NAME,
    MAX_BLOB_NAME,
    MAX_OUTPUT_DIRECTORY,
    MAX_OUTPUT_SEGMENTS,
    RECEIPT_NAME,
    RESERVED_NAMES,
    STATE_CONTAINER,
    StorageNames,
    is_folder_marker,
    name_problem,
    overlap,
    stored_name,
)
from pipeline_app.contract.reading import (
    ContractError,
    require,
)
from pipeline_app.contract.receipts import (
    EXPORT_PROBLEM,
    LOG_SECONDS_METADATA,
    LOG_STATE_METADATA,
    LOG_WORKING,
    RECEIPT_ETAG_METADATA,
    RECEIPT_STATUS_METADATA,
    InputVersion,
    OutputFile,
    Receipt,
    Status,
)
from pipeline_app.contract.signals import (
    EXIT_REFUSED,
    EXIT_SETTINGS,
)

__all__ = [
    "ARRIVAL_SECONDS",
    "CANARY_FOLDER",
    "EVENTS_POISON_QUEUE",
    "EVENTS_QUEUE",
    "EXIT_REFUSED",
    "EXIT_SETTINGS",
    "EXPORT_PROBLEM",
    "JOBS_POISON_QUEUE",
    "JOBS_QUEUE",
    "LOG_NAME",
    "LOG_SECONDS_METADATA",
    "LOG_STATE_METADATA",
    "LOG_WORKING",
    "MAX_BLOB_NAME",
    "MAX_NATURAL",
    "MAX_OUTPUT_DIRECTORY",
    "MAX_OUTPUT_SEGMENTS",
    "MAX_PEEKED",
    "MESSAGE_VERSION",
    "NEVER_EXPIRES",
    "RECEIPT_ETAG_METADATA",
    "RECEIPT_NAME",
    "RECEIPT_STATUS_METADATA",
    "RESERVED_NAMES",
    "STATE_CONTAINER",
    "ContractError",
    "FileJob",
    "InputVersion",
    "OutputFile",
    "Receipt",
    "Status",
    "StorageConnection",
    "StorageNames",
    "is_folder_marker",
    "least_lifetime",
    "least_replica_timeout",
    "lifetime_of",
    "margin_seconds",
    "name_problem",
    "now",
    "overlap",
    "plain_etag",
    "require",
    "stored_name",
    "usable_seconds",
]
