package cli

import (
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// board keeps some lines at the bottom of a terminal. What is written meanwhile, log lines above all, stands above them. It is
// safe for concurrent use.
type board struct {
	out     io.Writer
	columns func() int // of the terminal

	mu    sync.Mutex
	lines []string
	shown int // how many of them are on the screen
}

// newBoard makes a board on out, or nil when that is no terminal.
func (a *app) newBoard(out io.Writer) *board {
	if a.columns(out) == 0 {
		return nil
	}
	return &board{out: out, columns: func() int { return a.columns(out) }}
}

// columns is the width of the terminal that w is; 0: it is none, or one that cannot move its cursor.
func (a *app) columns(w io.Writer) int {
	if a.terminal != nil {
		return a.terminal(w)
	}
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// Write writes whole lines above the board.
func (b *board) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shown == 0 {
		n, err := b.out.Write(p)
		return n, b.draw(err)
	}
	_, err := b.out.Write(append(b.erasure(), p...)) // at once, so that nothing flickers
	if err != nil {
		return 0, err
	}
	return len(p), b.draw(nil)
}

// show replaces the lines. A terminal that is gone is no news.
func (b *board) show(lines []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = lines
	if b.shown == 0 && len(lines) == 0 {
		return
	}
	if _, err := b.out.Write(b.erasure()); err == nil {
		_ = b.draw(nil)
	}
}

// erasure goes back to the first line of the board and clears what is below.
func (b *board) erasure() []byte {
	var e []byte
	for range b.shown {
		e = append(e, "\x1b[A"...)
	}
	if b.shown > 0 {
		e = append(e, "\r\x1b[J"...)
	}
	b.shown = 0
	return e
}

func (b *board) draw(err error) error {
	if err != nil || len(b.lines) == 0 {
		return err
	}
	width := b.columns()
	if width == 0 {
		return nil
	}
	var text strings.Builder
	for _, line := range b.lines {
		text.WriteString(clip(line, width-1) + "\n")
	}
	b.shown = len(b.lines)
	_, err = io.WriteString(b.out, text.String())
	return err
}

// clip cuts a line to a number of columns. What is not ASCII may take two of them.
func clip(line string, columns int) string {
	used := 0
	for i, r := range line {
		n := 1
		if r > 0x7e {
			n = 2
		}
		if used+n > columns {
			return line[:i]
		}
		used += n
	}
	return line
}
