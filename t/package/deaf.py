"""A client that opens a WebSocket with the worker itself, and answers nothing from then on, until it is killed."""
import signal
import socket

s = socket.socket(socket.AF_UNIX)
s.connect("/run/wspush/ws.sock")
s.sendall(b"GET /deaf HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
          b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
signal.pause()
