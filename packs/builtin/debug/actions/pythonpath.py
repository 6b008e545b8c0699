import sys

from st2common.runners.base_action import Action


class PythonPath(Action):
    def run(self):
        print("\n".join(sys.path))
        return list(sys.path)
