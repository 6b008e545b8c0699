package tests

import (
	"os/exec"
	"strings"
	"testing"
)

// Unit tests of a pack: of an action, a sensor and an alias.
func TestPackTests(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is not on this machine")
	}
	p := install(t, "packs: [packs]\n")
	run := func(code int, want string, args ...string) {
		t.Helper()
		if out, got := p.run("", append([]string{"pack", "test"}, args...)...); got != code || !strings.Contains(out, want) {
			t.Errorf("petrel pack test %s: exit code %d, want %d and %q:\n%s", strings.Join(args, " "), got, code, want, out)
		}
	}
	if out, code := p.run("", "pack", "create", "demo", "--dir", "packs"); code != 0 {
		t.Fatal(out)
	}
	run(0, "Ran 1 test", "packs/demo")
	p.write("name: more\naction_ref: demo.hello\nformats:\n  - greet {{ name }}\n  - display: wave\n    representation: ['wave( to {{ name=all }})?', 'wave at {{ name }}']\n",
		"packs", "demo", "aliases", "more.yaml")
	p.write("from st2reactor.sensor.base import PollingSensor\n\n\nclass Look(PollingSensor):\n"+
		"    def setup(self):\n        self.log = self.sensor_service.get_logger('x')\n"+
		"    def poll(self):\n        n = int(self.sensor_service.get_value('n') or 0) + 1\n        self.sensor_service.set_value('n', n)\n"+
		"        self.log.info('looked')\n        self.sensor_service.dispatch('demo.seen', {'n': n, 'what': self.config.get('what')}, trace_tag='t')\n"+
		"    def cleanup(self):\n        pass\n    add_trigger = update_trigger = remove_trigger = lambda self, trigger: None\n", "packs", "demo", "sensors", "look.py")
	p.write("fixture text", "packs", "demo", "tests", "fixtures", "a.txt")
	p.write(`from st2tests.base import BaseActionAliasTestCase, BaseActionTestCase, BaseSensorTestCase

from hello import Hello
from look import Look


class Base(BaseActionTestCase):
    __test__ = False

    def test_never(self):
        self.fail("this class is there to be inherited from")


class DatastoreTestCase(BaseActionTestCase):
    action_cls = Hello

    def test_datastore(self):
        service = self.get_action_instance({"greeting": "x"}).action_service
        service.set_value("a", "1")
        self.assertEquals(service.get_value("a"), "1")
        self.assertEqual(service.get_value("tests.Hello:a", local=False), "1")
        self.assertEqual([kvp.name for kvp in service.list_values()], ["tests.Hello:a"])
        self.assertTrue(service.delete_value("a"))
        self.assertIsNone(service.get_value("a"))
        self.assertEqual(self.get_fixture_content("a.txt"), "fixture text")


class LookTestCase(BaseSensorTestCase):
    sensor_cls = Look

    def test_poll(self):
        sensor = self.get_sensor_instance(config={"what": "w"}, poll_interval=3)
        self.assertEqual(sensor.get_poll_interval(), 3)
        sensor.setup()
        sensor.poll()
        sensor.poll()
        self.assertTriggerDispatched("demo.seen", payload={"n": 1, "what": "w"})
        self.assertEqual(self.get_last_dispatched_trigger()["payload"]["n"], 2)
        self.assertEqual(len(self.get_dispatched_triggers()), 2)
        with self.assertRaises(AssertionError):
            self.assertTriggerDispatched("demo.other")
        sensor.log.info.assert_called_with("looked")


class MoreTestCase(BaseActionAliasTestCase):
    action_alias_name = "more"

    def test_formats(self):
        formats = self.action_alias_db.get_format_strings()
        self.assertEqual(len(formats), 3)
        self.assertEqual(self.action_alias_db.formats[1]["display"], "wave")
        self.assertCommandMatchesExactlyOneFormatString(formats, "greet Ann")
        self.assertExtractedParametersMatch(formats[0], "greet Ann", {"name": "Ann"})
        self.assertExtractedParametersMatch(formats[1], "wave", {"name": "all"})
        for wrong in (
            lambda: self.assertCommandMatchesExactlyOneFormatString(formats, "nothing"),
            lambda: self.assertExtractedParametersMatch(formats[0], "greet Ann", {"name": "Bob"}),
            lambda: self.assertExtractedParametersMatch(formats[0], "nothing", {}),
        ):
            with self.assertRaises(AssertionError):
                wrong()
`, "packs", "demo", "tests", "test_more.py")
	run(0, "Ran 4 tests", "demo")
	run(0, "test_poll", "-v", "demo", "--file", "test_more.py")
	p.write("from st2tests.base import BaseActionTestCase\n\nfrom hello import Hello\n\n\nclass X(BaseActionTestCase):\n    action_cls = Hello\n\n    def test_x(self):\n        self.assertEqual(1, 2)\n",
		"packs", "demo", "tests", "test_wrong.py")
	run(1, "FAILED (failures=1)", "demo")
	p.writeFleet()
	run(1, "there are no tests", "fleet")
	run(1, "neither the folder nor the name of a pack", "nothing")
}
