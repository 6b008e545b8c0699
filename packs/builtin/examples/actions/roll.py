import random
import re

from st2common.runners.base_action import Action


class Roll(Action):
    def run(self, dice):
        parts = re.fullmatch(r"(\d*)d(\d+)", dice.strip().lower())
        if not parts:
            return False, 'write the number of dice, "d" and the number of sides, for example 2d6, not %s' % dice
        number, sides = int(parts.group(1) or 1), int(parts.group(2))
        most = self.config["most_dice"]  # config.schema.yaml says what it is unless configured
        if not 1 <= number <= most or sides < 1:
            return False, "that needs 1 to %d dice of at least one side" % most
        self.logger.info("rolling %d dice of %d sides", number, sides)
        rolled = [random.randint(1, sides) for _ in range(number)]
        return True, {"rolled": rolled, "sum": sum(rolled)}
