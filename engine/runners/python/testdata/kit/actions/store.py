from st2common.runners.base_action import Action


class Store(Action):
    def run(self, steps):
        s, results = self.action_service, []
        for step in steps:
            call = getattr(s, step.pop("call"))
            result = call(**step)
            if isinstance(result, list):
                result = [[i.name, i.value, i.secret] for i in result]
            results.append(result)
        return results
