"""What the dynamic resources that speak to Azure share: they do it as the principal that the provider signed in as."""

from __future__ import annotations

from typing import Any

from pulumi.dynamic import CheckResult, ConfigureRequest, ResourceProvider
from pulumi.runtime.rpc import UNKNOWN

from infra.deployer.credentials import DeployerSignIn, provider_credential


class SignedInProvider(ResourceProvider):
    """Takes the provider's token out of the inputs, so that neither the state nor a diff ever holds it.

    The class is importable and without state when it is stored, so what Pulumi keeps of it is its name and nothing of
    this machine. One instance lives in the process that carries out an update.
    """

    serialize_as_secret_always = False
    sign_in: DeployerSignIn

    def configure(self, req: ConfigureRequest) -> None:
        """Remember how to sign in where no token is handed over: dynamic providers are told the whole configuration."""
        self.sign_in = new_sign_in(req)

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Take the token aside; a preview may not know it yet."""
        take_token(self.sign_in, news, "token")
        return CheckResult(news, [])


def new_sign_in(req: ConfigureRequest) -> DeployerSignIn:
    """Return a sign-in for one audience, by the settings of the provider."""
    config = req.config
    return DeployerSignIn(lambda: provider_credential(lambda key: config.get(f"azure-native:{key}")))


def take_token(sign_in: DeployerSignIn, news: dict[str, Any], key: str) -> None:
    """Move a token from the inputs to the sign-in that it is for."""
    token = news.pop(key, None)
    if isinstance(token, str) and token != UNKNOWN:
        sign_in.hand_over(token)
