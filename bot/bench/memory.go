package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"petrel/bot/server"
)

// measureMemory queues executions that nobody runs, then lets workers run them,
// and looks at the size of the process before, between and after.
func measureMemory(ctx context.Context, o Options) (Memory, error) {
	m := Memory{Executions: o.Memory}
	o.Events = o.Memory
	idle, err := makeBed(ctx, o, server.Roles{server.RoleAPI})
	if err != nil {
		return m, err
	}
	defer os.RemoveAll(idle.dir)
	if m.Before, err = residentMiB(); err == nil {
		err = idle.request(ctx, o.Memory)
	}
	if err == nil {
		m.Queued, err = residentMiB()
	}
	if err := errors.Join(err, idle.close()); err != nil {
		return m, err
	}
	busy, err := makeBed(ctx, o, server.Roles{server.RoleAPI, server.RoleWorkers})
	if err != nil {
		return m, err
	}
	defer os.RemoveAll(busy.dir)
	if err = busy.await(ctx, o.Memory); err == nil {
		m.Finished, err = residentMiB()
	}
	return m, errors.Join(err, busy.close())
}

// residentMiB is the resident size of this process.
func residentMiB() (float64, error) {
	body, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("the size of the process is only known on Linux (this is %s): %w", runtime.GOOS, err)
	}
	for line := range strings.Lines(string(body)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024, err
		}
	}
	return 0, errors.New("the size of the process is not told by the kernel")
}
