import no_such_module


class Missing:
    def run(self):
        return 1
