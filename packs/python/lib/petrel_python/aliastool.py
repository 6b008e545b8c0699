"""Asks the program itself about aliases, so that a test of an alias tests what the
program does.
"""

import json
import os
import subprocess

_tool = None


def ask(**question):
    """Returns the answer to a question: pack and alias (the alias of a pack), or
    format and command (whether they match). Raises ValueError when there is none.
    """
    global _tool
    if _tool is None:
        binary = os.environ.get("PETREL_BINARY")
        if not binary:
            raise RuntimeError("tests of aliases are run with: petrel pack test")
        _tool = subprocess.Popen([binary, "pack", "match-formats"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    _tool.stdin.write(json.dumps(question).encode("utf-8") + b"\n")
    _tool.stdin.flush()
    answer = _tool.stdout.readline()
    if not answer:
        raise RuntimeError("petrel pack match-formats has ended")
    answer = json.loads(answer.decode("utf-8"))
    if answer.get("error"):
        raise ValueError(answer["error"])
    return answer
