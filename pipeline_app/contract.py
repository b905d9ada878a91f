"""What the function and the worker agree on: names, the job message and the receipt.

This is the only code that both deploy units share. It uses the standard library alone, so that the function's
archive and the image can each carry a copy without carrying the other's dependencies.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeVar, cast

# What the worker says of a config on the share that it does not run, for whoever tells a person of it.
CONFIG_REFUSED: Final = "is not the one that this stack put there"
# What a deploy puts through the pipeline to see that it works lies below this folder of the input path. It is processed
# like any other input, and counted and reported as none.
CANARY_FOLDER: Final = ".pipeline-canary"
# The Functions host moves what it could not handle to a queue of this name; it cannot be told another.
EVENTS_POISON_QUEUE: Final = "events-poison"
EVENTS_QUEUE: Final = "events"
# The worker's exit codes for a run that would end so again; the function then waits before it starts the next.
EXIT_REFUSED: Final = 3
EXIT_SETTINGS: Final = 2
# What the error of a receipt begins with where the runtime step had gone well.
EXPORT_PROBLEM: Final = "In the export step: "
JOBS_POISON_QUEUE: Final = "jobs-poison"
JOBS_QUEUE: Final = "jobs"
# How tools mark a folder in storage that has none: by metadata, or by how the name of an empty blob ends.
FOLDER_ENDINGS: Final = ("/", "_$folder$")
FOLDER_METADATA: Final = "hdi_isfolder"
LOG_NAME: Final = "run.log"
# The Queue service shows no more messages than these without taking them.
MAX_PEEKED: Final = 32
MESSAGE_VERSION: Final = 1
# The Queue service deletes a message after 7 days, unless its time to live says this.
NEVER_EXPIRES: Final = -1
RECEIPT_NAME: Final = "receipt.json"
RESERVED_NAMES: Final = frozenset({LOG_NAME, RECEIPT_NAME})
# What the sweep remembers from run to run lies apart from the files, where nobody takes it for a result.
STATE_CONTAINER: Final = "pipeline-state"

# Azure refuses a blob name of more than 1,024 characters, or of more than 254 parts between slashes, so the output
# folder leaves room for "/receipt.json".
MAX_BLOB_NAME: Final = 1024
MAX_SEGMENTS: Final = 254
MAX_OUTPUT_DIRECTORY: Final = MAX_BLOB_NAME - len(f"/{RECEIPT_NAME}")
MAX_OUTPUT_SEGMENTS: Final = MAX_SEGMENTS - 1
# No counter and no size comes near this, and what is larger would not pass through every reader of JSON.
MAX_NATURAL: Final = 2**63 - 1

# The receipt's blob metadata name the input version, so that a HEAD or a listing answers "is this version done?".
RECEIPT_ETAG_METADATA: Final = "input_etag"
RECEIPT_STATUS_METADATA: Final = "status"

# While an application runs for longer than a moment, the log's blob metadata say so, and for how many seconds since
# its last change this is to be believed. A duplicate of the job and the sweep then leave the file alone.
LOG_SECONDS_METADATA: Final = "claim_seconds"
LOG_STATE_METADATA: Final = "state"
LOG_WORKING: Final = "working"

# Azure refuses control characters; surrogates and two non-characters can be neither in a URL nor in a listing.
_NEVER: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
# Of further control characters, private use and non-characters one document says that they are refused, another that
# they are not, and reports that some are: a name that is made here has none, a blob that has some is taken as it is.
_UNSURE: Final = re.compile(
    "[\x80-\x9f\ue000-\uf8ff\ufdd0-\ufdef"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0x10000, 0x110000, 0x10000))
    + "]"
)
_HASHED: Final = re.compile("~[0-9a-f]{64}$")
# The types of fields by what the classes below write; what is not here is looked at on its own.
_KINDS: Final[Mapping[str, Any]] = {"int": int, "int | None": int | None, "str": str, "str | None": str | None}
_SHOWN: Final = 200

T = TypeVar("T")
Status = Literal["failed", "succeeded"]


class ContractError(ValueError):
    """A message, receipt or setting that does not follow the contract; the text says what is wrong and the fix."""


@dataclass(frozen=True, kw_only=True)
class StorageNames:
    """Where inputs and outputs live: a container and two paths in it, without slashes at either end."""

    container: str
    input_path: str
    output_path: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> StorageNames:
        """Read ``APP_STORAGE_CONTAINER``, ``APP_STORAGE_INPUT_PATH`` and ``APP_STORAGE_OUTPUT_PATH``.

        Raises:
            ContractError: a setting is missing or empty, or one path contains the other.
        """
        names = cls(
            container=require(environment, "APP_STORAGE_CONTAINER"),
            input_path=require(environment, "APP_STORAGE_INPUT_PATH").strip("/"),
            output_path=require(environment, "APP_STORAGE_OUTPUT_PATH").strip("/"),
        )
        if overlap(names.input_path, names.output_path):
            raise ContractError(
                f"APP_STORAGE_INPUT_PATH is {names.input_path!r} and APP_STORAGE_OUTPUT_PATH is {names.output_path!r}: "
                "results would count as inputs. Choose two paths of which neither contains the other."
            )
        for setting, path in (("INPUT", names.input_path), ("OUTPUT", names.output_path)):
            if (problem := name_problem(path)) is not None:
                raise ContractError(f"APP_STORAGE_{setting}_PATH cannot be used: {problem} Choose another path.")
        return names

    @property
    def canary_path(self) -> str:
        """The folder (no slash at its end) of the inputs that only prove a deploy."""
        return f"{self.input_path}/{CANARY_FOLDER}"

    def is_canary(self, blob_name: str) -> bool:
        """Tell whether an input of this name only proves a deploy, so that nobody counts or reports it."""
        return blob_name.startswith(f"{self.canary_path}/")

    def is_input(self, blob_name: str) -> bool:
        """Tell whether a blob of this name is an input of the pipeline."""
        return self.refusal(blob_name) is None

    def refusal(self, blob_name: str) -> str | None:
        """Return why a blob of this name is no input of the pipeline, in a sentence, or None if it is one."""
        if not blob_name.startswith(f"{self.input_path}/") or len(blob_name) == len(self.input_path) + 1:
            return f"{_shown(blob_name)} is not below the input path {self.input_path!r}."
        return name_problem(blob_name, exists=True)

    def output_directory(self, input_name: str) -> str:
        """Return the folder (no slash at its end) that holds the results, log and receipt of an input.

        ``incoming/a/b.csv`` gives ``outgoing/a/b.csv``. A name too long for Azure, or of too many parts, keeps its
        beginning and ends in its SHA-256, so that two inputs never share a folder.

        Raises:
            ContractError: the name is not an input.
        """
        if (reason := self.refusal(input_name)) is not None:
            raise ContractError(reason)
        directory = f"{self.output_path}/{input_name[len(self.input_path) + 1 :]}"
        length, segments = _length(directory), directory.count("/") + 1
        if length <= MAX_OUTPUT_DIRECTORY and segments <= MAX_OUTPUT_SEGMENTS:
            # A name at a limit that ends like a hashed one is hashed as well, or it could take the other's folder.
            at_limit = length >= MAX_OUTPUT_DIRECTORY - 1 or segments == MAX_OUTPUT_SEGMENTS
            if not (at_limit and _HASHED.search(directory)):
                return directory
        ending = f"~{hashlib.sha256(input_name.encode()).hexdigest()}"
        beginning = "/".join(directory.split("/")[:MAX_OUTPUT_SEGMENTS]).encode("utf-16-le")
        # The cut may go through a pair of surrogates.
        return beginning[: 2 * (MAX_OUTPUT_DIRECTORY - len(ending))].decode("utf-16-le", "ignore") + ending

    def receipt_name(self, input_name: str) -> str:
        """Return the blob name of an input's receipt."""
        return f"{self.output_directory(input_name)}/{RECEIPT_NAME}"

    def log_name(self, input_name: str) -> str:
        """Return the blob name of an input's log."""
        return f"{self.output_directory(input_name)}/{LOG_NAME}"


