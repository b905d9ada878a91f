"""The executions of a Container Apps job through Azure Resource Manager."""

from __future__ import annotations

from typing import Any, Final

from azure.core import PipelineClient
from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.pipeline.policies import BearerTokenCredentialPolicy, UserAgentPolicy
from azure.core.rest import HttpRequest, HttpResponse

from pipeline_function.runners import CONNECT_SECONDS, READ_SECONDS, RunnersUnavailable

# Source: https://github.com/Azure/azure-rest-api-specs,
# specification/app/resource-manager/Microsoft.App/ContainerApps/stable/2024-03-01/Jobs.json
JOBS_VERSION: Final = "2024-03-01"
# One that is being started is Processing; all other states are ends of an execution, or of nobody's knowing.
AT_WORK: Final = frozenset({"processing", "running"})


class AzureExecutions:
    """The executions of a job through Azure Resource Manager."""

    def __init__(self, arm_endpoint: str, job_id: str, credential: TokenCredential) -> None:
        self._first = f"{arm_endpoint}{job_id}/executions?api-version={JOBS_VERSION}"
        self._job_id = job_id
        scope = f"{arm_endpoint}/.default"
        self._client: PipelineClient[HttpRequest, HttpResponse] = PipelineClient(
            arm_endpoint, policies=[UserAgentPolicy(), BearerTokenCredentialPolicy(credential, scope)]
        )

    def at_work(self) -> int:
        """Count the executions that run or are about to."""
        found, page = 0, self._first
        while page:
            answer = self._page(page)
            for execution in answer.get("value", ()):
                found += str(execution["properties"].get("status")).lower() in AT_WORK
            page = answer.get("nextLink") or ""
        return found

    def _page(self, url: str) -> dict[str, Any]:
        try:
            request = HttpRequest("GET", url)
            answer = self._client.send_request(request, connection_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS)
            answer.raise_for_status()
            return dict(answer.json())
        except AzureError as error:
            status = f"HTTP {error.status_code}: " if isinstance(error, HttpResponseError) and error.status_code else ""
            raise RunnersUnavailable(
                f"Could not list the executions of {self._job_id} ({status}{str(error).strip()})."
            ) from error
