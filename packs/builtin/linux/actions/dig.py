import random
import re
import subprocess

from st2common.runners.base_action import Action


class Dig(Action):
    def run(self, hostname, count=0, nameserver=None, queryopts="short", querytype="A", rand=False):
        for name, value in (("hostname", hostname), ("nameserver", nameserver), ("querytype", querytype)):
            if value and not re.match(r"^[\w.:-]+$", value) or value and value.startswith("-"):
                raise ValueError("%s %r cannot be one" % (name, value))
        args = ["dig"]
        if nameserver:
            args.append("@" + nameserver)
        args += ["+" + option.strip() for option in (queryopts or "").split(",") if option.strip()]
        args += [hostname, querytype]
        self.logger.debug("running %s", " ".join(args))
        try:
            done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        except FileNotFoundError:
            return False, "the program dig is not on this machine"
        lines = [line for line in done.stdout.decode("utf-8", "replace").split("\n") if line]
        if done.returncode != 0:
            return False, "\n".join(lines) or done.stderr.decode("utf-8", "replace").strip()
        if rand:
            random.shuffle(lines)
        return True, lines[:count] if count > 0 else lines
