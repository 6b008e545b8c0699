import random as chance
import time

from st2common.runners.base_action import Action


class Pause(Action):
    def run(self, max_pause, random=False):
        if max_pause < 0:
            return False, "max_pause must not be below 0, but is %d" % max_pause
        seconds = chance.randint(0, max_pause) if random else max_pause
        time.sleep(seconds)
        return True, "waited for %d seconds" % seconds
