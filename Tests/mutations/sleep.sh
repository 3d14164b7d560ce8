#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The sleep test of the design's first decision, in a release build.
set -eu
cd "$(dirname "$0")/../.."
swift test -c release -Xswiftc -enable-testing --filter SleepTests