@dataclass(frozen=True, kw_only=True)
class StorageConnection:
    """How to reach the application storage account: a connection string, or endpoints and an identity.

    The settings follow the identity-based connections of Azure Functions: either ``APP_STORAGE_CONNECTION`` is a
    connection string, or ``APP_STORAGE_CONNECTION__blobServiceUri``, ``__queueServiceUri`` and ``__clientId`` name
    the endpoints and the user-assigned identity.
    """

    connection_string: str | None = None
    blob_service_uri: str | None = None
    queue_service_uri: str | None = None
    client_id: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> StorageConnection:
        """Read ``APP_STORAGE_CONNECTION`` in either form.

        Raises:
            ContractError: neither form is complete.
        """
        name = "APP_STORAGE_CONNECTION"
        if connection_string := environment.get(name, ""):
            return cls(connection_string=connection_string)
        suffixes = ("__blobServiceUri", "__queueServiceUri", "__clientId")
        missing = [name + suffix for suffix in suffixes if not environment.get(name + suffix)]
        if missing:
            raise ContractError(
                f"{name} is not set and neither is {', '.join(missing)}. Set {name} to a connection string, or all of "
                f"{', '.join(name + suffix for suffix in suffixes)} for an identity-based connection."
            )
        blob, queue, client_id = (environment[name + suffix] for suffix in suffixes)
        return cls(blob_service_uri=blob, queue_service_uri=queue, client_id=client_id)


