package cli

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"cdcbridge/internal/daemon"
)

// listedPartitions is how many partitions of a pipeline are listed one by one without being asked for.
const listedPartitions = 12

// printOffsets tells where pipelines stand in the topics that they read: partition by partition when they are few or all is true,
// else topic by topic.
func printOffsets(page *bytes.Buffer, pipelines []daemon.PipelineStatus, all bool) error {
	t := tabwriter.NewWriter(page, 0, 0, 2, ' ', 0)
	listed, more := false, ""
	for i := range pipelines {
		p := &pipelines[i]
		if len(p.Partitions) > 0 && !listed {
			fmt.Fprintln(t, "\nPIPELINE\tTOPIC\tPARTITION\tREAD UP TO\tCOMMITTED\tLAG\tWATERMARK\t")
			listed = true
		}
		if all || len(p.Partitions) <= listedPartitions {
			for k := range p.Partitions {
				partitionLine(t, p.Name, &p.Partitions[k])
			}
			continue
		}
		topicLines(t, p)
		more = "\nWith --offsets each partition is listed.\n"
	}
	if err := t.Flush(); err != nil {
		return err
	}
	page.WriteString(more)
	for i := range pipelines {
		printSpoiled(page, &pipelines[i])
	}
	return nil
}

func partitionLine(t *tabwriter.Writer, pipeline string, p *daemon.PartitionProgress) {
	lag, note := "?", ""
	if p.Lag != nil {
		lag = grouped(*p.Lag)
	}
	switch {
	case p.Idle:
		note = "idle"
	case p.Held:
		note = "held: too far ahead"
	}
	fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\n", pipeline, p.Topic, p.Partition, grouped(p.Offset), grouped(p.Committed), lag, moment(p.Watermark), note)
}

// topicLines writes one line for each topic. Its watermark is the least of its partitions that the pipeline waits for.
func topicLines(t *tabwriter.Writer, p *daemon.PipelineStatus) {
	for first := 0; first < len(p.Partitions); {
		topic := p.Partitions[first].Topic
		lag, unknown, idle, held := int64(0), false, 0, 0
		var slowest *time.Time
		waits := false // for a partition without a watermark
		next := first
		for ; next < len(p.Partitions) && p.Partitions[next].Topic == topic; next++ {
			one := &p.Partitions[next]
			if one.Lag == nil {
				unknown = true
			} else {
				lag += *one.Lag
			}
			switch {
			case one.Idle:
				idle++
				continue
			case one.Held:
				held++
			}
			waits = waits || one.Watermark == nil
			if one.Watermark != nil && (slowest == nil || one.Watermark.Before(*slowest)) {
				slowest = one.Watermark
			}
		}
		total := grouped(lag)
		if unknown {
			total += " or more"
		}
		if waits {
			slowest = nil
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t\t\t%s\t%s\t%s\n", p.Name, topic, "all "+strconv.Itoa(next-first), total, moment(slowest), notes(idle, held))
		first = next
	}
}

func notes(idle, held int) string {
	var parts []string
	if idle > 0 {
		parts = append(parts, fmt.Sprintf("%d idle", idle))
	}
	if held > 0 {
		parts = append(parts, fmt.Sprintf("%d held: too far ahead", held))
	}
	return strings.Join(parts, ", ")
}

// printSpoiled tells of records that did not become rows.
func printSpoiled(page *bytes.Buffer, p *daemon.PipelineStatus) {
	c := &p.Counters
	if c.SkippedRecords > 0 {
		fmt.Fprintf(page, "\n%s: %s records could not be read and were left out, %s of them are in the dead-letter topic\n", p.Name, daemon.Grouped(c.SkippedRecords), daemon.Grouped(c.ParkedRecords))
	}
	if c.RepeatedChanges > 0 {
		fmt.Fprintf(page, "\n%s: %s changes had been there before and were dropped\n", p.Name, daemon.Grouped(c.RepeatedChanges))
	}
	if c.CommitsFailed > 0 {
		fmt.Fprintf(page, "\n%s: %s of %s commits of the group's offsets failed; the daemon's log says why\n", p.Name, daemon.Grouped(c.CommitsFailed), daemon.Grouped(c.CommitsFailed+c.CommitsSucceeded))
	}
}

func grouped(n int64) string {
	if n < 0 {
		return strconv.FormatInt(n, 10)
	}
	return daemon.Grouped(uint64(n))
}

// moment writes a time for people.
func moment(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
