# SPDX-License-Identifier: Apache-2.0
"""The tool on a terminal: raw while the machine runs, as it was whatever ends it.

Prints `ok NAME` or `not ok NAME` for each promise. Argument: the launcher.
"""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

quire = sys.argv[1]
failures = 0


def check(name, condition, reason=""):
    global failures
    if condition:
        print(f"ok {name}")
    else:
        failures += 1
        print(f"not ok {name} # {reason}")


class Session:
    """The tool in a session of its own, on a terminal of its own."""

    def __init__(self, *arguments):
        self.master, slave = pty.openpty()
        self.slave = os.open(os.ttyname(slave), os.O_RDWR | os.O_NOCTTY)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 33, 77, 0, 0))
        self.before = termios.tcgetattr(self.slave)
        self.output = b""
        self.tool = os.fork()
        if self.tool == 0:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            for number in range(3):
                os.dup2(slave, number)
            os.execv(quire, [quire, *arguments])
        os.close(slave)

    def read(self, seconds, wanted=None):
        end = time.time() + seconds
        while time.time() < end and (wanted is None or wanted not in self.output):
            if select.select([self.master], [], [], 0.05)[0]:
                try:
                    self.output += os.read(self.master, 65536)
                except OSError:
                    break
        return wanted is None or wanted in self.output

    def is_raw(self):
        return termios.tcgetattr(self.slave)[3] & (termios.ICANON | termios.ISIG) == 0

    def wait_raw(self):
        end = time.time() + 30
        while time.time() < end:
            self.read(0.05)
            if self.is_raw():
                return True
        return False

    def emulator(self):
        found = subprocess.run(
            ["pgrep", "-P", str(self.tool), "qemu-system"], capture_output=True, text=True)
        return int(found.stdout.split()[0]) if found.stdout.split() else 0

    def end(self, seconds=20):
        """The status as a shell counts it; None if it does not end."""
        end = time.time() + seconds
        while time.time() < end:
            self.read(0.05)
            pid, status = os.waitpid(self.tool, os.WNOHANG)
            if pid:
                self.read(0.3)
                return os.waitstatus_to_exitcode(status)
        os.kill(self.tool, signal.SIGKILL)
        os.waitpid(self.tool, 0)
        return None

    def is_restored(self):
        end = time.time() + 3
        while time.time() < end:
            if termios.tcgetattr(self.slave) == self.before:
                return True
            time.sleep(0.05)
        return False

    def close(self):
        os.close(self.master)
        os.close(self.slave)


def gone(pid):
    end = time.time() + 3
    while time.time() < end:
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


loop = ["run", "--quiet", "--timeout", "60s", "--", "busybox", "sh", "-c", "while :; do :; done"]

session = Session("run", "--quiet", "--timeout", "60s", "--", "busybox", "true")
status = session.end(60)
check("a program on a terminal ends with its status", status == 0, f"{status} {session.output}")
check("the terminal is as it was", session.is_restored())
session.close()

session = Session("run", "--timeout", "60s", "--", "busybox", "no-such-applet")
session.end(60)
check("the summary's lines begin at the left", b"\nquire: " in session.output and
      session.is_restored(), repr(session.output[-300:]))
session.close()

session = Session("run", "--quiet", "--timeout", "60s", "--", "busybox", "sh", "-c",
                  "stty size; trap 'stty size; exit 3' WINCH; echo ready; while :; do sleep 1; done")
check("the window's size is the terminal's", session.read(60, b"ready") and
      b"33 77" in session.output, repr(session.output[-300:]))
fcntl.ioctl(session.master, termios.TIOCSWINSZ, struct.pack("4H", 11, 55, 0, 0))
status = session.end()
check("a change of it reaches the program", status == 3 and b"11 55" in session.output,
      f"{status} {session.output}")
session.close()

session = Session("run", "--quiet", "--timeout", "60s", "--", "busybox", "sh", "-c",
                  "echo ready; read line; echo got $line; read line")
session.read(60, b"ready")
os.write(session.master, b"wordx\x7f\r")
check("a line is edited in the machine", session.read(20, b"got word\r\n"),
      repr(session.output[-300:]))
os.write(session.master, b"\x03")
status = session.end()
check("the interrupt key ends the program", status == 130 and session.is_restored(),
      f"{status} {session.output}")
session.close()

session = Session(*loop)
check("the terminal is raw while the machine runs", session.wait_raw())
emulator = session.emulator()
os.kill(session.tool, signal.SIGKILL)
session.end()
check("kill -9 of the tool restores the terminal", session.is_restored())
check("kill -9 of the tool leaves no emulator", emulator > 0 and gone(emulator))
session.close()

session = Session(*loop)
session.wait_raw()
os.kill(session.emulator(), signal.SIGKILL)
status = session.end()
check("kill -9 of the emulator is 125 and restores the terminal",
      status == 125 and session.is_restored(), f"{status} {session.output}")
session.close()

session = Session(*loop)
session.wait_raw()
os.kill(session.tool, signal.SIGTERM)
status = session.end()
check("SIGTERM ends the program and restores the terminal",
      status == 143 and session.is_restored(), f"{status} {session.output}")
session.close()

session = Session(*loop)
session.wait_raw()
emulator = session.emulator()
os.kill(session.tool, signal.SIGSEGV)
status = session.end()
check("a crash of the tool restores the terminal",
      status not in (0, None) and session.is_restored() and gone(emulator), f"{status}")
session.close()

session = Session(*loop)
session.wait_raw()
emulator = session.emulator()
os.kill(session.tool, signal.SIGTSTP)
time.sleep(0.5)


def state(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


check("SIGTSTP stops tool and machine, the terminal is as it was",
      state(session.tool) == "T" and state(emulator) == "T" and session.is_restored())
os.kill(session.tool, signal.SIGCONT)
check("SIGCONT goes on", session.wait_raw() and state(emulator) != "T")
os.kill(session.tool, signal.SIGINT)
time.sleep(0.4)
os.kill(session.tool, signal.SIGINT)
status = session.end()
check("the second SIGINT ends the machine at the latest",
      status in (130, -2) and session.is_restored(), f"{status}")
session.close()

sys.exit(failures > 0)
