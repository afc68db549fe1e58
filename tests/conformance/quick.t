#!/bin/sh
# SPDX-License-Identifier: MIT
#
# All scenarios of the bench, the long ones short: what scripts/check runs.

exec "$(dirname "$0")/../../build/tests/conformance/vhost-conformance" \
	--scale 0.02 --time-limit 60
