"""A token of the azure-native provider's own, for what signs in beside it."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import authorization


def provider_token(
    parent: pulumi.Resource, *, after: pulumi.Resource, endpoint: str | None = None
) -> pulumi.Output[str]:
    """Return a token of the principal that the provider signs in as.

    It is asked for when its turn comes, not at the program's start: an image may build for longer than a token lives.

    Args:
        parent: whose provider is asked.
        after: what has to be there first; until it is, the token is unknown and nobody is asked.
        endpoint: what the token is for; None is Azure Resource Manager.
    """
    options = pulumi.InvokeOutputOptions(depends_on=[after], parent=parent)
    return authorization.get_client_token_output(endpoint=endpoint, opts=options).token
