import os
import sys

from st2common.runners.base_action import Action

COUNT = 0


class Context(Action):
    def run(self, key=None, log=False, secret=None):
        global COUNT
        COUNT += 1
        os.environ["LEFT_BEHIND"] = str(os.environ.get("LEFT_BEHIND", "")) + "x"
        sys.modules["left_behind"] = sys.modules.get("left_behind", 0)
        if log:
            self.logger.debug("fine")
            self.logger.info("more")
            self.logger.error("bad")
        with open("/proc/self/cmdline", "rb") as f:
            command = f.read().decode()
        return {
            "count": COUNT,
            "left": os.environ["LEFT_BEHIND"],
            "config": dict(self.config),
            "value": self.config[key] if key else None,
            "env": {k: v for k, v in os.environ.items() if k.startswith(("ST2_", "MINE", "PYTHONPATH"))},
            "secret_shown": bool(secret) and secret in command,
            "path": sys.path,
            "argv": sys.argv,
            "session": os.getsid(0) == os.getpid(),
        }
