#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The other half of the bench's groups: what is not in quick-data.t.

exec "$(dirname "$0")/../../build/tests/conformance/vhost-conformance" \
	--skip C,R,H,O,B,P --scale 0.02 --time-limit 60
