import uuid

from st2common.runners.base_action import Action


class MakeUUID(Action):
    def run(self, uuid_type):
        kinds = {"uuid1": uuid.uuid1, "uuid4": uuid.uuid4}
        if uuid_type not in kinds:
            raise ValueError("uuid_type must be one of %s, not %r" % (", ".join(sorted(kinds)), uuid_type))
        return str(kinds[uuid_type]())
