//go:build unix

package python

import (
	"fmt"
	"path/filepath"
	"strings"

	"petrel/engine"
	"petrel/engine/expression/value"
	"petrel/engine/runners"
)

// SensorStart is how a Python sensor is started, see petrel_python/sensor.py.
type SensorStart struct {
	Interpreter string
	Args        []string
	Dir         string
	Env         []string
	Request     []byte
}

// Sensor decides how a sensor is started: with the interpreter and the module path
// that the actions of its pack have.
func (s *Script) Sensor(sensor *engine.Sensor, config *value.Dict, apiURL string) (SensorStart, error) {
	l := &launch{pack: sensor.Pack, dir: absolute(sensor.Dir)}
	var err error
	if l.interpreter, l.venv, err = s.interpreter(l.pack); err != nil {
		return SensorStart{}, err
	}
	job := runners.Job{Env: []string{"ST2_ACTION_API_URL=" + apiURL, "ST2_ACTION_PACK_NAME=" + sensor.Pack}}
	if err := s.environment(l, value.NewDict(0), job); err != nil {
		return SensorStart{}, err
	}
	var interval any
	if sensor.PollInterval > 0 {
		interval = int64(sensor.PollInterval)
	}
	if config == nil {
		config = value.NewDict(0)
	}
	request, err := encode(value.DictOf(
		"file", filepath.Join(l.dir, "sensors", filepath.FromSlash(sensor.EntryPoint)), "pack", sensor.Pack, "class_name", sensor.ClassName,
		"poll_interval", interval, "log_level", "info", "config", config, "settings", s.settings(sensor.Pack, sensor.Dir)))
	if err != nil {
		return SensorStart{}, fmt.Errorf("sensor %s: %w", sensor.Ref, err)
	}
	request = []byte(strings.ReplaceAll(string(request), "\n", " ")) // JSON has line ends between values only
	return SensorStart{
		Interpreter: l.interpreter, Args: []string{"-u", filepath.Join(s.options.Library, "petrel_python", "sensor.py")},
		Dir: l.dir, Env: l.env, Request: request,
	}, nil
}
