#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Boots a kernel image, drains its channel, prints its text log and the log's digest.

Usage: boot.py [--memory BYTES] [--disk FILE]... [--events FILE] [--runs N] IMAGE
Every run's line: exit state and value, records, digest. The exit status is 0 if all runs ended by
themselves with value 0 and the same digest.
"""
import argparse, hashlib, mmap, os, struct, subprocess, sys, time

CHANNEL = 0x800000
MAGIC = 0x3148434552495551
STATES = ["running", "exited", "signalled", "outOfMemory", "deadlocked", "notStarted",
          "kernelFailed", "tooSmall"]


def command(options, descriptor):
    size = options.memory + CHANNEL
    line = [
        "qemu-system-x86_64", "-M",
        "microvm,acpi=off,ioapic2=off,pit=off,rtc=off,pic=off,auto-kernel-cmdline=off,"
        "memory-backend=ram",
        "-object", f"memory-backend-file,id=ram,size={size},share=on,"
        f"mem-path=/proc/self/fd/{descriptor}",
        "-m", f"{size}B", "-cpu", options.cpu, "-accel", "tcg",
        "-icount", "shift=0,sleep=off", "-nodefaults", "-no-user-config", "-display", "none",
        "-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
        "-global", "virtio-mmio.force-legacy=false",
        "-kernel", options.image, "-append", f"quire.memory={options.memory} {options.words}"]
    for number, path in enumerate(options.disk):
        line += ["-drive", f"file={path},if=none,id=d{number},format=raw,cache=writeback"
                 + options.drive,
                 "-device", f"virtio-blk-device,drive=d{number}"]
    return line + options.qemu.split()


def run(options, quiet):
    descriptor = os.memfd_create("quire")
    os.ftruncate(descriptor, options.memory + CHANNEL)
    view = mmap.mmap(descriptor, CHANNEL, offset=options.memory)
    word = lambda offset: struct.unpack_from("<Q", view, offset)[0]
    struct.pack_into("<Q", view, 8, options.memory)
    for number, path in enumerate(options.disk):
        struct.pack_into("<Q", view, 0x40 + 8 * number, os.path.getsize(path))
    block = b""
    for tag, words in ((1, options.argument[:1]), (2, options.argument),
                       (3, ["PATH=/bin"]), (4, ["/"]), (5, ["0"])):
        block += b"".join(bytes([tag]) + word.encode() + b"\0" for word in words)
    view[0x1000:0x1000 + len(block) + 1] = block + b"\0"
    struct.pack_into("<Q", view, 0x10, len(block) + 1)
    struct.pack_into("<Q", view, 0x540, 1)
    struct.pack_into("<Q", view, 0, MAGIC)
    process = subprocess.Popen(command(options, descriptor), pass_fds=[descriptor],
                               stdin=subprocess.DEVNULL)
    digest, text, events = hashlib.sha256(), b"", open(options.events, "wb")
    read = 0
    deadline = time.time() + options.timeout
    while True:
        ended = process.poll() is not None
        head = word(0x400)
        while read < head:
            first = read % 0x20000
            count = min(head - read, 0x20000 - first)
            data = view[0x400000 + first * 32:0x400000 + (first + count) * 32]
            digest.update(data)
            events.write(data)
            read += count
        struct.pack_into("<Q", view, 0x440, read)
        start, end = word(0x6C0), word(0x680)
        fresh = bytes(view[0x20000 + place % 0x20000] for place in range(start, end))
        struct.pack_into("<Q", view, 0x6C0, end)
        text += fresh
        for offset, size, head, tail in ((0x200000, 0x100000, 0x580, 0x5C0),
                                         (0x40000, 0x40000, 0x600, 0x640)):
            start, end = word(tail), word(head)
            text += bytes(view[offset + place % size] for place in range(start, end))
            fresh += bytes(view[offset + place % size] for place in range(start, end))
            struct.pack_into("<Q", view, tail, end)
        if fresh and not quiet:
            sys.stdout.write(fresh.decode(errors="replace"))
            sys.stdout.flush()
        if ended:
            break
        if time.time() > deadline:
            process.kill()
            process.wait()
        time.sleep(options.poll)
    state, value = word(0x800), word(0x808)
    print(f"{STATES[state]} {value:#x}, {read} records, {digest.hexdigest()[:16]}, "
          f"text {hashlib.sha256(text).hexdigest()[:16]}", flush=True)
    return state, value, digest.hexdigest(), text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--memory", type=int, default=64 << 20)
    parser.add_argument("--disk", action="append", default=[])
    parser.add_argument("--drive", default="", help="more properties of each drive")
    parser.add_argument("--cpu", default="Nehalem,-spec-ctrl")
    parser.add_argument("--events", default="/dev/null")
    parser.add_argument("--qemu", default="", help="more options")
    parser.add_argument("--words", default="", help="of the command line")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--poll", type=float, default=0.001)
    parser.add_argument("--timeout", type=float, default=60)
    parser.add_argument("--argument", action="append", default=[],
                        help="the program's path on disk 0, then its arguments")
    parser.add_argument("image")
    options = parser.parse_args()
    if options.memory < 2 << 20:
        parser.error("below 2 MiB the channel would lie in the image")
    results = [run(options, quiet=index > 0) for index in range(options.runs)]
    good = all(result[:2] == (1, 0) for result in results) and len(set(results)) == 1
    sys.exit(0 if good else 1)


main()
