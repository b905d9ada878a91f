"""The listings of inputs and of outputs, a page at a time, behind the protocol of the sweep."""

from __future__ import annotations

import logging
from collections.abc import Container
from dataclasses import replace
from datetime import datetime
from typing import Final

from pipeline_app.contract import StorageNames
from pipeline_app.contract.audit import OutputPage, is_before
from pipeline_app.contract.log_lines import Log, tell
from pipeline_app.rest import pages
from pipeline_app.rest.endpoint import Endpoint, StorageError
from pipeline_app.rest.exchange import Answer
from pipeline_function.services import InputBlob, InputPage, fingerprint

LOGGER = logging.getLogger(__name__)

BAD_REQUEST: Final = 400
INPUTS_PER_PAGE: Final = pages.MOST


class Listings:
    """Both listings of one account; safe to use from several threads."""

    def __init__(self, blobs: Endpoint, names: StorageNames) -> None:
        self._blobs = blobs
        self._names = names
        # Until it is seen that the service passes over where a listing is to begin, as emulators do.
        self._starts_from = True

    def inputs(self, token: str | None, start: str | None, since: datetime | None, known: Container[str]) -> InputPage:
        """List a page of the blobs below the input path, as ``services.Storage`` says."""
        # A token is only good for the container that gave it, which may have been restored or made anew; and a service
        # of an earlier version may refuse to begin at a name.
        asked = (token, start)
        for place in dict.fromkeys([asked, (None, start), (None, None)]):
            try:
                answer = self._page(*place)
            except StorageError as error:
                if place == (None, None) or error.status != BAD_REQUEST:
                    raise
                said = f"The listing of inputs begins anew, since the service does not go on where it was: {error}"
                tell(LOGGER, Log(text=said), logging.WARNING)
            else:
                break
        page = self._read(answer, since, known)
        passed = place[0] is None and start is not None and page.first != "" and is_before(page.first, start)
        return replace(page, anew=place != asked, starts=place[1] == start and not passed)

    def receipts(self, start: str) -> OutputPage | None:
        """List a page of the outputs from a name on, or return None where the service cannot begin there."""
        if not self._starts_from:
            return None
        prefix, container = f"{self._names.output_path}/", self._names.container
        try:
            page = pages.receipts(pages.fetch_page(self._blobs, container, prefix, metadata=True, start=start))
        except StorageError as error:
            if error.status != BAD_REQUEST:
                raise
            self._starts_from = False
            return None
        if page.first and is_before(page.first, start):
            self._starts_from = False
            return None
        return OutputPage(page.receipts, page.last if page.marker else None)

    def _page(self, token: str | None, start: str | None) -> Answer:
        prefix, container = f"{self._names.input_path}/", self._names.container
        return pages.fetch_page(
            self._blobs, container, prefix, marker=token or "", most=INPUTS_PER_PAGE, start=start or ""
        )

    def _read(self, answer: Answer, since: datetime | None, known: Container[str]) -> InputPage:
        def is_known(etag: str, name: str) -> bool:
            return fingerprint(etag, name) in known

        page = pages.changed_blobs(answer, since, is_known if known else None)
        blobs = [
            InputBlob(etag=blob.etag, modified=blob.modified, name=blob.name, size=blob.size) for blob in page.blobs
        ]
        return InputPage(blobs=blobs, first=page.first, last=page.last, next=page.marker or None)
