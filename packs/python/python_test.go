package python

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// script runs a Python script with the modules on its path and returns what it
// printed.
func script(t *testing.T, text string, args ...string) string {
	t.Helper()
	lib, err := Unpack(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("python3", append([]string{"-c", text}, args...)...)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+lib, "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// Everything that real packs import is there, under the names they use.
func TestImportPaths(t *testing.T) {
	got := script(t, `
from st2common.runners.base_action import Action
from st2common.runners.utils import get_logger_for_python_runner_action, get_action_class_instance, PackConfigDict
from st2common import log as logging
from st2actions.runners.pythonrunner import Action as Old
from st2actions.runners import pythonrunner
from st2common.util import isotime, jinja
from st2common.util.date import get_datetime_utc_now
from st2common.content import utils
from st2common.content.utils import get_packs_base_paths, get_pack_base_path
from st2common.constants.pack import MANIFEST_FILE_NAME, PACK_VERSION_SEPARATOR, SYSTEM_PACK_NAMES
from st2common.constants.action import LIVEACTION_STATUS_SUCCEEDED
from st2common.constants.keyvalue import SYSTEM_SCOPE
from st2common.util.pack import get_pack_metadata
from st2common.util.shell import run_command
from st2common.exceptions.action import InvalidActionParameterException
from st2common.exceptions.db import StackStormDBObjectNotFoundError
assert Old is Action and pythonrunner.Action is Action
logging.getLogger("x").audit("audited")
print(MANIFEST_FILE_NAME, PACK_VERSION_SEPARATOR, SYSTEM_SCOPE, run_command(["echo", "hi"])[1].decode().strip())
`)
	if got != "audited\npack.yaml = system hi" {
		t.Error(got)
	}
}

func TestDates(t *testing.T) {
	got := script(t, `
from st2common.util import isotime
for text in ("2020-01-02T03:04:05Z", "2020-01-02 03:04:05.123456+00:00", "2020-01-02T03:04:05.5+0130", "2020-01-02", "2020-01-02T03:04:05-05"):
    print(isotime.format(isotime.parse(text, validate_value=False)), isotime.format(isotime.parse(text, preserve_original_tz=True, validate_value=False), usec=False, offset=False))
print(isotime.format(0), isotime.validate("yesterday", raise_exception=False), isotime.validate("2020-01-02T03:04:05Z"))
`)
	want := `2020-01-02T03:04:05.000000+00:00 2020-01-02T03:04:05Z
2020-01-02T03:04:05.123456+00:00 2020-01-02T03:04:05Z
2020-01-02T01:34:05.500000+00:00 2020-01-02T03:04:05UTC+01:30
2020-01-02T00:00:00.000000+00:00 2020-01-02T00:00:00Z
2020-01-02T08:04:05.000000+00:00 2020-01-02T03:04:05UTC-05:00
1970-01-01T00:00:00.000000+00:00 False True`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestFoldersOfPacks(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "p", "actions"), 0o755); err != nil {
		t.Fatal(err)
	}
	got := script(t, `
import sys
from petrel_python import settings
from st2common.content import utils
base = sys.argv[1]
settings.update({"packs": [base], "system_packs": "/sys", "pack_dirs": {"q": "/elsewhere/q"}})
print(utils.get_packs_base_paths() == ["/sys", base], utils.get_pack_base_path("p") == base + "/p", utils.get_pack_base_path("q"), utils.get_pack_directory("q"))
print(utils.get_entry_point_abs_path("p", "a.py") == base + "/p/actions/a.py", utils.check_pack_content_directory_exists("p", "actions"))
for path in ("../x", "./x", "/etc/passwd"):
    try:
        print(utils.get_pack_file_abs_path("p", path))
    except ValueError as error:
        print(str(error).replace(base + "/p/", ""))
`, dir)
	want := "True True /elsewhere/q None\nTrue True\nInvalid file path: ../x is outside of the pack p\nInvalid file path: ./x\nInvalid file path: /etc/passwd"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Constructors of every age are served.
func TestConstructors(t *testing.T) {
	got := script(t, `
from petrel_python.loader import make_instance
class Both:
    def __init__(self, config, action_service): self.got = (config, action_service)
class Old:
    def __init__(self, config): self.got = (config, "late")
class Bare: pass
class Any:
    def __init__(self, **kwargs): self.got = sorted(kwargs)
class Broken:
    def __init__(self, config, action_service): raise TypeError("of its own")
class Needs:
    def __init__(self, config, timeout): pass
for cls in (Both, Old, Bare, Any):
    instance = make_instance(cls, {"a": 1}, "service")
    print(getattr(instance, "got", None), getattr(instance, "config", None), getattr(instance, "action_service", None))
for cls in (Broken, Needs):
    try:
        make_instance(cls, {}, None)
    except TypeError as error:
        print(str(error).rpartition("() ")[2])
`)
	want := `({'a': 1}, 'service') None None
({'a': 1}, 'late') None service
None {'a': 1} service
['action_service', 'config'] None None
of its own
missing 1 required positional argument: 'timeout'`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
