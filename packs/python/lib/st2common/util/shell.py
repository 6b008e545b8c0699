"""Commands of the operating system."""

import os
import shlex
import subprocess

__all__ = ["run_command", "quote_unix"]


def run_command(cmd, stdin=None, stdout=subprocess.PIPE, stderr=subprocess.PIPE, shell=False, cwd=None, env=None, close_fds=None):
    """Runs a command, a list of words or for shell=True one text, to its end and
    returns its exit code and what it printed.
    """
    if not isinstance(cmd, (list, tuple, str)):
        raise TypeError("cmd must be a text or a list of words, not %s" % type(cmd).__name__)
    done = subprocess.run(
        cmd, stdin=stdin, stdout=stdout, stderr=stderr, shell=shell, cwd=cwd, env=env or os.environ.copy(), check=False
    )
    return done.returncode, done.stdout, done.stderr


def quote_unix(value):
    """Makes value one word of a shell."""
    return shlex.quote(value)