@dataclass(frozen=True, kw_only=True)
class FileJob:
    """One message of the queue ``jobs``: look at this input and see that its newest version has a receipt.

    Attributes:
        name: the input's blob name, such as ``incoming/a/b.csv``.
        etag: the version that raised the event, without quotes; advisory, since the worker always takes the newest.
        size: bytes of that version.
        event_id: the Event Grid event, or ``sweep-…`` where a sweep found the input.
        queued_at: when the job was put on the queue, RFC 3339 UTC.
        given_back: how many claims ended without being an attempt (the worker was told to stop).
        failed: how many claims ended as an attempt, by a worker that lived to say so.
        isolated: how many claims a worker began that had nothing else in hand, and did not give back: it was lost, or
            is at it now. Workers of older releases know neither of the last two and drop them as they give it back.
    """

    name: str
    etag: str
    size: int
    event_id: str
    queued_at: str
    given_back: int = 0
    failed: int = 0
    isolated: int = 0

    def encode(self) -> str:
        """Return the message as JSON in ASCII, which is safe in the XML of the Queue service."""
        return json.dumps({"version": MESSAGE_VERSION, **asdict(self)}, sort_keys=True)

    @classmethod
    def decode(cls, text: str) -> FileJob:
        """Read a message; unknown fields are ignored, unknown versions refused.

        Raises:
            ContractError: the text is no job of a version known here.
        """
        message = _json_object(text, "the job message")
        version = message.get("version")
        if version != MESSAGE_VERSION or isinstance(version, bool):
            raise ContractError(f"The job message has version {_shown(version)}; this release reads {MESSAGE_VERSION}.")
        return cls(
            name=_field(message, "name", str, "the job message"),
            etag=_field(message, "etag", str, "the job message"),
            size=_natural(message, "size"),
            event_id=_field(message, "event_id", str, "the job message"),
            queued_at=_field(message, "queued_at", str, "the job message"),
            **{name: _natural(message, name) for name in ("given_back", "failed", "isolated") if name in message},
        )


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
        record = _json_object(text, what)
        try:
            version = InputVersion(**_known(record["input"], InputVersion, f"'input' of {what}"))
            outputs = tuple(
                OutputFile(**_known(each, OutputFile, f"'outputs' of {what}")) for each in record["outputs"]
            )
            receipt = cls(**_known(record, cls, what) | {"input": version, "outputs": outputs})
        except (KeyError, TypeError) as error:
            raise ContractError(f"{what.capitalize()} is incomplete: {error}.") from error
        if receipt.status not in ("failed", "succeeded"):
            raise ContractError(f"The receipt has status {_shown(receipt.status)}; it must be 'failed' or 'succeeded'.")
        return receipt


def is_folder_marker(name: str, size: int, metadata: Mapping[str, str] | None = None) -> bool:
    """Tell whether a blob stands for a folder, and is no file that somebody wants processed.

    Such a blob has no bytes, and either a name that ends in a slash or in ``_$folder$``, or metadata that say so, whose
    names keep no case on their way. Any other empty blob is an empty file.

    Args:
        name: the blob's name.
        size: in bytes.
        metadata: where they are known.

    Sources: https://github.com/Azure/azure-storage-fuse/issues/1223, https://github.com/nextflow-io/nextflow/pull/6428,
    https://github.com/run-ai/runai-model-streamer/pull/149,
    https://hadoop.apache.org/docs/stable/hadoop-azure/index.html
    """
    if size != 0:
        return False
    said = {key.lower(): value for key, value in (metadata or {}).items()}
    return name.endswith(FOLDER_ENDINGS) or said.get(FOLDER_METADATA, "").strip().lower() == "true"


