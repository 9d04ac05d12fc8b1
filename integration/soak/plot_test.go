package soak

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"time"
)

// The drawing: one panel above the other, all with the same time axis.
const (
	plotWidth, panelHeight, panelGap = 960, 130, 34
	plotLeft, plotRight, plotTop     = 60, 20, 40
)

var colours = []string{"#0969da", "#bc4c00", "#1a7f37", "#8250df"}

// panel is one part of the drawing.
type panel struct {
	title string
	lines []line
}

type line struct {
	name string
	of   func(sample) (float64, bool)
}

func (r result) panels() []panel {
	var all []panel
	for _, q := range quantities {
		title := q.name
		if q.unit != "" {
			title += ", " + q.unit
		}
		all = append(all, panel{title, []line{{"", func(s sample) (float64, bool) { return q.of(s), true }}}})
	}
	lag := panel{title: "lag, seconds:"}
	for _, name := range lagging(r.samples) {
		lag.lines = append(lag.lines, line{name, func(s sample) (float64, bool) { v, ok := s.lag[name]; return v, ok }})
	}
	return append(all, lag)
}

// plot draws the samples as SVG. Thin lines stand where something happened, and say what.
func (r result) plot() []byte {
	var b bytes.Buffer
	panels := r.panels()
	height := plotTop + len(panels)*(panelHeight+panelGap)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" role="img" aria-labelledby="t" font-family="system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif" font-size="12">
<title id="t">Memory, goroutines, file descriptors and lag of one daemon over %[3]s</title>
<style>
.page { fill: #ffffff } .frame { fill: none; stroke: #d0d7de } .event { stroke: #d0d7de } text { fill: #1f2328 } polyline { fill: none; stroke-width: 1.3 }
@media (prefers-color-scheme: dark) { .page { fill: #0d1117 } .frame, .event { stroke: #30363d } text { fill: #e6edf3 } }
</style>
<rect class="page" width="%[1]d" height="%[2]d"/>
`, plotWidth, height, r.duration)
	for i, p := range panels {
		r.draw(&b, p, float64(plotTop+i*(panelHeight+panelGap)))
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func (r result) draw(b *bytes.Buffer, p panel, top float64) {
	whole := max(r.duration, r.samples[len(r.samples)-1].at)
	x := func(at time.Duration) float64 {
		return plotLeft + (plotWidth-plotLeft-plotRight)*float64(at)/float64(whole)
	}
	most := 1.0
	for _, l := range p.lines {
		for _, s := range r.samples {
			if v, ok := l.of(s); ok {
				most = max(most, v)
			}
		}
	}
	most = nice(most)
	y := func(v float64) float64 { return top + panelHeight*(1-v/most) }
	for _, e := range r.events {
		fmt.Fprintf(b, `<line class="event" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"><title>%s</title></line>`+"\n", x(e.at), top, x(e.at), top+panelHeight, escaped(e.name))
	}
	fmt.Fprintf(b, `<rect class="frame" x="%d" y="%.1f" width="%d" height="%d"/>`+"\n", plotLeft, top, plotWidth-plotLeft-plotRight, panelHeight)
	fmt.Fprintf(b, `<text x="%d" y="%.1f">%s</text>`+"\n", plotLeft, top-8, escaped(p.title))
	for i := range 3 {
		v := most * float64(i) / 2
		fmt.Fprintf(b, `<text x="%d" y="%.1f" text-anchor="end">%g</text>`+"\n", plotLeft-6, y(v)+4, v)
	}
	for at := time.Duration(0); at <= whole; at += tick(whole) {
		anchor := "middle"
		if at == whole {
			anchor = "end" // it would stand half outside
		}
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s">%.3g min</text>`+"\n", x(at), top+panelHeight+14, anchor, at.Minutes())
	}
	for i, l := range p.lines {
		colour := colours[i%len(colours)]
		if l.name != "" {
			fmt.Fprintf(b, `<text x="%d" y="%.1f" style="fill:%s">%s</text>`+"\n", plotLeft+90+i*80, top-8, colour, escaped(l.name))
		}
		fmt.Fprintf(b, `<polyline stroke="%s" points="`, colour)
		for _, s := range r.samples {
			if v, ok := l.of(s); ok {
				fmt.Fprintf(b, "%.1f,%.1f ", x(s.at), y(v))
			}
		}
		b.WriteString("\"/>\n")
	}
}

// nice is a round number that is not below v.
func nice(v float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, n := range []float64{1, 2, 4, 6, 8, 10} {
		if n*unit >= v {
			return n * unit
		}
	}
	return v
}

// tick is the distance of the marks on the time axis.
func tick(whole time.Duration) time.Duration {
	for _, d := range []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute} {
		if whole/d <= 8 {
			return d
		}
	}
	return time.Hour
}

func escaped(text string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(text)) // a buffer takes all
	return b.String()
}
