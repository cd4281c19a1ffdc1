#!/bin/sh
# Installs a C compiler for the fault tests (tests/fault/disk_shim.c), where the system's package manager is apt.
set -eu
if ! command -v apt-get >/dev/null; then
  echo "The fault tests need a C compiler: install one and put it on the PATH as cc, or name it in CC." >&2
  exit 2
fi
as_root=""
[ "$(id -u)" -eq 0 ] || as_root="sudo"
$as_root apt-get update -qq
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends gcc libc6-dev >/dev/null
