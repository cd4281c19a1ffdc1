#!/bin/sh
# Installs Chromium and a Chinese font for the page tests, where the system's package manager is apt.
set -eu
if ! command -v apt-get >/dev/null; then
  echo "The page tests need Chromium: install it and put it on the PATH, or name it in CYTOLOOP_BROWSER." >&2
  exit 2
fi
as_root=""
[ "$(id -u)" -eq 0 ] || as_root="sudo"
$as_root apt-get update -qq
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk >/dev/null
