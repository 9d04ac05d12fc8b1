package shape

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cdcbridge/changelog"
)

// binder binds a condition to a table.
type binder struct {
	table *changelog.Table
	needs []int
}

// errorAt says where in the condition something does not fit.
func errorAt(o *operand, format string, args ...any) error {
	return fmt.Errorf("at character %d: %w", o.at, fmt.Errorf(format, args...))
}

func (b *binder) all(list []node) ([]test, error) {
	var tests []test
	for _, n := range list {
		t, err := n.bind(b)
		if err != nil {
			return nil, err
		}
		tests = append(tests, t)
	}
	return tests, nil
}

func (n allNode) bind(b *binder) (test, error) {
	tests, err := b.all(n)
	return allOf(tests), err
}

func (n anyNode) bind(b *binder) (test, error) {
	tests, err := b.all(n)
	return anyOf(tests), err
}

func (n notNode) bind(b *binder) (test, error) {
	of, err := n.of.bind(b)
	return notOne{of}, err
}

func (n nullNode) bind(b *binder) (test, error) {
	i, err := b.column(&n.column)
	return isNull{i}, err
}

func (n truthNode) bind(b *binder) (test, error) {
	i, err := b.column(&n.column)
	if err != nil {
		return nil, err
	}
	if c := &b.table.Columns[i]; c.Type.Kind != changelog.KindBool {
		return nil, errorAt(&n.column, "column %q of type %s is no truth value: compare it", c.Name, c.SourceType)
	}
	return isTrue{i}, nil
}

func (n likeNode) bind(b *binder) (test, error) {
	i, err := b.column(&n.column)
	if err != nil {
		return nil, err
	}
	if c := &b.table.Columns[i]; classOf(c, b.table) != textClass && classOf(c, b.table) != labelClass {
		return nil, errorAt(&n.column, "column %q of type %s is no text", c.Name, c.SourceType)
	}
	return like{i, n.pattern}, nil
}

func (b *binder) column(o *operand) (int, error) {
	i := b.table.ColumnIndex(o.text)
	if i < 0 {
		return -1, errorAt(o, "the table has no column %q", o.text)
	}
	if !slices.Contains(b.needs, i) {
		b.needs = append(b.needs, i)
	}
	return i, nil
}

func (n compareNode) bind(b *binder) (test, error) {
	left, right, op := n.left, n.right, n.op
	if left.kind != columnOperand {
		left, right = right, left
		op = op&equal | op&less<<2 | op&greater>>2
	}
	if left.kind != columnOperand {
		return nil, errorAt(&left, "a comparison needs a column")
	}
	i, err := b.column(&left)
	if err != nil {
		return nil, err
	}
	col := &b.table.Columns[i]
	class := classOf(col, b.table)
	c := &compare{op: op, class: class, left: i, right: -1, fixed: col.Type.Fixed}
	switch {
	case class == noClass:
		return nil, errorAt(&left, "column %q of type %s cannot be compared: only is null and is not null are possible", col.Name, col.SourceType)
	case !class.ordered() && op != equal && op != less|greater:
		return nil, errorAt(&left, "column %q of type %s has no order here: only = and <> are possible", col.Name, col.SourceType)
	case right.kind != columnOperand:
		c.value, err = class.constant(&right, col, b.table)
		return c, err
	}
	if c.right, err = b.column(&right); err != nil {
		return nil, err
	}
	other := &b.table.Columns[c.right]
	if classOf(other, b.table) != class || class == timeClass && other.Type.Kind != col.Type.Kind {
		return nil, errorAt(&left, "columns %q of type %s and %q of type %s cannot be compared", col.Name, col.SourceType, other.Name, other.SourceType)
	}
	c.fixed = c.fixed || other.Type.Fixed
	return c, nil
}

// class is how values of a column are compared.
type class uint8

const (
	noClass     class = iota
	numberClass       // by what they are worth
	textClass         // by their characters
	labelClass        // the same, but without an order
	uuidClass         // the same, in any case
	truthClass
	timeClass // by where they are in time; both have one kind
)

func (c class) ordered() bool { return c == numberClass || c == textClass || c == timeClass }

// textTypes are the types of texts that are equal when their characters are.
var textTypes = []string{"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "character varying", "character", "name", "bpchar", `"char"`, "nchar", "nvarchar"}

func classOf(c *changelog.Column, t *changelog.Table) class {
	switch c.Type.Kind {
	case changelog.KindInt, changelog.KindUint, changelog.KindFloat32, changelog.KindFloat64, changelog.KindDecimal:
		return numberClass
	case changelog.KindBits:
		if t.Origin != "postgresql" {
			return numberClass
		}
	case changelog.KindBool:
		return truthClass
	case changelog.KindEnum, changelog.KindSet:
		return labelClass
	case changelog.KindDate, changelog.KindTime, changelog.KindDateTime, changelog.KindTimestamp:
		return timeClass
	case changelog.KindString:
		name, _, _ := strings.Cut(c.SourceType, "(")
		name, _, _ = strings.Cut(strings.TrimSpace(name), " /*")
		switch {
		case c.Type.Labels != nil:
			return labelClass
		case name == "uuid":
			return uuidClass
		case slices.Contains(textTypes, name):
			return textClass
		}
	}
	return noClass
}

// constant makes the value that a column is compared with.
func (c class) constant(o *operand, col *changelog.Column, t *changelog.Table) (changelog.Value, error) {
	switch {
	case c == numberClass && o.kind == numberOperand:
		return number(o.text), nil
	case c == numberClass && o.kind == truthOperand && t.Origin != "postgresql":
		if o.yes {
			return changelog.Int(1), nil
		}
		return changelog.Int(0), nil
	case c == truthClass && o.kind == truthOperand:
		return changelog.Bool(o.yes), nil
	case (c == textClass || c == labelClass) && o.kind == textOperand:
		return changelog.String([]byte(o.text)), nil
	case c == uuidClass && o.kind == textOperand:
		return changelog.String([]byte(strings.ToLower(o.text))), nil
	case c == timeClass && o.kind == textOperand:
		v, err := moment(o.text, col.Type.Kind)
		if err != nil {
			return v, errorAt(o, "column %q of type %s cannot be compared with '%s': %w", col.Name, col.SourceType, o.text, err)
		}
		return v, nil
	}
	return changelog.Value{}, errorAt(o, "column %q of type %s cannot be compared with %s", col.Name, col.SourceType, o.describe())
}

// number makes the value of a number in plain digits.
func number(text string) changelog.Value {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return changelog.Int(n)
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return changelog.Uint(n)
	}
	return changelog.Decimal([]byte(text))
}
