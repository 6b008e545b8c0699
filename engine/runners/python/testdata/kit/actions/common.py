import kitcommon


class Common:
    def run(self):
        return kitcommon.WORD
