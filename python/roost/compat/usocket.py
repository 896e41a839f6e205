"""usocket: Python's socket, whose sockets can be read and written as files too. All of it is real."""

import socket as _python
from socket import *  # noqa: F401, F403


class socket(_python.socket):
    """A socket with the calls of a MicroPython stream. It must block, as it does by default."""

    def accept(self):
        connection, address = super().accept()
        return socket(connection.family, connection.type, connection.proto, fileno=connection.detach()), address

    def read(self, size=-1):
        """Returns size octets, fewer at the end; all up to the end without a size."""
        pieces = []
        while size != 0:
            piece = self.recv(4096 if size < 0 else min(size, 4096))
            if not piece:
                break
            pieces.append(piece)
            size -= len(piece) if size > 0 else 0
        return b"".join(pieces)

    def readinto(self, buffer, size=None):
        """Fills buffer, or its first size octets, and returns how many came."""
        octets = self.read(len(buffer) if size is None else size)
        buffer[:len(octets)] = octets
        return len(octets)

    def readline(self):
        """Returns a line with its end; what is left, at the end."""
        line = bytearray()
        while not line.endswith(b"\n"):
            octet = self.recv(1)
            if not octet:
                break
            line += octet
        return bytes(line)

    def write(self, octets):
        """Sends all octets, and returns how many they are."""
        self.sendall(octets)
        return len(octets)
