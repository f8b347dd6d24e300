"""Prints the uid that the worker knows us by (CLIENT INFO): what SO_PEERCRED told it."""
import re
import socket

s = socket.socket(socket.AF_UNIX)
s.settimeout(10)
s.connect("/run/wspush/control.sock")
s.sendall(b"CLIENT INFO\r\n")
told = b""
while b" cmd=" not in told:
    more = s.recv(4096)
    assert more, told
    told += more
print(re.search(rb" uid=(\d+) ", told)[1].decode())
