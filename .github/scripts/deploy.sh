#!/usr/bin/env bash
# Deploys the stack, and once more where Azure refused for a reason that passes by itself. Needs PULUMI_STACK.
# PAUSE is how many seconds lie between the two.
set -euo pipefail

output=$(mktemp)
trap 'rm --force "$output"' EXIT

deploy() {
    .venv/bin/pulumi up --yes --non-interactive --stack "$PULUMI_STACK" 2>&1 | tee "$output"
}

if deploy; then
    exit 0
fi
# A container group that is being started or stopped takes no change for a while, and the next upload starts it.
passing='ContainerGroupTransitioning'
if ! grep --quiet --fixed-strings "$passing" "$output"; then
    exit 1
fi
echo "::warning::Azure refused the update above with $passing: a container group was being started. Trying once more."
sleep "${PAUSE:-120}"
deploy
