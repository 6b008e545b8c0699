class Plain:
    def __init__(self):
        pass

    def run(self):
        self.logger.info("logged")
        return [dict(self.config), self.action_service is not None]
