#!/bin/sh
# Installs the MQTT broker mosquitto for the Sparkplug tests, where the system's package manager is apt.
set -eu
if ! command -v apt-get >/dev/null; then
  echo "The Sparkplug tests need the broker mosquitto: install it, or name its program in CYTOLOOP_MOSQUITTO." >&2
  exit 2
fi
as_root=""
[ "$(id -u)" -eq 0 ] || as_root="sudo"
$as_root apt-get update -qq
# A policy that starts nothing: the tests run a broker of their own.
policy=/usr/sbin/policy-rc.d
[ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null; $as_root chmod +x "$policy"; made=1; }
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends mosquitto >/dev/null
[ -z "${made:-}" ] || $as_root rm -f "$policy"
