# Named like a module of the library.
import zlib

from lib.helper import WORD
from kitlib import WORD as OTHER


class Base:
    def run(self):
        return [WORD, OTHER, zlib.crc32(b"x")]


class Another(Base):
    pass
