#!/usr/bin/env bash
# Deletes the data folder of `make up` after asking. Refuses while a server answers and where the folder is not ours.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

data=${HW_DATA:-$ROOT/data}
[ -e "$data" ] || { say "nothing to delete: $data does not exist"; exit 0; }
[ -f "$data/admin-token" ] || die "$data has no admin-token file: it does not look like a Headworks data folder"
! ready "${HW_LISTEN:-127.0.0.1:7460}" || die "a server is running on ${HW_LISTEN:-127.0.0.1:7460}: stop it first"
if [ "${YES:-0}" != 1 ]; then
    read -r -p "Delete $data with all jobs, money and accounts in it? Type yes: " answer
    [ "$answer" = yes ] || die "kept"
fi
rm -rf -- "$data"
say "deleted $data"
