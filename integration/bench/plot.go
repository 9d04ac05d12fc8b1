package main

import (
	"bytes"
	"fmt"
	"html"
	"math"
)

// curve is one number over sizes.
type curve struct {
	label string
	x, y  []float64
}

func (c *curve) add(x, y float64) { c.x, c.y = append(c.x, x), append(c.y, y) }

// Measures of a drawing, in its own units.
const (
	plotWidth, plotHeight = 360.0, 220.0
	plotLeft, plotBottom  = 50.0, 40.0
	plotTop, plotRight    = 30.0, 14.0
)

// drawing puts curves side by side, each from zero up, over a logarithmic axis of sizes. It has the colours of the page around it.
func drawing(unit string, curves ...curve) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" font-family="sans-serif" font-size="11">`+"\n", plotWidth*float64(len(curves)), plotHeight)
	b.WriteString("<style>text{fill:#444}.axis{stroke:#999;fill:none}.grid{stroke:#ddd}.line{stroke:#1769aa;stroke-width:2;fill:none}.dot{fill:#1769aa}" +
		"@media(prefers-color-scheme:dark){text{fill:#ccc}.grid{stroke:#444}.line{stroke:#6bb3e8}.dot{fill:#6bb3e8}}</style>\n")
	for i, c := range curves {
		fmt.Fprintf(&b, `<g transform="translate(%.0f 0)">`+"\n", plotWidth*float64(i))
		c.draw(&b, unit)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func (c *curve) draw(b *bytes.Buffer, unit string) {
	right, bottom := plotWidth-plotRight, plotHeight-plotBottom
	first, last, top := math.Log10(c.x[0]), math.Log10(c.x[len(c.x)-1]), 0.0
	for _, y := range c.y {
		top = max(top, y)
	}
	top = roundUp(top)
	if last == first {
		last = first + 1
	}
	at := func(x, y float64) (float64, float64) {
		return plotLeft + (math.Log10(x)-first)/(last-first)*(right-plotLeft), bottom - y/top*(bottom-plotTop)
	}
	fmt.Fprintf(b, `<text x="%.0f" y="18">%s</text>`+"\n", plotLeft, html.EscapeString(c.label))
	for i := range 5 {
		value := top * float64(i) / 4
		_, y := at(c.x[0], value)
		fmt.Fprintf(b, `<path class="grid" d="M%.0f %.1fH%.0f"/><text x="%.0f" y="%.1f" text-anchor="end">%s</text>`+"\n", plotLeft, y, right, plotLeft-6, y+4, number(value))
	}
	fmt.Fprintf(b, `<path class="axis" d="M%.0f %.0fV%.0fH%.0f"/>`+"\n", plotLeft, plotTop, bottom, right)
	path := "M"
	for i := range c.x {
		x, y := at(c.x[i], c.y[i])
		path += fmt.Sprintf("%.1f %.1fL", x, y)
		fmt.Fprintf(b, `<circle class="dot" cx="%.1f" cy="%.1f" r="3"/>`+"\n", x, y)
		if i%2 == 0 || len(c.x) < 6 {
			fmt.Fprintf(b, `<text x="%.1f" y="%.0f" text-anchor="middle">%s</text>`+"\n", x, bottom+15, thousands(c.x[i]))
		}
	}
	fmt.Fprintf(b, `<path class="line" d="%s"/><text x="%.0f" y="%.0f" text-anchor="middle">%s</text>`+"\n", path[:len(path)-1], (plotLeft+right)/2, bottom+32, html.EscapeString(unit))
}

// roundUp is the next number of one or two digits' worth: 1, 2, 4, 5 or 8 of a power of ten.
func roundUp(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, step := range []float64{1, 2, 4, 5, 8} {
		if v <= step*power {
			return step * power
		}
	}
	return 10 * power
}
