import sys

from st2common.runners.base_action import Action


class PythonVersion(Action):
    def run(self):
        print(sys.version)
        return {"version": sys.version, "executable": sys.executable}
