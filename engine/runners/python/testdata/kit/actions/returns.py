import atexit
import datetime
import os
import sys
import threading
import time
import uuid

from st2common.runners.base_action import Action


class Odd:
    def __repr__(self):
        return "<Odd>"


class Returns(Action):
    def run(self, what, seconds=0):
        return {
            "number": lambda: 5,
            "nothing": lambda: None,
            "false": lambda: False,
            "dict": lambda: {"a": [1, 2.5, None, "é", "\ud800"], 2: "two"},
            "list of two": lambda: ["a", "b"],
            "ok": lambda: (True, {"x": 1}),
            "not ok": lambda: (False, "why"),
            "no status": lambda: (None, "x"),
            "bad status": lambda: ("a", "b"),
            "triple": lambda: (True, 1, 2),
            "odd": lambda: Odd(),
            "ok odd": lambda: (True, {"o": Odd()}),
            "nan": lambda: [float("nan"), float("inf"), {"n": float("-inf")}],
            "time": lambda: [datetime.datetime(2020, 1, 2, 3, 4, 5), uuid.UUID(int=1)],
            "big": lambda: 2**70,
            "raise": lambda: 1 / 0,
            "exit 0": lambda: sys.exit(0),
            "exit 7": lambda: sys.exit(7),
            "exit text": lambda: sys.exit("no luck"),
            "hard exit": lambda: os._exit(3),
            "kill": lambda: os.kill(os.getpid(), 9),
            "print": self.talk,
            "stdin": lambda: sys.stdin.read(),
            "sleep": lambda: self.sleep(seconds),
            "thread": self.leave_thread,
            "leave file": self.leave_file,
            "long": lambda: "x" * 300000,
        }[what]()

    def sleep(self, seconds):
        print("asleep", flush=True)
        time.sleep(seconds)
        return "awake"

    def talk(self):
        print("to stdout")
        print("to stderr", file=sys.stderr)
        os.system("echo from a command")
        return {"printed": True}

    def leave_file(self):
        """Leaves open files and things to do at the end behind."""
        global KEPT
        path = os.environ["MINE"]
        KEPT = open(path + ".global", "w")
        KEPT.write("of the module")
        self.kept = open(path + ".self", "w")
        self.kept.write("of the action")
        atexit.register(lambda: print("at exit"))
        return True

    def leave_thread(self):
        def later():
            time.sleep(0.1)
            print("thread done")

        threading.Thread(target=later).start()
        return "before"
