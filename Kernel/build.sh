#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds a bootable image and prints where it is. Usage: build.sh [kernel|machinetest]
set -eu
cd "$(dirname "$0")"
product=${1:-kernel}
# SwiftPM looks for new files in this package only, not in the one around it.
plan=.build/release.yaml
if [ -e $plan ] && [ -n "$(find ../Sources -type d -newer $plan)" ]; then rm -f $plan; fi
swift build --triple x86_64-unknown-none-elf --toolset Toolsets/x86_64.json -c release \
  --product "$product" >&2
echo "$PWD/.build/x86_64-unknown-none-elf/release/$product"
