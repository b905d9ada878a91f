"""The address of a blob with a signature for a reader who has no role on its account."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from urllib.parse import unquote, urlsplit

from azure.storage.blob import BlobSasPermissions, generate_blob_sas

SAS_MINUTES: Final = 30


def signed_url(blob_url: str, account_key: str, now: datetime) -> str:
    """Return the blob's address with a signature that reads it for half an hour and does nothing else."""
    parts = urlsplit(blob_url)
    container, blob = unquote(parts.path).lstrip("/").split("/", 1)
    signature = generate_blob_sas(
        account_key=account_key,
        account_name=parts.netloc.split(".", 1)[0],
        blob_name=blob,
        container_name=container,
        expiry=now + timedelta(minutes=SAS_MINUTES),
        permission=BlobSasPermissions(read=True),
        protocol="https",
        # The clocks of two services differ by a little.
        start=now - timedelta(minutes=5),
    )
    return f"{blob_url}?{signature}"
