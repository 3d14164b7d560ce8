#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the bootable image; prints where it is. Arguments are passed on to `swift build`.
set -eu
cd "$(dirname "$0")"
swift build --triple x86_64-unknown-none-elf --toolset Toolsets/x86_64.json -c release \
  --product kernel "$@" >&2
echo "$PWD/.build/x86_64-unknown-none-elf/release/kernel"
