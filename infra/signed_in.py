"""What the dynamic resources that speak to Azure share: they do it as the principal that the provider signed in as."""

from __future__ import annotations

from typing import Any

from pulumi.dynamic import CheckResult, ConfigureRequest, ResourceProvider
from pulumi.runtime.rpc import UNKNOWN

from infra.credentials import DeployerSignIn, provider_credential


class SignedInProvider(ResourceProvider):
    """Takes the provider's token out of the inputs, so that neither the state nor a diff ever holds it.

    The class is importable and without state when it is stored, so what Pulumi keeps of it is its name and nothing of
    this machine. One instance lives in the process that carries out an update.
    """

    serialize_as_secret_always = False
    sign_in: DeployerSignIn

    def configure(self, req: ConfigureRequest) -> None:
        """Remember how to sign in where no token is handed over: dynamic providers are told the whole configuration."""
        config = req.config
        self.sign_in = DeployerSignIn(lambda: provider_credential(lambda key: config.get(f"azure-native:{key}")))

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Take the token aside; a preview may not know it yet."""
        token = news.pop("token", None)
        if isinstance(token, str) and token != UNKNOWN:
            self.sign_in.hand_over(token)
        return CheckResult(news, [])
