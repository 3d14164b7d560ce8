# SPDX-License-Identifier: Apache-2.0
"""Where the instructions of a row of `quire bench guest` go, by the kernel's functions.

    Tests/bench/profile.py ROW [--blocks]

Runs the measuring program with that row and without any, each with a plugin in the emulator that
counts blocks, and prints the difference: what the row added, its preparations included, in
instructions of five rounds. With --blocks also by block, for a look at the disassembly.
"""

import bisect
import collections
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def compiled(folder, name, flags):
    path = folder / name
    source = ROOT / "Tests/bench" / (name.split(".")[0] + ".c")
    subprocess.run(["gcc", "-O2", *flags, "-o", path, source], check=True)
    return path


def symbols(image):
    text = subprocess.run(["nm", "-n", image], check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in text.splitlines()]
    pairs = [(int(row[0], 16), row[2]) for row in rows if len(row) == 3 and row[1] in "tT"]
    names = "\n".join(name for _, name in pairs)
    shown = subprocess.run(
        ["swift", "demangle", "--simplified"], input=names, capture_output=True, text=True
    ).stdout.splitlines()
    return [pair[0] for pair in pairs], shown


def counts(folder, plugin, guest, row):
    out = folder / "counts"
    options = f"-plugin file={plugin},out={out}"
    subprocess.run(
        [ROOT / "quire", "run", "--quiet", "--qemu-opts", options, "--", guest, row],
        check=True, stdout=subprocess.DEVNULL)
    blocks = collections.Counter()
    for address, instructions, times in struct.iter_unpack("<QQQ", out.read_bytes()):
        if address:
            blocks[address] += instructions * times
    return blocks


def main():
    row = sys.argv[1]
    build = ROOT / ".build/quire"
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        plugin = compiled(folder, "profile.so", ["-shared", "-fPIC"])
        guest = compiled(
            folder, "guest", ["-ffreestanding", "-fno-stack-protector", "-nostdlib", "-static"])
        added = counts(folder, plugin, guest, row)
        added.subtract(counts(folder, plugin, guest, "nothing"))
    image = max(build.glob("*/kernel.elf"), key=os.path.getmtime)
    starts, names = symbols(image)
    total = collections.Counter()
    for address, count in added.items():
        place = bisect.bisect_right(starts, address) - 1
        total[names[place] if address >= starts[0] else "the program"] += count
    for name, count in total.most_common(40):
        print(f"{count:14,}  {name}")
    if "--blocks" in sys.argv:
        for address, count in added.most_common(60):
            print(f"{count:14,}  {address:x}")


main()
