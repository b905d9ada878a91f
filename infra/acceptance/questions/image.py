"""What the image that was pushed looks like in the registry, and whether Container Instances pulls it."""

from __future__ import annotations

from typing import Any

from infra.acceptance.asking import NotAnswered, Question, Seen
from infra.acceptance.groups import Wanted, image_is_own, probe_group
from infra.acceptance.site import Site
from infra.settings.clouds import REGISTRY_AUDIENCE

# Source: https://github.com/opencontainers/image-spec/blob/main/media-types.md and
# https://distribution.github.io/distribution/spec/manifest-v2-2/
KNOWN = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
)


def _ask(site: Site) -> Seen:
    if not image_is_own(site):
        raise NotAnswered("The image comes from another registry (imageReference), so nothing was pushed.")
    manifest = _manifest(site)
    media_type = str(manifest.get("mediaType") or "none")
    children = [
        {"media_type": each.get("mediaType"), "platform": _platform(each)} for each in manifest.get("manifests") or []
    ]
    with probe_group(site, "acceptance-pull", Wanted(arguments=["0"], probe="end")) as group:
        state = group.wait_ended()
        failures = [str(each.get("message")) for each in group.events() if "Fail" in str(each.get("name"))]
    pulled = state == "Succeeded"
    parts = f" of {', '.join(each['platform'] for each in children)}" if children else ""
    return Seen(
        advice=(
            "Container Instances does not run what this Docker engine pushes. Build without attestations "
            "(BUILDX_NO_DEFAULT_ATTESTATIONS=1), or deploy an image by imageReference."
        ),
        as_expected=pulled and media_type in KNOWN,
        details={"children": children, "failures": failures, "media_type": media_type, "state": state},
        text=(
            f"The manifest is {media_type}{parts}; a group "
            f"{'pulled and ran it' if pulled else f'ended as {state}: ' + ' '.join(failures)}."
        ),
    )


def _manifest(site: Site) -> dict[str, Any]:
    """Return the image's manifest as the registry has it, signed in as whoever deployed."""
    server, _, path = site.output("imageReference").partition("/")
    repository, _, digest = path.partition("@")
    # Source: https://azure.github.io/acr/AAD-OAuth.html
    exchange = site.azure.form(
        f"https://{server}/oauth2/exchange",
        {"access_token": site.azure.token(REGISTRY_AUDIENCE), "grant_type": "access_token", "service": server},
    ).value("The registry's sign-in")
    access = site.azure.form(
        f"https://{server}/oauth2/token",
        {
            "grant_type": "refresh_token",
            "refresh_token": str(exchange["refresh_token"]),
            "scope": f"repository:{repository}:pull",
            "service": server,
        },
    ).value("The registry's token")
    return site.azure.get(
        f"https://{server}/v2/{repository}/manifests/{digest}",
        {"Accept": ", ".join(KNOWN), "Authorization": f"Bearer {access['access_token']}"},
    ).value("The image's manifest")


def _platform(manifest: dict[str, Any]) -> str:
    platform = manifest.get("platform") or {}
    return f"{platform.get('os', 'unknown')}/{platform.get('architecture', 'unknown')}"


QUESTION = Question(
    ask=_ask,
    container_minutes=2,
    expected="A Docker or OCI manifest or index, which Container Instances pulls and runs.",
    limit_minutes=15,
    minutes=2,
    name="docker-manifests",
    source="https://docs.docker.com/build/metadata/attestations/ (an index with an attestation of platform "
    "unknown/unknown); that Container Instances takes it is inferred",
    text="Which media types has the image that this machine's Docker engine pushed, and is it pulled?",
)
