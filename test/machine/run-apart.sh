#!/usr/bin/env bash
# run-apart.sh COMMAND...: runs a command that leaves nothing behind, however it ends. Its processes and mounts are in
# namespaces of their own, which the kernel ends with it, and its temporary folder is removed then.
set -uo pipefail

APART=(unshare --mount --pid --fork --mount-proc)
if ! "${APART[@]}" true 2>/dev/null; then
  echo "namespaces cannot be made here (not root?): what is interrupted may leave processes and mounts" >&2
  exec "$@"
fi

folder="$(mktemp -d "${TMPDIR:-/tmp}/iso-XXXX")"
# As open to other users as the usual one.
chmod 1777 "$folder"
# Its first process collects those whose parents have ended; it must not become the command itself.
TMPDIR="$folder" setpriv --pdeathsig KILL "${APART[@]}" --kill-child bash -c '"$@"; exit' apart "$@" <&0 &
apart=$!
trap 'kill -KILL "$apart" 2>/dev/null; wait "$apart" 2>/dev/null; rm -rf "$folder"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
wait "$apart"
