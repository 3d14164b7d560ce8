# SPDX-License-Identifier: Apache-2.0
"""Modules that lean on the kernel: processes, threads, mappings, a database, foreign calls."""
import ctypes
import json
import mmap
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading

print(json.dumps({"b": [1, 2.5, None], "a": "text"}, sort_keys=True))
print(re.findall(r"(\w+)@(\w+)\.org", "one@two.org, three@four.org"))
print(subprocess.run(["sh", "-c", "echo out; echo err >&2; exit 3"], capture_output=True))
with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
    print(len(child.communicate(b"x" * 300_000)[0]))
lock = threading.Lock()
total = 0


def add(count):
    global total
    for _ in range(count):
        with lock:
            total += 1


threads = [threading.Thread(target=add, args=(2000,)) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(total)
event = threading.Event()
threading.Timer(0.05, event.set).start()
print(event.wait(5))
base = sqlite3.connect(":memory:")
base.execute("CREATE TABLE t(a, b)")
base.executemany("INSERT INTO t VALUES(?, ?)", [(i, i * i) for i in range(1000)])
print(base.execute("SELECT sum(b) FROM t").fetchone())
shared = mmap.mmap(-1, 1 << 20)
child = os.fork()
if child == 0:
    shared[:5] = b"child"
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shared[:5])
with tempfile.TemporaryFile() as file:
    file.write(b"0123456789" * 1000)
    file.flush()
    with mmap.mmap(file.fileno(), 0) as mapped:
        mapped[3:6] = b"abc"
        print(mapped[:10], len(mapped))
    file.seek(0)
    print(file.read(10))
libc = ctypes.CDLL(None)
print(libc.abs(-42), ctypes.string_at(b"bytes"), ctypes.sizeof(ctypes.c_long))
read, write = os.pipe()
os.write(write, b"pipe")
print(os.read(read, 10), os.path.exists("/proc/self/status"), sys.platform)
print(os.readlink(f"/proc/self/fd/{read}").split(":")[0])
sys.exit(4)
