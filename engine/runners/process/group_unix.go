//go:build unix && !linux

package process

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// group is a program and its process group. Without /proc, processes that left
// the group are not found.
type group struct {
	leader int
	marker string
	// refused is asked to signal those who do not take it from us.
	refused func(sig syscall.Signal, pids []string)
}

// awaitExit waits until p has ended: without waitid, by asking. A process that
// is not reaped still takes signals, so its state is asked for.
func awaitExit(p *os.Process) {
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		out, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(p.Pid)).Output()
		if err != nil || len(out) == 0 || out[0] == 'Z' {
			return
		}
		time.Sleep(pause)
	}
}

func (g *group) String() string { return fmt.Sprintf("process group %d", g.leader) }

// signal sends sig to the group.
func (g *group) signal(sig syscall.Signal) {
	if syscall.Kill(-g.leader, sig) == syscall.EPERM {
		g.refused(sig, []string{strconv.Itoa(-g.leader)})
	}
}

// gone waits until the group has no living member, for at most the given time.
func (g *group) gone(within time.Duration) bool {
	end := time.Now().Add(within)
	for {
		out, err := exec.Command("pgrep", "-g", strconv.Itoa(g.leader), "-l").Output()
		if err != nil || len(out) == 0 {
			return true
		}
		if !time.Now().Before(end) {
			return false
		}
		time.Sleep(20 * time.Millisecond)
	}
}
