import json

from st2common.runners.base_action import Action


class PrintContext(Action):
    def run(self, ctx):
        print(json.dumps(ctx, indent=2, sort_keys=True))
        return ctx
