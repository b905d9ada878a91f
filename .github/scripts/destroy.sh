#!/usr/bin/env bash
# Destroys the stack, once its name was typed. Needs PULUMI_STACK and CONFIRM.
set -euo pipefail

if [ "$CONFIRM" != "$PULUMI_STACK" ]; then
    echo "'$CONFIRM' was typed, but the stack is called '$PULUMI_STACK'. Nothing was destroyed; type that name." >&2
    exit 1
fi
.venv/bin/pulumi destroy --yes --non-interactive --stack "$PULUMI_STACK"
