"""What somebody may do by the role assignments that the stack declares for them."""

from __future__ import annotations

from infra.components.stack_roles import LOOK_AT_EXECUTIONS, PROCESS_FILES, RUN_GROUPS, TAKE_MESSAGES
from infra.local.services.built_in_roles import BUILT_IN, Permissions
from tests.engine.standin.roles import Wanted, allows
from tests.infra.recording import FROM_OUTPUT, Registered, Run

OWN = {
    f"roles-{name}": role
    for name, role in (
        ("look-at-executions", LOOK_AT_EXECUTIONS),
        ("process-files", PROCESS_FILES),
        ("run-groups", RUN_GROUPS),
        ("take-messages", TAKE_MESSAGES),
    )
}


class Rights:
    """What somebody may do by the assignments that the stack declares for them."""

    def __init__(self, program: Run, prefix: str) -> None:
        self._parents = {each.id: parent for each in program.resources if (parent := _parent(program, each))}
        self._grants = [
            (each.inputs["scope"], permissions(each), each.inputs.get("condition"))
            for each in program.all("authorization:RoleAssignment")
            if each.name.startswith(prefix)
        ]
        assert self._grants

    def may(self, action: str, on: str, *, path: str | None = None, prefix: str | None = None) -> bool:
        """Tell whether an action is allowed on a resource, by its id, or on what it is in."""
        above = [on]
        while above[-1] in self._parents:
            above.append(self._parents[above[-1]])
        return any(
            scope in above and allows(role, condition, Wanted(action=action, path=path, prefix=prefix, scope=on))
            for scope, role, condition in self._grants
        )


def permissions(assignment: Registered) -> Permissions:
    """Return what the role of an assignment allows."""
    role = assignment.inputs["roleDefinitionId"].rpartition("/")[2]
    if not role.startswith(FROM_OUTPUT):
        return BUILT_IN[role]
    own = OWN[role[1:]]
    return Permissions(actions=own.actions, data_actions=own.data_actions)


def _parent(program: Run, resource: Registered) -> str | None:
    """Return the id of what a resource is in: its account, or else the resource group."""
    group = program.one("resources:ResourceGroup").id
    account = resource.inputs.get("accountName")
    if account and not resource.token.endswith(":StorageAccount"):
        return program.one("storage:StorageAccount", account.removeprefix(FROM_OUTPUT)).id
    return group if resource.id != group else None
