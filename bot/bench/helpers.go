package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"petrel/bot/server"
)

// helpers are further processes of this program that decide and run actions.
type helpers []*exec.Cmd

// startHelpers starts the processes beside this one and waits until they are
// registered.
func (b *bed) startHelpers(ctx context.Context) (helpers, error) {
	var list helpers
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for i := 1; i < b.o.Processes; i++ {
		cmd := exec.Command(program, "serve", "--store", b.o.Store, "--roles", "rules,workers",
			"--data-dir", filepath.Join(b.dir, fmt.Sprint("helper", i)))
		cmd.Dir, cmd.Stderr = b.dir, nil
		cmd.Env = append(os.Environ(), "PETREL_PACKS="+filepath.Join(b.dir, "packs"), "PETREL_LOG__LEVEL=error")
		if err := cmd.Start(); err != nil {
			return list, fmt.Errorf("start a further process: %w", err)
		}
		list = append(list, cmd)
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		nodes, err := server.Nodes(ctx, b.server.Store())
		if err != nil || len(nodes) >= b.o.Processes {
			return list, err
		}
		if time.Now().After(deadline) {
			return list, errors.New("the further processes do not get ready")
		}
		select {
		case <-ctx.Done():
			return list, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (h helpers) stop() error {
	var err error
	for _, cmd := range h {
		err = errors.Join(err, cmd.Process.Signal(syscall.SIGTERM), cmd.Wait())
	}
	return err
}
