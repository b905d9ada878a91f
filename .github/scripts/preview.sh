#!/usr/bin/env bash
# Previews the stack and keeps one comment on the pull request up to date with what would change.
# Needs PULUMI_STACK, PULL_REQUEST, and GH_TOKEN with the permission pull-requests: write.
set -euo pipefail

output=$(mktemp)
status=0
.venv/bin/pulumi preview --non-interactive --color never --diff --stack "$PULUMI_STACK" >"$output" 2>&1 || status=$?
cat "$output"

# A comment holds 65,536 characters, and what matters most, the summary or the error, stands at the end.
limit=60000
{
    echo "### Preview of \`$PULUMI_STACK\`"
    if [ "$status" -ne 0 ]; then
        echo "**The preview failed.**"
    fi
    if [ "$(wc -c <"$output")" -gt "$limit" ]; then
        echo "The beginning is left out; the job's log has all of it."
    fi
    printf '\n~~~~diff\n'
    # The cut may go through a character.
    tail -c "$limit" "$output" | iconv --from-code utf-8 --to-code utf-8 -c
    printf '\n~~~~\n'
} >"$output.md"
gh pr comment "$PULL_REQUEST" --edit-last --create-if-none --body-file "$output.md"
exit "$status"
