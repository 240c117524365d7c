#!/usr/bin/env bash
# Hazelcast 5.5.0: gets is answered as get is, without a cas number, and cas itself is an unknown command.
set -euo pipefail
# shellcheck source=findings/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

start_hazelcast

exchange "$port" "set k 5 0 1" x "|" "gets k" "|" "gets k k2" -- \
  STORED "|" "VALUE k 5 1" x END "|" "VALUE k 5 1" x END
say "cas, on a connection that is known to speak the protocol: the line, and then its value"
exchange "$port" version "|" "cas k 5 0 1 1" y -- "VERSION Hazelcast" "|" ERROR ERROR