def name_problem(name: str, *, exists: bool = False) -> str | None:
    """Return why the service has no blob of this name, in a sentence, or None.

    A request for such a name would be refused, or would reach another blob. The service and HTTP clients take ``.``
    and ``..`` between slashes for steps in a path, however they are encoded; the service takes a backslash for a slash
    and cuts dots off at the end of every part between slashes. Length counts as the service counts, in UTF-16.

    Args:
        name: the whole name, without the container's.
        exists: the name is, or begins with, one of a blob that is there, so characters that documents disagree about
            are not held against it.

    Sources: https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata,
    https://github.com/Azure/azure-sdk-for-java/issues/36674, https://github.com/Azure/azure-sdk-for-js/pull/5405,
    https://github.com/Azure/azure-sdk-for-rust/issues/5275, https://github.com/Azure/azure-storage-node/issues/385
    """
    parts = name.split("/")
    reason = None
    if (length := _length(name)) > MAX_BLOB_NAME:
        reason = f"it has {length} characters, more than {MAX_BLOB_NAME}"
    elif match := _NEVER.search(name) or (None if exists else _UNSURE.search(name)):
        reason = f"it has the character {match[0]!a}, which Azure takes in no name"
    elif "\\" in name:
        reason = "it has a backslash, which the service takes for a slash"
    elif not {".", ".."}.isdisjoint(parts):
        reason = "it has '.' or '..' between slashes, which a URL takes for a step in a path"
    elif any(part.endswith(".") for part in parts):
        reason = "it has a part that ends in a dot, which the service cuts off"
    elif len(parts) > MAX_SEGMENTS:
        reason = f"it has {len(parts)} parts between slashes, more than {MAX_SEGMENTS}"
    return None if reason is None else f"{_shown(name)} is not a name that a blob can have: {reason}."


def now() -> str:
    """Return the present moment as RFC 3339 UTC with milliseconds, such as ``2026-01-31T12:00:00.000Z``."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def overlap(one: str, other: str) -> bool:
    """Tell whether one path is the other or lies inside it."""
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def plain_etag(etag: str) -> str:
    """Return an ETag without quotes; Event Grid and the Blob service write them differently."""
    return etag.strip().strip('"')


def require(environment: Mapping[str, str], name: str) -> str:
    """Return a setting that must be there.

    Raises:
        ContractError: the setting is missing or empty.
    """
    value = environment.get(name, "").strip()
    if not value:
        raise ContractError(f"The setting {name} is missing or empty. Set it in the environment.")
    return value


def stored_name(name: str) -> str:
    """Return the name that the service gives a blob which was asked for by this name, as an event may still say it.

    A part of nothing but dots stays as it is, and ``name_problem`` refuses it: it would be a step in a path.
    """
    parts = name.replace("\\", "/").split("/")
    return "/".join(part.rstrip(".") or part for part in parts)


def _field(record: Mapping[str, Any], name: str, kind: type[T], what: str) -> T:
    value = record.get(name)
    if not isinstance(value, kind):
        raise ContractError(f"Field {name!r} of {what} is {_shown(value)}; it must be of type {kind.__name__}.")
    return value


def _json_object(text: str, what: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (RecursionError, ValueError) as error:
        raise ContractError(f"{what.capitalize()} is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise ContractError(f"{what.capitalize()} is a JSON {type(value).__name__}; it must be an object.")
    return cast("dict[str, Any]", value)


def _known(record: object, kind: type[Any], what: str) -> dict[str, Any]:
    """Return the fields of a record that are known, each of the type that the class says."""
    if not isinstance(record, dict):
        raise ContractError(f"{what.capitalize()} is {_shown(record)}; it must be an object.")
    known = {}
    for field in fields(kind):
        if field.name not in record:
            continue
        value = known[field.name] = record[field.name]
        expected = _KINDS.get(str(field.type))
        if expected is not None and (not isinstance(value, expected) or isinstance(value, bool)):
            raise ContractError(f"Field {field.name!r} of {what} is {_shown(value)}; it must be of type {field.type}.")
    return known


def _length(text: str) -> int:
    """Return the length in UTF-16, as the service counts; outside the basic plane a character has two units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _natural(record: Mapping[str, Any], name: str) -> int:
    value = _field(record, name, int, "the job message")
    if isinstance(value, bool) or not 0 <= value <= MAX_NATURAL:
        raise ContractError(f"Field {name!r} of the job message is {_shown(value)}; it must be 0 to {MAX_NATURAL}.")
    return value


def _shown(value: object) -> str:
    """Return a value for an error: on one line, in ASCII, and short whatever was sent."""
    text = ascii(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
