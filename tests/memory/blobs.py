"""The Blob service in memory: block blobs with conditions, leases, holds, blocks, tiers and listings.

Source: https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, unquote
from xml.etree import ElementTree

from tests.memory.blob import Blob, shown
from tests.memory.listing import flat, listing
from tests.memory.requests import XML_TYPE, Asked, Refused, Reply, element
from tests.memory.rules import check_blob_name, metadata_of

Dated = Callable[[float], str]
_READS: Final = ("GET", "HEAD")


class Blobs:
    """Containers and their blobs, by their paths ``container/name``."""

    def __init__(self) -> None:
        self.blobs: dict[str, Blob] = {}
        self.containers: set[str] = set()
        # By what the service sorts, and whether it can begin a listing at a name or passes over that it should.
        self.order: Callable[[str], Any] = flat
        self.starts_from = True
        # How often each name was written; deleting a blob does not give an ETag away again.
        self.writes: dict[str, int] = {}
        self._paths: Sequence[str] | None = None
        self._staged: dict[str, dict[str, bytes]] = {}

    def answer(self, asked: Asked, moment: float, dated: Dated) -> Reply:
        """Carry out a request at a moment; raises Refused."""
        container, _, name = asked.path.partition("/")
        if not name:
            return self._of_container(asked, container, dated)
        check_blob_name(name)
        if asked.method == "PUT":
            # What a request says of a blob is wrong before it is asked whether there is a place for one.
            metadata_of(asked)
        self._check_conditions(asked)
        if container not in self.containers:
            raise Refused(404, "ContainerNotFound")
        if asked.method in _READS:
            return self._read(asked, moment, dated)
        if asked.method == "DELETE":
            return self._delete(asked)
        what = asked.parameter("comp")
        if asked.method != "PUT" or what not in (None, "block", "blocklist", "lease"):
            raise Refused(400, "InvalidQueryParameterValue", f"{asked.method} with comp={what} is not served here.")
        if what == "block":
            return self._stage(asked)
        if what == "lease":
            return self._lease(asked, dated)
        if what == "blocklist":
            return self._commit(asked, moment, dated)
        if asked.header("x-ms-copy-source") is not None:
            return self._copy(asked, moment, dated)
        if asked.header("x-ms-blob-type") is None:
            raise Refused(400, "MissingRequiredHeader", "x-ms-blob-type is missing.")
        return self._put(asked, asked.body, (), moment, dated)

    def forget(self, path: str) -> None:
        """Let a blob not be there."""
        if self.blobs.pop(path, None) is not None:
            self._paths = None

    def set(self, path: str, blob: Blob) -> None:
        """Let a blob be there as it is given, with its ETag."""
        if path not in self.blobs:
            self._paths = None
        self.blobs[path] = blob

    def paths(self) -> Sequence[str]:
        """Return all paths in order."""
        if self._paths is None:
            self._paths = sorted(self.blobs, key=self.order)
        return self._paths

    def write(self, path: str, blob: Blob) -> Blob:
        """Let a blob be there with an ETag that it never had."""
        self.writes[path] = self.writes.get(path, 0) + 1
        self._staged.pop(path, None)
        self.set(path, blob._replace(etag=f"0x{self.writes[path]:X}"))
        return self.blobs[path]

    def _of_container(self, asked: Asked, container: str, dated: Dated) -> Reply:
        if asked.method == "PUT" and asked.parameter("comp") is None:
            if container in self.containers:
                raise Refused(409, "ContainerAlreadyExists")
            self.containers.add(container)
            return Reply(201)
        if (asked.method, asked.parameter("comp")) != ("GET", "list"):
            raise Refused(400, "InvalidQueryParameterValue", f"{asked.method} of a container is not served here.")
        if container not in self.containers:
            raise Refused(404, "ContainerNotFound")
        if not self.starts_from:
            asked = asked._replace(query=tuple(each for each in asked.query if each[0] != "startFrom"))
        return Reply(200, (XML_TYPE,), listing(asked, container, self.blobs, self.paths(), dated, self.order))

    def _check_conditions(self, asked: Asked) -> None:
        given = [name for name in ("if-match", "if-none-match") if asked.header(name)]
        if asked.method not in _READS and len(given) > 1:
            raise Refused(400, "MultipleConditionHeadersNotSupported")

    def _meet(self, asked: Asked) -> Blob | None:
        """Return the blob that a request is about; refuse the request where its conditions are not met."""
        blob = self.blobs.get(asked.path)
        match, none = asked.header("if-match"), asked.header("if-none-match")
        if blob is None and match is None and asked.method in (*_READS, "DELETE"):
            raise Refused(404, "BlobNotFound")
        if match is not None and (blob is None or (match != "*" and match.strip('"') != blob.etag)):
            raise Refused(412, "ConditionNotMet")
        if none is not None and blob is not None and (none == "*" or none.strip('"') == blob.etag):
            if asked.method in _READS:
                raise Refused(304, "ConditionNotMet")
            raise Refused(409, "BlobAlreadyExists") if none == "*" else Refused(412, "ConditionNotMet")
        return blob

    def _changed(self, asked: Asked) -> Blob | None:
        """Return the blob that a request changes, if it is there and nothing keeps it from being changed."""
        blob = self._meet(asked)
        _require_free(blob, deletes=asked.method == "DELETE")
        return blob

    def _read(self, asked: Asked, moment: float, dated: Dated) -> Reply:
        blob = self._meet(asked)
        assert blob is not None
        if blob.unreadable is not None:
            raise Refused(*blob.unreadable)
        if asked.parameter("comp") == "tags":
            tags = "".join(f"<Tag>{element('Key', key)}{element('Value', value)}</Tag>" for key, value in blob.tags)
            return Reply(200, (XML_TYPE,), f"<Tags><TagSet>{tags}</TagSet></Tags>".encode())
        status, data = 200, blob.data
        extra: tuple[tuple[str, str], ...] = ()
        wanted = asked.header("x-ms-range") or asked.header("range")
        if asked.method == "GET":
            if blob.archived:
                raise Refused(409, blob.archived)
            if wanted is not None:
                status, data, extra = _ranged(blob.data, wanted)
        headers = (
            ("Date", dated(moment)),
            ("Content-Length", str(len(data))),
            *shown(blob, asked.method, dated),
            *extra,
        )
        return Reply(status, headers, b"" if asked.method == "HEAD" else data)

    def _put(
        self, asked: Asked, data: bytes, blocks: tuple[tuple[str, bytes], ...], moment: float, dated: Dated
    ) -> Reply:
        before = self._changed(asked)
        if asked.parameter("comp") is None and asked.header("if-none-match") == "*" and asked.path in self._staged:
            # Azurite takes a blob of uncommitted blocks for one that is there; of Azure nobody has written.
            raise Refused(409, "BlobAlreadyExists")
        if before is not None and before.kind != "BlockBlob":
            raise Refused(409, "InvalidBlobType")
        snapshots = 0 if before is None else before.snapshots
        blob = Blob("", data, metadata_of(asked), moment, snapshots=snapshots, blocks=blocks)
        return _written(201, self.write(asked.path, blob), dated)

    def _stage(self, asked: Asked) -> Reply:
        block_id = asked.parameter("blockid") or ""
        try:
            size = len(base64.b64decode(block_id, validate=True))
        except ValueError:
            size = 0
        if not 1 <= size <= 64:
            raise Refused(400, "InvalidQueryParameterValue", f"blockid is {block_id!r}.")
        _require_free(self.blobs.get(asked.path))
        staged = self._staged.setdefault(asked.path, {})
        if any(len(base64.b64decode(each)) != size for each in staged):
            raise Refused(400, "InvalidBlobOrBlock", "Blocks of a blob have ids of one length.")
        staged[block_id] = asked.body
        return Reply(201)

    def _commit(self, asked: Asked, moment: float, dated: Dated) -> Reply:
        staged = self._staged.get(asked.path, {})
        there = self.blobs.get(asked.path)
        committed = dict(there.blocks) if there else {}
        blocks: list[tuple[str, bytes]] = []
        for each in ElementTree.fromstring(asked.body):  # noqa: S314 -- of these tests.
            found = {"Latest": committed | staged, "Uncommitted": staged, "Committed": committed}[each.tag]
            if (each.text or "") not in found:
                self._changed(asked)
                raise Refused(400, "InvalidBlockList")
            blocks.append((each.text or "", found[each.text or ""]))
        return self._put(asked, b"".join(data for _, data in blocks), tuple(blocks), moment, dated)

    def _delete(self, asked: Asked) -> Reply:
        staged = self._staged.pop(asked.path, None)
        if staged and asked.path not in self.blobs and asked.header("if-match") is None:
            # What was never committed can be deleted all the same: https://github.com/Azure/azure-storage-node/issues/350
            return Reply(202)
        blob = self._changed(asked)
        assert blob is not None
        if blob.snapshots and asked.header("x-ms-delete-snapshots") is None:
            raise Refused(409, "SnapshotsPresent")
        self.forget(asked.path)
        return Reply(202)

    def _lease(self, asked: Asked, dated: Dated) -> Reply:
        blob = self.blobs.get(asked.path)
        if blob is None:
            raise Refused(404, "BlobNotFound")
        action = asked.header("x-ms-lease-action")
        if action == "acquire" and not blob.locked:
            lease = "infinite" if asked.header("x-ms-lease-duration") == "-1" else "fixed"
            self.blobs[asked.path] = blob._replace(lease=lease)
            said = ("x-ms-lease-id", asked.header("x-ms-proposed-lease-id") or "lease")
            return _written(201, blob, dated, said)
        if action == "break" and blob.lease and asked.header("x-ms-lease-break-period") == "0":
            self.blobs[asked.path] = blob._replace(lease="broken")
            return _written(202, blob, dated, ("x-ms-lease-time", "0"))
        raise Refused(409, "LeaseNotPresentWithLeaseOperation" if action == "break" else "LeaseAlreadyPresent")

    def _copy(self, asked: Asked, moment: float, dated: Dated) -> Reply:
        """Copy a blob onto itself, which is the one copy that is served here."""
        source = unquote((asked.header("x-ms-copy-source") or "").split("?")[0])
        if not source.endswith(f"/{asked.path}"):
            raise Refused(400, "InvalidHeaderValue", f"A copy of {source!r} to {asked.path!r} is not served here.")
        wanted = (asked.header("x-ms-source-if-match") or asked.header("source-if-match") or "").strip('"')
        blob = self._changed(asked)
        if blob is None:
            raise Refused(404, "BlobNotFound")
        if wanted and wanted != blob.etag:
            raise Refused(412, "SourceConditionNotMet")
        tier = asked.header("x-ms-access-tier")
        tags = tuple(parse_qsl(asked.header("x-ms-tags") or ""))
        kept = blob._replace(modified=moment, tags=tags, tier=tier or "Hot", tier_set=tier is not None)
        after = self.write(asked.path, kept)
        return _written(202, after, dated, ("x-ms-copy-id", "copy"), ("x-ms-copy-status", "success"))


def _require_free(blob: Blob | None, *, deletes: bool = False) -> None:
    """Refuse to change a blob that its lease, a hold or its tier keeps as it is; the last lets it be deleted."""
    if blob is None:
        return
    if blob.locked:
        raise Refused(412, "LeaseIdMissing")
    if reason := blob.hold or ("" if deletes else blob.archived):
        raise Refused(409, reason)


def _ranged(data: bytes, wanted: str) -> tuple[int, bytes, tuple[tuple[str, str], ...]]:
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
    if match is None or (match[2] and int(match[1]) > int(match[2])):
        raise Refused(400, "InvalidHeaderValue", f"The range {wanted!r} is none.")
    start, end = int(match[1]), min(int(match[2] or len(data)), len(data) - 1)
    if start >= len(data):
        raise Refused(416, "InvalidRange")
    return 206, data[start : end + 1], (("Content-Range", f"bytes {start}-{end}/{len(data)}"),)


def _written(status: int, blob: Blob, dated: Dated, *more: tuple[str, str]) -> Reply:
    return Reply(status, (("ETag", f'"{blob.etag}"'), ("Last-Modified", dated(blob.modified)), *more))
