"""Brings an artifact from its storage account to this machine, as the deployer."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from azure.core.credentials import TokenCredential
from azure.storage.blob import BlobClient, BlobSasPermissions, BlobServiceClient, generate_blob_sas

from infra.packages.artifact_cache import cache_is_current, refresh_cache

SAS_MINUTES: Final = 15


def fetch_artifact(
    blob_endpoint: str, container: str, blob_name: str, sha256: str, cache: Path, credential: TokenCredential
) -> Path:
    """Bring an artifact from its account into the cache, unless it is there already, and return the cache.

    ``credential`` is the deployer's for storage, who needs the role Storage Blob Data Reader on the artifact container:
    the blob is read by a signature that Azure makes for the signed-in user, that reads this one blob, and that lives
    for minutes.

    Raises:
        ArchiveError: what came has another SHA-256, or cannot be unpacked.
        azure.core.exceptions.AzureError: the sign-in or the download failed.
    """
    if cache_is_current(cache, sha256):
        return cache
    with tempfile.TemporaryDirectory() as temporary:
        archive = Path(temporary, "artifact.zip")
        with (
            BlobClient.from_blob_url(_signed_url(blob_endpoint, container, blob_name, credential)) as blob,
            archive.open("wb") as file,
        ):
            blob.download_blob().readinto(file)
        refresh_cache(archive, sha256, cache)
    return cache


def _signed_url(blob_endpoint: str, container: str, name: str, credential: TokenCredential) -> str:
    now = datetime.now(UTC)
    start, expiry = now - timedelta(minutes=5), now + timedelta(minutes=SAS_MINUTES)
    with BlobServiceClient(blob_endpoint, credential=credential) as service:
        account = service.account_name
        if account is None:
            raise ValueError(f"The blob endpoint {blob_endpoint!r} names no account.")
        signature = generate_blob_sas(
            account_name=account,
            blob_name=name,
            container_name=container,
            expiry=expiry,
            permission=BlobSasPermissions(read=True),
            protocol="https",
            start=start,
            user_delegation_key=service.get_user_delegation_key(start, expiry),
        )
        return f"{service.get_blob_client(container, name).url}?{signature}"
