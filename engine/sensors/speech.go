package sensors

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"

	"petrel/engine"
)

// speech is what a running program says and is told.
type speech struct {
	processes *Processes
	sensor    *engine.Sensor
	ctx       context.Context
	log       io.Writer

	listening sync.WaitGroup
	stdin     *os.File
	told      map[string]Trigger // the triggers it knows of
	news      chan struct{}
	mu        sync.Mutex
	last      []byte // of its log
}

// start starts the program. done gives how it ended, once.
func (sp *speech) start(program Program) (*exec.Cmd, <-chan error, error) {
	cmd := exec.Command(program.Path, program.Args...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = program.Dir, program.Env, familyOfItsOwn()
	cmd.Stderr = sp.logged("stderr")
	stdin, input, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer stdin.Close()
	cmd.Stdin, sp.stdin = stdin, input
	var ours io.ReadWriteCloser
	if program.Channel {
		var theirs *os.File
		if ours, theirs, err = channel(); err != nil {
			input.Close()
			return nil, nil, err
		}
		defer theirs.Close()
		cmd.ExtraFiles = []*os.File{theirs}
		cmd.Stdout = sp.logged("stdout")
	} else {
		read, write, err := os.Pipe()
		if err != nil {
			input.Close()
			return nil, nil, err
		}
		defer write.Close()
		ours, cmd.Stdout = pipeEnd{read}, write
	}
	cmd.WaitDelay = stopGrace
	if err := cmd.Start(); err != nil {
		ours.Close()
		input.Close()
		return nil, nil, err
	}
	sp.news = make(chan struct{}, 1)
	sp.told = map[string]Trigger{}
	sp.listening.Go(func() { sp.speak(program.Request) })
	stop := context.AfterFunc(sp.ctx, func() { ours.Close(); input.Close() })
	sp.listening.Go(func() {
		defer stop()
		defer ours.Close()
		sp.listen(ours, program.Channel)
	})
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	return cmd, done, nil
}

func (sp *speech) wait() { sp.listening.Wait() }

// speak writes the request, and then what becomes of triggers, until the program
// ends.
func (sp *speech) speak(request []byte) {
	if len(request) > 0 {
		if _, err := sp.stdin.Write(append(slices.Clone(request), '\n')); err != nil {
			return // it is gone
		}
	}
	for {
		select {
		case <-sp.ctx.Done():
			return
		case <-sp.news:
		}
		for _, line := range sp.changes() {
			if _, err := sp.stdin.Write(line); err != nil {
				return
			}
		}
	}
}

// retell makes speak look for triggers that came and went. It does not block.
func (sp *speech) retell() {
	select {
	case sp.news <- struct{}{}:
	default:
	}
}

// changes are the lines that tell of triggers that came and went.
func (sp *speech) changes() (lines [][]byte) {
	now := sp.processes.Triggers(sp.sensor)
	tell := func(op string, t Trigger) {
		line, err := json.Marshal(map[string]any{"op": op, "trigger": t})
		if err != nil { // the parameters were read from JSON
			panic(err)
		}
		lines = append(lines, append(line, '\n'))
	}
	for id, t := range sp.told {
		if _, there := now[id]; !there {
			tell("remove", t)
		}
	}
	for id, t := range now {
		if _, known := sp.told[id]; !known {
			tell("add", t)
		}
	}
	sp.told = now
	return lines
}

// listen takes in what the program says, line by line. With answers it is told
// what became of each; a line is not read before the one before is durable.
func (sp *speech) listen(conn io.ReadWriter, answers bool) {
	lines := bufio.NewScanner(conn)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	for lines.Scan() {
		answer := sp.take(lines.Bytes(), answers)
		if !answers {
			continue
		}
		if _, err := conn.Write(append(answer, '\n')); err != nil {
			return
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		sp.processes.Logger.Error("a sensor said a line that is too long; nothing more is heard of it", "sensor", sp.sensor.Ref, "limit", maxLine)
	}
}

// take deals with one line and returns the answer to it.
func (sp *speech) take(line []byte, channel bool) []byte {
	var e Emitted
	err := json.Unmarshal(line, &e)
	switch {
	case err == nil && e.Trigger != "":
		err = sp.emit(e)
		if err != nil {
			return refusal(err)
		}
		return []byte(`{"result":true}`)
	case channel && err == nil:
		return sp.processes.Ask(sp.ctx, sp.sensor, line)
	case channel:
		return refusal(fmt.Errorf("this is no JSON object: %w", err))
	}
	sp.logged("stdout").Write(append(slices.Clone(line), '\n')) // talk
	return nil
}

// emit makes an event durable, however long that takes. What can never be is
// logged and refused.
func (sp *speech) emit(e Emitted) error {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := sp.processes.Emit(sp.ctx, sp.sensor, e)
		if err == nil {
			return nil
		}
		permanent := engine.CodeOf(err) == engine.Invalid || engine.CodeOf(err) == engine.NotFound
		sp.processes.Logger.Warn("an event of a sensor was not taken", "sensor", sp.sensor.Ref, "trigger", e.Trigger, "error", err, "again", !permanent)
		if permanent {
			return err
		}
		select {
		case <-sp.ctx.Done():
			return sp.ctx.Err()
		case <-time.After(pause):
		}
	}
}

func refusal(err error) []byte {
	body, _ := json.Marshal(map[string]string{"error": err.Error()}) // a text always encodes
	return body
}

// logged is where what the program prints goes.
func (sp *speech) logged(stream string) io.Writer { return logWriter{sp, stream} }

type logWriter struct {
	speech *speech
	stream string
}

func (w logWriter) Write(p []byte) (int, error) {
	sp := w.speech
	sp.mu.Lock()
	defer sp.mu.Unlock()
	const keep = 400
	sp.last = append(sp.last, p...)
	if extra := len(sp.last) - keep; extra > 0 {
		sp.last = slices.Delete(sp.last, 0, extra)
	}
	if _, err := sp.log.Write(p); err != nil {
		sp.processes.Logger.Warn("what a sensor prints cannot be kept", "sensor", sp.sensor.Ref, "error", err)
	}
	return len(p), nil
}

func (sp *speech) lastWords() string {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	if len(sp.last) == 0 {
		return "none"
	}
	return string(sp.last)
}

// pipeEnd is the reading end of a pipe; nobody writes to it.
type pipeEnd struct{ *os.File }
