package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// group finds a program and its descendants in /proc: its process group and
// session, children of children, and whoever carries its marker.
type group struct {
	leader int
	marker string
	// refused is asked to signal those who do not take it from us.
	refused func(sig syscall.Signal, pids []string)
	// known are members found earlier, by number and start time: they stay
	// members when their parent is gone.
	known map[int]uint64
	last  []member
}

type member struct {
	pid, ppid, pgrp, session int
	start                    uint64 // clock ticks since boot: tells apart users of one number
}

// awaitExit waits until p has ended and leaves it to be reaped.
func awaitExit(p *os.Process) {
	for {
		err := unix.Waitid(unix.P_PID, p.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return
		}
	}
}

// String names who is left, for errors.
func (g *group) String() string {
	var pids []string
	for _, m := range g.last {
		pids = append(pids, strconv.Itoa(m.pid))
	}
	return "processes " + strings.Join(pids, ", ")
}

// signal sends sig to all members.
func (g *group) signal(sig syscall.Signal) {
	// Whom a dead parent would hide is looked for first.
	members := g.members()
	// A process that changed parents while /proc was read may be hidden: look
	// again until nobody new is found.
	for range 3 {
		before := len(g.known)
		if members = g.members(); len(g.known) == before {
			break
		}
	}
	_ = unix.Kill(-g.leader, sig) // tells nothing about those whom it left out
	var refused []string
	for _, m := range members {
		own := sig
		if m.pgrp == g.leader {
			own = 0 // it has the signal, if it takes one from us
		}
		if unix.Kill(m.pid, own) == unix.EPERM {
			refused = append(refused, strconv.Itoa(m.pid))
		}
	}
	if len(refused) > 0 {
		g.refused(sig, refused)
	}
}

// gone waits until no member is left, for at most the given time.
func (g *group) gone(within time.Duration) bool {
	end := time.Now().Add(within)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		if g.last = g.members(); len(g.last) == 0 {
			return true
		}
		left := time.Until(end)
		if left <= 0 {
			return false
		}
		time.Sleep(min(pause, left))
	}
}

// members returns the living members.
func (g *group) members() []member {
	all, leaderStart := processes(g.leader)
	if g.known == nil {
		g.known = map[int]uint64{}
	}
	in := map[int]bool{}
	for _, m := range all {
		start, known := g.known[m.pid]
		in[m.pid] = m.pid == g.leader || m.pgrp == g.leader || m.session == g.leader ||
			known && start == m.start ||
			m.start >= leaderStart && g.marked(m.pid)
	}
	for grown := true; grown; {
		grown = false
		for _, m := range all {
			if !in[m.pid] && in[m.ppid] {
				in[m.pid], grown = true, true
			}
		}
	}
	var found []member
	for _, m := range all {
		if in[m.pid] {
			g.known[m.pid] = m.start
			found = append(found, m)
		}
	}
	return found
}

// marked reports whether the environment of a process has the marker. That of
// other users' processes cannot be read, except by root.
func (g *group) marked(pid int) bool {
	if g.marker == "" {
		return false
	}
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false
	}
	m := []byte(g.marker + "\x00")
	return bytes.HasPrefix(env, m) || bytes.Contains(env, append([]byte{0}, m...))
}

// processes lists all processes but our own and the dead, and says when the
// leader, dead or alive, was started.
func processes(leader int) (all []member, leaderStart uint64) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, 0
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1) // a partial list is better than none
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == os.Getpid() {
			continue
		}
		m, state, err := readStat(pid)
		if err != nil {
			continue // it has ended meanwhile
		}
		if pid == leader {
			leaderStart = m.start
		}
		if state != 'Z' && state != 'X' {
			all = append(all, m)
		}
	}
	return all, leaderStart
}

// readStat reads /proc/PID/stat, see proc_pid_stat(5).
func readStat(pid int) (m member, state byte, err error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return m, 0, err
	}
	// The name of the program is in parentheses and may hold anything.
	f := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(f) < 20 {
		return m, 0, fmt.Errorf("/proc/%d/stat is too short", pid)
	}
	m.pid = pid
	for i, dst := range map[int]*int{1: &m.ppid, 2: &m.pgrp, 3: &m.session} {
		if *dst, err = strconv.Atoi(f[i]); err != nil {
			return m, 0, fmt.Errorf("/proc/%d/stat: %w", pid, err)
		}
	}
	m.start, err = strconv.ParseUint(f[19], 10, 64)
	return m, f[0][0], err
}
