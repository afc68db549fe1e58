#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The groups of the bench that move frames, the long ones short: half of it, for
# scripts/check, which runs files side by side.

exec "$(dirname "$0")/../../build/tests/conformance/vhost-conformance" \
	--run C,R,H,O,B,P --scale 0.02 --time-limit 60
