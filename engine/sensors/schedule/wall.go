package schedule

import "time"

// wall is a reading of a clock on the wall together with the offset the clock runs at. The two need not fit: when clocks go forward, a reading
// that is skipped keeps the offset from before, so that it stands for a moment after the change.
type wall struct {
	time.Time     // the reading, as if it were UTC
	offset    int // seconds east of UTC
}

// wallOf reads the clock of a zone at a moment.
func wallOf(t time.Time, zone *time.Location) wall {
	_, offset := t.In(zone).Zone()
	return wall{Time: t.UTC().Add(time.Duration(offset) * time.Second), offset: offset}
}

// instant is the moment the reading stands for.
func (w wall) instant(zone *time.Location) time.Time {
	return w.Time.Add(-time.Duration(w.offset) * time.Second).In(zone)
}

// plus moves by the time between two readings as it passes, and reads the clock there.
func (w wall) plus(d time.Duration, zone *time.Location) wall {
	return wallOf(w.instant(zone).Add(d), zone)
}

// localize finds the offset for a reading. Of a reading that comes twice, when clocks go back, it takes the one in standard time; a reading
// that is skipped keeps the offset from before the change.
func localize(reading time.Time, zone *time.Location) wall {
	if found, ok := standardReading(reading, zone); ok {
		return found
	}
	// The change is at most a few hours away: six hours before, the clock still ran as before the change.
	before, ok := standardReading(reading.Add(-6*time.Hour), zone)
	if !ok {
		return wallOf(reading, zone)
	}
	return wall{Time: reading, offset: before.offset}
}

// standardReading looks for the offsets at which a zone's clock shows the reading; false when there is none.
func standardReading(reading time.Time, zone *time.Location) (wall, bool) {
	var best wall
	var bestDST, found bool
	for _, around := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		_, offset := reading.Add(around).In(zone).Zone()
		candidate := wall{Time: reading, offset: offset}
		at := candidate.instant(zone)
		if _, actual := at.Zone(); actual != offset {
			continue
		}
		dst := at.IsDST()
		later := found && offset < best.offset
		if !found || (bestDST && !dst) || (bestDST == dst && later) {
			best, bestDST, found = candidate, dst, true
		}
	}
	return best, found
}
