"""The import paths of StackStorm that pack code uses, over Petrel."""

__version__ = "3.9.0"  # the StackStorm whose behaviour is offered
