"""What blobs are called: inputs, and their results, logs and receipts; and which names the service has at all."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pipeline_app.contract.reading import ContractError, require, shown

# What a deploy puts through the pipeline to see that it works lies below this folder of the input path. It is processed
# like any other input, and counted and reported as none.
CANARY_FOLDER: Final = ".pipeline-canary"
# How tools mark a folder in storage that has none: by metadata, or by how the name of an empty blob ends.
FOLDER_ENDINGS: Final = ("/", "_$folder$")
FOLDER_METADATA: Final = "hdi_isfolder"
LOG_NAME: Final = "run.log"
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
            return f"{shown(blob_name)} is not below the input path {self.input_path!r}."
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
    return None if reason is None else f"{shown(name)} is not a name that a blob can have: {reason}."


def overlap(one: str, other: str) -> bool:
    """Tell whether one path is the other or lies inside it."""
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def stored_name(name: str) -> str:
    """Return the name that the service gives a blob which was asked for by this name, as an event may still say it.

    A part of nothing but dots stays as it is, and ``name_problem`` refuses it: it would be a step in a path.
    """
    parts = name.replace("\\", "/").split("/")
    return "/".join(part.rstrip(".") or part for part in parts)


def _length(text: str) -> int:
    """Return the length in UTF-16, as the service counts; outside the basic plane a character has two units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
