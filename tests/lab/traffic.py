"""Numbered datagrams from one VM to another, at a steady rate, and which of them arrived."""

from __future__ import annotations

import subprocess

from lab import LabError, Vm, wait_for

SEND = """
import socket, sys, time
address, rate, port = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((address, port))
import threading
end = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), end.set()), daemon=True).start()
n, start, refused = 0, time.monotonic(), 0
while not end.is_set():
    due = int((time.monotonic() - start) * rate)
    while n < due:
        try:
            s.send(n.to_bytes(4, 'big'))
        except OSError:
            refused += 1
        n += 1
    time.sleep(0.0005)
print(n, refused, flush=True)
"""
RECEIVE = """
import socket, sys, threading
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE
s.bind(('', int(sys.argv[1])))
s.settimeout(0.2)
print('ready', flush=True)
end = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), end.set()), daemon=True).start()
seen = set()
while True:
    try:
        seen.add(int.from_bytes(s.recv(64), 'big'))
    except TimeoutError:
        if end.is_set():
            break
missing = [n for n in range(max(seen, default=-1) + 1) if n not in seen]
print(len(seen), max(seen, default=-1), ','.join(map(str, missing[:50])), flush=True)
"""


class Stream:
    def __init__(self, sender: Vm, receiver: Vm, rate: float = 1000, port: int = 7777):
        python = "/usr/bin/python3"
        self.vm = receiver
        self.receiver = receiver.namespace.popen(python, "-c", RECEIVE, str(port), stdin=subprocess.PIPE,
                                                 stdout=subprocess.PIPE)
        if self.receiver.stdout.readline().strip() != "ready":
            raise LabError("the receiver did not start")
        self.sender = sender.namespace.popen(python, "-c", SEND, receiver.address, str(rate), str(port),
                                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def arrived(self) -> int:
        """Datagrams that the receiver's kernel has taken in, of anybody."""
        names, values = (line.split() for line in self.vm.namespace.run("cat", "/proc/net/snmp").stdout.splitlines()
                         if line.startswith("Udp:"))
        return int(values[names.index("InDatagrams")])

    def goes_on(self, count: int = 300) -> None:
        """Waits until that many more have arrived."""
        enough = self.arrived() + count
        wait_for(f"{count} more datagrams have arrived", lambda: self.arrived() >= enough)

    def stop(self) -> tuple[int, int]:
        """(sent, lost). What the sender's own kernel refused counts as lost."""
        sent = self.sender.communicate("\n", timeout=20)[0].split()
        words = self.receiver.communicate("\n", timeout=20)[0].split()
        count = int(sent[0])
        self.missing = words[2] if len(words) > 2 else ""
        return count, count - int(words[0])

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_) -> None:
        for process in (self.sender, self.receiver):
            if process.poll() is None:
                process.kill()
                process.wait(5)
